#include "daemon_metrics.h"

#include <errno.h>
#include <limits.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon_log.h"
#include "daemon_options.h"

enum { CONNECTIONS = 32, IDLE_S = 10 };

struct gmq__daemon_metrics {
    struct MHD_Daemon *http;
    int epoll;
    gmq_status (*take)(void *context, gmq_stats **out);
    void *context;
};

/* ---- Text ---- */

/* What a row of a snapshot is called here. Rows that are not named are not shown. */
typedef struct family {
    const char *row, *name, *type, *help;
    const char *label; /* one more, for rows that share a name; NULL = none */
} family;

static const family families[] = {
    {"method_calls", "grpc_mqtt_calls_total", "counter", "Calls that have ended.", NULL},
    {"method_duration_bucket", "grpc_mqtt_call_duration_seconds_bucket", "histogram",
     "Time from the first of a call to its end.", NULL},
    {"method_duration_sum_us", "grpc_mqtt_call_duration_seconds_sum", NULL, NULL, NULL},
    {"method_duration_count", "grpc_mqtt_call_duration_seconds_count", NULL, NULL, NULL},
    {"calls_started", "grpc_mqtt_mqtt_calls_started_total", "counter",
     "Calls on the MQTT side that have begun.", NULL},
    {"calls_finished", "grpc_mqtt_mqtt_calls_finished_total", "counter",
     "Calls on the MQTT side that have ended.", NULL},
    {"calls_open", "grpc_mqtt_open_calls", "gauge", "Calls on the MQTT side that are open.", NULL},
    {"connected", "grpc_mqtt_connected", "gauge", "Connections to the broker that are up.", NULL},
    {"reconnects", "grpc_mqtt_reconnects_total", "counter",
     "Times that a connection to the broker came back.", NULL},
    {"bases", "grpc_mqtt_bases", "gauge", "Base topics that the proxy uses.", NULL},
    {"packets_in", "grpc_mqtt_packets_total", "counter", "MQTT publishes.", "direction=\"in\""},
    {"packets_out", "grpc_mqtt_packets_total", NULL, NULL, "direction=\"out\""},
    {"bytes_in", "grpc_mqtt_bytes_total", "counter", "Payloads of MQTT publishes.",
     "direction=\"in\""},
    {"bytes_out", "grpc_mqtt_bytes_total", NULL, NULL, "direction=\"out\""},
    {"packets_ignored", "grpc_mqtt_ignored_packets_total", "counter",
     "Publishes that nothing could be made of.", NULL},
    {"packets_duplicate", "grpc_mqtt_duplicate_packets_total", "counter",
     "Publishes that had come before.", NULL},
    {"resends", "grpc_mqtt_resends_total", "counter", "Packets that went out once more.", NULL},
    {"unread_bytes", "grpc_mqtt_queue_bytes", "gauge", "Messages that wait.", "queue=\"unread\""},
    {"unsent_bytes", "grpc_mqtt_queue_bytes", NULL, NULL, "queue=\"unsent\""},
    {"reassembly_bytes", "grpc_mqtt_queue_bytes", NULL, NULL, "queue=\"reassembly\""},
    {"links", "grpc_mqtt_links", "gauge", "Links to peers.", NULL},
    {"subscriptions", "grpc_mqtt_subscriptions", "gauge", "MQTT subscriptions.", NULL},
    {"tombstones", "grpc_mqtt_tombstones", "gauge", "Ended calls that are remembered.", NULL},
};

/* Of a histogram its name alone. */
static int head_len(const family *f)
{
    size_t len = strlen(f->name);
    return (int)(strcmp(f->type, "histogram") == 0 ? len - strlen("_bucket") : len);
}

static void write_head(FILE *out, const family *f)
{
    if (!f->type)
        return;
    int len = head_len(f);
    fprintf(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", len, f->name, f->help, len, f->name, f->type);
}

static void write_row(FILE *out, const family *f, const gmq_stats *stats, size_t at)
{
    const char *labels = f->label ? f->label : gmq_stats_labels(stats, at);
    uint64_t value = gmq_stats_value(stats, at);
    fprintf(out, *labels ? "%s{%s} " : "%s%s ", f->name, labels);
    if (strcmp(f->row, "method_duration_sum_us") == 0)
        fprintf(out, "%llu.%06llu\n", (unsigned long long)value / 1000000,
                (unsigned long long)value % 1000000);
    else
        fprintf(out, "%llu\n", (unsigned long long)value);
}

static void write_all(FILE *out, const gmq_stats *stats)
{
    for (size_t f = 0; f < sizeof families / sizeof *families; f++) {
        bool headed = false;
        for (size_t i = 0; i < gmq_stats_count(stats); i++) {
            if (strcmp(gmq_stats_name(stats, i), families[f].row) != 0)
                continue;
            if (!headed)
                write_head(out, &families[f]);
            headed = true;
            write_row(out, &families[f], stats, i);
        }
    }
}

/* free() it; NULL = no memory. */
static char *text_of(gmq__daemon_metrics *m, size_t *len)
{
    gmq_stats *stats = NULL;
    char *text = NULL;
    FILE *out = m->take(m->context, &stats) == GMQ_OK ? open_memstream(&text, len) : NULL;
    if (out) {
        write_all(out, stats);
        bool bad = ferror(out) != 0;
        if (fclose(out) != 0 || bad) {
            free(text);
            text = NULL;
        }
    }
    gmq_stats_free(stats);
    return text;
}

/* ---- HTTP ---- */

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned code, const char *type,
                                 char *text, size_t len, enum MHD_ResponseMemoryMode mode)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(len, text, mode);
    if (!response) {
        if (mode == MHD_RESPMEM_MUST_FREE)
            free(text);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result send_line(struct MHD_Connection *connection, unsigned code, const char *line)
{
    return send_text(connection, code, "text/plain; charset=utf-8", (char *)line, strlen(line),
                     MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_len, void **request)
{
    static int seen;
    size_t len = 0;
    (void)version, (void)upload;
    if (!*request) { /* the head came: the answer is for when all of it has */
        *request = &seen;
        return MHD_YES;
    }
    if (*upload_len) {
        *upload_len = 0;
        return MHD_YES;
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return send_line(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "GET /metrics\n");
    if (strcmp(url, "/") == 0)
        return send_line(connection, MHD_HTTP_OK, "The metrics are at /metrics\n");
    if (strcmp(url, "/metrics") != 0)
        return send_line(connection, MHD_HTTP_NOT_FOUND, "The metrics are at /metrics\n");
    char *text = text_of(arg, &len);
    if (!text)
        return send_line(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
    return send_text(connection, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", text, len,
                     MHD_RESPMEM_MUST_FREE);
}

/* ---- Life ---- */

static int listen_at(const struct addrinfo *info)
{
    int one = 1, fd = socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 && listen(fd, CONNECTIONS) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* -1: it was said why. */
static int listen_on(const char *address)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    size_t len = colon ? (size_t)(colon - address) : 0;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    bool brackets = len > 1 && address[0] == '[' && address[len - 1] == ']';
    if (len == 0 || !colon[1] || len >= sizeof host)
        return gmq__daemon_complain(-1, "--metrics wants HOST:PORT, not %s", address);
    snprintf(host, sizeof host, "%.*s", (int)(len - 2 * brackets), address + brackets);
    int failed = getaddrinfo(host, colon + 1, &hints, &found);
    if (failed)
        return gmq__daemon_complain(-1, "--metrics %s: %s", address, gai_strerror(failed));
    int fd = listen_at(found);
    if (fd < 0)
        gmq__daemon_complain(-1, "--metrics %s: %s%s", address, strerror(errno),
                             errno == EADDRINUSE ? "; choose another port" : "");
    freeaddrinfo(found);
    return fd;
}

gmq__daemon_metrics *gmq__daemon_metrics_open(const char *address,
                                              gmq_status (*take)(void *context, gmq_stats **out),
                                              void *context)
{
    gmq__daemon_metrics *m = calloc(1, sizeof *m);
    if (!m) {
        gmq__daemon_complain(-1, "out of memory");
        return NULL;
    }
    int fd = listen_on(address);
    if (fd < 0) {
        free(m);
        return NULL;
    }
    m->take = take;
    m->context = context;
    m->http =
        MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, on_request, m, MHD_OPTION_LISTEN_SOCKET, fd,
                         MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_END);
    if (!m->http) {
        gmq__daemon_complain(-1, "--metrics %s: the HTTP server does not start", address);
        close(fd);
        free(m);
        return NULL;
    }
    m->epoll = MHD_get_daemon_info(m->http, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    gmq__daemon_log(LOG_INFO, "metrics at http://%s/metrics", address);
    return m;
}

int gmq__daemon_metrics_fd(const gmq__daemon_metrics *m) { return m ? m->epoll : -1; }

int gmq__daemon_metrics_timeout(const gmq__daemon_metrics *m)
{
    MHD_UNSIGNED_LONG_LONG ms = 0;
    if (!m || MHD_get_timeout(m->http, &ms) != MHD_YES)
        return -1;
    return ms < INT_MAX ? (int)ms : INT_MAX;
}

void gmq__daemon_metrics_run(gmq__daemon_metrics *m)
{
    if (m)
        MHD_run(m->http);
}

void gmq__daemon_metrics_close(gmq__daemon_metrics *m)
{
    if (!m)
        return;
    MHD_stop_daemon(m->http); /* closes the listening socket too */
    free(m);
}
