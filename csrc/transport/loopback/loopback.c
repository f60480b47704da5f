#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "transport/filter.h"
#include "transport/loopback/broker.h"

static gmq__lconn *conn_of(gmq__transport *t) { return (gmq__lconn *)t; }

static gmq_status create(gmq__transport **out, const gmq__transport_config *config,
                         const gmq__sink *sink)
{
    gmq__lconn *c = gmq__calloc(1, sizeof *c);
    if (!c)
        return gmq__fail_nomem();
    c->refs = 1;
    c->base.vtable = &gmq__loopback_transport;
    c->sink = *sink;
    c->limits.keep_alive_s = config->keep_alive_s;
    c->limits.properties = config->mqtt_version != 4;
    gmq__list_init(&c->subs);
    gmq__list_init(&c->held);
    c->client_id = gmq__strdup(config->client_id ? config->client_id : "");
    c->will = config->will.topic.len ? gmq__packet_copy(&config->will) : NULL;
    c->broker = c->client_id && (c->will || !config->will.topic.len)
                    ? gmq__loopback_broker_get(config->host ? config->host : "")
                    : NULL;
    if (!c->broker) {
        gmq__lconn_unref(c);
        return gmq__fail_nomem();
    }
    *out = &c->base;
    return GMQ_OK;
}

/* Fills up the events made ahead; false = no memory. */
static bool stock_up(gmq__lconn *c)
{
    if (!c->end)
        c->end = gmq__levent_new(GMQ__L_STATE);
    if (!c->closed)
        c->closed = gmq__levent_new(GMQ__L_STATE);
    return c->end && c->closed;
}

static gmq_status connect_locked(gmq__lconn *c)
{
    if (c->state != GMQ__L_IDLE)
        return gmq__fail(GMQ_E_STATE, "loopback://%s: connected or connecting already",
                         c->broker->name);
    gmq__levent *ev = gmq__levent_new(GMQ__L_CONNECT);
    if (!ev || !stock_up(c)) {
        gmq__levent_free(ev);
        return gmq__fail_nomem();
    }
    c->epoch++;
    c->state = GMQ__L_CONNECTING;
    gmq__lbroker_post(c->broker, c, ev);
    return GMQ_OK;
}

static gmq_status do_connect(gmq__transport *t)
{
    gmq__lconn *c = conn_of(t);
    pthread_mutex_lock(&c->broker->lock);
    gmq_status status = connect_locked(c);
    pthread_mutex_unlock(&c->broker->lock);
    return status;
}

static gmq_status not_connected(const gmq__lconn *c)
{
    return gmq__fail(GMQ_E_CLOSED, "loopback://%s: not connected", c->broker->name);
}

static gmq_status post_ack(gmq__lconn *c, gmq__levent *ack, uint64_t token, int reason)
{
    ack->token = token;
    ack->reason = reason;
    gmq__lbroker_post(c->broker, c, ack);
    return GMQ_OK;
}

static gmq_status publish_locked(gmq__lconn *c, gmq__packet *packet, gmq__levent *ack, size_t size,
                                 uint64_t token)
{
    gmq__loopback_broker *b = c->broker;
    if (c->state != GMQ__L_CONNECTED)
        return not_connected(c);
    if (size > c->limits.packet_max)
        return gmq__fail(GMQ_E_TOO_LARGE,
                         "a packet of %zu bytes is above the broker's maximum of %zu", size,
                         c->limits.packet_max);
    ack->frees = packet->message.qos > 0;
    if (ack->frees && c->inflight >= c->limits.receive_max)
        return gmq__fail(GMQ_E_AGAIN, "%u publishes are in flight", (unsigned)c->inflight);
    if (b->faults.packet_max &&
        size > b->faults.packet_max) { /* the limit has shrunk since CONNACK */
        gmq__levent *end = c->end;
        c->end = NULL;
        gmq__levent_free(ack);
        gmq__lconn_drop(c, end, GMQ__T_LOST, GMQ__MQTT_PACKET_TOO_LARGE, "packet too large (0x95)",
                        true);
        return GMQ_OK;
    }
    c->inflight += ack->frees;
    size_t matched = gmq__lroute_publish(b, packet);
    bool nobody =
        ack->frees && !matched && c->limits.properties; /* MQTT 3.1.1 has no reason codes */
    return post_ack(c, ack, token, nobody ? GMQ__MQTT_NO_SUBSCRIBERS : GMQ__MQTT_OK);
}

static gmq_status publish(gmq__transport *t, const gmq__mqtt_message *message, uint64_t token)
{
    gmq__lconn *c = conn_of(t);
    if (!gmq__filter_topic_ok(message->topic))
        return gmq__fail(GMQ_E_INVALID, "\"%.*s\" is no topic to publish to",
                         (int)message->topic.len, (const char *)message->topic.data);
    gmq__levent *ack = gmq__levent_new(GMQ__L_ACK);
    gmq__mqtt_message sent = *message;
    if (!c->limits.properties)
        sent.nproperties = 0;
    gmq__packet *packet = ack ? gmq__packet_copy(&sent) : NULL;
    if (!packet) {
        gmq__levent_free(ack);
        return gmq__fail_nomem();
    }
    size_t size = gmq__mqtt_publish_overhead(message, message->payload.len) + message->payload.len;
    pthread_mutex_lock(&c->broker->lock);
    gmq_status status = publish_locked(c, packet, ack, size, token);
    if (status != GMQ_OK)
        gmq__levent_free(ack);
    gmq__packet_unref(packet);
    pthread_mutex_unlock(&c->broker->lock);
    return status;
}

static gmq_status check_filters(const gmq__span *filters, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!gmq__filter_ok(filters[i]))
            return gmq__fail(GMQ_E_INVALID, "\"%.*s\" is no topic filter", (int)filters[i].len,
                             (const char *)filters[i].data);
    return n ? GMQ_OK : gmq__fail(GMQ_E_INVALID, "no topic filter");
}

typedef int change_fn(gmq__lconn *c, gmq__span filter, uint8_t qos); /* reason code */

static int subscribe_one(gmq__lconn *c, gmq__span filter, uint8_t qos)
{
    return gmq__lroute_subscribe(c, filter, qos) ? qos : GMQ__MQTT_QUOTA_EXCEEDED;
}

static int unsubscribe_one(gmq__lconn *c, gmq__span filter, uint8_t qos)
{
    (void)qos;
    gmq__lroute_unsubscribe(c, filter);
    return GMQ__MQTT_OK;
}

static gmq_status change(gmq__lconn *c, change_fn *one, const gmq__span *filters, size_t n,
                         uint8_t qos, uint64_t token)
{
    gmq_status status = check_filters(filters, n);
    if (status != GMQ_OK)
        return status;
    gmq__levent *ack = gmq__levent_new(GMQ__L_ACK);
    if (!ack)
        return gmq__fail_nomem();
    pthread_mutex_lock(&c->broker->lock);
    if (c->state == GMQ__L_CONNECTED) {
        int worst = 0;
        gmq__lbroker_bind(c, ack);
        for (size_t i = 0; i < n; i++) {
            int reason = one(c, filters[i], qos);
            worst = reason > worst ? reason : worst;
        }
        status = post_ack(c, ack, token, worst);
    } else {
        gmq__levent_free(ack);
        status = not_connected(c);
    }
    pthread_mutex_unlock(&c->broker->lock);
    return status;
}

static gmq_status subscribe(gmq__transport *t, const gmq__span *filters, size_t n, uint8_t qos,
                            uint64_t token)
{
    return change(conn_of(t), subscribe_one, filters, n, qos, token);
}

static gmq_status unsubscribe(gmq__transport *t, const gmq__span *filters, size_t n, uint64_t token)
{
    return change(conn_of(t), unsubscribe_one, filters, n, 0, token);
}

static void do_close(gmq__transport *t)
{
    gmq__lconn *c = conn_of(t);
    pthread_mutex_lock(&c->broker->lock);
    gmq__levent *ev = c->closed ? c->closed : gmq__levent_new(GMQ__L_STATE);
    c->closed = NULL;
    if (ev)
        gmq__lconn_drop(c, ev, GMQ__T_CLOSED, GMQ__MQTT_OK, "closed", false);
    pthread_mutex_unlock(&c->broker->lock);
}

static void destroy(gmq__transport *t)
{
    gmq__lconn *c = conn_of(t);
    gmq__loopback_broker *b = c->broker;
    pthread_mutex_lock(&b->lock);
    c->dead = true;
    gmq__node_unlink(&c->node);
    gmq__lroute_forget(c);
    if (c->state == GMQ__L_CONNECTED && c->will)
        gmq__lroute_publish(b, c->will);
    while (c->calling)
        pthread_cond_wait(&b->idle, &b->lock);
    gmq__lconn_unref(c);
    pthread_mutex_unlock(&b->lock);
    gmq__loopback_broker_release(b);
}

const gmq__transport_vtable gmq__loopback_transport = {
    .name = "loopback",
    .prompt = true,
    .create = create,
    .connect = do_connect,
    .publish = publish,
    .subscribe = subscribe,
    .unsubscribe = unsubscribe,
    .close = do_close,
    .destroy = destroy,
};
