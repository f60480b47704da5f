#include "transport/mosquitto/client.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "transport/reason.h"

#define CLOSE_PATIENCE_NS  (2 * GMQ__NS_PER_S) /* for acknowledgements of what is in flight */
#define LEAST_KEEP_ALIVE_S 5                   /* libmosquitto takes no less, other than 0 */

static gmq__mclient *client_of(gmq__transport *t) { return (gmq__mclient *)t; }

/* mosquitto_lib_init() and _cleanup() count, but without a lock. */
static pthread_mutex_t library_lock = PTHREAD_MUTEX_INITIALIZER;

static bool hold_library(void)
{
    pthread_mutex_lock(&library_lock);
    bool ok = mosquitto_lib_init() == MOSQ_ERR_SUCCESS;
    pthread_mutex_unlock(&library_lock);
    return ok;
}

static void release_library(void)
{
    pthread_mutex_lock(&library_lock);
    mosquitto_lib_cleanup();
    pthread_mutex_unlock(&library_lock);
}

static void free_client(gmq__mclient *c)
{
    gmq__packet_unref(c->will);
    char *strings[] = {c->name,    c->host,      c->client_id, c->username,  c->password,
                       c->ca_file, c->cert_file, c->key_file,  c->will_topic};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        gmq__free(strings[i]);
    gmq__free(c);
}

/* ---- create ---- */

static bool make_name(gmq__mclient *c, const char *scheme)
{
    char text[1024];
    bool six = strchr(c->host, ':') != NULL;
    int len = snprintf(text, sizeof text, six ? "%s://[%s]:%u" : "%s://%s:%u", scheme, c->host,
                       c->target.port);
    c->name = len < 0 || len >= (int)sizeof text ? NULL : gmq__strdup(text);
    return c->name != NULL;
}

static bool make_client_id(gmq__mclient *c, const char *given)
{
    char text[32];
    uint64_t id;
    gmq__os_random(NULL, &id, sizeof id);
    snprintf(text, sizeof text, "gmq%016llx", (unsigned long long)id);
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

static bool copy_strings(gmq__mclient *c, const gmq__transport_config *config)
{
    bool ok = copy(&c->host, config->host) && copy(&c->username, config->username) &&
              copy(&c->password, config->password) && copy(&c->ca_file, config->ca_file) &&
              copy(&c->cert_file, config->cert_file) && copy(&c->key_file, config->key_file);
    if (ok && config->will.topic.len) {
        c->will = gmq__packet_copy(&config->will);
        c->will_topic = gmq__strndup((const char *)config->will.topic.data, config->will.topic.len);
        ok = c->will && c->will_topic;
    }
    return ok;
}

static bool copy_config(gmq__mclient *c, const gmq__transport_config *config)
{
    if (!copy_strings(c, config))
        return false;
    c->target = (gmq__target){.host = c->host,
                              .port = config->port,
                              .tls = strcmp(config->scheme, "mqtts") == 0,
                              .insecure = config->insecure,
                              .ca_file = c->ca_file,
                              .cert_file = c->cert_file,
                              .key_file = c->key_file};
    c->keep_alive_s = config->keep_alive_s;
    if (c->keep_alive_s && c->keep_alive_s < LEAST_KEEP_ALIVE_S)
        c->keep_alive_s = LEAST_KEEP_ALIVE_S;
    c->version = config->mqtt_version == 4 ? MQTT_PROTOCOL_V311 : MQTT_PROTOCOL_V5;
    c->receive_max = config->receive_max ? config->receive_max : 65535;
    c->connect_timeout_ms = config->connect_timeout_ms > 0 ? config->connect_timeout_ms : 30000;
    return make_name(c, config->scheme) && make_client_id(c, config->client_id);
}

static gmq_status check_scheme(const char *scheme)
{
    if (scheme && (strcmp(scheme, "mqtt") == 0 || strcmp(scheme, "mqtts") == 0))
        return GMQ_OK;
    bool web = scheme && (strcmp(scheme, "ws") == 0 || strcmp(scheme, "wss") == 0);
    return gmq__fail(GMQ_E_UNSUPPORTED,
                     "transport mosquitto: cannot do \"%s\", only mqtt and mqtts%s",
                     scheme ? scheme : "", web ? "; WebSockets are for transport paho" : "");
}

static gmq_status create(gmq__transport **out, const gmq__transport_config *config,
                         const gmq__sink *sink)
{
    gmq_status status = check_scheme(config->scheme);
    if (status != GMQ_OK)
        return status;
    if (!config->host || !config->host[0])
        return gmq__fail(GMQ_E_INVALID, "transport mosquitto: no host");
    gmq__mclient *c = gmq__calloc(1, sizeof *c);
    if (!c)
        return gmq__fail_nomem();
    c->base.vtable = &gmq__mosquitto_transport;
    c->sink = *sink;
    gmq__list_init(&c->ops);
    if (!copy_config(c, config) || !hold_library()) {
        free_client(c);
        return gmq__fail_nomem();
    }
    *out = &c->base;
    return GMQ_OK;
}

/* ---- the end of a connection ---- */

void gmq__mclient_end(gmq__mclient *c, gmq__tstate told, int reason, const char *why)
{
    char text[512];
    snprintf(text, sizeof text, "%s: %s", c->name, why);
    c->state = GMQ__M_IDLE;
    gmq__tstate_info info = {.state = told, .reason = reason, .text = text};
    c->sink.state(c->sink.ctx, &info);
}

void gmq__mclient_end_reason(gmq__mclient *c, gmq__tstate told, int reason)
{
    char why[128];
    snprintf(why, sizeof why, "%s (0x%02x)", gmq__mqtt_reason_text(reason), (unsigned)reason);
    gmq__mclient_end(c, told, reason, why);
}

void gmq__mclient_sweep(gmq__mclient *c)
{
    gmq__errand_drop(c->errand);
    c->errand = NULL;
    mosquitto_destroy(c->handle);
    c->handle = NULL;
    c->epoch++;
    for (gmq__node *node; (node = gmq__list_first(&c->ops));)
        gmq__mrequest_remove(c, GMQ__CONTAINER(node, gmq__mop, node));
    c->unsent = c->acks = 0;
    c->blocked = c->ack_owed = c->disconnects = false;
}

/* ---- connect, close, destroy ---- */

static gmq_status do_connect(gmq__transport *t)
{
    gmq__mclient *c = client_of(t);
    if (c->state != GMQ__M_IDLE)
        return gmq__fail(GMQ_E_STATE, "%s: connected or connecting already", c->name);
    gmq__mclient_sweep(c);
    gmq_status status = gmq__mattempt_begin(c);
    if (status != GMQ_OK) {
        c->state = GMQ__M_IDLE;
        gmq__mclient_sweep(c);
    }
    return status;
}

static void do_close(gmq__transport *t)
{
    gmq__mclient *c = client_of(t);
    if (c->state == GMQ__M_CLOSING)
        return;
    if (c->state == GMQ__M_CONNECTED) { /* step() does the rest */
        c->state = GMQ__M_CLOSING;
        c->deadline = gmq__os_now_ns() + CLOSE_PATIENCE_NS;
        return;
    }
    gmq__mclient_sweep(c);
    gmq__mclient_end(c, GMQ__T_CLOSED, GMQ__MQTT_OK, "closed");
}

static void destroy(gmq__transport *t)
{
    gmq__mclient *c = client_of(t);
    c->state = GMQ__M_IDLE;
    gmq__mclient_sweep(c);
    release_library();
    free_client(c);
}

const gmq__transport_vtable gmq__mosquitto_transport = {
    .name = "mosquitto",
    .prompt = true,
    .create = create,
    .connect = do_connect,
    .publish = gmq__mrequest_publish,
    .subscribe = gmq__mrequest_subscribe,
    .unsubscribe = gmq__mrequest_unsubscribe,
    .close = do_close,
    .destroy = destroy,
    .io = gmq__mstep_io,
    .step = gmq__mstep,
};
