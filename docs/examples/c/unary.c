/* One request, one reply: unary mqtt://127.0.0.1:1883/fleet/device42 [NAME] */
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

static gmq_call *say_hello(gmq_client *client, char *name)
{
    Demo__V1__HelloRequest request = DEMO__V1__HELLO_REQUEST__INIT;
    request.name = name;
    uint8_t bytes[1024];
    if (demo__v1__hello_request__get_packed_size(&request) > sizeof bytes)
        exit(2);
    size_t len = demo__v1__hello_request__pack(&request, bytes);
    gmq_call *call;
    check(gmq_call_start_with(&call, client, "/demo.v1.Demo/SayHello", GMQ_RPC_UNARY,
                              NULL, /* no metadata */
                              5000, NULL, 0, bytes, len, 1 /* the one reply */));
    return call;
}

static void print_reply(gmq_buf *message)
{
    Demo__V1__HelloReply *reply =
        demo__v1__hello_reply__unpack(NULL, gmq_buf_len(message), gmq_buf_data(message));
    printf("%s\n", reply ? reply->text : "the reply does not parse");
    demo__v1__hello_reply__free_unpacked(reply, NULL);
}

int main(int argc, char **argv)
{
    gmq_queue *queue;
    gmq_client *client;
    int32_t code = -1;
    if (argc < 2) {
        fprintf(stderr, "usage: %s URL [NAME]\n", argv[0]);
        return 2;
    }
    check(gmq_queue_new(&queue));
    check(gmq_client_new(&client, argv[1], NULL, NULL, queue, 0));
    gmq_call *call = say_hello(client, argc > 2 ? argv[2] : "world");

    while (code < 0) { /* FINISHED comes once, and last */
        gmq_event *event;
        size_t count;
        check(gmq_queue_wait(queue, -1, &event, 1, &count));
        if (gmq_event_type_of(event) == GMQ_EVENT_MESSAGE)
            print_reply(gmq_event_message(event));
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
