/*
 * What MQTT alone carries one way: QoS 1 messages from one process to another as fast as the window
 * lets them, with libmosquitto.
 *
 *   raw_flow --port N [--payload N] [--count N]     prints a line of JSON: messages/s, bytes/s
 */
#include "bench_util.h"

#include <mosquitto.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WINDOW 64 /* above that of any broker here; libmosquitto keeps the broker's */

typedef struct side {
    struct mosquitto *client;
    char topic[64];
    unsigned char *payload;
    size_t size, count, done, sent;
    int ready; /* the subscriber's: to be told to */
    bool subscribes;
    uint64_t begin_ns;
} side;

static void publish_more(side *s)
{
    while (s->sent < s->count && s->sent - s->done < WINDOW) {
        s->sent++;
        if (mosquitto_publish(s->client, NULL, s->topic, (int)s->size, s->payload, 1, false) != 0)
            bench_die("flow", "cannot publish");
    }
}

static void on_connected(struct mosquitto *client, void *context, int code)
{
    side *s = context;
    if (code != 0)
        bench_die("flow", "the broker refuses the connection");
    if (s->subscribes)
        mosquitto_subscribe(client, NULL, s->topic, 1);
    else
        publish_more(s);
}

static void on_subscribed(struct mosquitto *client, void *context, int mid, int n,
                          const int *granted)
{
    (void)client, (void)mid, (void)n, (void)granted;
    side *s = context;
    if (write(s->ready, "r", 1) != 1)
        bench_die("flow", "nobody waits");
}

static void on_published(struct mosquitto *client, void *context, int mid)
{
    (void)client, (void)mid;
    side *s = context;
    s->done++;
    publish_more(s);
}

static void on_message(struct mosquitto *client, void *context,
                       const struct mosquitto_message *message)
{
    (void)client, (void)message;
    side *s = context;
    if (!s->done++)
        s->begin_ns = bench_now_ns();
}

static void run(side *s, int port)
{
    char id[64];
    snprintf(id, sizeof id, "flow%ld", (long)getpid());
    mosquitto_lib_init();
    s->client = mosquitto_new(id, true, s);
    if (!s->client)
        bench_die("flow", "cannot make a client");
    mosquitto_int_option(s->client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    mosquitto_int_option(s->client, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_int_option(s->client, MOSQ_OPT_RECEIVE_MAXIMUM, 65535);
    mosquitto_connect_callback_set(s->client, on_connected);
    mosquitto_subscribe_callback_set(s->client, on_subscribed);
    mosquitto_publish_callback_set(s->client, on_published);
    mosquitto_message_callback_set(s->client, on_message);
    if (mosquitto_connect(s->client, "127.0.0.1", port, 60) != MOSQ_ERR_SUCCESS)
        bench_die("flow", "cannot connect");
    while (s->done < s->count) {
        struct pollfd fd = {.fd = mosquitto_socket(s->client), .events = POLLIN};
        if (mosquitto_want_write(s->client))
            fd.events |= POLLOUT;
        poll(&fd, 1, -1);
        int more = fd.revents & POLLIN;
        for (int i = 0; more && i < 64; i++) {
            if (mosquitto_loop_read(s->client, 1) != MOSQ_ERR_SUCCESS)
                bench_die("flow", "the broker has closed the connection");
            more = 0;
            ioctl(fd.fd, FIONREAD, &more);
        }
        if (mosquitto_want_write(s->client))
            mosquitto_loop_write(s->client, 1);
    }
}

static void publisher(side s, int port, int told)
{
    char byte;
    s.payload = calloc(1, s.size);
    if (!s.payload || read(told, &byte, 1) != 1)
        bench_die("flow", "nobody subscribes");
    run(&s, port);
}

int main(int argc, char **argv)
{
    side s = {.size = 128000, .count = 1000};
    int port = 1883, ready[2];
    for (int i = 1; i + 1 < argc; i += 2) {
        size_t value = strtoul(argv[i + 1], NULL, 10);
        if (!strcmp(argv[i], "--port"))
            port = (int)value;
        else if (!strcmp(argv[i], "--payload"))
            s.size = value;
        else if (!strcmp(argv[i], "--count"))
            s.count = value;
    }
    snprintf(s.topic, sizeof s.topic, "gmq-bench/%ld/flow", (long)getpid());
    signal(SIGPIPE, SIG_IGN);
    if (!s.size || !s.count || pipe(ready) != 0)
        bench_die("--payload, --count", "want a number above 0");
    pid_t pid = fork();
    if (pid < 0)
        bench_die("fork", "failed");
    if (pid == 0) {
        publisher(s, port, ready[0]);
        _exit(0);
    }
    s.subscribes = true;
    s.ready = ready[1];
    run(&s, port);
    double rate = (double)(s.count - 1) / ((double)(bench_now_ns() - s.begin_ns) / 1e9);
    printf("{\"payload\": %zu, \"count\": %zu, \"rate\": %.1f, \"bytes_per_s\": %.0f}\n", s.size,
           s.count, rate, rate * (double)s.size);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return 0;
}
