#include "unit/transport/transport_util.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "cmocka_all.h"

#define PATIENCE_NS (60 * GMQ__NS_PER_S)

static void *grow(void *array, size_t n, size_t size)
{
    void *grown = realloc(array, (n + 1) * size);
    if (!grown)
        abort();
    return grown;
}

static void begin(peer *p)
{
    pthread_mutex_lock(&p->lock);
    p->calls++;
}

static void end(peer *p)
{
    pthread_cond_broadcast(&p->news);
    pthread_mutex_unlock(&p->lock);
}

static void on_message(void *ctx, const gmq__mqtt_message *message, gmq_buf *payload)
{
    peer *p = ctx;
    begin(p);
    if (payload && gmq__buf_span(payload).data != message->payload.data)
        abort();
    p->messages = grow(p->messages, p->nmessages, sizeof *p->messages);
    gmq__packet *copy = gmq__packet_copy(message);
    if (copy)
        p->messages[p->nmessages++] = copy;
    end(p);
}

static void on_acked(void *ctx, uint64_t token, int reason)
{
    peer *p = ctx;
    begin(p);
    p->acks = grow(p->acks, p->nacks, sizeof *p->acks);
    p->acks[p->nacks++] = (peer_ack){token, reason};
    end(p);
}

static void on_state(void *ctx, const gmq__tstate_info *info)
{
    peer *p = ctx;
    begin(p);
    p->states = grow(p->states, p->nstates, sizeof *p->states);
    peer_state *s = &p->states[p->nstates++];
    s->state = info->state;
    s->limits = info->limits;
    s->reason = info->reason;
    snprintf(s->text, sizeof s->text, "%s", info->text ? info->text : "");
    end(p);
}

/* ---- descriptor-driven transports: whoever waits drives all of them ---- */

#define PEERS 16
static peer *driven[PEERS];
static size_t ndriven;

static void enlist(peer *p)
{
    assert_true(ndriven < PEERS);
    driven[ndriven++] = p;
}

static void strike_off(const peer *p)
{
    for (size_t i = 0; i < ndriven; i++)
        if (driven[i] == p)
            driven[i--] = driven[--ndriven];
}

static size_t count_calls(void)
{
    size_t n = 0;
    for (size_t i = 0; i < ndriven; i++)
        n += driven[i]->calls;
    return n;
}

static int watch_all(struct pollfd *fds, int64_t until)
{
    for (size_t i = 0; i < ndriven; i++) {
        gmq__tio io;
        driven[i]->t->vtable->io(driven[i]->t, &io);
        short read = io.want & GMQ__OS_READ ? POLLIN : 0;
        short write = io.want & GMQ__OS_WRITE ? POLLOUT : 0;
        fds[i] = (struct pollfd){.fd = io.fd, .events = (short)(read | write)};
    }
    int64_t left = until - gmq__os_now_ns();
    return poll(fds, ndriven, left > 0 ? (int)(left / GMQ__NS_PER_MS) + 1 : 0);
}

/* Once around; waits until there is something to do, or the deadline. */
static void drive(int64_t deadline)
{
    struct pollfd fds[PEERS];
    size_t before = count_calls();
    for (size_t i = 0; i < ndriven; i++) {
        int64_t due = driven[i]->t->vtable->step(driven[i]->t, gmq__os_now_ns(), 0);
        deadline = due < deadline ? due : deadline;
    }
    if (count_calls() != before || watch_all(fds, deadline) <= 0)
        return;
    for (size_t i = 0; i < ndriven; i++) {
        unsigned ready = (fds[i].revents & ~POLLOUT ? GMQ__OS_READ : 0) |
                         (fds[i].revents & ~POLLIN ? GMQ__OS_WRITE : 0);
        if (ready)
            driven[i]->t->vtable->step(driven[i]->t, gmq__os_now_ns(), ready);
    }
}

gmq_status peer_try_open(peer *p, const gmq__transport_vtable *vtable,
                         const gmq__transport_config *config)
{
    memset(p, 0, sizeof *p);
    pthread_mutex_init(&p->lock, NULL);
    gmq__os_cond_init(&p->news);
    gmq__sink sink = {p, on_message, on_acked, on_state};
    gmq_status status = vtable->create(&p->t, config, &sink);
    if (status == GMQ_OK && vtable->step)
        enlist(p);
    return status;
}

void peer_open(peer *p, const gmq__transport_vtable *vtable, const gmq__transport_config *config)
{
    assert_int_equal(peer_try_open(p, vtable, config), GMQ_OK);
}

/* The lock is held. */
static void wait_news(peer *p, int64_t deadline, const char *what)
{
    if (p->t->vtable->step) {
        pthread_mutex_unlock(&p->lock);
        drive(deadline);
        pthread_mutex_lock(&p->lock);
        if (gmq__os_now_ns() < deadline)
            return;
    } else if (gmq__os_cond_wait_until(&p->news, &p->lock, deadline)) {
        return;
    }
    pthread_mutex_unlock(&p->lock);
    fail_msg("waited in vain for %s", what);
}

const peer_state *peer_next_state(peer *p)
{
    int64_t deadline = gmq__os_now_ns() + PATIENCE_NS;
    pthread_mutex_lock(&p->lock);
    while (p->states_read == p->nstates)
        wait_news(p, deadline, "a state");
    const peer_state *s = &p->states[p->states_read++];
    pthread_mutex_unlock(&p->lock);
    return s;
}

void peer_connect(peer *p)
{
    assert_int_equal(p->t->vtable->connect(p->t), GMQ_OK);
    const peer_state *s = peer_next_state(p);
    if (s->state != GMQ__T_CONNECTED)
        fail_msg("not connected: %s", s->text);
}

static const peer_ack *find_ack(const peer *p, uint64_t token, size_t *from)
{
    for (; *from < p->nacks; ++*from)
        if (p->acks[*from].token == token)
            return &p->acks[*from];
    return NULL;
}

int peer_ack_of(peer *p, uint64_t token)
{
    int64_t deadline = gmq__os_now_ns() + PATIENCE_NS;
    const peer_ack *ack;
    size_t from = 0;
    pthread_mutex_lock(&p->lock);
    while (!(ack = find_ack(p, token, &from)))
        wait_news(p, deadline, "an acknowledgement");
    int reason = ack->reason;
    pthread_mutex_unlock(&p->lock);
    return reason;
}

void peer_wait_messages(peer *p, size_t n)
{
    int64_t deadline = gmq__os_now_ns() + PATIENCE_NS;
    pthread_mutex_lock(&p->lock);
    while (p->nmessages < n)
        wait_news(p, deadline, "a message");
    pthread_mutex_unlock(&p->lock);
}

void peer_close(peer *p)
{
    p->t->vtable->close(p->t);
    assert_int_equal(peer_next_state(p)->state, GMQ__T_CLOSED);
}

void peer_destroy(peer *p)
{
    strike_off(p);
    p->t->vtable->destroy(p->t);
    for (size_t i = 0; i < p->nmessages; i++)
        gmq__packet_unref(p->messages[i]);
    free(p->messages);
    free(p->acks);
    free(p->states);
    pthread_cond_destroy(&p->news);
    pthread_mutex_destroy(&p->lock);
}

static uint64_t new_token(void)
{
    static uint64_t last = UINT64_C(1) << 40;
    return ++last;
}

int peer_subscribe(peer *p, const char *filter, uint8_t qos)
{
    gmq__span one = gmq__span_str(filter);
    uint64_t token = new_token();
    assert_int_equal(p->t->vtable->subscribe(p->t, &one, 1, qos, token), GMQ_OK);
    return peer_ack_of(p, token);
}

int peer_publish(peer *p, const char *topic, const char *payload, uint8_t qos)
{
    gmq__mqtt_message message = text_message(topic, payload, qos);
    uint64_t token = new_token();
    assert_int_equal(p->t->vtable->publish(p->t, &message, token), GMQ_OK);
    return peer_ack_of(p, token);
}

gmq__mqtt_message text_message(const char *topic, const char *payload, uint8_t qos)
{
    return (gmq__mqtt_message){
        .topic = gmq__span_str(topic), .payload = gmq__span_str(payload), .qos = qos};
}

bool message_is(const gmq__packet *packet, const char *topic, const char *payload)
{
    return gmq__span_equal_str(packet->message.topic, topic) &&
           gmq__span_equal_str(packet->message.payload, payload);
}
