/* The same with libmosquitto: its external loop in one thread, which is the quickest way to use it.
 */
#include "raw_echo.h"

#include <mosquitto.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

typedef struct side {
    const echo_args *args;
    bench_run *run; /* NULL = the echo */
    uint64_t *start_ns;
    int ready;
    struct mosquitto *client;
    unsigned char *payload;
} side;

static void publish(side *s, const void *payload)
{
    const char *topic = s->run ? s->args->request : s->args->reply;
    if (mosquitto_publish_v5(s->client, NULL, topic, (int)s->args->payload, payload, 1, false,
                             NULL) != MOSQ_ERR_SUCCESS)
        bench_die("mosquitto", "cannot publish");
}

static void start_call(side *s, uint32_t slot)
{
    if (!bench_run_more(s->run))
        return;
    memcpy(s->payload, &slot, sizeof slot);
    s->start_ns[slot] = bench_now_ns();
    publish(s, s->payload);
}

static void on_message(struct mosquitto *client, void *context,
                       const struct mosquitto_message *message,
                       const mosquitto_property *properties)
{
    (void)client, (void)properties;
    side *s = context;
    if (!s->run) {
        publish(s, message->payload);
        return;
    }
    uint32_t slot;
    memcpy(&slot, message->payload, sizeof slot);
    bench_run_add(s->run, s->start_ns[slot]);
    start_call(s, slot);
}

static void on_subscribed(struct mosquitto *client, void *context, int mid, int n,
                          const int *granted, const mosquitto_property *properties)
{
    (void)client, (void)mid, (void)n, (void)granted, (void)properties;
    side *s = context;
    if (!s->run && write(s->ready, "r", 1) != 1)
        bench_die("mosquitto", "nobody waits for the echo");
    for (uint32_t i = 0; s->run && i < s->run->inflight; i++)
        start_call(s, i);
}

static void on_connected(struct mosquitto *client, void *context, int code, int flags,
                         const mosquitto_property *properties)
{
    (void)flags, (void)properties;
    side *s = context;
    if (code != 0)
        bench_die("mosquitto", "the broker refuses the connection");
    mosquitto_subscribe(client, NULL, s->run ? s->args->reply : s->args->request, 1);
}

static void start(side *s)
{
    char id[64];
    snprintf(id, sizeof id, "bench%ld", (long)getpid());
    mosquitto_lib_init();
    s->client = mosquitto_new(id, true, s);
    if (!s->client)
        bench_die("mosquitto", "cannot make a client");
    mosquitto_int_option(s->client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    mosquitto_int_option(s->client, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_int_option(s->client, MOSQ_OPT_SEND_MAXIMUM, 65535);
    mosquitto_int_option(s->client, MOSQ_OPT_RECEIVE_MAXIMUM, 65535);
    mosquitto_connect_v5_callback_set(s->client, on_connected);
    mosquitto_subscribe_v5_callback_set(s->client, on_subscribed);
    mosquitto_message_v5_callback_set(s->client, on_message);
    if (mosquitto_connect(s->client, s->args->host, atoi(s->args->port), 60) != MOSQ_ERR_SUCCESS)
        bench_die("mosquitto", "cannot connect");
}

void echo_mosquitto(const echo_args *args, bench_run *run, int ready)
{
    side s = {.args = args, .run = run, .ready = ready};
    s.start_ns = calloc(run ? run->inflight : 1, sizeof *s.start_ns);
    s.payload = calloc(1, args->payload);
    if (!s.start_ns || !s.payload)
        bench_die("mosquitto", "out of memory");
    start(&s);
    while (!run || !bench_run_over(run)) {
        struct pollfd fd = {.fd = mosquitto_socket(s.client), .events = POLLIN};
        if (mosquitto_want_write(s.client))
            fd.events |= POLLOUT;
        poll(&fd, 1, -1);
        int more = fd.revents & POLLIN;
        for (int i = 0; more && i < 64; i++) {
            if (mosquitto_loop_read(s.client, 1) != MOSQ_ERR_SUCCESS)
                bench_die("mosquitto", "the broker has closed the connection");
            more = 0;
            ioctl(fd.fd, FIONREAD, &more);
        }
        if (mosquitto_want_write(s.client))
            mosquitto_loop_write(s.client, 1);
    }
    mosquitto_destroy(s.client);
    free(s.start_ns);
    free(s.payload);
}
