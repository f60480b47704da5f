/*
 * raw_echo through a transport of ours: what the transport adds to the library under it.
 *
 *   transport_echo --host H --port N [--payload N] [--count N] [--inflight N]
 *
 * The sink hands what arrives to the program's own thread, as the runtime does. Two processes, as
 * raw_echo.
 */
#include "bench_util.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "transport/transport.h"

#define REQUEST "gmq-bench/transport/request"
#define REPLY   "gmq-bench/transport/reply"
#define RING    4096

typedef struct side {
    gmq__transport *t;
    bench_run *run; /* NULL = the echo */
    uint64_t *start_ns;
    pthread_mutex_t lock; /* what follows: from the sink to the owner */
    pthread_cond_t news;
    gmq_buf *arrived[RING];
    size_t head, tail;
    int connected, subscribed;
    unsigned acked;
    /* owner only */
    gmq_buf *waiting[RING]; /* to be published when there is room */
    size_t first, end;
} side;

static void on_message(void *ctx, const gmq__mqtt_message *message, gmq_buf *payload)
{
    (void)message;
    side *s = ctx;
    pthread_mutex_lock(&s->lock);
    s->arrived[s->tail++ % RING] = gmq_buf_ref(payload);
    pthread_cond_signal(&s->news);
    pthread_mutex_unlock(&s->lock);
}

static void on_acked(void *ctx, uint64_t token, int reason)
{
    (void)reason;
    side *s = ctx;
    pthread_mutex_lock(&s->lock);
    s->acked++;
    if (token == 1)
        s->subscribed = 1;
    if (token == 1 || s->first != s->end)
        pthread_cond_signal(&s->news);
    pthread_mutex_unlock(&s->lock);
}

static void on_state(void *ctx, const gmq__tstate_info *info)
{
    side *s = ctx;
    if (info->state != GMQ__T_CONNECTED)
        bench_die("transport_echo", info->text ? info->text : "?");
    pthread_mutex_lock(&s->lock);
    s->connected = 1;
    pthread_cond_signal(&s->news);
    pthread_mutex_unlock(&s->lock);
}

static void publish_waiting(side *s)
{
    while (s->first != s->end) {
        gmq_buf *payload = s->waiting[s->first % RING];
        gmq__mqtt_message message = {.topic = gmq__span_str(s->run ? REQUEST : REPLY),
                                     .payload = gmq__buf_span(payload),
                                     .qos = 1};
        if (s->t->vtable->publish(s->t, &message, 2) != GMQ_OK)
            return;
        pthread_mutex_lock(&s->lock);
        s->first++;
        pthread_mutex_unlock(&s->lock);
        gmq_buf_unref(payload);
    }
}

static void publish(side *s, gmq_buf *payload)
{
    pthread_mutex_lock(&s->lock);
    s->waiting[s->end++ % RING] = payload;
    pthread_mutex_unlock(&s->lock);
    publish_waiting(s);
}

static void start_call(side *s, uint32_t slot)
{
    uint8_t *bytes;
    if (!bench_run_more(s->run))
        return;
    gmq_buf *payload = gmq__buf_alloc(s->run->payload, &bytes);
    memset(bytes, 0, s->run->payload);
    memcpy(bytes, &slot, sizeof slot);
    s->start_ns[slot] = bench_now_ns();
    publish(s, payload);
}

static void take(side *s, gmq_buf *payload)
{
    if (!s->run) {
        publish(s, payload);
        return;
    }
    uint32_t slot;
    memcpy(&slot, gmq_buf_data(payload), sizeof slot);
    gmq_buf_unref(payload);
    bench_run_add(s->run, s->start_ns[slot]);
    start_call(s, slot);
}

static void wait_for(side *s, const int *what)
{
    pthread_mutex_lock(&s->lock);
    while (!*what)
        pthread_cond_wait(&s->news, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

static gmq_buf *next(side *s, unsigned *acked)
{
    pthread_mutex_lock(&s->lock);
    while (s->head == s->tail && (s->first == s->end || *acked == s->acked))
        pthread_cond_wait(&s->news, &s->lock);
    *acked = s->acked;
    gmq_buf *payload = s->head == s->tail ? NULL : s->arrived[s->head++ % RING];
    pthread_mutex_unlock(&s->lock);
    return payload;
}

static void run_side(const char *host, const char *port, bench_run *run, int ready)
{
    side *s = calloc(1, sizeof *s);
    s->run = run;
    s->start_ns = calloc(run ? run->inflight : 1, sizeof *s->start_ns);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->news, NULL);
    gmq__transport_config config = {
        .scheme = "mqtt", .host = host, .port = (uint16_t)atoi(port), .mqtt_version = 5};
    config.keep_alive_s = 20;
    config.connect_timeout_ms = 10000;
    gmq__sink sink = {s, on_message, on_acked, on_state};
    const gmq__transport_vtable *vtable = gmq__transport_find("paho");
    if (vtable->create(&s->t, &config, &sink) != GMQ_OK || vtable->connect(s->t) != GMQ_OK)
        bench_die("transport_echo", gmq_error_text());
    wait_for(s, &s->connected);
    gmq__span filter = gmq__span_str(run ? REPLY : REQUEST);
    vtable->subscribe(s->t, &filter, 1, 1, 1);
    wait_for(s, &s->subscribed);
    if (!run && write(ready, "r", 1) != 1)
        bench_die("transport_echo", "nobody waits for the echo");
    for (uint32_t i = 0; run && i < run->inflight; i++)
        start_call(s, i);
    unsigned acked = 0;
    while (!run || !bench_run_over(run)) {
        gmq_buf *payload = next(s, &acked);
        publish_waiting(s);
        if (payload)
            take(s, payload);
    }
    vtable->destroy(s->t);
    free(s->start_ns);
    free(s);
}

int main(int argc, char **argv)
{
    if (argc < 5 || strcmp(argv[1], "--host") != 0 || strcmp(argv[3], "--port") != 0)
        bench_die("transport_echo", "wants --host H --port N first");
    bench_run run;
    bench_run_init(&run, argc, argv, 5);
    int ready[2];
    char byte;
    if (pipe(ready) != 0)
        bench_die("pipe", "failed");
    pid_t pid = fork();
    if (pid == 0)
        run_side(argv[2], argv[4], NULL, ready[1]);
    close(ready[1]);
    if (pid < 0 || read(ready[0], &byte, 1) != 1)
        bench_die("echo", "did not start");
    run_side(argv[2], argv[4], &run, -1);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    bench_run_print(&run);
    bench_run_free(&run);
    return 0;
}
