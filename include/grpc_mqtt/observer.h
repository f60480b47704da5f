/**
 * @file observer.h
 * An observer: one MQTT connection that makes no calls. It sees what others publish and may publish
 * itself. For tools that look after a broker: who is present, what passes, who may do what.
 */
#ifndef GRPC_MQTT_OBSERVER_H
#define GRPC_MQTT_OBSERVER_H

#include <grpc_mqtt/metadata.h>
#include <grpc_mqtt/options.h>
#include <grpc_mqtt/queue.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An observer: a handle of its connection. */
typedef struct gmq_observer gmq_observer;

/** Makes an observer and begins to connect. Returns at once: STATE events (tag `tag`) tell how it
 *  goes; READY: connected. After a lost connection it connects again, and subscribes again.
 *  @param url      as of gmq_client_new(); the base topic must be there, and has no meaning
 *  @param options  may be NULL; those of a client
 *  @param queue    where all of its events go; the observer holds a reference. What is not taken
 *                  stays there: there is no limit
 *  Errors: as gmq_client_new(). Since 0.1. */
GMQ_API gmq_status gmq_observer_new(gmq_observer **out, const char *url, const gmq_options *options,
                                    gmq_queue *queue, uint64_t tag);

/** Subscribes to an MQTT filter (`fleet/+/grpc/server/+`), now or as soon as it is connected. A
 *  SUBSCRIBED event tells what the broker says; OBSERVED events follow.
 *  Errors: GMQ_E_INVALID (no filter; too long; GMQ_E_INVALID also for a `qos` above 1),
 *  GMQ_E_CLOSED, GMQ_E_FORKED, GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_observer_subscribe(gmq_observer *observer, const char *filter, int32_t qos);

/** Publishes `len` bytes (copied) at `topic`. One PUBLISHED event tells how it went. Without a
 *  connection it waits for the outcome of the attempt to connect.
 *  @param properties  MQTT 5 user properties, in order; may be NULL; copied
 *  @param retain      0, or the broker is to keep it
 *  @param qos         0 or 1; with 0 nobody says whether the broker took it
 *  Errors: GMQ_E_INVALID (`topic` empty, too long or with `+`, `#`; `qos`; `data`),
 *  GMQ_E_TOO_LARGE (256 MiB or more), GMQ_E_CLOSED, GMQ_E_FORKED, GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_observer_publish(gmq_observer *observer, const char *topic, const void *data,
                                        size_t len, const gmq_metadata *properties, int32_t retain,
                                        int32_t qos);

/** Ends in order: what was to be published goes out, within 2 s; then disconnects. Returns at once;
 *  the end is a CLOSED event. NULL is fine. Since 0.1. */
GMQ_API void gmq_observer_close(gmq_observer *observer);

/** Drops the handle; NULL is fine; never blocks. Without a close before, the connection ends by
 *  itself; CLOSED comes all the same. Since 0.1. */
GMQ_API void gmq_observer_unref(gmq_observer *observer);

/** Present state, a gmq_state; SHUTDOWN for NULL and in a forked child. Since 0.1. */
GMQ_API int32_t gmq_observer_state(const gmq_observer *observer);

#ifdef __cplusplus
}
#endif
#endif
