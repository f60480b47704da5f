/* Client and server in one process and on one thread, over the broker that is built in: embedded
 * With a URL both meet at that broker instead: embedded
 * mqtt://127.0.0.1:1883/fleet/device42?drive=caller */
#include <grpc_mqtt/grpc_mqtt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "demo.pb-c.h"
#include "demo_service.h"

enum { SERVER, CLIENT, CALL }; /* tags; those of the service's calls are addresses */

static gmq_queue *queue; /* one for both: with drive=caller, waiting on it does all the work */

static void check(gmq_status status) /* GMQ_OK is 0 */
{
    if (status == GMQ_OK)
        return;
    fprintf(stderr, "%s: %s\n", gmq_status_name(status), gmq_error_text());
    exit(1);
}

/* The next event that is not the service's own affair. */
static gmq_event *next_event(void)
{
    for (;;) {
        gmq_event *event;
        size_t count;
        check(gmq_queue_wait(queue, demo_tick(), &event, 1, &count));
        if (count && gmq_event_tag(event) <= CALL && gmq_event_type_of(event) != GMQ_EVENT_CALL)
            return event;
        if (count) {
            demo_handle(event);
            gmq_event_free(event);
        }
    }
}

static void wait_ready(uint64_t tag)
{
    for (int ready = 0; !ready;) {
        gmq_event *event = next_event();
        ready = gmq_event_type_of(event) == GMQ_EVENT_STATE && gmq_event_tag(event) == tag &&
                gmq_event_code(event) == GMQ_STATE_READY;
        gmq_event_free(event);
    }
}

static void send_request(gmq_call *call, const ProtobufCMessage *message)
{
    uint8_t bytes[256];
    if (protobuf_c_message_get_packed_size(message) > sizeof bytes)
        exit(2);
    check(gmq_call_send(call, bytes, protobuf_c_message_pack(message, bytes)));
}

static void print_message(const ProtobufCMessageDescriptor *type, gmq_buf *bytes)
{
    ProtobufCMessage *message =
        protobuf_c_message_unpack(type, NULL, gmq_buf_len(bytes), gmq_buf_data(bytes));
    if (!message)
        exit(2);
    if (type == &demo__v1__hello_reply__descriptor)
        printf(" %s", ((Demo__V1__HelloReply *)message)->text);
    if (type == &demo__v1__collect_reply__descriptor)
        printf(" the sum is %lld", (long long)((Demo__V1__CollectReply *)message)->sum);
    if (type == &demo__v1__count_reply__descriptor)
        printf(" %u", (unsigned)((Demo__V1__CountReply *)message)->value);
    if (type == &demo__v1__chat_message__descriptor)
        printf(" %s", ((Demo__V1__ChatMessage *)message)->text);
    protobuf_c_message_free_unpacked(message, NULL);
}

static double now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

/* Sends the requests, prints the replies and how it ended. */
static void run(gmq_client *client, const char *path, gmq_rpc_kind kind,
                const ProtobufCMessage *const *requests, const ProtobufCMessageDescriptor *reply)
{
    gmq_call *call;
    double started = now_ms();
    printf("%-24s", path);
    check(gmq_call_start(&call, client, path, kind, NULL, 10000, NULL, CALL));
    for (; *requests; requests++)
        send_request(call, *requests);
    check(gmq_call_half_close(call));
    check(gmq_call_read(call, 1000));
    for (int finished = 0; !finished;) {
        gmq_event *event = next_event();
        if (gmq_event_type_of(event) == GMQ_EVENT_MESSAGE)
            print_message(reply, gmq_event_message(event));
        finished = gmq_event_type_of(event) == GMQ_EVENT_FINISHED;
        if (finished)
            printf(" [%s%s%s, %.2f ms]\n", gmq_code_name(gmq_event_code(event)),
                   *gmq_event_text(event) ? ": " : "", gmq_event_text(event), now_ms() - started);
        gmq_event_free(event);
    }
    gmq_call_unref(call);
}

static void run_all(gmq_client *client)
{
    Demo__V1__HelloRequest hello = DEMO__V1__HELLO_REQUEST__INIT,
                           nobody = DEMO__V1__HELLO_REQUEST__INIT;
    Demo__V1__CollectRequest two = DEMO__V1__COLLECT_REQUEST__INIT, three = two;
    Demo__V1__CountRequest count = DEMO__V1__COUNT_REQUEST__INIT;
    Demo__V1__ChatMessage ping = DEMO__V1__CHAT_MESSAGE__INIT, pong = ping;
    hello.name = "world";
    two.value = 2;
    three.value = 3;
    count.from = 1;
    count.to = 5;
    ping.text = "ping";
    pong.text = "pong";
    const ProtobufCMessage *one_hello[] = {&hello.base, NULL}, *one_nobody[] = {&nobody.base, NULL},
                           *values[] = {&two.base, &three.base, NULL},
                           *one_count[] = {&count.base, NULL},
                           *words[] = {&ping.base, &pong.base, NULL};
    run(client, "/demo.v1.Demo/SayHello", GMQ_RPC_UNARY, one_hello,
        &demo__v1__hello_reply__descriptor);
    run(client, "/demo.v1.Demo/SayHello", GMQ_RPC_UNARY, one_nobody,
        &demo__v1__hello_reply__descriptor);
    run(client, "/demo.v1.Demo/Collect", GMQ_RPC_CLIENT_STREAMING, values,
        &demo__v1__collect_reply__descriptor);
    run(client, "/demo.v1.Demo/Count", GMQ_RPC_SERVER_STREAMING, one_count,
        &demo__v1__count_reply__descriptor);
    run(client, "/demo.v1.Demo/Chat", GMQ_RPC_BIDI_STREAMING, words,
        &demo__v1__chat_message__descriptor);
}

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "loopback://here/fleet/device42?drive=caller";
    gmq_method_map *methods;
    gmq_server *server;
    gmq_client *client;
    check(gmq_queue_new(&queue));
    check(demo_methods(&methods));
    check(gmq_server_new(&server, url, NULL, methods, queue, SERVER));
    gmq_method_map_free(methods);
    wait_ready(SERVER);
    check(gmq_client_new(&client, url, NULL, NULL, queue, CLIENT));
    run_all(client);
    gmq_client_unref(client);
    gmq_server_unref(server);
    gmq_queue_unref(queue); /* the last of it: what is still open ends here */
    return 0;
}
