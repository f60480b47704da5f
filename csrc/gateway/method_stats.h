/* Calls of a gateway or proxy by method and code, and how long they took. Methods beyond the first
 * GMQ__METHODS_COUNTED, and those that nobody knows, are counted together. Any thread. */
#ifndef GMQ_GATEWAY_METHOD_STATS_H
#define GMQ_GATEWAY_METHOD_STATS_H

#include <grpc_mqtt/stats.h>
#include <pthread.h>

enum {
    GMQ__METHODS_COUNTED = 500,
    GMQ__METHOD_SLOTS = 1024, /* power of two, more than twice as many */
    GMQ__METHOD_CODES = 17,
    GMQ__METHOD_BUCKETS = 16, /* the last one has no limit */
};

typedef struct gmq__method_row {
    const char *path; /* as a label: what would end it is escaped, what is not ASCII is '?' */
    uint64_t codes[GMQ__METHOD_CODES];
    uint64_t buckets[GMQ__METHOD_BUCKETS];
    uint64_t sum_us;
} gmq__method_row;

typedef struct gmq__method_stats {
    pthread_mutex_t lock; /* a leaf */
    gmq__method_row *slots[GMQ__METHOD_SLOTS];
    size_t count;
    gmq__method_row other;
} gmq__method_stats;

void gmq__method_stats_init(gmq__method_stats *methods); /* the memory is zero */
void gmq__method_stats_clear(gmq__method_stats *methods);
int64_t gmq__method_stats_now(void); /* monotonic us */

/* A call that began at `began` (gmq__method_stats_now()) is over. `path` NULL: a method that nobody
 * knows. */
void gmq__method_stats_count(gmq__method_stats *methods, const char *path, int32_t code,
                             int64_t began);

/* Appends its rows. */
gmq_status gmq__method_stats_add(gmq__method_stats *methods, gmq_stats *stats);

#endif
