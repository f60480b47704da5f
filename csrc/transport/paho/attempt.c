#include "base/error.h"
#include "transport/paho/client.h"

#define MAX_INFLIGHT                                                                               \
    65000 /* the window is ours to keep; paho's own must never be the narrower one */

static MQTTProperty number_property(enum MQTTPropertyCodes code, uint32_t value)
{
    MQTTProperty property = {.identifier = code};
    if (code == MQTTPROPERTY_CODE_RECEIVE_MAXIMUM)
        property.value.integer2 = (unsigned short)value;
    else
        property.value.integer4 = value;
    return property;
}

static void set_tls(const gmq__pclient *c, MQTTAsync_SSLOptions *ssl)
{
    ssl->trustStore = c->ca_file;
    ssl->keyStore = c->cert_file;
    ssl->privateKey = c->key_file;
    ssl->enableServerCertAuth = !c->insecure;
    ssl->verify = !c->insecure;
}

static void set_will(const gmq__pclient *c, MQTTAsync_willOptions *will)
{
    will->topicName = c->will_topic;
    will->retained = c->will->message.retain;
    will->qos = c->will->message.qos;
    will->payload.len = (int)c->will->message.payload.len;
    will->payload.data =
        c->will->message.payload.len ? (const void *)c->will->message.payload.data : "";
}

static gmq_status start(gmq__pclient *c, MQTTAsync_connectOptions *options)
{
    int rc = MQTTAsync_connect(c->handle, options);
    if (rc == MQTTASYNC_SUCCESS)
        return GMQ_OK;
    return gmq__fail(rc == GMQ__PAHO_NOMEM ? GMQ_E_NOMEM : GMQ_E_INVALID, "%s: cannot connect: %s",
                     c->name, MQTTAsync_strerror(rc));
}

static void set_callbacks(gmq__pclient *c, MQTTAsync_connectOptions *options)
{
    options->context = c;
    if (c->version == MQTTVERSION_5) {
        options->onSuccess5 = gmq__pevent_connected5;
        options->onFailure5 = gmq__pevent_refused5;
    } else {
        options->onSuccess = gmq__pevent_connected;
        options->onFailure = gmq__pevent_refused;
    }
}

static gmq_status connect_with(gmq__pclient *c, uint16_t keep_alive_s, bool answered)
{
    MQTTAsync_connectOptions v3 = MQTTAsync_connectOptions_initializer;
    MQTTAsync_connectOptions v5 = MQTTAsync_connectOptions_initializer5;
    MQTTAsync_SSLOptions ssl = MQTTAsync_SSLOptions_initializer;
    MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
    MQTTProperty receive_max = number_property(MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, c->receive_max);
    MQTTProperties properties = {1, 1, 3, &receive_max};

    MQTTAsync_connectOptions options = c->version == MQTTVERSION_5 ? v5 : v3;
    options.MQTTVersion = c->version;
    options.keepAliveInterval = keep_alive_s;
    options.connectTimeout = c->connect_timeout_s;
    options.maxInflight = MAX_INFLIGHT;
    options.username = c->username;
    options.password = c->password;
    if (!answered)
        set_callbacks(c, &options);
    if (c->version == MQTTVERSION_5) {
        options.cleanstart = 1;
        options.connectProperties = c->receive_max ? &properties : NULL;
    } else {
        options.cleansession = 1;
    }
    if (c->tls) {
        set_tls(c, &ssl);
        options.ssl = &ssl;
    }
    if (c->will) {
        set_will(c, &will);
        options.will = &will;
    }
    return start(c, &options);
}

gmq_status gmq__pclient_attempt(gmq__pclient *c)
{
    MQTTAsync_createOptions options = MQTTAsync_createOptions_initializer;
    options.MQTTVersion = c->version;
    options.maxBufferedMessages = 1 << 30; /* our window bounds them */
    int rc = MQTTAsync_createWithOptions(&c->handle, c->uri, c->client_id,
                                         MQTTCLIENT_PERSISTENCE_NONE, NULL, &options);
    if (rc != MQTTASYNC_SUCCESS) {
        c->handle = NULL;
        return gmq__fail(rc == MQTTASYNC_BAD_UTF8_STRING ? GMQ_E_INVALID : GMQ_E_NOMEM,
                         "%s: cannot make a client: %s", c->name, MQTTAsync_strerror(rc));
    }
    MQTTAsync_setCallbacks(c->handle, c, gmq__pevent_lost, gmq__pevent_message, NULL);
    MQTTAsync_setDisconnected(c->handle, c, gmq__pevent_disconnected);
    return connect_with(c, c->keep_alive_s, false);
}

/* paho does not know the server's keep alive, nor one for itself that is not the server's. Asked
 * once more to connect when it is connected, it takes over the options and does nothing else. */
void gmq__pclient_keep_alive(gmq__pclient *c, uint16_t seconds) { connect_with(c, seconds, true); }
