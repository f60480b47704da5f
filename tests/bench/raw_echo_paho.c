/* The same with paho's MQTTAsync: everything in its callbacks, which is the quickest way to use it.
 */
#include "raw_echo.h"

#include <MQTTAsync.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct side {
    const echo_args *args;
    bench_run *run; /* NULL = the echo */
    uint64_t *start_ns;
    int ready;
    MQTTAsync client;
    pthread_mutex_t lock; /* run, over; taken after paho's own */
    pthread_cond_t changed;
    int subscribed, over;
} side;

static void set_nodelay(const char *port)
{
    int on = 1;
    for (int fd = 3; fd < 1024; fd++) {
        struct sockaddr_in peer;
        socklen_t len = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0 &&
            ntohs(peer.sin_port) == atoi(port))
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
}

static void publish(side *s, const void *payload)
{
    const char *topic = s->run ? s->args->request : s->args->reply;
    if (MQTTAsync_send(s->client, topic, (int)s->args->payload, payload, 1, 0, NULL) !=
        MQTTASYNC_SUCCESS)
        bench_die("paho", "cannot publish");
}

static int take_call(side *s, uint32_t slot)
{
    pthread_mutex_lock(&s->lock);
    int more = bench_run_more(s->run);
    s->start_ns[slot] = bench_now_ns();
    pthread_mutex_unlock(&s->lock);
    return more;
}

static void on_reply(side *s, unsigned char *payload)
{
    uint32_t slot;
    memcpy(&slot, payload, sizeof slot);
    pthread_mutex_lock(&s->lock);
    bench_run_add(s->run, s->start_ns[slot]);
    s->over = bench_run_over(s->run);
    if (s->over)
        pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (take_call(s, slot))
        publish(s, payload);
}

static int on_message(void *context, char *topic, int topic_len, MQTTAsync_message *message)
{
    (void)topic_len;
    side *s = context;
    if (s->run)
        on_reply(s, message->payload);
    else
        publish(s, message->payload);
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1;
}

static void on_subscribed(void *context, MQTTAsync_successData5 *response)
{
    (void)response;
    side *s = context;
    pthread_mutex_lock(&s->lock);
    s->subscribed = 1;
    pthread_cond_signal(&s->changed);
    pthread_mutex_unlock(&s->lock);
}

static void on_connected(void *context, MQTTAsync_successData5 *response)
{
    (void)response;
    side *s = context;
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    options.onSuccess5 = on_subscribed;
    options.context = s;
    if (strcmp(s->args->mode, "paho") == 0)
        set_nodelay(s->args->port);
    MQTTAsync_subscribe(s->client, s->run ? s->args->reply : s->args->request, 1, &options);
}

static void on_failure(void *context, MQTTAsync_failureData5 *response)
{
    (void)context;
    bench_die("paho", response && response->message ? response->message : "cannot connect");
}

static void start(side *s)
{
    char uri[256], id[64];
    snprintf(uri, sizeof uri, "tcp://%s:%s", s->args->host, s->args->port);
    snprintf(id, sizeof id, "bench%ld", (long)getpid());
    MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer5;
    create.maxBufferedMessages = 65535;
    MQTTAsync_connectOptions connect = MQTTAsync_connectOptions_initializer5;
    connect.cleanstart = 1;
    connect.maxInflight = 65535;
    connect.onSuccess5 = on_connected;
    connect.onFailure5 = on_failure;
    connect.context = s;
    if (MQTTAsync_createWithOptions(&s->client, uri, id, MQTTCLIENT_PERSISTENCE_NONE, NULL,
                                    &create) != 0)
        bench_die("paho", "cannot make a client");
    MQTTAsync_setCallbacks(s->client, s, NULL, on_message, NULL);
    if (MQTTAsync_connect(s->client, &connect) != 0)
        bench_die("paho", "cannot begin to connect");
}

static void wait_for(side *s, const int *what)
{
    pthread_mutex_lock(&s->lock);
    while (!*what)
        pthread_cond_wait(&s->changed, &s->lock);
    pthread_mutex_unlock(&s->lock);
}

void echo_paho(const echo_args *args, bench_run *run, int ready)
{
    static side s; /* paho's threads use it until the process ends */
    s = (side){.args = args, .run = run, .ready = ready};
    pthread_mutex_init(&s.lock, NULL);
    pthread_cond_init(&s.changed, NULL);
    s.start_ns = calloc(run ? run->inflight : 1, sizeof *s.start_ns);
    unsigned char *payload = calloc(1, args->payload);
    if (!s.start_ns || !payload)
        bench_die("paho", "out of memory");
    start(&s);
    wait_for(&s, &s.subscribed);
    if (!run && write(ready, "r", 1) != 1)
        bench_die("paho", "nobody waits for the echo");
    for (uint32_t i = 0; run && i < run->inflight; i++) {
        memcpy(payload, &i, sizeof i);
        if (take_call(&s, i))
            publish(&s, payload);
    }
    wait_for(&s, &s.over); /* the echo: for ever */
    free(payload);
    /* No clean up: the process ends, and paho's threads still use what is here. */
}
