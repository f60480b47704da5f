#include "api/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/link_ends.h"
#include "api/options.h"
#include "api/secret.h"
#include "api/url.h"
#include "base/error.h"
#include "base/mem.h"
#include "base/os.h"
#include "runtime/queue.h"
#include "wire/topic.h"

typedef struct parts { /* what the configuration borrows from */
    gmq__url url;
    gmq__link_ends ends;
    gmq__settings settings;
    char *password;
    gmq__bytes address, peer;
} parts;

static int64_t ns(const gmq__settings *s, gmq__option_id id)
{
    return s->number[id] * GMQ__NS_PER_MS;
}

static size_t size(const gmq__settings *s, gmq__option_id id)
{
    return (uint64_t)s->number[id] > SIZE_MAX ? SIZE_MAX : (size_t)s->number[id];
}

static void fill_engine(gmq__engine_config *out, const parts *p)
{
    const gmq__settings *s = &p->settings;
    out->base = gmq__span_str(p->url.base);
    out->msg_size_limit = size(s, GMQ__OPT_MSG_SIZE_LIMIT);
    out->receive_limit = size(s, GMQ__OPT_RECEIVE_LIMIT);
    out->metadata_limit = size(s, GMQ__OPT_METADATA_LIMIT);
    out->reassembly_limit = size(s, GMQ__OPT_REASSEMBLY_LIMIT);
    out->receive_buffer = size(s, GMQ__OPT_RECEIVE_BUFFER);
    if (!s->given[GMQ__OPT_RECEIVE_BUFFER] && out->receive_buffer < 2 * out->receive_limit)
        out->receive_buffer = 2 * out->receive_limit;
    out->max_calls = (uint32_t)s->number[GMQ__OPT_MAX_CALLS];
    out->subscriptions = (uint32_t)s->number[GMQ__OPT_SUBSCRIPTIONS];
    out->rate_limit = (uint64_t)s->number[GMQ__OPT_RATE_LIMIT];
    out->heartbeat_ns = ns(s, GMQ__OPT_HEARTBEAT_MS);
    out->watchdog_ns = ns(s, GMQ__OPT_WATCHDOG_MS);
    out->gap_ns = ns(s, GMQ__OPT_GAP_TIMEOUT_MS);
    out->linger_ns = ns(s, GMQ__OPT_LINGER_MS);
    out->tombstone_ns = ns(s, GMQ__OPT_TOMBSTONE_MS);
    out->pool_idle_ns = ns(s, GMQ__OPT_POOL_IDLE_MS);
    out->options.batched = (int8_t)s->number[GMQ__OPT_BATCHED_STREAM];
    out->options.server_level = (int8_t)s->number[GMQ__OPT_SERVER_CLEVEL];
    out->options.client_level = (int8_t)s->number[GMQ__OPT_CLIENT_CLEVEL];
    out->qos = (uint8_t)s->number[GMQ__OPT_QOS];
    out->offer_unknown = s->number[GMQ__OPT_UNKNOWN_METHODS] == GMQ__UNKNOWN_OFFER;
}

static void fill_connection(gmq__transport_config *out, const parts *p)
{
    const gmq__settings *s = &p->settings;
    out->scheme = p->url.scheme;
    out->host = p->url.host;
    out->port = p->url.port;
    out->path = s->text[GMQ__OPT_WS_PATH] ? s->text[GMQ__OPT_WS_PATH] : "/mqtt";
    out->client_id = p->ends.client_id;
    out->mqtt_version = (int)s->number[GMQ__OPT_MQTT_VERSION];
    out->username = s->text[GMQ__OPT_USERNAME] ? s->text[GMQ__OPT_USERNAME] : p->url.username;
    out->password = p->password;
    out->ca_file = s->text[GMQ__OPT_CA_FILE];
    out->cert_file = s->text[GMQ__OPT_CERT_FILE];
    out->key_file = s->text[GMQ__OPT_KEY_FILE];
    out->insecure = s->number[GMQ__OPT_INSECURE] != 0;
    out->keep_alive_s = (uint16_t)s->number[GMQ__OPT_KEEP_ALIVE_S];
    out->connect_timeout_ms = s->number[GMQ__OPT_CONNECT_TIMEOUT_MS];
    out->will.topic = gmq__bytes_span(&p->ends.will);
    out->will.qos = 1;
    gmq__os_random(NULL, &out->seed, sizeof out->seed);
}

/* "mqtt://host:1883" for people, "mqtt:host:1883/base" as the peer. */
static gmq_status name_parts(parts *p)
{
    char port[16] = "";
    if (p->url.port)
        snprintf(port, sizeof port, ":%u", (unsigned)p->url.port);
    const char *host[] = {p->url.ipv6 ? "[" : "", p->url.host, p->url.ipv6 ? "]" : "", port};
    gmq__bytes_put_str(&p->address, p->url.scheme);
    gmq__bytes_put_str(&p->address, "://");
    gmq__bytes_put_str(&p->peer, p->url.scheme);
    gmq__bytes_put_str(&p->peer, ":");
    for (size_t i = 0; i < sizeof host / sizeof *host; i++) {
        gmq__bytes_put_str(&p->address, host[i]);
        gmq__bytes_put_str(&p->peer, host[i]);
    }
    gmq__bytes_put_str(&p->peer, "/");
    gmq__bytes_put_str(&p->peer, p->url.base);
    gmq__bytes_put_u8(&p->address, 0);
    gmq__bytes_put_u8(&p->peer, 0);
    return p->address.failed || p->peer.failed ? gmq__fail_nomem() : GMQ_OK;
}

static gmq_status check_together(const parts *p)
{
    static const gmq__option_id tls[] = {GMQ__OPT_CA_FILE, GMQ__OPT_CERT_FILE, GMQ__OPT_KEY_FILE,
                                         GMQ__OPT_INSECURE};
    const gmq__settings *s = &p->settings;
    for (size_t i = 0; !p->url.tls && i < sizeof tls / sizeof *tls; i++)
        if (s->given[tls[i]])
            return gmq__fail(GMQ_E_OPTION, "option \"%s\" is for TLS, and %s:// is without",
                             gmq__option_table[tls[i]].key, p->url.scheme);
    if (s->given[GMQ__OPT_KEY_FILE] && !s->given[GMQ__OPT_CERT_FILE])
        return gmq__fail(GMQ_E_OPTION, "option \"key_file\" without \"cert_file\"");
    return GMQ_OK;
}

#define MOSQUITTO_KEEP_ALIVE_S 5 /* libmosquitto takes no less */

const char *gmq__default_transport(const char *scheme, int64_t keep_alive_s)
{
    if (strcmp(scheme, "loopback") == 0)
        return "loopback";
    bool tcp = strcmp(scheme, "mqtt") == 0 || strcmp(scheme, "mqtts") == 0;
    bool able = tcp && keep_alive_s >= MOSQUITTO_KEEP_ALIVE_S;
    return able && gmq__transport_find("mosquitto") ? "mosquitto" : "paho";
}

static gmq_status find_transport(const parts *p, const gmq__transport_vtable **out)
{
    bool loopback = strcmp(p->url.scheme, "loopback") == 0;
    const char *name = p->settings.text[GMQ__OPT_TRANSPORT];
    if (!name)
        name = gmq__default_transport(p->url.scheme, p->settings.number[GMQ__OPT_KEEP_ALIVE_S]);
    *out = gmq__transport_find(name);
    if (!*out && strcmp(name, "mosquitto") == 0)
        return gmq__fail(GMQ_E_UNSUPPORTED,
                         "option \"transport\": \"mosquitto\" is not built in (built in: %s); "
                         "install libmosquitto-dev and build the library again",
                         gmq__transport_names());
    if (!*out)
        return gmq__fail(GMQ_E_UNSUPPORTED,
                         "option \"transport\": \"%s\" is not built in (built in: %s)", name,
                         gmq__transport_names());
    if (loopback != (strcmp(name, "loopback") == 0))
        return gmq__fail(GMQ_E_OPTION, "option \"transport\": \"%s\" does not speak %s://", name,
                         p->url.scheme);
    return GMQ_OK;
}

static gmq_status read_parts(parts *p, gmq__role role, const char *url, const gmq_options *options)
{
    gmq_status status = gmq__url_parse(&p->url, url);
    if (status == GMQ_OK)
        status = gmq__settings_resolve(&p->settings,
                                       role == GMQ__ROLE_SERVER ? GMQ__FOR_SERVER : GMQ__FOR_CLIENT,
                                       p->url.query, options);
    if (status == GMQ_OK)
        status = check_together(p);
    if (status == GMQ_OK)
        status = gmq__link_ends_make(&p->ends, role, p->url.base, &p->settings);
    if (status == GMQ_OK)
        status = gmq__secret_read(&p->password, &p->settings, p->url.password);
    return status == GMQ_OK ? name_parts(p) : status;
}

static void clear_parts(parts *p)
{
    gmq__secret_free(p->password);
    gmq__url_clear(&p->url);
    gmq__link_ends_clear(&p->ends);
    gmq__settings_clear(&p->settings);
    gmq__bytes_free(&p->address);
    gmq__bytes_free(&p->peer);
}

static void fill(gmq__runtime_config *config, gmq__role role, const parts *p)
{
    const gmq__settings *s = &p->settings;
    gmq__engine_config_defaults(&config->engine);
    config->engine.role = role;
    fill_engine(&config->engine, p);
    config->engine.probe = s->number[GMQ__OPT_PROBE] != 0;
    gmq__link_ends_fill(&p->ends, s, &config->engine);
    fill_connection(&config->connection, p);
    config->connection.will.retain = role == GMQ__ROLE_SERVER;
    config->notice = *p->ends.refusal ? p->ends.refusal : NULL;
    config->address = (const char *)p->address.data;
    config->peer = (const char *)p->peer.data;
    config->caller_drives = s->number[GMQ__OPT_DRIVE] == GMQ__DRIVE_CALLER;
    config->wait_for_ready = s->number[GMQ__OPT_WAIT_FOR_READY] != 0;
    config->send_limit = size(s, GMQ__OPT_SEND_LIMIT);
    config->send_buffer = size(s, GMQ__OPT_SEND_BUFFER);
    config->reconnect_max_ns = ns(s, GMQ__OPT_RECONNECT_MAX_MS);
    config->log_level = (int32_t)s->number[GMQ__OPT_LOG_LEVEL];
    config->services = s->text[GMQ__OPT_SERVICES];
}

gmq_status gmq__connect(gmq__runtime **out, gmq__role role, const char *url,
                        const gmq_options *options, const gmq_method_map *methods, gmq_queue *queue,
                        uint64_t tag)
{
    if (!gmq__queue_usable(queue))
        return queue ? GMQ_E_FORKED : GMQ_E_INVALID;
    parts p = {0};
    gmq__runtime_config config = {.methods = methods, .queue = queue, .tag = tag};
    gmq_status status = read_parts(&p, role, url, options);
    if (status == GMQ_OK)
        status = find_transport(&p, &config.vtable);
    if (status == GMQ_OK) {
        fill(&config, role, &p);
        status = gmq__runtime_new(out, &config);
    }
    clear_parts(&p);
    return status;
}
