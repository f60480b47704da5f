/*
 * What calls cost beside time, by way of transport=mosquitto.
 *
 *   bench_cost publishes URL [--count N] [--inflight N]  PUBLISH packets for each unary call, both
 * ways bench_cost memory URL [--count N] [--links N]        bytes of an open idle call, and of an
 * idle link, at the client and at the server
 *
 * Client and server are in one program, for memory in two processes. Memory is what malloc() has
 * given out (the MQTT library's part included, that of the kernel not). Prints a line of JSON.
 */
#include "bench_util.h"

#include <grpc_mqtt/grpc_mqtt.h>

#include <malloc.h>
#include <mosquitto.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define UNARY   "/demo.v1.Demo/SayHello"
#define BIDI    "/demo.v1.Demo/Chat"
#define OWN_TAG UINT64_MAX
#define BATCH   64

static atomic_size_t publishes;

/* The linker leads the library's calls here (--wrap). */
int __wrap_mosquitto_publish_v5(struct mosquitto *m, int *mid, const char *topic, int len,
                                const void *payload, int qos, bool retain,
                                const mosquitto_property *properties);
int __real_mosquitto_publish_v5(struct mosquitto *m, int *mid, const char *topic, int len,
                                const void *payload, int qos, bool retain,
                                const mosquitto_property *properties);

int __wrap_mosquitto_publish_v5(struct mosquitto *m, int *mid, const char *topic, int len,
                                const void *payload, int qos, bool retain,
                                const mosquitto_property *properties)
{
    atomic_fetch_add_explicit(&publishes, 1, memory_order_relaxed);
    return __real_mosquitto_publish_v5(m, mid, topic, len, payload, qos, retain, properties);
}

static void must(gmq_status status, const char *what)
{
    if (status != GMQ_OK)
        bench_die(what, gmq_error_text());
}

static size_t option(int argc, char **argv, const char *name, size_t otherwise)
{
    for (int i = 3; i + 1 < argc; i += 2)
        if (!strcmp(argv[i], name))
            return strtoul(argv[i + 1], NULL, 10);
    return otherwise;
}

/* ---- the server ---- */

typedef struct service {
    gmq_queue *queue;
    gmq_server *server;
    size_t calls; /* so far */
    int ready;
} service;

static void serve_event(service *s, gmq_event *event)
{
    gmq_call *call;
    switch (gmq_event_type_of(event)) {
    case GMQ_EVENT_STATE:
        s->ready |= gmq_event_code(event) == GMQ_STATE_READY;
        break;
    case GMQ_EVENT_CALL:
        call = gmq_event_take_call(event);
        s->calls++;
        gmq_call_read(call, 1);
        break;
    case GMQ_EVENT_MESSAGE:
        call = gmq_event_call(event);
        gmq_call_send(call, gmq_buf_data(gmq_event_message(event)),
                      gmq_buf_len(gmq_event_message(event)));
        gmq_call_finish(call, GMQ_CODE_OK, NULL, NULL);
        break;
    case GMQ_EVENT_FINISHED:
        gmq_call_unref(gmq_event_call(event)); /* the one that take_call gave */
        break;
    default:
        break;
    }
}

static void serve_for(service *s, int64_t timeout_ms)
{
    gmq_event *events[BATCH];
    size_t count = 0;
    must(gmq_queue_wait(s->queue, timeout_ms, events, BATCH, &count), "gmq_queue_wait");
    for (size_t i = 0; i < count; i++) {
        serve_event(s, events[i]);
        gmq_event_free(events[i]);
    }
}

static void open_service(service *s, const char *url)
{
    gmq_method_map *map = NULL;
    must(gmq_queue_new(&s->queue), "gmq_queue_new");
    must(gmq_method_map_new(&map), "gmq_method_map_new");
    must(gmq_method_map_add(map, UNARY, GMQ_RPC_UNARY), UNARY);
    must(gmq_method_map_add(map, BIDI, GMQ_RPC_BIDI_STREAMING), BIDI);
    must(gmq_server_new(&s->server, url, NULL, map, s->queue, OWN_TAG), url);
    gmq_method_map_free(map);
    while (!s->ready)
        serve_for(s, -1);
}

static void *serve_always(void *arg)
{
    for (service *s = arg;;)
        serve_for(s, -1);
    return NULL;
}

/* ---- publishes ---- */

static gmq_call *start_unary(gmq_client *client)
{
    static const unsigned char payload[100];
    gmq_call *call = NULL;
    must(gmq_call_start_with(&call, client, UNARY, GMQ_RPC_UNARY, NULL, 60000, NULL, 0, payload,
                             sizeof payload, 1),
         "gmq_call_start_with");
    return call;
}

/* Takes events until `n` calls are finished; each is followed by a new one while `more` lasts. */
static void run_calls(gmq_queue *queue, gmq_client *client, size_t n, size_t more)
{
    while (n) {
        gmq_event *events[BATCH];
        size_t count = 0;
        must(gmq_queue_wait(queue, 60000, events, BATCH, &count), "gmq_queue_wait");
        for (size_t i = 0; i < count; i++) {
            if (gmq_event_type_of(events[i]) == GMQ_EVENT_FINISHED) {
                if (gmq_event_code(events[i]) != GMQ_CODE_OK)
                    bench_die("call", gmq_event_text(events[i]));
                gmq_call_unref(gmq_event_call(events[i]));
                n--;
                if (more) {
                    more--;
                    start_unary(client);
                }
            }
            gmq_event_free(events[i]);
        }
    }
}

static void count_publishes(const char *url, size_t count, size_t inflight)
{
    service s = {0};
    gmq_queue *queue = NULL;
    gmq_client *client = NULL;
    pthread_t thread;
    open_service(&s, url);
    if (pthread_create(&thread, NULL, serve_always, &s) != 0)
        bench_die("publishes", "no thread");
    must(gmq_queue_new(&queue), "gmq_queue_new");
    must(gmq_client_new(&client, url, NULL, NULL, queue, OWN_TAG), url);
    start_unary(client); /* the link is opened by the first */
    run_calls(queue, client, 1, 0);
    size_t before = atomic_load(&publishes);
    for (size_t i = 0; i < inflight; i++)
        start_unary(client);
    run_calls(queue, client, count, count - inflight);
    printf("{\"inflight\": %zu, \"count\": %zu, \"publishes_per_call\": %.4f}\n", inflight, count,
           (double)(atomic_load(&publishes) - before) / (double)count);
}

/* ---- memory ---- */

typedef struct report {
    size_t bytes, calls;
} report;

static report look(const service *s)
{
    report r = {mallinfo2().uordblks, s ? s->calls : 0};
    return r;
}

_Noreturn static void serve_and_report(const char *url, int asked, int told)
{
    service s = {0};
    open_service(&s, url);
    for (char byte;;) {
        struct pollfd fd = {.fd = asked, .events = POLLIN};
        serve_for(&s, 20);
        if (poll(&fd, 1, 0) != 1)
            continue;
        report r = look(&s);
        if (read(asked, &byte, 1) != 1 || write(told, &r, sizeof r) != (ssize_t)sizeof r)
            _exit(0);
    }
}

typedef struct ends { /* pipes to the server's process */
    int ask, answer;
} ends;

static report ask(const ends *e)
{
    report r;
    if (write(e->ask, "?", 1) != 1 || read(e->answer, &r, sizeof r) != (ssize_t)sizeof r)
        bench_die("memory", "the server is gone");
    return r;
}

static pid_t start_service(const char *url, ends *e)
{
    int to[2], from[2];
    if (pipe(to) != 0 || pipe(from) != 0)
        bench_die("pipe", "failed");
    pid_t pid = fork();
    if (pid < 0)
        bench_die("fork", "failed");
    if (pid == 0)
        serve_and_report(url, to[0], from[1]);
    *e = (ends){to[1], from[0]};
    ask(e); /* answered when it is ready */
    return pid;
}

static void until_ready(gmq_queue *queue)
{
    for (int ready = 0; !ready;) {
        gmq_event *event = NULL;
        size_t count = 0;
        must(gmq_queue_wait(queue, 60000, &event, 1, &count), "gmq_queue_wait");
        ready = count && gmq_event_type_of(event) == GMQ_EVENT_STATE &&
                gmq_event_code(event) == GMQ_STATE_READY;
        gmq_event_free(event);
    }
}

static void one_call(gmq_queue *queue, gmq_client *client)
{
    start_unary(client);
    run_calls(queue, client, 1, 0);
}

/* Events are taken meanwhile, as they would be. */
static void until_calls(const ends *e, gmq_queue *queue, size_t calls)
{
    while (ask(e).calls < calls) {
        gmq_event *events[BATCH];
        size_t count = 0;
        must(gmq_queue_wait(queue, 20, events, BATCH, &count), "gmq_queue_wait");
        for (size_t i = 0; i < count; i++)
            gmq_event_free(events[i]);
    }
}

static size_t each(const report *now, const report *before, size_t n)
{
    return now->bytes > before->bytes ? (now->bytes - before->bytes) / n : 0;
}

static void measure_memory(const char *url, size_t calls, size_t links)
{
    ends e;
    gmq_queue *queue = NULL;
    pid_t pid = start_service(url, &e);
    gmq_client **clients = calloc(links + 1, sizeof *clients);
    if (!clients)
        bench_die("memory", "out of memory");
    must(gmq_queue_new(&queue), "gmq_queue_new");
    report server[3], client[4];
    for (size_t i = 0; i <= links; i++) {
        must(gmq_client_new(&clients[i], url, NULL, NULL, queue, OWN_TAG), url);
        until_ready(queue);
        if (i == 0) /* what is made once */
            one_call(queue, clients[0]);
        if (i == 0)
            client[0] = look(NULL);
    }
    client[1] = look(NULL);
    server[0] = ask(&e);
    for (size_t i = 1; i <= links; i++)
        one_call(queue, clients[i]);
    client[2] = look(NULL);
    server[1] = ask(&e);
    for (size_t i = 0; i < calls; i++) {
        gmq_call *call = NULL;
        must(gmq_call_start(&call, clients[0], BIDI, GMQ_RPC_BIDI_STREAMING, NULL, -1, NULL, 0),
             "gmq_call_start");
    }
    until_calls(&e, queue, links + 1 + calls);
    client[3] = look(NULL);
    server[2] = ask(&e);
    printf("{\"calls\": %zu, \"links\": %zu, \"call_client\": %zu, \"call_server\": %zu, "
           "\"link_client\": %zu, \"link_server\": %zu, \"connection_client\": %zu}\n",
           calls, links, each(&client[3], &client[2], calls), each(&server[2], &server[1], calls),
           each(&client[2], &client[1], links), each(&server[1], &server[0], links),
           each(&client[1], &client[0], links));
    fflush(stdout);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    _exit(0); /* the calls are left as they are */
}

int main(int argc, char **argv)
{
    mallopt(M_ARENA_MAX, 1); /* mallinfo2() looks at one */
    if (argc >= 3 && !strcmp(argv[1], "publishes"))
        count_publishes(argv[2], option(argc, argv, "--count", 10000),
                        option(argc, argv, "--inflight", 128));
    else if (argc >= 3 && !strcmp(argv[1], "memory"))
        measure_memory(argv[2], option(argc, argv, "--count", 2000),
                       option(argc, argv, "--links", 20));
    else
        bench_die(argv[0], "usage: publishes|memory URL [--count N] [--inflight N] [--links N]");
    return 0;
}
