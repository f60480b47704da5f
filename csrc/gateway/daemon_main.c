/* grpc-mqtt-gateway: one gateway, its log, and signals. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "daemon_args.h"
#include "daemon_log.h"
#include "daemon_loop.h"

typedef struct context {
    gmq__daemon_args args; /* at the start */
    gmq__daemon_args now;  /* after a reload; else all zero */
    gmq_gateway *gateway;
} context;

/* The distinct targets, in order. */
static void print_targets(const gmq_method_map *map, char *out, size_t size)
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < gmq_method_map_count(map) && used < size; i++) {
        const char *target = gmq_method_map_target(map, i);
        bool seen = false;
        for (size_t j = 0; j < i && !seen; j++)
            seen = strcmp(gmq_method_map_target(map, j), target) == 0;
        if (!seen)
            used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "", target);
    }
}

static gmq_status open_gateway(void *arg, gmq_queue *queue)
{
    context *c = arg;
    return gmq_gateway_new(&c->gateway, c->args.url, c->args.common.options, c->args.map, queue, 0);
}

static void ready(void *arg)
{
    const context *c = arg;
    char base[256], targets[512];
    const gmq_method_map *map = c->now.common.options ? c->now.map : c->args.map;
    size_t count = gmq_method_map_count(map);
    const char *rest = c->args.passthrough ? c->args.first_target : NULL;
    gmq__daemon_print_base(c->args.url, base, sizeof base);
    print_targets(map, targets, sizeof targets);
    gmq__daemon_log_fields(LOG_INFO, (const char *const[]){"event", "ready", "base", base, NULL},
                           "ready: base %s, %zu method%s, targets %s%s%s", base, count,
                           count == 1 ? "" : "s", *targets ? targets : "none",
                           rest ? ", all others to " : "", rest ? rest : "");
}

static const gmq__daemon_common *reload(void *arg)
{
    context *c = arg;
    gmq__daemon_args now;
    if (gmq__daemon_args_read_again(&now) >= 0) {
        gmq__daemon_args_clear(&now);
        return NULL;
    }
    if (gmq_gateway_configure(c->gateway, now.map) != GMQ_OK) {
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
    return gmq_gateway_stats(out, ((context *)arg)->gateway);
}

static void close_gateway(void *arg, int64_t grace_ms)
{
    gmq_gateway_close(((context *)arg)->gateway, grace_ms);
}

static void unref_gateway(void *arg) { gmq_gateway_unref(((context *)arg)->gateway); }

int main(int argc, char **argv)
{
    context c = {0};
    gmq__daemon daemon = {.args = &c.args.common,
                          .context = &c,
                          .open = open_gateway,
                          .ready = ready,
                          .reload = reload,
                          .stats = stats_of,
                          .close = close_gateway,
                          .unref = unref_gateway};
    int status = gmq__daemon_args_read(&c.args, argc, argv);
    if (status < 0)
        status = gmq__daemon_run(&daemon);
    gmq__daemon_args_clear(&c.now);
    gmq__daemon_args_clear(&c.args);
    return status;
}
