/**
 * @file server.h
 * A server: answers the calls that arrive under one base topic, itself (no gRPC server behind it).
 */
#ifndef GRPC_MQTT_SERVER_H
#define GRPC_MQTT_SERVER_H

#include <grpc_mqtt/method_map.h>
#include <grpc_mqtt/options.h>
#include <grpc_mqtt/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A server: a handle of its connection. */
typedef struct gmq_server gmq_server;

/** Makes a server and begins to connect; STATE READY says that it is subscribed. A call of a method
 *  in `map` arrives as a CALL event; others are answered UNIMPLEMENTED by the library,
 *  or (option "unknown_methods") offered too, to be taken by gmq_call_resolve().
 *  @param map  methods that it serves; the server keeps a copy (see gmq_server_set_methods())
 *  Other parameters and errors as gmq_client_new(). Since 0.1. */
GMQ_API gmq_status gmq_server_new(gmq_server **out, const char *url, const gmq_options *options,
                                  const gmq_method_map *map, gmq_queue *queue, uint64_t tag);

/** Replaces the methods served by those of `map` (NULL: none; copied); calls in progress go on.
 *  Errors: GMQ_E_NOMEM, GMQ_E_CLOSED, GMQ_E_INVALID, GMQ_E_FORKED. Since 0.1. */
GMQ_API gmq_status gmq_server_set_methods(gmq_server *server, const gmq_method_map *map);

/** Drains: new calls are refused UNAVAILABLE, open ones may go on for `grace_ms` (negative: no
 *  limit), then are ended UNAVAILABLE; then it disconnects. Returns at once; the end is a CLOSED
 *  event, after every FINISHED. A second close may only shorten the grace. NULL is fine.
 *  Since 0.1. */
GMQ_API void gmq_server_close(gmq_server *server, int64_t grace_ms);

/** Drops the handle; NULL is fine; never blocks; see gmq_client_unref(). Since 0.1. */
GMQ_API void gmq_server_unref(gmq_server *server);

/** Present state, a gmq_state; SHUTDOWN for NULL and in a forked child. Since 0.1. */
GMQ_API int32_t gmq_server_state(const gmq_server *server);

#ifdef __cplusplus
}
#endif
#endif
