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

/** Makes a gateway for the bound methods of `map` and begins to connect; methods without a target
 *  are left out. STATE, LOG and at the end CLOSED events go to `queue` with `tag`.
 *  Further option: "initial_metadata_wait_ms" (default 100): how long a bidi call waits for the
 *  gRPC server's initial metadata before the client is sent an empty map.
 *  Errors: as gmq_server_new(); GMQ_E_INVALID when no method is bound. Since 0.1. */
GMQ_API gmq_status gmq_gateway_new(gmq_gateway **out, const char *url, const gmq_options *options,
                                   const gmq_method_map *map, gmq_queue *queue, uint64_t tag);

/** Drains: open calls may go on for `grace_ms`, then they are cancelled at the gRPC server and end
 *  UNAVAILABLE at the client. Returns at once; the end is a CLOSED event. Since 0.1. */
GMQ_API void gmq_gateway_close(gmq_gateway *gateway, int64_t grace_ms);

/** Drops the handle; NULL is fine; never blocks: what is open ends as by
 *  gmq_gateway_close(gateway, 0). Since 0.1. */
GMQ_API void gmq_gateway_unref(gmq_gateway *gateway);

#ifdef __cplusplus
}
#endif
#endif
