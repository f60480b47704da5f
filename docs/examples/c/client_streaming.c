/* Many requests, one reply: client_streaming mqtt://127.0.0.1:1883/fleet/device42 [COUNT] */
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

/* Sends the values from *next to last, for as long as there is room; the rest goes after WRITABLE.
 */
static void send_more(gmq_call *call, int64_t *next, int64_t last)
{
    for (; *next <= last; ++*next) {
        Demo__V1__CollectRequest request = DEMO__V1__COLLECT_REQUEST__INIT;
        request.value = *next;
        uint8_t bytes[16];
        gmq_status status =
            gmq_call_send(call, bytes, demo__v1__collect_request__pack(&request, bytes));
        if (status == GMQ_E_AGAIN || status == GMQ_E_CLOSED)
            return; /* WRITABLE follows; or FINISHED does */
        check(status);
    }
    check(gmq_call_half_close(call));
}

static void print_reply(gmq_buf *message)
{
    Demo__V1__CollectReply *reply =
        demo__v1__collect_reply__unpack(NULL, gmq_buf_len(message), gmq_buf_data(message));
    if (reply)
        printf("sum of %" PRIu32 " values: %" PRId64 "\n", reply->count, reply->sum);
    demo__v1__collect_reply__free_unpacked(reply, NULL);
}

int main(int argc, char **argv)
{
    gmq_queue *queue;
    gmq_client *client;
    gmq_call *call;
    int32_t code = -1;
    int64_t next = 1, last = argc > 2 ? atoll(argv[2]) : 100;
    if (argc < 2) {
        fprintf(stderr, "usage: %s URL [COUNT]\n", argv[0]);
        return 2;
    }
    check(gmq_queue_new(&queue));
    check(gmq_client_new(&client, argv[1], NULL, NULL, queue, 0));
    check(gmq_call_start(&call, client, "/demo.v1.Demo/Collect", GMQ_RPC_CLIENT_STREAMING, NULL,
                         30000, NULL, 0));
    check(gmq_call_read(call, 1));
    send_more(call, &next, last);

    while (code < 0) {
        gmq_event *event;
        size_t count;
        check(gmq_queue_wait(queue, -1, &event, 1, &count));
        if (gmq_event_type_of(event) == GMQ_EVENT_WRITABLE)
            send_more(call, &next, last);
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
