#include "transport/loopback/broker.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static gmq__list registry = {{&registry.head, &registry.head}};

/* ---- events ---- */

gmq__levent *gmq__levent_new(gmq__lkind kind)
{
    gmq__levent *ev = gmq__calloc(1, sizeof *ev);
    if (ev)
        ev->kind = kind;
    return ev;
}

void gmq__levent_free(gmq__levent *ev)
{
    if (!ev)
        return;
    gmq__node_unlink(&ev->held);
    gmq__packet_unref(ev->packet);
    if (ev->conn)
        gmq__lconn_unref(ev->conn);
    gmq__free(ev);
}

void gmq__lbroker_wake(gmq__loopback_broker *b)
{
    if (b->waiting)
        pthread_cond_signal(&b->work);
    b->waiting = false;
}

void gmq__lbroker_bind(gmq__lconn *c, gmq__levent *ev)
{
    ev->conn = c;
    ev->epoch = c->epoch;
    c->refs++;
}

void gmq__lbroker_post(gmq__loopback_broker *b, gmq__lconn *c, gmq__levent *ev)
{
    if (!ev->conn)
        gmq__lbroker_bind(c, ev);
    gmq__list_push(&b->ready, &ev->node);
    gmq__lbroker_wake(b);
}

/* ---- connections ---- */

void gmq__lconn_unref(gmq__lconn *c)
{
    if (--c->refs)
        return;
    gmq__levent_free(c->end);
    gmq__levent_free(c->closed);
    gmq__packet_unref(c->will);
    gmq__free(c->client_id);
    gmq__free(c);
}

void gmq__lconn_drop(gmq__lconn *c, gmq__levent *ev, gmq__tstate state, int reason, const char *why,
                     bool will)
{
    gmq__node_unlink(&c->node);
    gmq__lroute_forget(c);
    c->state = GMQ__L_IDLE;
    c->inflight = 0;
    c->epoch++; /* what is still under way to c is lost */
    ev->state = state;
    ev->reason = reason;
    snprintf(ev->text, sizeof ev->text, "loopback://%s: %s", c->broker->name, why);
    gmq__lbroker_post(c->broker, c, ev);
    if (will && c->will)
        gmq__lroute_publish(c->broker, c->will);
}

static gmq__levent *take(gmq__levent **from)
{
    gmq__levent *ev = *from;
    *from = NULL;
    return ev;
}

static void take_over(gmq__lconn *c)
{
    gmq__loopback_broker *b = c->broker;
    for (gmq__node *n = b->conns.head.next; n != &b->conns.head; n = n->next) {
        gmq__lconn *other = GMQ__CONTAINER(n, gmq__lconn, node);
        if (c->client_id[0] && strcmp(other->client_id, c->client_id) == 0) {
            gmq__lconn_drop(other, take(&other->end), GMQ__T_LOST, GMQ__MQTT_SESSION_TAKEN_OVER,
                            "another client has taken this client id (0x8e)", true);
            return;
        }
    }
}

/* The answer to connect(), decided when its turn comes; `ev` turns into the STATE event for the
 * sink. */
static void accept_connection(gmq__loopback_broker *b, gmq__lconn *c, gmq__levent *ev)
{
    ev->kind = GMQ__L_STATE;
    if (b->faults.refuse) {
        c->state = GMQ__L_IDLE;
        ev->state = GMQ__T_REFUSED;
        ev->reason = GMQ__MQTT_SERVER_UNAVAILABLE;
        snprintf(ev->text, sizeof ev->text, "loopback://%s: server unavailable (0x88)", b->name);
        return;
    }
    take_over(c);
    c->state = GMQ__L_CONNECTED;
    c->limits.receive_max = b->faults.receive_max ? b->faults.receive_max : 65535;
    c->limits.packet_max = b->faults.packet_max ? b->faults.packet_max : SIZE_MAX;
    gmq__list_push(&b->conns, &c->node);
    ev->state = GMQ__T_CONNECTED;
}

/* ---- the thread ---- */

static void call_sink(gmq__lconn *c, const gmq__levent *ev, const gmq__mqtt_limits *limits)
{
    if (ev->kind == GMQ__L_MESSAGE) {
        gmq__mqtt_message message = ev->packet->message;
        message.qos = ev->qos;
        message.retain = ev->retain;
        if (!limits->properties) {
            message.nproperties = 0;
            message.expiry_s = 0;
        }
        c->sink.message(c->sink.ctx, &message, ev->packet->payload);
    } else if (ev->kind == GMQ__L_ACK) {
        c->sink.acked(c->sink.ctx, ev->token, ev->reason);
    } else {
        gmq__tstate_info info = {ev->state, *limits, ev->reason, ev->text};
        c->sink.state(c->sink.ctx, &info);
    }
}

static bool still_wanted(gmq__loopback_broker *b, gmq__lconn *c,
                         gmq__levent *ev) /* false: nothing for the sink */
{
    if (c->dead || (ev->epoch != c->epoch && ev->kind != GMQ__L_STATE))
        return false;
    if (ev->kind == GMQ__L_CONNECT) {
        if (c->state != GMQ__L_CONNECTING)
            return false;
        accept_connection(b, c, ev);
    } else if (ev->kind == GMQ__L_ACK) {
        if (ev->frees && c->inflight)
            c->inflight--;
        return ev->token != 0;
    }
    return true;
}

static void deliver(gmq__loopback_broker *b, gmq__levent *ev)
{
    gmq__lconn *c = ev->conn;
    if (still_wanted(b, c, ev)) {
        gmq__mqtt_limits limits = c->limits;
        c->calling = true;
        pthread_mutex_unlock(&b->lock);
        call_sink(c, ev, &limits);
        pthread_mutex_lock(&b->lock);
        c->calling = false;
        if (c->dead)
            pthread_cond_broadcast(&b->idle);
    }
    gmq__levent_free(ev);
}

static void release_due(gmq__loopback_broker *b)
{
    gmq__heap_node *first = gmq__heap_first(&b->delayed);
    if (!first)
        return;
    int64_t now = gmq__os_now_ns();
    while (first && first->key <= now) {
        gmq__levent *ev = GMQ__CONTAINER(first, gmq__levent, when);
        gmq__heap_remove(&b->delayed, first);
        gmq__node_unlink(&ev->held);
        gmq__list_push(&b->ready, &ev->node);
        first = gmq__heap_first(&b->delayed);
    }
}

static void free_broker(gmq__loopback_broker *b)
{
    gmq__node *n;
    while ((n = gmq__list_pop(&b->ready)))
        gmq__levent_free(GMQ__CONTAINER(n, gmq__levent, node));
    gmq__heap_node *h;
    while ((h = gmq__heap_first(&b->delayed))) {
        gmq__heap_remove(&b->delayed, h);
        gmq__levent_free(GMQ__CONTAINER(h, gmq__levent, when));
    }
    gmq__heap_free(&b->delayed);
    gmq__lroute_free(b);
    pthread_mutex_unlock(&b->lock);
    pthread_mutex_destroy(&b->lock);
    pthread_cond_destroy(&b->work);
    pthread_cond_destroy(&b->idle);
    gmq__free(b->name);
    gmq__free(b);
}

static void *run(void *arg)
{
    gmq__loopback_broker *b = arg;
    pthread_mutex_lock(&b->lock);
    while (!b->stop) {
        release_due(b);
        gmq__node *n = gmq__list_pop(&b->ready);
        if (n) {
            deliver(b, GMQ__CONTAINER(n, gmq__levent, node));
            continue;
        }
        gmq__heap_node *first = gmq__heap_first(&b->delayed);
        b->waiting = true;
        gmq__os_cond_wait_until(&b->work, &b->lock, first ? first->key : INT64_MAX);
        b->waiting = false;
    }
    free_broker(b);
    return NULL;
}

/* ---- registry ---- */

static gmq__loopback_broker *new_broker(const char *name)
{
    gmq__loopback_broker *b = gmq__calloc(1, sizeof *b);
    if (!b || !(b->name = gmq__strdup(name))) {
        gmq__free(b);
        return NULL;
    }
    b->refs = 1;
    gmq__list_init(&b->conns);
    gmq__list_init(&b->patterns);
    gmq__list_init(&b->ready);
    gmq__os_random(NULL, &b->exact.seed, sizeof b->exact.seed);
    b->retained.seed = b->exact.seed;
    pthread_mutex_init(&b->lock, NULL);
    gmq__os_cond_init(&b->work);
    gmq__os_cond_init(&b->idle);
    pthread_t thread;
    if (!gmq__os_thread_start(&thread, run, b, "gmq-loopback")) {
        pthread_mutex_lock(&b->lock);
        free_broker(b);
        return NULL;
    }
    pthread_detach(thread); /* frees the broker itself, so that the last release never waits */
    gmq__list_push(&registry, &b->node);
    return b;
}

gmq__loopback_broker *gmq__loopback_broker_get(const char *name)
{
    pthread_mutex_lock(&registry_lock);
    gmq__loopback_broker *b = NULL;
    for (gmq__node *n = registry.head.next; n != &registry.head && !b; n = n->next)
        if (strcmp(GMQ__CONTAINER(n, gmq__loopback_broker, node)->name, name) == 0)
            b = GMQ__CONTAINER(n, gmq__loopback_broker, node);
    if (b)
        b->refs++;
    else
        b = new_broker(name);
    pthread_mutex_unlock(&registry_lock);
    return b;
}

void gmq__loopback_broker_release(gmq__loopback_broker *b)
{
    if (!b)
        return;
    pthread_mutex_lock(&registry_lock);
    bool last = --b->refs == 0;
    if (last)
        gmq__node_unlink(&b->node);
    pthread_mutex_unlock(&registry_lock);
    if (!last)
        return;
    pthread_mutex_lock(&b->lock);
    b->stop = true;
    pthread_cond_signal(&b->work);
    pthread_mutex_unlock(&b->lock);
}

void gmq__loopback_broker_faults(gmq__loopback_broker *b, const gmq__loopback_faults *faults)
{
    pthread_mutex_lock(&b->lock);
    b->faults = *faults;
    b->prng.state = faults->seed;
    pthread_mutex_unlock(&b->lock);
}

void gmq__loopback_broker_cut(gmq__loopback_broker *b)
{
    pthread_mutex_lock(&b->lock);
    gmq__list wills;
    gmq__list_init(&wills);
    gmq__node *n;
    while ((n = gmq__list_first(&b->conns))) {
        gmq__lconn *c = GMQ__CONTAINER(n, gmq__lconn, node);
        gmq__lconn_drop(c, take(&c->end), GMQ__T_LOST, GMQ__MQTT_UNSPECIFIED, "connection cut",
                        false);
        if (c->will)
            gmq__list_push(&wills, &c->node);
    }
    /* Only now, so that no Will reaches a connection that is about to be cut. */
    while ((n = gmq__list_pop(&wills)))
        gmq__lroute_publish(b, GMQ__CONTAINER(n, gmq__lconn, node)->will);
    pthread_mutex_unlock(&b->lock);
}
