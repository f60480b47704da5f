/*
 * Unary calls through the public API, as a user's program would make and answer them.
 *
 *   bench_calls server URL                                         echoes; prints "ready"
 *   bench_calls client URL [--payload N] [--count N] [--inflight N]  prints a line of JSON
 */
#include "bench_util.h"

#include <grpc_mqtt/grpc_mqtt.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BENCH_PATH "/demo.v1.Demo/SayHello"
#define OWN_TAG    UINT64_MAX
#define BATCH      64

typedef struct slot {
    gmq_call *call;
    uint64_t start_ns;
} slot;

typedef struct bench {
    gmq_queue *queue;
    gmq_client *client;
    bench_run run;
    slot *slots; /* one for each call in flight; a call's tag is its index */
    unsigned char *payload;
} bench;

static void must(gmq_status status, const char *what)
{
    if (status != GMQ_OK)
        bench_die(what, gmq_error_text());
}

static void start_call(bench *b, uint64_t index)
{
    if (!bench_run_more(&b->run))
        return;
    b->slots[index].start_ns = bench_now_ns();
    must(gmq_call_start_with(&b->slots[index].call, b->client, BENCH_PATH, GMQ_RPC_UNARY, NULL,
                             60000, NULL, index, b->payload, b->run.payload, 1),
         "gmq_call_start_with");
}

static void call_finished(bench *b, const gmq_event *event)
{
    uint64_t index = gmq_event_tag(event);
    if (gmq_event_code(event) != GMQ_CODE_OK)
        bench_die(gmq_code_name(gmq_event_code(event)), gmq_event_text(event));
    bench_run_add(&b->run, b->slots[index].start_ns);
    gmq_call_unref(b->slots[index].call);
    start_call(b, index);
}

static void client_event(bench *b, const gmq_event *event)
{
    switch (gmq_event_type_of(event)) {
    case GMQ_EVENT_STATE:
        if (gmq_event_code(event) == GMQ_STATE_TRANSIENT_FAILURE)
            bench_die("connection", gmq_event_text(event));
        for (uint64_t i = 0; gmq_event_code(event) == GMQ_STATE_READY && i < b->run.inflight; i++)
            start_call(b, i);
        break;
    case GMQ_EVENT_MESSAGE:
        if (gmq_buf_len(gmq_event_message(event)) != b->run.payload)
            bench_die("reply", "has another size than the request");
        break;
    case GMQ_EVENT_FINISHED:
        call_finished(b, event);
        break;
    default:
        break;
    }
}

static int run_client(const char *url, int argc, char **argv)
{
    bench b = {0};
    bench_run_init(&b.run, argc, argv, 3);
    b.slots = calloc(b.run.inflight, sizeof *b.slots);
    b.payload = calloc(1, b.run.payload + 1);
    if (!b.slots || !b.payload)
        bench_die("client", "out of memory");
    must(gmq_queue_new(&b.queue), "gmq_queue_new");
    must(gmq_client_new(&b.client, url, NULL, NULL, b.queue, OWN_TAG), url);
    while (!bench_run_over(&b.run)) {
        gmq_event *events[BATCH];
        size_t count = 0;
        must(gmq_queue_wait(b.queue, 60000, events, BATCH, &count), "gmq_queue_wait");
        if (!count)
            bench_die("client", "nothing happened for a minute");
        for (size_t i = 0; i < count; i++) {
            client_event(&b, events[i]);
            gmq_event_free(events[i]);
        }
    }
    bench_run_print(&b.run);
    gmq_client_unref(b.client);
    gmq_queue_unref(b.queue);
    bench_run_free(&b.run);
    free(b.slots);
    free(b.payload);
    return 0;
}

static void echo(gmq_call *call, gmq_buf *message)
{
    if (gmq_call_send(call, gmq_buf_data(message), gmq_buf_len(message)) == GMQ_OK)
        gmq_call_finish(call, GMQ_CODE_OK, NULL, NULL);
}

static void server_event(gmq_event *event)
{
    switch (gmq_event_type_of(event)) {
    case GMQ_EVENT_STATE:
        if (gmq_event_code(event) == GMQ_STATE_READY)
            puts("ready");
        else
            fprintf(stderr, "state %" PRId32 ": %s\n", gmq_event_code(event),
                    gmq_event_text(event));
        fflush(stdout);
        break;
    case GMQ_EVENT_CALL:
        gmq_call_read(gmq_event_take_call(event), 1);
        break;
    case GMQ_EVENT_MESSAGE:
        echo(gmq_event_call(event), gmq_event_message(event));
        break;
    case GMQ_EVENT_FINISHED:
        gmq_call_unref(gmq_event_call(event)); /* the one that take_call gave */
        break;
    default:
        break;
    }
}

_Noreturn static void serve(const char *url)
{
    gmq_queue *queue = NULL;
    gmq_method_map *map = NULL;
    gmq_server *server = NULL;
    must(gmq_queue_new(&queue), "gmq_queue_new");
    must(gmq_method_map_new(&map), "gmq_method_map_new");
    must(gmq_method_map_add(map, BENCH_PATH, GMQ_RPC_UNARY), BENCH_PATH);
    must(gmq_server_new(&server, url, NULL, map, queue, OWN_TAG), url);
    for (;;) { /* until a signal ends it */
        gmq_event *events[BATCH];
        size_t count = 0;
        must(gmq_queue_wait(queue, -1, events, BATCH, &count), "gmq_queue_wait");
        for (size_t i = 0; i < count; i++) {
            server_event(events[i]);
            gmq_event_free(events[i]);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc == 3 && !strcmp(argv[1], "server"))
        serve(argv[2]);
    if (argc >= 3 && !strcmp(argv[1], "client"))
        return run_client(argv[2], argc, argv);
    bench_die(argv[0], "usage: server URL | client URL [--payload N] [--count N] [--inflight N]");
}
