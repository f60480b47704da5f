/**
 * @file stats.h
 * Numbers of a client or server: what it has counted, and what is there now. A gmq_stats is a
 * snapshot: rows of a name, labels and a value. It is a plain object, for one thread at a time.
 *
 * Rows of clients and servers, all of this connection since it was made:
 * counters: `calls_started`, `calls_finished` (label `code`, a row for each gRPC code),
 * `packets_in`, `packets_out`, `bytes_in`, `bytes_out` (MQTT publishes and their payloads),
 * `packets_ignored` (nothing that could be used), `packets_duplicate` (had come before), `resends`
 * (link dialect: packets that went out once more), `reconnects`; gauges: `calls_open`, `connected`
 * (to the broker: 0 or 1), `unread_bytes` (messages that nobody has asked for yet), `unsent_bytes`
 * (messages that have not left yet), `reassembly_bytes` (parts of unfinished messages), `links`
 * (link dialect), `subscriptions`, `tombstones` (ended calls that are remembered). Further rows may
 * be added; those of gateways and proxies are told of in gateway.h.
 */
#ifndef GRPC_MQTT_STATS_H
#define GRPC_MQTT_STATS_H

#include <grpc_mqtt/client.h>
#include <grpc_mqtt/server.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A snapshot of numbers. */
typedef struct gmq_stats gmq_stats;

/** What a value does. */
typedef enum gmq_stats_kind {
    GMQ_STATS_COUNTER = 0, /**< grows */
    GMQ_STATS_GAUGE = 1    /**< goes up and down */
} gmq_stats_kind;

/** Takes a snapshot of a client's numbers: as they stood when its last event was made, or later.
 *  Any thread; never blocks for the network. Also after CLOSED.
 *  @param out  gets the snapshot: gmq_stats_free(); unchanged on an error
 *  Errors: GMQ_E_INVALID (NULL), GMQ_E_FORKED, GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_client_stats(gmq_stats **out, const gmq_client *client);

/** The same of a server. Since 0.1. */
GMQ_API gmq_status gmq_server_stats(gmq_stats **out, const gmq_server *server);

/** Makes an empty one, to put together numbers of one's own. Errors: GMQ_E_INVALID (NULL),
 *  GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_stats_new(gmq_stats **out);

/** Appends a row.
 *  @param name    not empty; copied
 *  @param labels  `key="value"` pairs with commas between them, as Prometheus writes them; NULL or
 *                 "": none; copied
 *  @param kind    a gmq_stats_kind
 *  Errors: GMQ_E_INVALID, GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_stats_add(gmq_stats *stats, const char *name, const char *labels,
                                 int32_t kind, uint64_t value);

/** Adds the values of `more` to the rows of the same name and labels; rows that `stats` does not
 *  have are appended. Looks through all rows for each: for short snapshots.
 *  @param more      unchanged
 *  @param counters  not 0: its gauges count as 0 (those of something that is gone)
 *  Errors: GMQ_E_INVALID (NULL), GMQ_E_NOMEM (some rows may be added). Since 0.1. */
GMQ_API gmq_status gmq_stats_sum(gmq_stats *stats, const gmq_stats *more, int32_t counters);

/** Number of rows; 0 for NULL. Since 0.1. */
GMQ_API size_t gmq_stats_count(const gmq_stats *stats);

/** Name of a row, in order; valid as long as `stats`. NULL out of range. Since 0.1. */
GMQ_API const char *gmq_stats_name(const gmq_stats *stats, size_t index);

/** Its labels, likewise; "" = none. Since 0.1. */
GMQ_API const char *gmq_stats_labels(const gmq_stats *stats, size_t index);

/** Its kind, a gmq_stats_kind; -1 out of range. Since 0.1. */
GMQ_API int32_t gmq_stats_kind_of(const gmq_stats *stats, size_t index);

/** Its value; 0 out of range. Since 0.1. */
GMQ_API uint64_t gmq_stats_value(const gmq_stats *stats, size_t index);

/** Position of a row: for gmq_stats_value(). -1 = there is none. `labels` may be NULL: none.
 *  Since 0.1. */
GMQ_API int64_t gmq_stats_find(const gmq_stats *stats, const char *name, const char *labels);

/** Frees a snapshot; NULL is fine. Since 0.1. */
GMQ_API void gmq_stats_free(gmq_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
