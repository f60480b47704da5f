#include "method_stats.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PATH_MOST = 256 };

static const int64_t limits_us[GMQ__METHOD_BUCKETS - 1] = {
    1000,   2500,    5000,    10000,   25000,    50000,    100000,  250000,
    500000, 1000000, 2500000, 5000000, 10000000, 30000000, 60000000};

/* The same in seconds. */
static const char *const limit_names[GMQ__METHOD_BUCKETS] = {
    "0.001", "0.0025", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25",
    "0.5",   "1",      "2.5",   "5",    "10",    "30",   "60",  "+Inf"};

void gmq__method_stats_init(gmq__method_stats *methods)
{
    pthread_mutex_init(&methods->lock, NULL);
    methods->other.path = "other";
}

void gmq__method_stats_clear(gmq__method_stats *methods)
{
    for (size_t i = 0; i < GMQ__METHOD_SLOTS; i++) {
        if (methods->slots[i])
            free((void *)methods->slots[i]->path);
        free(methods->slots[i]);
    }
    pthread_mutex_destroy(&methods->lock);
}

int64_t gmq__method_stats_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- Rows ---- */

static void label_of(const char *path, char out[2 * PATH_MOST + 1])
{
    for (; *path; path++) {
        if (*path == '"' || *path == '\\')
            *out++ = '\\';
        *out++ = (char)(*path < ' ' || *path > '~' ? '?' : *path);
    }
    *out = '\0';
}

static size_t slot_of(const char *label)
{
    uint32_t hash = 2166136261u;
    for (; *label; label++)
        hash = (hash ^ (unsigned char)*label) * 16777619u;
    return hash % GMQ__METHOD_SLOTS;
}

static gmq__method_row *row_make(gmq__method_stats *methods, const char *label)
{
    gmq__method_row *row = methods->count < GMQ__METHODS_COUNTED ? calloc(1, sizeof *row) : NULL;
    if (row && !(row->path = strdup(label))) {
        free(row);
        row = NULL;
    }
    methods->count += row != NULL;
    return row;
}

/* With the lock. What nobody serves gets no row: anybody may call it. */
static gmq__method_row *row_of(gmq__method_stats *methods, const char *path, int32_t code)
{
    char label[2 * PATH_MOST + 1];
    if (!path || strlen(path) > PATH_MOST)
        return &methods->other;
    label_of(path, label);
    size_t at = slot_of(label);
    while (methods->slots[at] && strcmp(methods->slots[at]->path, label) != 0)
        at = (at + 1) % GMQ__METHOD_SLOTS;
    if (!methods->slots[at] && code != GMQ_CODE_UNIMPLEMENTED)
        methods->slots[at] = row_make(methods, label);
    return methods->slots[at] ? methods->slots[at] : &methods->other;
}

void gmq__method_stats_count(gmq__method_stats *methods, const char *path, int32_t code,
                             int64_t began)
{
    int64_t us = gmq__method_stats_now() - began;
    size_t bucket = 0;
    while (bucket < GMQ__METHOD_BUCKETS - 1 && us > limits_us[bucket])
        bucket++;
    pthread_mutex_lock(&methods->lock);
    gmq__method_row *row = row_of(methods, path, code);
    row->codes[code >= 0 && code < GMQ__METHOD_CODES ? code : GMQ_CODE_UNKNOWN]++;
    row->buckets[bucket]++;
    row->sum_us += (uint64_t)us;
    pthread_mutex_unlock(&methods->lock);
}

/* ---- Snapshot ---- */

static gmq_status add_codes(const gmq__method_row *row, gmq_stats *stats)
{
    char labels[2 * PATH_MOST + 64];
    gmq_status status = GMQ_OK;
    for (int32_t code = 0; status == GMQ_OK && code < GMQ__METHOD_CODES; code++) {
        snprintf(labels, sizeof labels, "method=\"%s\",code=\"%s\"", row->path,
                 gmq_code_name(code));
        if (row->codes[code])
            status =
                gmq_stats_add(stats, "method_calls", labels, GMQ_STATS_COUNTER, row->codes[code]);
    }
    return status;
}

static gmq_status add_durations(const gmq__method_row *row, gmq_stats *stats)
{
    char labels[2 * PATH_MOST + 64];
    uint64_t sum = 0;
    gmq_status status = GMQ_OK;
    for (size_t i = 0; status == GMQ_OK && i < GMQ__METHOD_BUCKETS; i++) {
        snprintf(labels, sizeof labels, "method=\"%s\",le=\"%s\"", row->path, limit_names[i]);
        sum += row->buckets[i];
        status = gmq_stats_add(stats, "method_duration_bucket", labels, GMQ_STATS_COUNTER, sum);
    }
    snprintf(labels, sizeof labels, "method=\"%s\"", row->path);
    if (status == GMQ_OK)
        status =
            gmq_stats_add(stats, "method_duration_sum_us", labels, GMQ_STATS_COUNTER, row->sum_us);
    if (status == GMQ_OK)
        status = gmq_stats_add(stats, "method_duration_count", labels, GMQ_STATS_COUNTER, sum);
    return status;
}

/* `which` is an index of slots, or their number: the other ones. false = there is no such row. */
static bool copy_row(gmq__method_stats *methods, size_t which, gmq__method_row *out)
{
    pthread_mutex_lock(&methods->lock);
    const gmq__method_row *row =
        which < GMQ__METHOD_SLOTS ? methods->slots[which] : &methods->other;
    if (row)
        *out = *row; /* its path stays as long as `methods` */
    pthread_mutex_unlock(&methods->lock);
    return row != NULL;
}

/* Kind by kind of row: a histogram's rows stand together. */
gmq_status gmq__method_stats_add(gmq__method_stats *methods, gmq_stats *stats)
{
    gmq__method_row row;
    gmq_status status = GMQ_OK;
    for (size_t i = 0; status == GMQ_OK && i <= GMQ__METHOD_SLOTS; i++)
        if (copy_row(methods, i, &row))
            status = add_codes(&row, stats);
    for (size_t i = 0; status == GMQ_OK && i <= GMQ__METHOD_SLOTS; i++)
        if (copy_row(methods, i, &row))
            status = add_durations(&row, stats);
    return status;
}
