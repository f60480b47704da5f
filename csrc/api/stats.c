#include <grpc_mqtt/stats.h>
#include <stdio.h>
#include <string.h>

#include "api/endpoint.h"
#include "base/error.h"
#include "base/mem.h"

typedef struct row {
    char *name; /* its labels stand behind its NUL */
    const char *labels;
    int32_t kind;
    uint64_t value;
} row;

struct gmq_stats {
    row *rows;
    size_t count, cap;
};

gmq_status gmq_stats_new(gmq_stats **out)
{
    if (!out)
        return gmq__fail(GMQ_E_INVALID, "gmq_stats_new: out is NULL");
    gmq_stats *stats = gmq__calloc(1, sizeof *stats);
    if (!stats)
        return gmq__fail_nomem();
    *out = stats;
    return GMQ_OK;
}

void gmq_stats_free(gmq_stats *stats)
{
    if (!stats)
        return;
    for (size_t i = 0; i < stats->count; i++)
        gmq__free(stats->rows[i].name);
    gmq__free(stats->rows);
    gmq__free(stats);
}

static bool room(gmq_stats *stats)
{
    if (stats->count < stats->cap)
        return true;
    size_t cap = stats->cap ? 2 * stats->cap : 64;
    row *rows = gmq__realloc(stats->rows, cap * sizeof *rows);
    if (!rows)
        return false;
    stats->rows = rows;
    stats->cap = cap;
    return true;
}

gmq_status gmq_stats_add(gmq_stats *stats, const char *name, const char *labels, int32_t kind,
                         uint64_t value)
{
    if (!stats || !name || !*name)
        return gmq__fail(GMQ_E_INVALID, "gmq_stats_add: no snapshot, or no name");
    if (kind != GMQ_STATS_COUNTER && kind != GMQ_STATS_GAUGE)
        return gmq__fail(GMQ_E_INVALID, "gmq_stats_add: %s: %d is no kind", name, (int)kind);
    labels = labels ? labels : "";
    size_t len = strlen(name) + 1, rest = strlen(labels) + 1;
    char *text = room(stats) ? gmq__malloc(len + rest) : NULL;
    if (!text)
        return gmq__fail_nomem();
    memcpy(text, name, len);
    memcpy(text + len, labels, rest);
    stats->rows[stats->count++] = (row){text, text + len, kind, value};
    return GMQ_OK;
}

int64_t gmq_stats_find(const gmq_stats *stats, const char *name, const char *labels)
{
    labels = labels ? labels : "";
    for (size_t i = 0; stats && name && i < stats->count; i++)
        if (strcmp(stats->rows[i].name, name) == 0 && strcmp(stats->rows[i].labels, labels) == 0)
            return (int64_t)i;
    return -1;
}

gmq_status gmq_stats_sum(gmq_stats *stats, const gmq_stats *more, int32_t counters)
{
    gmq_status status = GMQ_OK;
    if (!stats || !more || stats == more)
        return gmq__fail(GMQ_E_INVALID, "gmq_stats_sum: two snapshots are wanted");
    for (size_t i = 0; status == GMQ_OK && i < more->count; i++) {
        const row *r = &more->rows[i];
        uint64_t value = counters && r->kind != GMQ_STATS_COUNTER ? 0 : r->value;
        int64_t at = gmq_stats_find(stats, r->name, r->labels);
        if (at >= 0)
            stats->rows[at].value += value;
        else
            status = gmq_stats_add(stats, r->name, r->labels, r->kind, value);
    }
    return status;
}

size_t gmq_stats_count(const gmq_stats *stats) { return stats ? stats->count : 0; }

const char *gmq_stats_name(const gmq_stats *stats, size_t index)
{
    return index < gmq_stats_count(stats) ? stats->rows[index].name : NULL;
}

const char *gmq_stats_labels(const gmq_stats *stats, size_t index)
{
    return index < gmq_stats_count(stats) ? stats->rows[index].labels : NULL;
}

int32_t gmq_stats_kind_of(const gmq_stats *stats, size_t index)
{
    return index < gmq_stats_count(stats) ? stats->rows[index].kind : -1;
}

uint64_t gmq_stats_value(const gmq_stats *stats, size_t index)
{
    return index < gmq_stats_count(stats) ? stats->rows[index].value : 0;
}

/* ---- Of a connection ---- */

static gmq_status add_calls(gmq_stats *stats, const gmq__numbers *n)
{
    uint64_t started = n->open; /* by which the numbers always fit each other */
    gmq_status status = gmq_stats_add(stats, "calls_open", NULL, GMQ_STATS_GAUGE, n->open);
    for (int32_t code = 0; status == GMQ_OK && code < GMQ__CODES; code++) {
        char label[64];
        snprintf(label, sizeof label, "code=\"%s\"", gmq_code_name(code));
        started += n->finished[code];
        status =
            gmq_stats_add(stats, "calls_finished", label, GMQ_STATS_COUNTER, n->finished[code]);
    }
    return status == GMQ_OK
               ? gmq_stats_add(stats, "calls_started", NULL, GMQ_STATS_COUNTER, started)
               : status;
}

static gmq_status add_numbers(gmq_stats *stats, const gmq__numbers *n)
{
    const gmq__engine_stats *e = &n->engine;
    const struct {
        const char *name;
        uint64_t value;
        gmq_stats_kind kind;
    } rows[] = {
        {"packets_in", e->packets_in, GMQ_STATS_COUNTER},
        {"packets_out", e->packets_out, GMQ_STATS_COUNTER},
        {"bytes_in", e->bytes_in, GMQ_STATS_COUNTER},
        {"bytes_out", e->bytes_out, GMQ_STATS_COUNTER},
        {"packets_ignored", e->ignored, GMQ_STATS_COUNTER},
        {"packets_duplicate", e->duplicates, GMQ_STATS_COUNTER},
        {"resends", e->resends, GMQ_STATS_COUNTER},
        {"reconnects", n->connects ? n->connects - 1 : 0, GMQ_STATS_COUNTER},
        {"connected", n->connected, GMQ_STATS_GAUGE},
        {"unread_bytes", e->unread_bytes, GMQ_STATS_GAUGE},
        {"unsent_bytes", e->unsent_bytes, GMQ_STATS_GAUGE},
        {"reassembly_bytes", e->reassembly_bytes, GMQ_STATS_GAUGE},
        {"links", e->links, GMQ_STATS_GAUGE},
        {"subscriptions", e->subscriptions, GMQ_STATS_GAUGE},
        {"tombstones", e->tombstones, GMQ_STATS_GAUGE},
    };
    gmq_status status = add_calls(stats, n);
    for (size_t i = 0; status == GMQ_OK && i < sizeof rows / sizeof *rows; i++)
        status = gmq_stats_add(stats, rows[i].name, NULL, rows[i].kind, rows[i].value);
    return status;
}

static gmq_status snapshot(gmq_stats **out, const gmq__endpoint *endpoint, const char *what)
{
    gmq__numbers numbers;
    gmq_stats *stats = NULL;
    if (!out || !endpoint)
        return gmq__fail(GMQ_E_INVALID, "gmq_%s_stats: an argument is NULL", what);
    gmq_status status = gmq__endpoint_check(endpoint, what);
    if (status == GMQ_OK)
        status = gmq_stats_new(&stats);
    if (status != GMQ_OK)
        return status;
    gmq__runtime_numbers(endpoint->runtime, &numbers);
    status = add_numbers(stats, &numbers);
    if (status == GMQ_OK)
        *out = stats;
    else
        gmq_stats_free(stats);
    return status;
}

gmq_status gmq_client_stats(gmq_stats **out, const gmq_client *client)
{
    return snapshot(out, client ? &client->endpoint : NULL, "client");
}

gmq_status gmq_server_stats(gmq_stats **out, const gmq_server *server)
{
    return snapshot(out, server ? &server->endpoint : NULL, "server");
}
