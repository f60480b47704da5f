#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "transport/nodelay.h"
#include "transport/paho/client.h"
#include "transport/reason.h"

#define WINDOW                                                                                     \
    256 /* publishes in flight; paho looks them up in lists, so that more are slower, not faster   \
         */

/* ---- telling the sink ---- */

/* Calls into the sink are made without the lock; destroy() waits for those begun. */
static void leave_sink(gmq__pclient *c)
{
    pthread_mutex_lock(&c->lock);
    if (--c->calling == 0)
        pthread_cond_broadcast(&c->idle);
    pthread_mutex_unlock(&c->lock);
}

void gmq__pevent_end(gmq__pclient *c, uint32_t attempt, gmq__pstate from, gmq__tstate told,
                     int reason, const char *why)
{
    char text[512];
    snprintf(text, sizeof text, "%s: %s", c->name, why);
    pthread_mutex_lock(&c->lock);
    bool mine = !c->dead && c->state == from && c->attempt == attempt;
    if (mine) {
        gmq__pclient_enter(c, GMQ__P_IDLE);
        c->calling++;
    }
    pthread_mutex_unlock(&c->lock);
    if (!mine)
        return;
    gmq__tstate_info info = {.state = told, .reason = reason, .text = text};
    c->sink.state(c->sink.ctx, &info);
    leave_sink(c);
}

static void end_with_reason(gmq__pclient *c, uint32_t attempt, gmq__pstate from, gmq__tstate told,
                            int reason)
{
    char why[128];
    snprintf(why, sizeof why, "%s (0x%02x)", gmq__mqtt_reason_text(reason), (unsigned)reason);
    gmq__pevent_end(c, attempt, from, told, reason, why);
}

static gmq__pstate look(gmq__pclient *c, uint32_t *attempt)
{
    pthread_mutex_lock(&c->lock);
    gmq__pstate state = c->state;
    *attempt = c->attempt;
    pthread_mutex_unlock(&c->lock);
    return state;
}

/* ---- connected ---- */

static void connected(gmq__pclient *c, const gmq__mqtt_limits *limits)
{
    gmq__nodelay_peer(c->host, c->port);
    pthread_mutex_lock(&c->lock);
    bool mine = !c->dead && c->state == GMQ__P_CONNECTING;
    if (mine) {
        gmq__pclient_enter(c, GMQ__P_CONNECTED);
        c->limits = *limits;
        c->calling++;
    }
    pthread_mutex_unlock(&c->lock);
    if (!mine)
        return;
    gmq__tstate_info info = {.state = GMQ__T_CONNECTED, .limits = *limits};
    c->sink.state(c->sink.ctx, &info);
    leave_sink(c);
}

static gmq__mqtt_limits default_limits(const gmq__pclient *c)
{
    return (gmq__mqtt_limits){
        .receive_max = WINDOW,
        .packet_max = SIZE_MAX,
        .keep_alive_s = c->keep_alive_s,
        .properties = c->version == MQTTVERSION_5,
    };
}

static uint32_t number(MQTTProperties *properties, enum MQTTPropertyCodes code, uint32_t otherwise)
{
    if (!MQTTProperties_hasProperty(properties, code))
        return otherwise;
    return (uint32_t)MQTTProperties_getNumericValue(properties, code);
}

/* paho pings after an interval of silence and gives up one and a half intervals after that. Three
 * fifths of the agreed keep alive make a dead connection known when one and a half of it are over.
 */
static void keep_alive(gmq__pclient *c, uint16_t agreed_s)
{
    if (agreed_s)
        gmq__pclient_keep_alive(c, (uint16_t)(agreed_s > 1 ? agreed_s * 3 / 5 : 1));
}

void gmq__pevent_connected(void *context, MQTTAsync_successData *response)
{
    gmq__mqtt_limits limits = default_limits(context);
    limits.session_present = response->alt.connect.sessionPresent;
    keep_alive(context, limits.keep_alive_s);
    connected(context, &limits);
}

void gmq__pevent_connected5(void *context, MQTTAsync_successData5 *response)
{
    gmq__pclient *c = context;
    gmq__mqtt_limits limits = default_limits(c);
    MQTTProperties *p = &response->properties;
    limits.session_present = response->alt.connect.sessionPresent;
    limits.receive_max = number(p, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, limits.receive_max);
    limits.alias_max = (uint16_t)number(p, MQTTPROPERTY_CODE_TOPIC_ALIAS_MAXIMUM, 0);
    limits.keep_alive_s =
        (uint16_t)number(p, MQTTPROPERTY_CODE_SERVER_KEEP_ALIVE, limits.keep_alive_s);
    keep_alive(c, limits.keep_alive_s);
    uint32_t packet_max = number(p, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE, 0);
    limits.packet_max = packet_max ? packet_max : SIZE_MAX;
    if (!limits.receive_max)
        limits.receive_max = 1;
    if (limits.receive_max > WINDOW)
        limits.receive_max = WINDOW;
    connected(c, &limits);
}

/* ---- refused ---- */

static void refused(gmq__pclient *c, int code, const char *message)
{
    uint32_t attempt;
    if (look(c, &attempt) != GMQ__P_CONNECTING)
        return;
    if (code > 0) {
        end_with_reason(c, attempt, GMQ__P_CONNECTING, GMQ__T_REFUSED,
                        gmq__reason_of_connack(code));
    } else if (message && strcmp(message, "TCP connect timeout") == 0) {
        char why[64];
        snprintf(why, sizeof why, "no answer within %d s", c->connect_timeout_s);
        gmq__pevent_end(c, attempt, GMQ__P_CONNECTING, GMQ__T_REFUSED, GMQ__MQTT_UNSPECIFIED, why);
    } else {
        gmq__pdiagnose(c, attempt, message && message[0] ? message : "cannot connect");
    }
}

void gmq__pevent_refused(void *context, MQTTAsync_failureData *response)
{
    refused(context, response ? response->code : -1, response ? response->message : NULL);
}

void gmq__pevent_refused5(void *context, MQTTAsync_failureData5 *response)
{
    refused(context, response ? response->code : -1, response ? response->message : NULL);
}

/* ---- lost, closed ---- */

static void closed(gmq__pclient *c)
{
    uint32_t attempt;
    look(c, &attempt);
    gmq__pevent_end(c, attempt, GMQ__P_CLOSING, GMQ__T_CLOSED, GMQ__MQTT_OK, "closed");
}

void gmq__pevent_lost(void *context, char *cause)
{
    (void)cause; /* paho never gives one */
    gmq__pclient *c = context;
    uint32_t attempt;
    if (look(c, &attempt) == GMQ__P_CLOSING)
        closed(c);
    else
        gmq__pevent_end(c, attempt, GMQ__P_CONNECTED, GMQ__T_LOST, GMQ__MQTT_UNSPECIFIED,
                        "connection lost");
}

/* The server's DISCONNECT. paho does not call lost() after it. */
void gmq__pevent_disconnected(void *context, MQTTProperties *properties,
                              enum MQTTReasonCodes reason)
{
    (void)properties;
    gmq__pclient *c = context;
    uint32_t attempt;
    if (look(c, &attempt) == GMQ__P_CLOSING)
        closed(c);
    else
        end_with_reason(c, attempt, GMQ__P_CONNECTED, GMQ__T_LOST, (int)reason);
}

void gmq__pevent_closed(void *context, MQTTAsync_successData *response)
{
    (void)response;
    closed(context);
}

void gmq__pevent_closed5(void *context, MQTTAsync_successData5 *response)
{
    (void)response;
    closed(context);
}

/* ---- message ---- */

#define FEW_PROPERTIES 8

static size_t read_properties(const MQTTProperties *from, gmq__mqtt_property *to, uint32_t *expiry)
{
    size_t n = 0;
    for (int i = 0; i < from->count; i++) {
        const MQTTProperty *p = &from->array[i];
        if (p->identifier == MQTTPROPERTY_CODE_USER_PROPERTY) {
            to[n].key = gmq__span_of(p->value.data.data, (size_t)p->value.data.len);
            to[n++].value = gmq__span_of(p->value.value.data, (size_t)p->value.value.len);
        } else if (p->identifier == MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL) {
            *expiry = p->value.integer4;
        }
    }
    return n;
}

static void deliver(gmq__pclient *c, gmq__mqtt_message *message, const MQTTProperties *properties)
{
    gmq__mqtt_property few[FEW_PROPERTIES], *list = few;
    if (properties->count > FEW_PROPERTIES)
        list = gmq__malloc((size_t)properties->count * sizeof *list);
    gmq_buf *payload = gmq__buf_copy(message->payload);
    if (list && payload) { /* else lost for want of memory, as if the broker had dropped it */
        message->nproperties = read_properties(properties, list, &message->expiry_s);
        message->properties = list;
        message->payload = gmq__buf_span(payload);
        c->sink.message(c->sink.ctx, message, payload);
    }
    gmq_buf_unref(payload);
    if (list != few)
        gmq__free(list);
}

int gmq__pevent_message(void *context, char *topic, int topic_len, MQTTAsync_message *from)
{
    gmq__pclient *c = context;
    pthread_mutex_lock(&c->lock);
    bool wanted = !c->dead && (c->state == GMQ__P_CONNECTED || c->state == GMQ__P_CLOSING);
    c->calling += wanted;
    pthread_mutex_unlock(&c->lock);
    if (wanted) {
        gmq__mqtt_message message = {
            .topic = gmq__span_of(topic, topic_len > 0 ? (size_t)topic_len : strlen(topic)),
            .payload = gmq__span_of(from->payload, (size_t)from->payloadlen),
            .qos = (uint8_t)from->qos,
            .retain = from->retained != 0,
        };
        deliver(c, &message, &from->properties);
        leave_sink(c);
    }
    MQTTAsync_freeMessage(&from);
    MQTTAsync_free(topic);
    return 1;
}
