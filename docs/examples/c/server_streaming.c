/* One request, many replies: server_streaming mqtt://127.0.0.1:1883/fleet/device42 [FROM TO] */
#include <grpc_mqtt/grpc_mqtt.h>
#include <inttypes.h>
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

static gmq_call *count_up(gmq_client *client, uint32_t from, uint32_t to)
{
    Demo__V1__CountRequest request = DEMO__V1__COUNT_REQUEST__INIT;
    request.from = from;
    request.to = to;
    uint8_t bytes[16];
    size_t len = demo__v1__count_request__pack(&request, bytes);
    gmq_call *call;
    check(gmq_call_start_with(&call, client, "/demo.v1.Demo/Count", GMQ_RPC_SERVER_STREAMING, NULL,
                              30000, NULL, 0, bytes, len,
                              16 /* replies may be on their way to us */));
    return call;
}

static void print_reply(gmq_buf *message)
{
    Demo__V1__CountReply *reply =
        demo__v1__count_reply__unpack(NULL, gmq_buf_len(message), gmq_buf_data(message));
    if (reply)
        printf("%" PRIu32 "\n", reply->value);
    demo__v1__count_reply__free_unpacked(reply, NULL);
}

int main(int argc, char **argv)
{
    gmq_queue *queue;
    gmq_client *client;
    int32_t code = -1;
    if (argc != 2 && argc != 4) {
        fprintf(stderr, "usage: %s URL [FROM TO]\n", argv[0]);
        return 2;
    }
    check(gmq_queue_new(&queue));
    check(gmq_client_new(&client, argv[1], NULL, NULL, queue, 0));
    gmq_call *call = count_up(client, argc > 2 ? (uint32_t)atol(argv[2]) : 1,
                              argc > 2 ? (uint32_t)atol(argv[3]) : 10);

    while (code < 0) {
        gmq_event *event;
        size_t count;
        check(gmq_queue_wait(queue, -1, &event, 1, &count));
        if (gmq_event_type_of(event) == GMQ_EVENT_MESSAGE) {
            print_reply(gmq_event_message(event));
            gmq_call_read(call, 1); /* one more may come; after the end this says GMQ_E_CLOSED */
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
