/**
 * @file client.h
 * A client: one MQTT connection to the broker, calling the methods of the server at one base topic.
 */
#ifndef GRPC_MQTT_CLIENT_H
#define GRPC_MQTT_CLIENT_H

#include <grpc_mqtt/method_map.h>
#include <grpc_mqtt/options.h>
#include <grpc_mqtt/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A client: a handle of its connection. */
typedef struct gmq_client gmq_client;

/** Makes a client and begins to connect. Returns at once: STATE events (tag `tag`) tell how it
 *  goes.
 *  @param url      `mqtt://user:pw@host:1883/base/topic?key=value`; also mqtts, ws, wss,
 *                  `loopback://name/base`
 *  @param options  may be NULL
 *  @param map      may be NULL; gives batching and compression of each method (its own option, else
 *                  its service's, its file's, the client's); the client keeps a copy
 *  @param queue    where all events of the client and of its calls go; the client holds a reference
 *  Errors: GMQ_E_URL, GMQ_E_OPTION, GMQ_E_INVALID (base topic with `+`, `#`, empty level), GMQ_E_IO
 *  (a file of the options), GMQ_E_UNSUPPORTED (transport not built in), GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_client_new(gmq_client **out, const char *url, const gmq_options *options,
                                  const gmq_method_map *map, gmq_queue *queue, uint64_t tag);

/** Ends in order: no new calls; calls still open after `grace_ms` (negative: no limit) are
 *  cancelled; what is on its way goes out; then disconnects. Returns at once; the end is a CLOSED
 *  event, after every FINISHED. A second close may only shorten the grace. NULL is fine. Since 0.1.
 */
GMQ_API void gmq_client_close(gmq_client *client, int64_t grace_ms);

/** Drops the handle; NULL is fine; never blocks. Without a close before, open calls end UNAVAILABLE
 *  and the connection ends by itself; CLOSED comes all the same. Handles of calls stay valid.
 *  Since 0.1. */
GMQ_API void gmq_client_unref(gmq_client *client);

/** Present state, a gmq_state; SHUTDOWN for NULL and in a forked child. Since 0.1. */
GMQ_API int32_t gmq_client_state(const gmq_client *client);

#ifdef __cplusplus
}
#endif
#endif
