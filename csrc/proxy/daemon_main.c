/* grpc-mqtt-proxy: one proxy, its log, and signals. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon_args.h"
#include "gateway/daemon_log.h"
#include "gateway/daemon_loop.h"

typedef struct context {
    gmq__daemon_args args; /* at the start */
    gmq__daemon_args now;  /* after a reload; else all zero */
    gmq_proxy *proxy;
} context;

static gmq_status open_proxy(void *arg, gmq_queue *queue)
{
    context *c = arg;
    return gmq_proxy_new(&c->proxy, c->args.url, c->args.common.options, c->args.config, queue, 0);
}

/* The addresses, each with the port that it got. */
static void print_listens(const context *c, char *out, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < c->args.listen_count && used < size; i++) {
        const char *address = c->args.listens[i], *comma = used ? ", " : "";
        int port = gmq_proxy_port(c->proxy, i);
        int host = port ? (int)(strrchr(address, ':') - address) : (int)strlen(address);
        int len = port ? snprintf(out + used, size - used, "%s%.*s:%d", comma, host, address, port)
                       : snprintf(out + used, size - used, "%s%s", comma, address);
        used += (size_t)len;
    }
}

static void ready(void *arg)
{
    const context *c = arg;
    char base[256], listens[512] = "";
    gmq__daemon_print_base(c->args.url, base, sizeof base);
    print_listens(c, listens, sizeof listens);
    gmq__daemon_log_fields(LOG_INFO, (const char *const[]){"event", "ready", "base", base, NULL},
                           "ready: listening on %s%s, base %s", listens,
                           c->args.tls_cert ? " (TLS)" : "", *base ? base : "by the call");
}

static const gmq__daemon_common *reload(void *arg)
{
    context *c = arg;
    gmq__daemon_args now;
    if (gmq__daemon_args_read_again(&now) >= 0) {
        gmq__daemon_args_clear(&now);
        return NULL;
    }
    if (gmq_proxy_configure(c->proxy, now.config) != GMQ_OK) {
        gmq__daemon_log(LOG_ERROR, "%s", gmq_error_text());
        gmq__daemon_args_clear(&now);
        return NULL;
    }
    gmq__daemon_say_fixed(&c->args.common, &now.common);
    gmq__daemon_args_clear(&c->now);
    c->now = now;
    return &c->now.common;
}

static gmq_status stats_of(void *arg, gmq_stats **out)
{
    return gmq_proxy_stats(out, ((context *)arg)->proxy);
}

static void close_proxy(void *arg, int64_t grace_ms)
{
    gmq_proxy_close(((context *)arg)->proxy, grace_ms);
}

static void unref_proxy(void *arg) { gmq_proxy_unref(((context *)arg)->proxy); }

int main(int argc, char **argv)
{
    context c = {0};
    gmq__daemon daemon = {.args = &c.args.common,
                          .context = &c,
                          .open = open_proxy,
                          .ready = ready,
                          .reload = reload,
                          .stats = stats_of,
                          .close = close_proxy,
                          .unref = unref_proxy};
    setenv("GRPC_VERBOSITY", "NONE", 0); /* gRPC's own lines about what we report in ours */
    int status = gmq__daemon_args_read(&c.args, argc, argv);
    if (status < 0)
        status = gmq__daemon_run(&daemon);
    gmq__daemon_args_clear(&c.now);
    gmq__daemon_args_clear(&c.args);
    return status;
}
