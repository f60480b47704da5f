#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "transport/filter.h"
#include "transport/paho/client.h"

#define QOS0_WINDOW                                                                                \
    1024 /* QoS 0 publishes that paho may hold; the protocol has no bound for them */
#define BYTES_WINDOW (4u << 20) /* paho copies what it holds; a single larger publish passes */
#define BLOCK_OPS    64

struct gmq__pblock {
    gmq__pblock *next;
    gmq__pop ops[BLOCK_OPS];
};

/* ---- requests under way; the lock is held ---- */

static gmq__pop *take_op(gmq__pclient *c)
{
    if (!c->free_ops) {
        gmq__pblock *block = gmq__calloc(1, sizeof *block);
        if (!block)
            return NULL;
        block->next = c->blocks;
        c->blocks = block;
        for (size_t i = 0; i < BLOCK_OPS; i++) {
            block->ops[i].next = c->free_ops;
            c->free_ops = &block->ops[i];
        }
    }
    gmq__pop *op = c->free_ops;
    c->free_ops = op->next;
    *op = (gmq__pop){.client = c, .attempt = c->attempt};
    return op;
}

static void give_back(gmq__pclient *c, gmq__pop *op)
{
    if (op->attempt == c->attempt) {
        c->inflight -= op->qos1;
        c->inflight_qos0 -= op->qos0;
        c->inflight_bytes -= op->bytes;
    }
    op->next = c->free_ops;
    c->free_ops = op;
}

void gmq__prequest_free_all(gmq__pclient *c)
{
    while (c->blocks) {
        gmq__pblock *block = c->blocks;
        c->blocks = block->next;
        gmq__free(block);
    }
}

/* ---- answers ---- */

/* reason < 0: paho gave up; a LOST follows and says so for all. */
static void answered(gmq__pop *op, int reason)
{
    gmq__pclient *c = op->client;
    uint64_t token = op->token;
    pthread_mutex_lock(&c->lock);
    bool told = reason >= 0 && token && !c->dead && op->attempt == c->attempt &&
                (c->state == GMQ__P_CONNECTED || c->state == GMQ__P_CLOSING);
    c->calling += told;
    give_back(c, op);
    bool last = c->state == GMQ__P_CLOSING && !c->inflight && !c->dead;
    pthread_mutex_unlock(&c->lock);
    if (last)
        gmq__pclient_disconnect(c, 0); /* all that close() waited for */
    if (!told)
        return;
    c->sink.acked(c->sink.ctx, token, reason);
    pthread_mutex_lock(&c->lock);
    if (--c->calling == 0)
        pthread_cond_broadcast(&c->idle);
    pthread_mutex_unlock(&c->lock);
}

static void publish_ok(void *context, MQTTAsync_successData *response)
{
    (void)response;
    answered(context, GMQ__MQTT_OK);
}

static void publish_ok5(void *context, MQTTAsync_successData5 *response)
{
    const gmq__pop *op = context;
    int reason = (int)response->reasonCode;
    if (reason == GMQ__MQTT_OK && op->qos1)
        reason = gmq__phook_puback_reason();
    answered(context, reason);
}

static void request_failed(void *context, MQTTAsync_failureData *response)
{
    answered(context, response && response->code > 0 ? response->code : -1);
}

static void request_failed5(void *context, MQTTAsync_failureData5 *response)
{
    answered(context,
             response && (int)response->reasonCode >= 0x80 ? (int)response->reasonCode : -1);
}

static int worst(int a, int b) { return a > b ? a : b; }

static void subscribe_ok(void *context, MQTTAsync_successData *response)
{
    const gmq__pop *op = context;
    int reason = op->nfilters == 1 ? response->alt.qos : 0;
    for (size_t i = 0; op->nfilters > 1 && i < op->nfilters; i++)
        reason = worst(reason, response->alt.qosList[i]);
    answered(context, reason);
}

static void unsubscribe_ok(void *context, MQTTAsync_successData *response)
{
    (void)response;
    answered(context, GMQ__MQTT_OK);
}

static void unsubscribe_ok5(void *context, MQTTAsync_successData5 *response)
{
    (void)response; /* "no subscription existed" is as good */
    answered(context, GMQ__MQTT_OK);
}

static void subscribe_ok5(void *context, MQTTAsync_successData5 *response)
{
    int reason = (int)response->reasonCode;
    int n = response->alt.sub.reasonCodeCount;
    for (int i = 0; n > 1 && i < n; i++)
        reason = worst(reason, (int)response->alt.sub.reasonCodes[i]);
    answered(context, reason);
}

/* ---- publish ---- */

static gmq_status fail_with(const gmq__pclient *c, int rc)
{
    switch (rc) {
    case MQTTASYNC_SUCCESS:
        return GMQ_OK;
    case MQTTASYNC_DISCONNECTED:
        return gmq__fail(GMQ_E_CLOSED, "%s: not connected", c->name);
    case MQTTASYNC_NO_MORE_MSGIDS:
    case MQTTASYNC_MAX_BUFFERED_MESSAGES:
        return gmq__fail(GMQ_E_AGAIN, "%s: too many requests under way", c->name);
    case MQTTASYNC_BAD_UTF8_STRING:
        return gmq__fail(GMQ_E_INVALID, "%s: a topic is not UTF-8", c->name);
    default:
        return rc == GMQ__PAHO_NOMEM
                   ? gmq__fail_nomem()
                   : gmq__fail(GMQ_E_IO, "%s: %s", c->name, MQTTAsync_strerror(rc));
    }
}

static gmq_status reserve(gmq__pclient *c, const gmq__mqtt_message *message, gmq__pop **out)
{
    size_t size = gmq__mqtt_publish_overhead(message, message->payload.len) + message->payload.len;
    if (c->state != GMQ__P_CONNECTED)
        return gmq__fail(GMQ_E_CLOSED, "%s: not connected", c->name);
    if (size > c->limits.packet_max)
        return gmq__fail(GMQ_E_TOO_LARGE,
                         "%s: a packet of %zu bytes is above the broker's maximum of %zu", c->name,
                         size, c->limits.packet_max);
    bool full =
        message->qos ? c->inflight >= c->limits.receive_max : c->inflight_qos0 >= QOS0_WINDOW;
    full |= c->inflight_bytes && c->inflight_bytes + size > BYTES_WINDOW;
    if (full)
        return gmq__fail(GMQ_E_AGAIN, "%s: %u publishes of %zu bytes are in flight", c->name,
                         (unsigned)(c->inflight + c->inflight_qos0), c->inflight_bytes);
    gmq__pop *op = take_op(c);
    if (!op)
        return gmq__fail_nomem();
    op->bytes = size;
    op->qos1 = message->qos > 0;
    op->qos0 = !op->qos1;
    c->inflight += op->qos1;
    c->inflight_qos0 += op->qos0;
    c->inflight_bytes += size;
    *out = op;
    return GMQ_OK;
}

static void unreserve(gmq__pclient *c, gmq__pop *op)
{
    pthread_mutex_lock(&c->lock);
    give_back(c, op);
    pthread_mutex_unlock(&c->lock);
}

#define FEW_PROPERTIES 8

static void write_properties(const gmq__mqtt_message *message, MQTTProperty *to,
                             MQTTProperties *list)
{
    *list = (MQTTProperties){0, (int)message->nproperties + 1, 0, to};
    if (message->expiry_s)
        to[list->count++] = (MQTTProperty){.identifier = MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL,
                                           .value = {.integer4 = message->expiry_s}};
    for (size_t i = 0; i < message->nproperties; i++) {
        const gmq__mqtt_property *from = &message->properties[i];
        MQTTProperty *p = &to[list->count++];
        memset(p, 0, sizeof *p);
        p->identifier = MQTTPROPERTY_CODE_USER_PROPERTY;
        p->value.data = (MQTTLenString){(int)from->key.len, (char *)(uintptr_t)from->key.data};
        p->value.value = (MQTTLenString){(int)from->value.len, (char *)(uintptr_t)from->value.data};
    }
}

static MQTTAsync_responseOptions answers(const gmq__pclient *c, gmq__pop *op,
                                         MQTTAsync_onSuccess *ok, MQTTAsync_onSuccess5 *ok5)
{
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    response.context = op;
    if (c->version == MQTTVERSION_5) {
        response.onSuccess5 = ok5;
        response.onFailure5 = request_failed5;
    } else {
        response.onSuccess = ok;
        response.onFailure = request_failed;
    }
    return response;
}

static gmq_status send(gmq__pclient *c, const gmq__mqtt_message *message, const char *topic,
                       MQTTProperty *space, gmq__pop *op)
{
    MQTTAsync_responseOptions response = answers(c, op, publish_ok, publish_ok5);
    if (c->version == MQTTVERSION_5)
        write_properties(message, space, &response.properties);
    return fail_with(c,
                     MQTTAsync_send(c->handle, topic, (int)message->payload.len,
                                    message->payload.len ? (const void *)message->payload.data : "",
                                    message->qos, message->retain, &response));
}

static char *terminated(gmq__span s, char *room, size_t size)
{
    char *to = s.len < size ? room : gmq__malloc(s.len + 1);
    if (to) {
        memcpy(to, s.data, s.len);
        to[s.len] = '\0';
    }
    return to;
}

static gmq_status publish_op(gmq__pclient *c, const gmq__mqtt_message *message, gmq__pop *op)
{
    char room[512];
    MQTTProperty few[FEW_PROPERTIES + 1], *space = few;
    if (message->nproperties > FEW_PROPERTIES)
        space = gmq__malloc((message->nproperties + 1) * sizeof *space);
    char *topic = terminated(message->topic, room, sizeof room);
    gmq_status status = topic && space ? send(c, message, topic, space, op) : gmq__fail_nomem();
    if (topic != room)
        gmq__free(topic);
    if (space != few)
        gmq__free(space);
    return status;
}

gmq_status gmq__prequest_publish(gmq__transport *t, const gmq__mqtt_message *message,
                                 uint64_t token)
{
    gmq__pclient *c = (gmq__pclient *)t;
    if (!gmq__filter_topic_ok(message->topic))
        return gmq__fail(GMQ_E_INVALID, "\"%.*s\" is no topic to publish to",
                         (int)message->topic.len, (const char *)message->topic.data);
    gmq__pop *op = NULL;
    pthread_mutex_lock(&c->lock);
    gmq_status status = reserve(c, message, &op);
    pthread_mutex_unlock(&c->lock);
    if (status != GMQ_OK)
        return status;
    op->token = token;
    status = publish_op(c, message, op);
    if (status != GMQ_OK)
        unreserve(c, op);
    return status;
}

/* ---- subscribe, unsubscribe ---- */

static gmq_status copy_filters(const gmq__span *filters, size_t n, char **to)
{
    for (size_t i = 0; i < n; i++) {
        if (!gmq__filter_ok(filters[i]))
            return gmq__fail(GMQ_E_INVALID, "\"%.*s\" is no topic filter", (int)filters[i].len,
                             (const char *)filters[i].data);
        to[i] = gmq__strndup((const char *)filters[i].data, filters[i].len);
        if (!to[i])
            return gmq__fail_nomem();
    }
    return n ? GMQ_OK : gmq__fail(GMQ_E_INVALID, "no topic filter");
}

static gmq_status send_filters(gmq__pclient *c, char **topics, size_t n, int qos, gmq__pop *op)
{
    MQTTAsync_responseOptions response = qos < 0 ? answers(c, op, unsubscribe_ok, unsubscribe_ok5)
                                                 : answers(c, op, subscribe_ok, subscribe_ok5);
    if (qos < 0)
        return fail_with(c, MQTTAsync_unsubscribeMany(c->handle, (int)n, topics, &response));
    int *all = gmq__malloc(n * sizeof *all);
    if (!all)
        return gmq__fail_nomem();
    for (size_t i = 0; i < n; i++)
        all[i] = qos;
    gmq_status status =
        fail_with(c, MQTTAsync_subscribeMany(c->handle, (int)n, topics, all, &response));
    gmq__free(all);
    return status;
}

static gmq_status reserve_for_filters(gmq__pclient *c, size_t n, uint64_t token, gmq__pop **out)
{
    if (c->state != GMQ__P_CONNECTED)
        return gmq__fail(GMQ_E_CLOSED, "%s: not connected", c->name);
    gmq__pop *op = take_op(c);
    if (!op)
        return gmq__fail_nomem();
    op->token = token;
    op->nfilters = n;
    *out = op;
    return GMQ_OK;
}

static gmq_status change(gmq__pclient *c, const gmq__span *filters, size_t n, int qos,
                         uint64_t token)
{
    char **topics = gmq__calloc(n ? n : 1, sizeof *topics);
    if (!topics)
        return gmq__fail_nomem();
    gmq_status status = copy_filters(filters, n, topics);
    if (status == GMQ_OK) {
        gmq__pop *op = NULL;
        pthread_mutex_lock(&c->lock);
        status = reserve_for_filters(c, n, token, &op);
        pthread_mutex_unlock(&c->lock);
        if (status == GMQ_OK && (status = send_filters(c, topics, n, qos, op)) != GMQ_OK)
            unreserve(c, op);
    }
    for (size_t i = 0; i < n; i++)
        gmq__free(topics[i]);
    gmq__free(topics);
    return status;
}

gmq_status gmq__prequest_subscribe(gmq__transport *t, const gmq__span *filters, size_t n,
                                   uint8_t qos, uint64_t token)
{
    return change((gmq__pclient *)t, filters, n, qos, token);
}

gmq_status gmq__prequest_unsubscribe(gmq__transport *t, const gmq__span *filters, size_t n,
                                     uint64_t token)
{
    return change((gmq__pclient *)t, filters, n, -1, token);
}
