/**
 * @file queue.h
 * Event queue and events: the only way in which the library tells anything.
 *
 * Each client, server, observer, gateway and proxy is given a queue at creation; all of its events
 * and those of its calls go there and nowhere else. Several may share a queue.
 *
 * Contract
 *  1. A started call yields exactly one FINISHED event, its last. A failed start yields none.
 *  2. Events of one call arrive in order.
 *  3. gmq_queue_fd() is readable while an event waits or the queue is shut down.
 *  4. After gmq_queue_shutdown() what is queued can still be taken; then GMQ_E_CLOSED, at once, for
 *     ever.
 *  5. Tags are echoed, never dereferenced.
 *  6. gmq_queue_unref() is safe while objects still use the queue: they hold references of their
 *     own. When the last handle of the program goes, nobody can take events any more: what waits is
 *     freed (new calls that were not taken are cancelled), and connections with drive=caller end
 *     at once.
 */
#ifndef GRPC_MQTT_QUEUE_H
#define GRPC_MQTT_QUEUE_H

#include <grpc_mqtt/base.h>
#include <grpc_mqtt/buf.h>
#include <grpc_mqtt/metadata.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gmq_queue gmq_queue;
typedef struct gmq_event gmq_event;
typedef struct gmq_call gmq_call;

/** What an event is. Values never change; unknown ones are to be ignored. */
typedef enum gmq_event_type {
    /** A client, server or other connection changed state: gmq_event_code() is a gmq_state,
     * gmq_event_text() the reason. */
    GMQ_EVENT_STATE = 1,
    /** Server: a new call, for gmq_event_take_call(). gmq_event_text() is the path,
     *  gmq_event_metadata() the request's. */
    GMQ_EVENT_CALL = 2,
    /** Client: gmq_event_metadata(); once a call at most, before messages. */
    GMQ_EVENT_INITIAL_METADATA = 3,
    /** gmq_event_message(); one credit of gmq_call_read() is used up. */
    GMQ_EVENT_MESSAGE = 4,
    /** After GMQ_E_AGAIN: there is room again. */
    GMQ_EVENT_WRITABLE = 5,
    /** Server: the client will send no more messages. */
    GMQ_EVENT_HALF_CLOSED = 6,
    /** The call is over: gmq_event_code() is its gRPC status, gmq_event_text() the details,
     *  gmq_event_metadata() the trailing metadata. */
    GMQ_EVENT_FINISHED = 7,
    /** The last event of a client, server, gateway, ..., after its *_close() or, without one, its
     *  *_unref(). */
    GMQ_EVENT_CLOSED = 8,
    /** gmq_event_text() is one line, gmq_event_code() its level: 0 error, 1 warning, 2 info,
     *  3 debug. */
    GMQ_EVENT_LOG = 9,
    /** Observer: a message passed. gmq_event_text() is its topic, gmq_event_message() its payload,
     *  gmq_event_metadata() its user properties, gmq_event_code() its QoS, + 4 when it is
     *  retained. */
    GMQ_EVENT_OBSERVED = 10,
    /** Observer: the broker's answer to a subscription, also with each reconnect:
     *  gmq_event_text() is the filter, gmq_event_code() the MQTT reason code, below 128 granted. */
    GMQ_EVENT_SUBSCRIBED = 11,
    /** Observer: the broker's answer to a publish, once: gmq_event_text() is the topic,
     *  gmq_event_code() the MQTT reason code: 0 taken, 16 nobody subscribes (MQTT 5), 128 and above
     *  refused, 136 not sent for want of a connection. */
    GMQ_EVENT_PUBLISHED = 12,
    /** This and above: posted by gmq_queue_post(). */
    GMQ_EVENT_USER = 1000
} gmq_event_type;

/** State of a client or server, in STATE events; values as gRPC's connectivity states. */
typedef enum gmq_state {
    GMQ_STATE_IDLE = 0,
    GMQ_STATE_CONNECTING = 1,
    /** Connected; a server has its subscriptions; a client of the link dialect sees a server
     *  announced; one of the session dialect with the option "probe" knows that somebody listens.
     */
    GMQ_STATE_READY = 2,
    /** Lost or refused: it will be tried again after a backoff. A client of the link dialect, or
     * with "probe", also while there is no server; the text says which. */
    GMQ_STATE_TRANSIENT_FAILURE = 3,
    GMQ_STATE_SHUTDOWN = 4
} gmq_state;

/** Makes a queue with one handle. Errors: GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_queue_new(gmq_queue **out);

/** Adds a handle and returns `queue`. Since 0.1. */
GMQ_API gmq_queue *gmq_queue_ref(gmq_queue *queue);

/** Drops a handle; NULL is fine; never blocks. Since 0.1. */
GMQ_API void gmq_queue_unref(gmq_queue *queue);

/** A descriptor for select/poll/epoll/asyncio, readable while an event waits, the queue is shut
 *  down, or (drive=caller) there is work to pump. Level-triggered. Made by the first call of this
 *  function, the same from then on. Owned by the library: do not read from or close it. -1
 *  when there is none: gmq_error_text() says why (no descriptor left, fork). Since 0.1. */
GMQ_API int gmq_queue_fd(gmq_queue *queue);

/** Milliseconds until the queue wants to be polled even if its descriptor stays silent: the timers
 *  of connections with drive=caller. 0 when there is work now, -1 when there are none.
 *  Since 0.1. */
GMQ_API int64_t gmq_queue_timeout_ms(gmq_queue *queue);

/** Takes up to `max` events into `events[]`, without blocking; their number into `count` (0 is no
 *  error). Each event belongs to the caller: gmq_event_free(). With drive=caller the connections do
 *  here what is due. Errors: GMQ_E_CLOSED (shut down and empty), GMQ_E_INVALID (`max` is 0),
 *  GMQ_E_FORKED. Since 0.1. */
GMQ_API gmq_status gmq_queue_poll(gmq_queue *queue, gmq_event **events, size_t max, size_t *count);

/** Like gmq_queue_poll(), but blocks until there is at least one event, up to `timeout_ms`
 *  (negative: no limit). Time-out is GMQ_OK with `*count` 0. Several threads may wait; each event
 *  goes to one of them. With drive=caller the connections work meanwhile, on this thread; a single
 *  connection with a thread of the library mostly does, too, which spares two changes of threads.
 *  Errors: as gmq_queue_poll(). Since 0.1. */
GMQ_API gmq_status gmq_queue_wait(gmq_queue *queue, int64_t timeout_ms, gmq_event **events,
                                  size_t max, size_t *count);

/** Puts an event of the caller's own at the end: `type` is LOG, STATE, CLOSED or >= GMQ_EVENT_USER;
 *  `text` may be NULL. How bindings wake a waiting thread, and how the gateway reports.
 *  Errors: GMQ_E_INVALID, GMQ_E_CLOSED, GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_queue_post(gmq_queue *queue, int32_t type, uint64_t tag, int32_t code,
                                  const char *text);

/** No new events from now on; what is queued can still be taken. Idempotent. Since 0.1. */
GMQ_API void gmq_queue_shutdown(gmq_queue *queue);

/** Frees an event and what it lends out; NULL is fine. Since 0.1. */
GMQ_API void gmq_event_free(gmq_event *event);

/** A gmq_event_type. Since 0.1. */
GMQ_API int32_t gmq_event_type_of(const gmq_event *event);

/** Tag of the call, client, server or gateway concerned, as it was when the event was taken.
 *  Since 0.1. */
GMQ_API uint64_t gmq_event_tag(const gmq_event *event);

/** gRPC status (FINISHED), gmq_state (STATE), log level (LOG), or what was posted; else 0.
 *  Since 0.1. */
GMQ_API int32_t gmq_event_code(const gmq_event *event);

/** Details, path, reason or log line; never NULL. Borrowed until the event is freed. May hold any
 *  bytes but NUL. Since 0.1. */
GMQ_API const char *gmq_event_text(const gmq_event *event);

/** The message of a MESSAGE event, else NULL. Borrowed: gmq_buf_ref() to keep it. Since 0.1. */
GMQ_API gmq_buf *gmq_event_message(const gmq_event *event);

/** Metadata of CALL, INITIAL_METADATA and FINISHED events; may be NULL (then: none). Borrowed.
 *  Since 0.1. */
GMQ_API const gmq_metadata *gmq_event_metadata(const gmq_event *event);

/** The call concerned, or NULL. Borrowed until the event is freed. Since 0.1. */
GMQ_API gmq_call *gmq_event_call(const gmq_event *event);

/** Takes the new call out of a CALL event: the caller owns the reference (gmq_call_unref()). A CALL
 *  event freed without that cancels its call. NULL for other events and the second time.
 *  Since 0.1. */
GMQ_API gmq_call *gmq_event_take_call(gmq_event *event);

#ifdef __cplusplus
}
#endif
#endif
