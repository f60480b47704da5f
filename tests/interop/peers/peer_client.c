/* The matrix's client in C, by the generated functions: peer_client URL */
#include <inttypes.h>
#include <pthread.h>

#include "peer.h"

/* One call: begun, and ended with what it received in `got`. */
typedef struct method {
    const char *name;
    void (*begin)(gmq_rpc *rpc, int whole);
    void (*receive)(gmq_rpc *rpc, char *got);
} method;

enum { GOT_SIZE = 256 };

static gmq_channel *channel;

static gmq_rpc *new_rpc(const char *task, int64_t timeout_ms)
{
    gmq_rpc *rpc;
    check(gmq_rpc_new(&rpc, channel));
    check(gmq_rpc_set_timeout_ms(rpc, timeout_ms));
    check(gmq_rpc_add_metadata(rpc, "x-do", task, strlen(task)));
    check(gmq_rpc_add_metadata(rpc, "x-text", "one", 3));
    check(gmq_rpc_add_metadata(rpc, "x-text", "two", 3));
    check(gmq_rpc_add_metadata(rpc, "x-raw-bin", "\0\xff", 2));
    check(gmq_rpc_add_metadata(rpc, "x-raw-bin", "", 0));
    return rpc;
}

static void add(char *got, const char *text)
{
    snprintf(got + strlen(got), GOT_SIZE - strlen(got), "%s%s", *got ? "," : "", text);
}

static void say_metadata(const gmq_metadata *metadata)
{
    int said = 0;
    for (size_t i = 0; i < gmq_metadata_count(metadata); i++) {
        const char *key = gmq_metadata_key(metadata, i);
        size_t len, key_len = strlen(key);
        const unsigned char *value = gmq_metadata_value(metadata, i, &len);
        if (strncmp(key, "x-", 2) != 0 && strcmp(key, DETAILS_KEY) != 0)
            continue;
        printf("%s%s=", said++ ? ";" : "", key);
        int binary = key_len > 4 && strcmp(key + key_len - 4, "-bin") == 0;
        for (size_t k = 0; k < len; k++)
            printf(binary ? "%02x" : "%c", value[k]);
    }
}

/* ---- Methods. The request of a unary call goes when it is received: that function blocks. */

static Demo__V1__HelloReply *hello(gmq_rpc *rpc)
{
    static char name[] = "x";
    Demo__V1__HelloRequest request = DEMO__V1__HELLO_REQUEST__INIT;
    Demo__V1__HelloReply *reply;
    request.name = name;
    check(demo__v1__demo__say_hello__call(rpc, &request, &reply));
    return reply;
}

static void say_hello_begin(gmq_rpc *rpc, int whole) { (void)rpc, (void)whole; }

static void say_hello_receive(gmq_rpc *rpc, char *got)
{
    Demo__V1__HelloReply *reply = hello(rpc);
    if (reply)
        add(got, reply->text);
    demo__v1__hello_reply__free_unpacked(reply, NULL);
}

static void collect_begin(gmq_rpc *rpc, int whole)
{
    Demo__V1__CollectRequest request = DEMO__V1__COLLECT_REQUEST__INIT;
    Demo__V1__Demo__Collect_Stream stream;
    check(demo__v1__demo__collect__start(&stream, rpc));
    for (request.value = 1; request.value <= (whole ? 3 : 1); request.value++)
        demo__v1__demo__collect__send(&stream, &request);
    if (whole)
        check(demo__v1__demo__collect__close_send(&stream));
}

static void collect_receive(gmq_rpc *rpc, char *got)
{
    Demo__V1__CollectReply *reply;
    Demo__V1__Demo__Collect_Stream stream = {rpc};
    char text[64];
    check(demo__v1__demo__collect__finish(&stream, &reply));
    if (!reply)
        return;
    snprintf(text, sizeof text, "%" PRId64 " %" PRIu32, reply->sum, reply->count);
    add(got, text);
    demo__v1__collect_reply__free_unpacked(reply, NULL);
}

static void count_begin(gmq_rpc *rpc, int whole)
{
    (void)whole;
    Demo__V1__CountRequest request = DEMO__V1__COUNT_REQUEST__INIT;
    Demo__V1__Demo__Count_Stream stream;
    request.from = 1;
    request.to = 3;
    check(demo__v1__demo__count__start(&stream, rpc, &request));
}

static void count_receive(gmq_rpc *rpc, char *got)
{
    Demo__V1__CountReply *reply;
    Demo__V1__Demo__Count_Stream stream = {rpc};
    for (;;) {
        char text[16];
        check(demo__v1__demo__count__recv(&stream, &reply));
        if (!reply)
            return;
        snprintf(text, sizeof text, "%" PRIu32, reply->value);
        add(got, text);
        demo__v1__count_reply__free_unpacked(reply, NULL);
    }
}

static void chat_begin(gmq_rpc *rpc, int whole)
{
    static char texts[][3] = {"a", "\xc3\xbc"};
    static uint8_t data[] = {0, 0xff};
    Demo__V1__ChatMessage message = DEMO__V1__CHAT_MESSAGE__INIT;
    Demo__V1__Demo__Chat_Stream stream;
    check(demo__v1__demo__chat__start(&stream, rpc));
    message.data = (ProtobufCBinaryData){sizeof data, data};
    for (int i = 0; i < (whole ? 2 : 1); i++) {
        message.text = texts[i];
        demo__v1__demo__chat__send(&stream, &message);
    }
    if (whole)
        check(demo__v1__demo__chat__close_send(&stream));
}

static void chat_receive(gmq_rpc *rpc, char *got)
{
    Demo__V1__ChatMessage *reply;
    Demo__V1__Demo__Chat_Stream stream = {rpc};
    for (;;) {
        check(demo__v1__demo__chat__recv(&stream, &reply));
        if (!reply)
            return;
        add(got, reply->data.len == 2 ? reply->text : "other data");
        demo__v1__chat_message__free_unpacked(reply, NULL);
    }
}

static const method methods[] = {
    {"SayHello", say_hello_begin, say_hello_receive},
    {"Collect", collect_begin, collect_receive},
    {"Count", count_begin, count_receive},
    {"Chat", chat_begin, chat_receive},
};

/* ---- What is asked of each */

static void until_waiting(const char *wanted)
{
    for (int there = 0; !there;) {
        gmq_rpc *rpc = new_rpc("count", 20000);
        Demo__V1__HelloReply *reply = hello(rpc);
        if (!reply) {
            fprintf(stderr, "%s\n", gmq_rpc_details(rpc));
            exit(1);
        }
        there = strcmp(reply->text, wanted) == 0;
        demo__v1__hello_reply__free_unpacked(reply, NULL);
        gmq_rpc_free(rpc);
    }
}

static void ask_echo(const method *m)
{
    const gmq_metadata *initial;
    char got[GOT_SIZE] = "";
    gmq_rpc *rpc = new_rpc("echo", 20000);
    m->begin(rpc, 1);
    m->receive(rpc, got);
    check(gmq_rpc_initial_metadata(rpc, &initial));
    printf("%s|echo|%s|%s|", m->name, gmq_code_name(gmq_rpc_code(rpc)), got);
    say_metadata(initial);
    printf("|");
    say_metadata(gmq_rpc_trailing_metadata(rpc));
    printf("\n");
    gmq_rpc_free(rpc);
}

static void ask_fail(const method *m)
{
    char got[GOT_SIZE] = "";
    gmq_rpc *rpc = new_rpc("fail", 20000);
    m->begin(rpc, 0);
    m->receive(rpc, got);
    const char *code = gmq_code_name(gmq_rpc_code(rpc));
    printf("%s|fail|%s|%s|", m->name, code, gmq_rpc_details(rpc));
    say_metadata(gmq_rpc_trailing_metadata(rpc));
    printf("\n");
    gmq_rpc_free(rpc);
}

static void ask_late(const method *m)
{
    char got[GOT_SIZE] = "";
    gmq_rpc *rpc = new_rpc("wait", 300);
    m->begin(rpc, 0);
    m->receive(rpc, got);
    printf("%s|late|%s\n", m->name, gmq_code_name(gmq_rpc_code(rpc)));
    gmq_rpc_free(rpc);
    until_waiting("0");
}

typedef struct receiver {
    const method *m;
    gmq_rpc *rpc;
} receiver;

static void *receive(void *arg)
{
    receiver *r = arg;
    char got[GOT_SIZE] = "";
    r->m->receive(r->rpc, got);
    return NULL;
}

static void ask_cancel(const method *m)
{
    pthread_t thread;
    receiver r = {m, new_rpc("wait", 20000)};
    m->begin(r.rpc, 0);
    if (pthread_create(&thread, NULL, receive, &r) != 0)
        exit(1);
    until_waiting("1");
    gmq_rpc_cancel(r.rpc);
    pthread_join(thread, NULL);
    printf("%s|cancel|%s\n", m->name, gmq_code_name(gmq_rpc_code(r.rpc)));
    gmq_rpc_free(r.rpc);
    until_waiting("0");
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    check(gmq_channel_new(&channel, argv[1], NULL, NULL));
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        ask_echo(&methods[i]);
        ask_fail(&methods[i]);
        ask_late(&methods[i]);
        ask_cancel(&methods[i]);
    }
    check(gmq_channel_close(channel, 1000));
    gmq_channel_free(channel);
    return 0;
}
