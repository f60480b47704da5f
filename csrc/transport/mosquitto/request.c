#include <mqtt_protocol.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "transport/filter.h"
#include "transport/mosquitto/client.h"

#define QOS0_WINDOW 1024 /* QoS 0 publishes unwritten; the protocol has no bound for them */
#define BYTES_WINDOW                                                                               \
    (4u << 20) /* libmosquitto copies what it holds; a single larger one passes                    \
                */

/* ---- requests under way ---- */

static gmq_status add_op(gmq__mclient *c, gmq__mkind kind, uint64_t token, size_t bytes,
                         gmq__mop **out)
{
    gmq__mop *op = gmq__malloc(sizeof *op);
    if (!op)
        return gmq__fail_nomem();
    *op = (gmq__mop){.token = token, .bytes = bytes, .kind = kind};
    gmq__list_push(&c->ops, &op->node);
    c->inflight += kind == GMQ__M_PUBLISH1;
    c->inflight_qos0 += kind == GMQ__M_PUBLISH0;
    c->inflight_bytes += bytes;
    *out = op;
    return GMQ_OK;
}

void gmq__mrequest_remove(gmq__mclient *c, gmq__mop *op)
{
    gmq__node_unlink(&op->node);
    c->inflight -= op->kind == GMQ__M_PUBLISH1;
    c->inflight_qos0 -= op->kind == GMQ__M_PUBLISH0;
    c->inflight_bytes -= op->bytes;
    gmq__free(op);
}

static gmq_status fail_with(gmq__mclient *c, gmq__mop *op, int rc)
{
    if (rc == MOSQ_ERR_SUCCESS) {
        c->unsent++;
        return GMQ_OK;
    }
    gmq__mrequest_remove(c, op);
    switch (rc) {
    case MOSQ_ERR_NOMEM:
        return gmq__fail_nomem();
    case MOSQ_ERR_NO_CONN:
    case MOSQ_ERR_CONN_LOST:
        return gmq__fail(GMQ_E_CLOSED, "%s: not connected", c->name);
    case MOSQ_ERR_OVERSIZE_PACKET:
        return gmq__fail(GMQ_E_TOO_LARGE, "%s: a packet is above the broker's maximum of %zu",
                         c->name, c->limits.packet_max);
    case MOSQ_ERR_INVAL:
    case MOSQ_ERR_MALFORMED_UTF8:
        return gmq__fail(GMQ_E_INVALID, "%s: a topic is not UTF-8", c->name);
    default:
        return gmq__fail(GMQ_E_IO, "%s: %s", c->name, mosquitto_strerror(rc));
    }
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

/* ---- publish ---- */

static int add_pair(mosquitto_property **list, const gmq__mqtt_property *from)
{
    char key_room[64], value_room[256];
    char *key = terminated(from->key, key_room, sizeof key_room);
    char *value = terminated(from->value, value_room, sizeof value_room);
    int rc = MOSQ_ERR_NOMEM;
    if (key && value)
        rc = mosquitto_property_add_string_pair(list, MQTT_PROP_USER_PROPERTY, key, value);
    if (key != key_room)
        gmq__free(key);
    if (value != value_room)
        gmq__free(value);
    return rc;
}

static int write_properties(const gmq__mclient *c, const gmq__mqtt_message *message,
                            mosquitto_property **list)
{
    int rc = MOSQ_ERR_SUCCESS;
    if (!c->limits.properties)
        return rc;
    if (message->expiry_s)
        rc = mosquitto_property_add_int32(list, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL,
                                          message->expiry_s);
    for (size_t i = 0; !rc && i < message->nproperties; i++)
        rc = add_pair(list, &message->properties[i]);
    return rc;
}

static int send(gmq__mclient *c, const gmq__mqtt_message *message, int *mid)
{
    char room[512];
    mosquitto_property *properties = NULL;
    char *topic = terminated(message->topic, room, sizeof room);
    int rc = topic ? write_properties(c, message, &properties) : MOSQ_ERR_NOMEM;
    if (!rc)
        rc = mosquitto_publish_v5(c->handle, mid, topic, (int)message->payload.len,
                                  message->payload.data, message->qos, message->retain, properties);
    mosquitto_property_free_all(&properties);
    if (topic != room)
        gmq__free(topic);
    return rc;
}

static gmq_status check_room(const gmq__mclient *c, const gmq__mqtt_message *message, size_t size)
{
    if (c->state != GMQ__M_CONNECTED)
        return gmq__fail(GMQ_E_CLOSED, "%s: not connected", c->name);
    if (size > c->limits.packet_max || message->payload.len > MQTT_MAX_PAYLOAD)
        return gmq__fail(GMQ_E_TOO_LARGE,
                         "%s: a packet of %zu bytes is above the broker's maximum of %zu", c->name,
                         size, c->limits.packet_max);
    bool full =
        message->qos ? c->inflight >= c->limits.receive_max : c->inflight_qos0 >= QOS0_WINDOW;
    if (full || (c->inflight_bytes && c->inflight_bytes + size > BYTES_WINDOW))
        return gmq__fail(GMQ_E_AGAIN, "%s: %u publishes of %zu bytes are in flight", c->name,
                         (unsigned)(c->inflight + c->inflight_qos0), c->inflight_bytes);
    return GMQ_OK;
}

gmq_status gmq__mrequest_publish(gmq__transport *t, const gmq__mqtt_message *message,
                                 uint64_t token)
{
    gmq__mclient *c = (gmq__mclient *)t;
    if (!gmq__filter_topic_ok(message->topic))
        return gmq__fail(GMQ_E_INVALID, "\"%.*s\" is no topic to publish to",
                         (int)message->topic.len, (const char *)message->topic.data);
    size_t size = gmq__mqtt_publish_overhead(message, message->payload.len) + message->payload.len;
    gmq__mop *op = NULL;
    gmq_status status = check_room(c, message, size);
    if (status == GMQ_OK)
        status = add_op(c, message->qos ? GMQ__M_PUBLISH1 : GMQ__M_PUBLISH0, token, size, &op);
    if (status != GMQ_OK)
        return status;
    return fail_with(c, op, send(c, message, &op->mid));
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

static gmq_status send_filters(gmq__mclient *c, char **topics, size_t n, int qos, uint64_t token)
{
    gmq__mop *op = NULL;
    if (c->state != GMQ__M_CONNECTED)
        return gmq__fail(GMQ_E_CLOSED, "%s: not connected", c->name);
    gmq_status status = add_op(c, qos < 0 ? GMQ__M_UNSUBSCRIBE : GMQ__M_SUBSCRIBE, token, 0, &op);
    if (status != GMQ_OK)
        return status;
    int rc = qos < 0
                 ? mosquitto_unsubscribe_multiple(c->handle, &op->mid, (int)n, topics, NULL)
                 : mosquitto_subscribe_multiple(c->handle, &op->mid, (int)n, topics, qos, 0, NULL);
    return fail_with(c, op, rc);
}

static gmq_status change(gmq__mclient *c, const gmq__span *filters, size_t n, int qos,
                         uint64_t token)
{
    char **topics = gmq__calloc(n ? n : 1, sizeof *topics);
    if (!topics)
        return gmq__fail_nomem();
    gmq_status status = copy_filters(filters, n, topics);
    if (status == GMQ_OK)
        status = send_filters(c, topics, n, qos, token);
    for (size_t i = 0; i < n; i++)
        gmq__free(topics[i]);
    gmq__free(topics);
    return status;
}

gmq_status gmq__mrequest_subscribe(gmq__transport *t, const gmq__span *filters, size_t n,
                                   uint8_t qos, uint64_t token)
{
    return change((gmq__mclient *)t, filters, n, qos, token);
}

gmq_status gmq__mrequest_unsubscribe(gmq__transport *t, const gmq__span *filters, size_t n,
                                     uint64_t token)
{
    return change((gmq__mclient *)t, filters, n, -1, token);
}
