/* A conversation: what is said is sent back. bidi mqtt://127.0.0.1:1883/fleet/device42 [WORD...] */
#include <grpc_mqtt/grpc_mqtt.h>
#include <stdio.h>
#include <stdlib.h>

#include "demo.pb-c.h"

static void check(gmq_status status) /* GMQ_OK is 0 */
{
    if (status == GMQ_OK)
        return;
    fprintf(stderr, "%s: %s\n", gmq_status_name(status), gmq_error_text());
    exit(1);
}

/* Says the next word, or that there are no more. One word at a time is on its way: there is always
 * room. */
static void say(gmq_call *call, char *word)
{
    if (!word) {
        check(gmq_call_half_close(call));
        return;
    }
    Demo__V1__ChatMessage message = DEMO__V1__CHAT_MESSAGE__INIT;
    message.text = word;
    uint8_t *bytes = malloc(demo__v1__chat_message__get_packed_size(&message));
    if (!bytes)
        exit(2);
    gmq_status status = gmq_call_send(call, bytes, demo__v1__chat_message__pack(&message, bytes));
    free(bytes);
    if (status != GMQ_E_CLOSED) /* then FINISHED says why */
        check(status);
}

static void print_reply(gmq_buf *message)
{
    Demo__V1__ChatMessage *reply =
        demo__v1__chat_message__unpack(NULL, gmq_buf_len(message), gmq_buf_data(message));
    printf("%s\n", reply ? reply->text : "the reply does not parse");
    demo__v1__chat_message__free_unpacked(reply, NULL);
}

int main(int argc, char **argv)
{
    static char *some[] = {"one", "two", "three", NULL};
    char **words = argc > 2 ? argv + 2 : some; /* argv ends with NULL too */
    gmq_queue *queue;
    gmq_client *client;
    gmq_call *call;
    int32_t code = -1;
    if (argc < 2) {
        fprintf(stderr, "usage: %s URL [WORD...]\n", argv[0]);
        return 2;
    }
    check(gmq_queue_new(&queue));
    check(gmq_client_new(&client, argv[1], NULL, NULL, queue, 0));
    check(gmq_call_start(&call, client, "/demo.v1.Demo/Chat", GMQ_RPC_BIDI_STREAMING, NULL, 30000,
                         NULL, 0));
    check(gmq_call_read(call, 1));
    say(call, *words);

    while (code < 0) {
        gmq_event *event;
        size_t count;
        check(gmq_queue_wait(queue, -1, &event, 1, &count));
        if (gmq_event_type_of(event) == GMQ_EVENT_MESSAGE && *words) {
            print_reply(gmq_event_message(event));
            gmq_call_read(call, 1);
            say(call, *++words);
        }
        if (gmq_event_type_of(event) == GMQ_EVENT_FINISHED) {
            code = gmq_event_code(event);
            if (code != GMQ_CODE_OK)
                fprintf(stderr, "%s: %s\n", gmq_code_name(code), gmq_event_text(event));
        }
        gmq_event_free(event);
    }
    gmq_call_unref(call);
    gmq_client_unref(client);
    gmq_queue_unref(queue);
    return code == GMQ_CODE_OK ? 0 : 1;
}
