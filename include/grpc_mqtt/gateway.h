/**
 * @file gateway.h
 * The gateway ("remote client"): forwards calls from MQTT to unmodified gRPC servers. In
 * libgrpc_mqtt_gateway, which is built on the public headers of the core alone.
 */
#ifndef GRPC_MQTT_GATEWAY_H
#define GRPC_MQTT_GATEWAY_H

#include <grpc_mqtt/grpc_mqtt.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gmq_gateway gmq_gateway;

/** Makes a gateway for the bound methods of `map` and begins to connect to the broker; it connects
 * to a gRPC server at the first call. Methods without a target are left out: calls of them end
 * UNIMPLEMENTED, unless the option "passthrough" names a server for them (link dialect). STATE, LOG
 * and at the end CLOSED events go to `queue` with `tag`; the calls are its own affair. It runs two
 * threads, signals blocked. gRPC does not survive a fork(): make gateways in the process that runs
 * them. Further option: "initial_metadata_wait_ms" (default 100): how long a bidi call waits for
 * the gRPC server's initial metadata before the client is sent an empty map; what comes later is
 * sent with the trailing metadata.
 *  @param url, options, queue, tag  as gmq_server_new(); `options` may be NULL
 *  @param map  with targets bound (gmq_method_map_bind()); the gateway keeps a copy; with
 *  "passthrough" it may be NULL or empty
 *  Errors: as gmq_server_new(); GMQ_E_INVALID when no method is bound and nothing passed through;
 * GMQ_E_IO when no thread can be made. Does not block but on the files of the options. Since 0.1.
 */
GMQ_API gmq_status gmq_gateway_new(gmq_gateway **out, const char *url, const gmq_options *options,
                                   const gmq_method_map *map, gmq_queue *queue, uint64_t tag);

/** Gives the gateway the methods and targets of `map` for the calls that come from now on; calls in
 *  progress go on. Connections to targets that stay are kept. The server of "passthrough" stays as
 *  it is.
 *  @param map  as for gmq_gateway_new(); copied
 *  Errors: GMQ_E_INVALID (no method is bound, and nothing is passed through), GMQ_E_NOMEM,
 *  GMQ_E_CLOSED; then the former methods stay. Any thread; does not block. Since 0.1. */
GMQ_API gmq_status gmq_gateway_configure(gmq_gateway *gateway, const gmq_method_map *map);

/** Drains: open calls may go on for `grace_ms`, then they are cancelled at the gRPC server and end
 *  UNAVAILABLE at the client. Returns at once; the end is a CLOSED event. A second close may only
 * shorten the grace. Since 0.1. */
GMQ_API void gmq_gateway_close(gmq_gateway *gateway, int64_t grace_ms);

/** Takes a snapshot of a gateway's numbers (stats.h): those of its server, and for each method
 *  counters `method_calls` (labels `method`, `code`) and a histogram of durations,
 *  `method_duration_bucket` (labels `method`, `le`: at most so many seconds, adding up),
 *  `method_duration_count` and `method_duration_sum_us` (microseconds). Methods beyond the first
 *  500, and calls of methods that are not served, have the method `other`. Any thread; never
 *  blocks for the network. Errors: GMQ_E_INVALID (NULL), GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_gateway_stats(gmq_stats **out, gmq_gateway *gateway);

/** Drops the handle; NULL is fine; never blocks: what is open ends as by
 *  gmq_gateway_close(gateway, 0). Since 0.1. */
GMQ_API void gmq_gateway_unref(gmq_gateway *gateway);

#ifdef __cplusplus
}
#endif
#endif
