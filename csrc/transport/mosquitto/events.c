/* libmosquitto's callbacks: inside mosquitto_loop_*, on the owner's thread. They may not destroy
 * its client. */
#include <mqtt_protocol.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "transport/mosquitto/client.h"
#include "transport/reason.h"

#define WINDOW                                                                                     \
    256 /* publishes in flight; libmosquitto walks through all of them for each answer             \
         */

/* ---- CONNACK ---- */

static gmq__mqtt_limits default_limits(const gmq__mclient *c)
{
    return (gmq__mqtt_limits){
        .receive_max = WINDOW,
        .packet_max = SIZE_MAX,
        .keep_alive_s = c->keep_alive_s,
        .properties = c->version == MQTT_PROTOCOL_V5,
    };
}

static void read_limits(const mosquitto_property *properties, gmq__mqtt_limits *limits)
{
    uint16_t receive_max = 0;
    uint32_t packet_max = 0;
    if (mosquitto_property_read_int16(properties, MQTT_PROP_RECEIVE_MAXIMUM, &receive_max, false) &&
        receive_max && receive_max < limits->receive_max)
        limits->receive_max = receive_max;
    if (mosquitto_property_read_int32(properties, MQTT_PROP_MAXIMUM_PACKET_SIZE, &packet_max,
                                      false) &&
        packet_max)
        limits->packet_max = packet_max;
    mosquitto_property_read_int16(properties, MQTT_PROP_TOPIC_ALIAS_MAXIMUM, &limits->alias_max,
                                  false);
    mosquitto_property_read_int16(properties, MQTT_PROP_SERVER_KEEP_ALIVE, &limits->keep_alive_s,
                                  false);
}

static void on_connect(struct mosquitto *m, void *ctx, int code, int flags,
                       const mosquitto_property *properties)
{
    (void)m;
    gmq__mclient *c = ctx;
    if (c->state != GMQ__M_GREETING)
        return;
    if (code != 0) {
        gmq__mclient_end_reason(c, GMQ__T_REFUSED, gmq__reason_of_connack(code));
        return;
    }
    c->limits = default_limits(c);
    c->limits.session_present = flags & 1;
    read_limits(properties, &c->limits);
    c->state = GMQ__M_CONNECTED;
    gmq__tstate_info info = {.state = GMQ__T_CONNECTED, .limits = c->limits};
    c->sink.state(c->sink.ctx, &info);
}

/* ---- the end ---- */

/* `code` is a reason code of the server's DISCONNECT, or one of libmosquitto's errors. */
static void on_disconnect(struct mosquitto *m, void *ctx, int code,
                          const mosquitto_property *properties)
{
    (void)m, (void)properties;
    gmq__mclient *c = ctx;
    char why[128];
    if (c->state == GMQ__M_CLOSING) {
        gmq__mclient_end(c, GMQ__T_CLOSED, GMQ__MQTT_OK, "closed");
    } else if (c->state != GMQ__M_CONNECTED) {
        return; /* the attempt sees it by the loop's answer */
    } else if (code >= 0x80) {
        gmq__mclient_end_reason(c, GMQ__T_LOST, code);
    } else {
        bool known = code && code != MOSQ_ERR_CONN_LOST && code != MOSQ_ERR_ERRNO;
        snprintf(why, sizeof why, "connection lost%s%s", known ? ": " : "",
                 known ? mosquitto_strerror(code) : "");
        gmq__mclient_end(c, GMQ__T_LOST, GMQ__MQTT_UNSPECIFIED, why);
    }
}

/* ---- answers ---- */

static bool live(const gmq__mclient *c)
{
    return c->state == GMQ__M_CONNECTED || c->state == GMQ__M_CLOSING;
}

void gmq__mevent_answer(gmq__mclient *c, int mid, int reason)
{
    for (gmq__node *node = c->ops.head.next; node != &c->ops.head; node = node->next) {
        gmq__mop *op = GMQ__CONTAINER(node, gmq__mop, node);
        if (op->mid != mid)
            continue;
        uint64_t token = op->token;
        gmq__mrequest_remove(c, op);
        if (token && live(c))
            c->sink.acked(c->sink.ctx, token, reason);
        return;
    }
}

static void on_publish(struct mosquitto *m, void *ctx, int mid, int reason,
                       const mosquitto_property *properties)
{
    (void)m, (void)properties;
    gmq__mevent_answer(ctx, mid, reason);
}

static void on_subscribe(struct mosquitto *m, void *ctx, int mid, int n, const int *granted,
                         const mosquitto_property *properties)
{
    (void)m, (void)properties;
    int worst = 0;
    for (int i = 0; i < n; i++)
        worst = granted[i] > worst ? granted[i] : worst;
    gmq__mevent_answer(ctx, mid, worst);
}

static void on_unsubscribe(struct mosquitto *m, void *ctx, int mid,
                           const mosquitto_property *properties)
{
    (void)m, (void)properties; /* "no subscription existed" is as good */
    gmq__mevent_answer(ctx, mid, GMQ__MQTT_OK);
}

/* ---- message ---- */

#define FEW_PROPERTIES 8

static size_t count_pairs(const mosquitto_property *p)
{
    size_t n = 0;
    for (; p; p = mosquitto_property_next(p))
        n += mosquitto_property_identifier(p) == MQTT_PROP_USER_PROPERTY;
    return n;
}

/* false: out of memory, to[0..*n) are there. libmosquitto gives copies. */
static bool read_pairs(const mosquitto_property *p, gmq__mqtt_property *to, size_t *n)
{
    for (*n = 0; p; p = mosquitto_property_next(p)) {
        char *key, *value;
        if (mosquitto_property_identifier(p) != MQTT_PROP_USER_PROPERTY)
            continue;
        if (!mosquitto_property_read_string_pair(p, MQTT_PROP_USER_PROPERTY, &key, &value, false))
            return false;
        to[(*n)++] = (gmq__mqtt_property){gmq__span_str(key), gmq__span_str(value)};
    }
    return true;
}

static void free_pairs(const gmq__mqtt_property *pairs, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free((void *)(uintptr_t)pairs[i].key.data);
        free((void *)(uintptr_t)pairs[i].value.data);
    }
}

static void deliver(gmq__mclient *c, gmq__mqtt_message *message,
                    const mosquitto_property *properties)
{
    gmq__mqtt_property few[FEW_PROPERTIES], *list = few;
    size_t pairs = count_pairs(properties);
    if (pairs > FEW_PROPERTIES)
        list = gmq__malloc(pairs * sizeof *list);
    /* where memory is short, the message is lost as if the broker had dropped it */
    if (list && read_pairs(properties, list, &message->nproperties)) {
        mosquitto_property_read_int32(properties, MQTT_PROP_MESSAGE_EXPIRY_INTERVAL,
                                      &message->expiry_s, false);
        message->properties = list;
        c->sink.message(c->sink.ctx, message, NULL);
    }
    if (list)
        free_pairs(list, message->nproperties);
    if (list != few)
        gmq__free(list);
}

static void on_message(struct mosquitto *m, void *ctx, const struct mosquitto_message *from,
                       const mosquitto_property *properties)
{
    (void)m;
    gmq__mclient *c = ctx;
    if (from->qos && c->acks++ == 0)
        c->acks_since = c->last_in;
    if (!live(c))
        return;
    gmq__mqtt_message message = {
        .topic = gmq__span_str(from->topic),
        .payload = gmq__span_of(from->payload, (size_t)from->payloadlen),
        .qos = (uint8_t)from->qos,
        .retain = from->retain,
    };
    deliver(c, &message, properties);
}

void gmq__mevent_set_all(gmq__mclient *c)
{
    mosquitto_connect_v5_callback_set(c->handle, on_connect);
    mosquitto_disconnect_v5_callback_set(c->handle, on_disconnect);
    mosquitto_publish_v5_callback_set(c->handle, on_publish);
    mosquitto_subscribe_v5_callback_set(c->handle, on_subscribe);
    mosquitto_unsubscribe_v5_callback_set(c->handle, on_unsubscribe);
    mosquitto_message_v5_callback_set(c->handle, on_message);
}
