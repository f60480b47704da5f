#include "transport/paho/client.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

#define CLOSE_PATIENCE_MS 2000 /* for acknowledgements of what is in flight */

static gmq__pclient *client_of(gmq__transport *t) { return (gmq__pclient *)t; }

/* paho stops its threads when the last client goes, which takes up to a second and a half of
 * waiting and has raced in every version so far. One client that is never destroyed keeps them. */
static unsigned anchored_in; /* fork generation */

static void make_anchor(void)
{
    anchored_in = gmq__os_fork_generation();
    static MQTTAsync anchor;
    MQTTAsync_create(&anchor, "tcp://localhost:1", "gmq-anchor", MQTTCLIENT_PERSISTENCE_NONE, NULL);
    gmq__phook_start();
}

void gmq__pclient_enter(gmq__pclient *c, gmq__pstate state)
{
    gmq__phook_connecting((state == GMQ__P_CONNECTING) - (c->state == GMQ__P_CONNECTING));
    c->state = state;
}

static void free_client(gmq__pclient *c)
{
    gmq__prequest_free_all(c);
    gmq__packet_unref(c->will);
    char *strings[] = {c->name,      c->uri,      c->scheme,    c->host,
                       c->client_id, c->username, c->password,  c->ca_file,
                       c->cert_file, c->key_file, c->will_topic};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        gmq__free(strings[i]);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->idle);
    gmq__free(c);
}

void gmq__pclient_unref(gmq__pclient *c)
{
    pthread_mutex_lock(&c->lock);
    bool last = --c->refs == 0;
    pthread_mutex_unlock(&c->lock);
    if (last)
        free_client(c);
}

static char *print(const char *format, const char *scheme, const char *host, unsigned port,
                   const char *path)
{
    char text[1024];
    int len = snprintf(text, sizeof text, format, scheme, host, port, path);
    return len < 0 || len >= (int)sizeof text ? NULL : gmq__strdup(text);
}

static bool make_names(gmq__pclient *c, const gmq__transport_config *config)
{
    const char *paho_scheme = strcmp(c->scheme, "mqtt") == 0    ? "tcp"
                              : strcmp(c->scheme, "mqtts") == 0 ? "ssl"
                                                                : c->scheme;
    bool web = c->scheme[0] == 'w', six = strchr(c->host, ':') != NULL;
    const char *path = web && config->path ? config->path : "";
    c->name = print(six ? "%s://[%s]:%u%s" : "%s://%s:%u%s", c->scheme, c->host, c->port, "");
    c->uri = print(six ? "%s://[%s]:%u%s" : "%s://%s:%u%s", paho_scheme, c->host, c->port, path);
    return c->name && c->uri;
}

static bool make_client_id(gmq__pclient *c, const char *given)
{
    char text[32];
    uint64_t id;
    gmq__os_random(NULL, &id, sizeof id);
    snprintf(text, sizeof text, "gmq%016llx",
             (unsigned long long)id); /* 19: at most 23 pass everywhere */
    c->client_id = gmq__strdup(given && given[0] ? given : text);
    return c->client_id != NULL;
}

static bool copy(char **to, const char *from)
{
    if (!from)
        return true;
    *to = gmq__strdup(from);
    return *to != NULL;
}

static bool copy_config(gmq__pclient *c, const gmq__transport_config *config)
{
    int64_t timeout_s = (config->connect_timeout_ms + 999) / 1000;
    c->port = config->port;
    c->keep_alive_s = config->keep_alive_s;
    c->version = config->mqtt_version == 4 ? MQTTVERSION_3_1_1 : MQTTVERSION_5;
    c->connect_timeout_s = timeout_s < 1 ? 30 : timeout_s > 3600 ? 3600 : (int)timeout_s;
    c->tls = strcmp(config->scheme, "mqtts") == 0 || strcmp(config->scheme, "wss") == 0;
    c->insecure = config->insecure;
    c->receive_max = config->receive_max;
    bool ok = copy(&c->scheme, config->scheme) && copy(&c->host, config->host) &&
              copy(&c->username, config->username) && copy(&c->password, config->password) &&
              copy(&c->ca_file, config->ca_file) && copy(&c->cert_file, config->cert_file) &&
              copy(&c->key_file, config->key_file);
    if (ok && config->will.topic.len) {
        c->will = gmq__packet_copy(&config->will);
        c->will_topic = gmq__strndup((const char *)config->will.topic.data, config->will.topic.len);
        ok = c->will && c->will_topic;
    }
    return ok && make_names(c, config) && make_client_id(c, config->client_id);
}

static bool scheme_ok(const char *scheme)
{
    static const char *const known[] = {"mqtt", "mqtts", "ws", "wss"};
    for (size_t i = 0; scheme && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(known[i], scheme) == 0)
            return true;
    return false;
}

static gmq_status create(gmq__transport **out, const gmq__transport_config *config,
                         const gmq__sink *sink)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_anchor);
    if (anchored_in != gmq__os_fork_generation())
        return gmq__fail(GMQ_E_FORKED,
                         "transport paho: used before fork(), its threads are in the parent only");
    if (!scheme_ok(config->scheme))
        return gmq__fail(GMQ_E_UNSUPPORTED,
                         "transport paho: cannot do \"%s\", only mqtt, mqtts, ws and wss",
                         config->scheme ? config->scheme : "");
    if (!config->host || !config->host[0])
        return gmq__fail(GMQ_E_INVALID, "transport paho: no host");
    gmq__pclient *c = gmq__calloc(1, sizeof *c);
    if (!c)
        return gmq__fail_nomem();
    c->base.vtable = &gmq__paho_transport;
    c->sink = *sink;
    c->refs = 1;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->idle, NULL);
    if (!copy_config(c, config)) {
        free_client(c);
        return gmq__fail_nomem();
    }
    *out = &c->base;
    return GMQ_OK;
}

static void drop_handle(gmq__pclient *c)
{
    if (c->handle)
        MQTTAsync_destroy(&c->handle);
    c->handle = NULL;
}

static gmq_status do_connect(gmq__transport *t)
{
    gmq__pclient *c = client_of(t);
    pthread_mutex_lock(&c->lock);
    bool idle = c->state == GMQ__P_IDLE;
    if (idle) {
        gmq__pclient_enter(c, GMQ__P_CONNECTING);
        c->attempt++;
        c->inflight = c->inflight_qos0 = 0;
        c->inflight_bytes = 0;
    }
    pthread_mutex_unlock(&c->lock);
    if (!idle)
        return gmq__fail(GMQ_E_STATE, "%s: connected or connecting already", c->name);
    drop_handle(c);
    gmq_status status = gmq__pclient_attempt(c);
    if (status != GMQ_OK) {
        drop_handle(c);
        pthread_mutex_lock(&c->lock);
        gmq__pclient_enter(c, GMQ__P_IDLE);
        pthread_mutex_unlock(&c->lock);
    }
    return status;
}

bool gmq__pclient_disconnect(gmq__pclient *c, int timeout_ms)
{
    MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer;
    MQTTAsync_disconnectOptions options5 = MQTTAsync_disconnectOptions_initializer5;
    options5.onSuccess5 = gmq__pevent_closed5;
    options.onSuccess = gmq__pevent_closed;
    options.context = options5.context = c;
    options.timeout = options5.timeout = timeout_ms;
    return MQTTAsync_disconnect(c->handle, c->version == MQTTVERSION_5 ? &options5 : &options) ==
           MQTTASYNC_SUCCESS;
}

static void do_close(gmq__transport *t)
{
    gmq__pclient *c = client_of(t);
    pthread_mutex_lock(&c->lock);
    gmq__pstate was = c->state;
    uint32_t attempt = c->attempt;
    int patience_ms = c->inflight ? CLOSE_PATIENCE_MS : 0;
    gmq__pclient_enter(c, GMQ__P_CLOSING);
    pthread_mutex_unlock(&c->lock);
    if (was == GMQ__P_CLOSING ||
        (was == GMQ__P_CONNECTED && gmq__pclient_disconnect(c, patience_ms)))
        return;
    drop_handle(c);
    gmq__pevent_end(c, attempt, GMQ__P_CLOSING, GMQ__T_CLOSED, 0, "closed");
}

static void destroy(gmq__transport *t)
{
    gmq__pclient *c = client_of(t);
    pthread_mutex_lock(&c->lock);
    c->dead = true;
    gmq__pclient_enter(c, GMQ__P_IDLE);
    while (c->calling)
        pthread_cond_wait(&c->idle, &c->lock);
    pthread_mutex_unlock(&c->lock);
    drop_handle(c); /* no callback comes from here on: all run under the lock that this takes */
    gmq__pclient_unref(c);
}

const gmq__transport_vtable gmq__paho_transport = {
    .name = "paho",
    .create = create,
    .connect = do_connect,
    .publish = gmq__prequest_publish,
    .subscribe = gmq__prequest_subscribe,
    .unsubscribe = gmq__prequest_unsubscribe,
    .close = do_close,
    .destroy = destroy,
};
