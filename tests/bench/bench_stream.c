/*
 * Messages of a server stream through the public API, one way and as fast as they are read.
 *
 *   bench_stream server URL                            streams; prints "ready"
 *   bench_stream client URL [--payload N] [--count N]  prints a line of JSON: messages/s, bytes/s
 */
#include "bench_util.h"

#include <grpc_mqtt/grpc_mqtt.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BENCH_PATH "/demo.v1.Demo/Count"
#define OWN_TAG    UINT64_MAX
#define BATCH      64
#define CREDIT     1024 /* messages asked for at a time */

static void must(gmq_status status, const char *what)
{
    if (status != GMQ_OK)
        bench_die(what, gmq_error_text());
}

/* ---- client ---- */

typedef struct reader {
    gmq_client *client;
    gmq_call *call;
    size_t payload, count, got, credit;
    uint64_t begin_ns; /* at the first message */
    int over;
} reader;

static void begin(reader *r)
{
    uint32_t wants[2] = {(uint32_t)r->payload, (uint32_t)r->count + 1};
    must(gmq_call_start_with(&r->call, r->client, BENCH_PATH, GMQ_RPC_SERVER_STREAMING, NULL,
                             300000, NULL, 0, wants, sizeof wants, CREDIT),
         "gmq_call_start_with");
    r->credit = CREDIT;
}

static void on_message(reader *r, const gmq_event *event)
{
    if (gmq_buf_len(gmq_event_message(event)) != r->payload)
        bench_die("reply", "has another size than asked for");
    if (!r->got++)
        r->begin_ns = bench_now_ns();
    if (--r->credit < CREDIT / 2) {
        gmq_call_read(r->call, CREDIT / 2); /* refused when all has come already */
        r->credit += CREDIT / 2;
    }
}

static void client_event(reader *r, const gmq_event *event)
{
    switch (gmq_event_type_of(event)) {
    case GMQ_EVENT_STATE:
        if (gmq_event_code(event) == GMQ_STATE_TRANSIENT_FAILURE)
            bench_die("connection", gmq_event_text(event));
        if (gmq_event_code(event) == GMQ_STATE_READY)
            begin(r);
        break;
    case GMQ_EVENT_MESSAGE:
        on_message(r, event);
        break;
    case GMQ_EVENT_FINISHED:
        if (gmq_event_code(event) != GMQ_CODE_OK || r->got != r->count + 1)
            bench_die("stream", gmq_event_text(event));
        r->over = 1;
        break;
    default:
        break;
    }
}

static size_t number(const char *text)
{
    char *end = NULL;
    size_t value = strtoul(text, &end, 10);
    if (!value || *end)
        bench_die(text, "wants a number above 0");
    return value;
}

static int run_client(const char *url, int argc, char **argv)
{
    reader r = {.payload = 100, .count = 100000};
    gmq_queue *queue = NULL;
    for (int i = 3; i + 1 < argc; i += 2)
        if (!strcmp(argv[i], "--payload"))
            r.payload = number(argv[i + 1]);
        else if (!strcmp(argv[i], "--count"))
            r.count = number(argv[i + 1]);
    must(gmq_queue_new(&queue), "gmq_queue_new");
    must(gmq_client_new(&r.client, url, NULL, NULL, queue, OWN_TAG), url);
    while (!r.over) {
        gmq_event *events[BATCH];
        size_t count = 0;
        must(gmq_queue_wait(queue, 60000, events, BATCH, &count), "gmq_queue_wait");
        if (!count)
            bench_die("client", "nothing happened for a minute");
        for (size_t i = 0; i < count; i++) {
            client_event(&r, events[i]);
            gmq_event_free(events[i]);
        }
    }
    double rate = (double)r.count / ((double)(bench_now_ns() - r.begin_ns) / 1e9);
    printf("{\"payload\": %zu, \"count\": %zu, \"rate\": %.1f, \"bytes_per_s\": %.0f}\n", r.payload,
           r.count, rate, rate * (double)r.payload);
    gmq_call_unref(r.call);
    gmq_client_unref(r.client);
    gmq_queue_unref(queue);
    return 0;
}

/* ---- server: one stream at a time ---- */

typedef struct writer {
    gmq_call *call; /* NULL: none */
    unsigned char *payload;
    uint32_t size, left;
} writer;

static void write_some(writer *w)
{
    gmq_status status = GMQ_OK;
    while (w->left && (status = gmq_call_send(w->call, w->payload, w->size)) == GMQ_OK)
        w->left--;
    if (status != GMQ_OK && status != GMQ_E_AGAIN) /* cancelled: FINISHED follows */
        w->left = 0;
    else if (!w->left)
        gmq_call_finish(w->call, GMQ_CODE_OK, NULL, NULL);
}

static void on_wants(writer *w, gmq_buf *message)
{
    uint32_t wants[2];
    if (gmq_buf_len(message) != sizeof wants)
        bench_die("request", "is not a size and a count");
    memcpy(wants, gmq_buf_data(message), sizeof wants);
    w->size = wants[0];
    w->left = wants[1];
    free(w->payload);
    w->payload = calloc(1, w->size);
    if (!w->payload)
        bench_die("server", "out of memory");
    write_some(w);
}

static void server_event(writer *w, gmq_event *event)
{
    switch (gmq_event_type_of(event)) {
    case GMQ_EVENT_STATE:
        if (gmq_event_code(event) == GMQ_STATE_READY)
            puts("ready");
        fflush(stdout);
        break;
    case GMQ_EVENT_CALL:
        w->call = gmq_event_take_call(event);
        gmq_call_read(w->call, 1);
        break;
    case GMQ_EVENT_MESSAGE:
        on_wants(w, gmq_event_message(event));
        break;
    case GMQ_EVENT_WRITABLE:
        write_some(w);
        break;
    case GMQ_EVENT_FINISHED:
        gmq_call_unref(w->call);
        *w = (writer){.payload = w->payload};
        break;
    default:
        break;
    }
}

_Noreturn static void serve(const char *url)
{
    writer w = {0};
    gmq_queue *queue = NULL;
    gmq_method_map *map = NULL;
    gmq_server *server = NULL;
    must(gmq_queue_new(&queue), "gmq_queue_new");
    must(gmq_method_map_new(&map), "gmq_method_map_new");
    must(gmq_method_map_add(map, BENCH_PATH, GMQ_RPC_SERVER_STREAMING), BENCH_PATH);
    must(gmq_server_new(&server, url, NULL, map, queue, OWN_TAG), url);
    for (;;) { /* until a signal ends it */
        gmq_event *events[BATCH];
        size_t count = 0;
        must(gmq_queue_wait(queue, -1, events, BATCH, &count), "gmq_queue_wait");
        for (size_t i = 0; i < count; i++) {
            server_event(&w, events[i]);
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
    bench_die(argv[0], "usage: server URL | client URL [--payload N] [--count N]");
}
