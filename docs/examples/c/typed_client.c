/* Calls demo.v1.Demo by the functions that protoc-gen-grpc-mqtt-c makes of demo.proto:
 *   typed_client URL unary [NAME] | client_streaming [COUNT] | server_streaming [FROM TO] |
 *                    bidi [WORD...]
 * Without a kind: one call of each. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo.grpc-mqtt.h"

static void check(gmq_status status) /* GMQ_OK is 0 */
{
    if (status == GMQ_OK)
        return;
    fprintf(stderr, "%s: %s\n", gmq_status_name(status), gmq_error_text());
    exit(1);
}

static gmq_rpc *new_rpc(gmq_channel *channel)
{
    gmq_rpc *rpc;
    check(gmq_rpc_new(&rpc, channel));
    check(gmq_rpc_set_timeout_ms(rpc, 30000));
    return rpc;
}

/* Says how the call went where it did not go well; frees the rpc. */
static int end_rpc(gmq_rpc *rpc)
{
    int32_t code = gmq_rpc_code(rpc);
    if (code != GMQ_CODE_OK)
        fprintf(stderr, "%s: %s\n", gmq_code_name(code), gmq_rpc_details(rpc));
    gmq_rpc_free(rpc);
    return code == GMQ_CODE_OK ? 0 : 1;
}

static int unary(gmq_channel *channel, char **words)
{
    Demo__V1__HelloRequest request = DEMO__V1__HELLO_REQUEST__INIT;
    Demo__V1__HelloReply *reply;
    gmq_rpc *rpc = new_rpc(channel);
    request.name = *words ? *words : "world";
    check(demo__v1__demo__say_hello__call(rpc, &request, &reply));
    if (reply)
        printf("%s\n", reply->text);
    demo__v1__hello_reply__free_unpacked(reply, NULL);
    return end_rpc(rpc);
}

static int client_streaming(gmq_channel *channel, char **words)
{
    Demo__V1__CollectRequest request = DEMO__V1__COLLECT_REQUEST__INIT;
    Demo__V1__CollectReply *reply;
    Demo__V1__Demo__Collect_Stream stream;
    gmq_rpc *rpc = new_rpc(channel);
    int64_t count = *words ? atoll(*words) : 100;
    check(demo__v1__demo__collect__start(&stream, rpc));
    for (request.value = 1; request.value <= count; request.value++) {
        gmq_status status = demo__v1__demo__collect__send(&stream, &request);
        if (status == GMQ_E_CLOSED)
            break; /* the server has ended the call: finish tells how */
        check(status);
    }
    check(demo__v1__demo__collect__finish(&stream, &reply));
    if (reply)
        printf("sum of %" PRIu32 " values: %" PRId64 "\n", reply->count, reply->sum);
    demo__v1__collect_reply__free_unpacked(reply, NULL);
    return end_rpc(rpc);
}

static int server_streaming(gmq_channel *channel, char **words)
{
    Demo__V1__CountRequest request = DEMO__V1__COUNT_REQUEST__INIT;
    Demo__V1__CountReply *reply;
    Demo__V1__Demo__Count_Stream stream;
    gmq_rpc *rpc = new_rpc(channel);
    request.from = *words ? (uint32_t)strtoul(words[0], NULL, 10) : 1;
    request.to = *words && words[1] ? (uint32_t)strtoul(words[1], NULL, 10) : request.from + 9;
    check(demo__v1__demo__count__start(&stream, rpc, &request));
    for (;;) {
        check(demo__v1__demo__count__recv(&stream, &reply));
        if (!reply)
            break;
        printf("%" PRIu32 "\n", reply->value);
        demo__v1__count_reply__free_unpacked(reply, NULL);
    }
    return end_rpc(rpc);
}

static int bidi(gmq_channel *channel, char **words)
{
    static char *some[] = {"one", "two", "three", NULL};
    Demo__V1__ChatMessage message = DEMO__V1__CHAT_MESSAGE__INIT, *reply;
    Demo__V1__Demo__Chat_Stream stream;
    gmq_rpc *rpc = new_rpc(channel);
    check(demo__v1__demo__chat__start(&stream, rpc));
    for (words = *words ? words : some; *words; words++) {
        message.text = *words;
        if (demo__v1__demo__chat__send(&stream, &message) != GMQ_OK)
            break;
        check(demo__v1__demo__chat__recv(&stream, &reply));
        if (!reply)
            break;
        printf("%s\n", reply->text);
        demo__v1__chat_message__free_unpacked(reply, NULL);
    }
    check(demo__v1__demo__chat__finish(&stream)); /* closes our side, waits for the end */
    return end_rpc(rpc);
}

static const struct {
    const char *name;
    int (*call)(gmq_channel *channel, char **words);
} kinds[] = {
    {"unary", unary},
    {"client_streaming", client_streaming},
    {"server_streaming", server_streaming},
    {"bidi", bidi},
};

int main(int argc, char **argv)
{
    gmq_channel *channel;
    gmq_method_map *methods;
    int failed = 0, known = 0;
    const char *kind = argc > 2 ? argv[2] : NULL;
    if (argc < 2) {
        fprintf(stderr, "usage: %s URL [KIND [ARGUMENT...]]\n", argv[0]);
        return 2;
    }
    check(gmq_method_map_new(&methods));
    check(demo__v1__demo_methods__add(methods)); /* for the options that methods may have */
    check(gmq_channel_new(&channel, argv[1], NULL, methods));
    gmq_method_map_free(methods);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kind && strcmp(kind, kinds[i].name) != 0)
            continue;
        known = 1;
        failed |= kinds[i].call(channel, argv + (argc > 2 ? 3 : argc));
    }
    check(gmq_channel_close(channel, 1000));
    gmq_channel_free(channel);
    if (!known)
        fprintf(stderr, "unknown kind of call: %s\n", kind);
    return known ? failed : 2;
}
