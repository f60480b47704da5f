/**
 * @file channel.h
 * Calls that block: a channel is a client with a queue of its own, which no program needs to look
 * after; an rpc is one call over it. What protoc-gen-grpc-mqtt-c generates stands on these; they
 * serve as well without generated code, on bytes.
 *
 * Any number of threads may use a channel, each with rpcs of its own; whoever waits takes the
 * events of all. One rpc may be used by two threads at a time, one that sends and one that
 * receives, and cancelled by any. With drive=caller the connection works only while somebody waits
 * in one of these functions, so that an idle one falls asleep: leave the default.
 * Every function here that returns a gmq_status may also return GMQ_E_INVALID and GMQ_E_FORKED.
 */
#ifndef GRPC_MQTT_CHANNEL_H
#define GRPC_MQTT_CHANNEL_H

#include <grpc_mqtt/call.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A client and its queue: what blocking calls go through. */
typedef struct gmq_channel gmq_channel;

/** One blocking call: what goes along with it, its two streams, and how it ended. */
typedef struct gmq_rpc gmq_rpc;

/** Makes a channel and begins to connect; returns at once. Parameters and errors as
 *  gmq_client_new(); `options` and `map` may be NULL. Since 0.1. */
GMQ_API gmq_status gmq_channel_new(gmq_channel **out, const char *url, const gmq_options *options,
                                   const gmq_method_map *map);

/** Ends in order: no new calls; those still open after `grace_ms` (negative: no limit) are
 *  cancelled; what is on its way goes out. Blocks until that is done. Idempotent.
 *  Errors: none of its own. Since 0.1. */
GMQ_API gmq_status gmq_channel_close(gmq_channel *channel, int64_t grace_ms);

/** Drops the channel; NULL is fine; never blocks. Rpcs that are still there keep it alive.
 *  Since 0.1. */
GMQ_API void gmq_channel_free(gmq_channel *channel);

/** Present state, a gmq_state; SHUTDOWN for NULL and in a forked child. Since 0.1. */
GMQ_API int32_t gmq_channel_state(const gmq_channel *channel);

/** Makes an rpc, for one call. Nothing happens yet. Errors: GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_rpc_new(gmq_rpc **out, gmq_channel *channel);

/** Frees an rpc and what it lends out; cancels its call where that is not over. No other thread may
 *  be using it. NULL is fine; never blocks. Since 0.1. */
GMQ_API void gmq_rpc_free(gmq_rpc *rpc);

/** Time from the start to the deadline, in milliseconds; negative, as at first: none.
 *  Errors: GMQ_E_STATE (started). Since 0.1. */
GMQ_API gmq_status gmq_rpc_set_timeout_ms(gmq_rpc *rpc, int64_t timeout_ms);

/** Adds one pair to the metadata that goes with the request; see gmq_metadata_add().
 *  Errors: as there, and GMQ_E_STATE (started). Since 0.1. */
GMQ_API gmq_status gmq_rpc_add_metadata(gmq_rpc *rpc, const char *key, const void *value,
                                        size_t len);

/** Options of the call, see gmq_call_start(): "wait_for_ready" and others. Borrowed until the call
 *  is started; may be NULL. Errors: GMQ_E_STATE (started). Since 0.1. */
GMQ_API gmq_status gmq_rpc_set_options(gmq_rpc *rpc, const gmq_options *options);

/** Starts the call. Does not wait for the server. Errors: as gmq_call_start(), and GMQ_E_STATE (an
 *  rpc is for one call). Since 0.1. */
GMQ_API gmq_status gmq_rpc_start(gmq_rpc *rpc, const char *path, gmq_rpc_kind kind);

/** gmq_rpc_start() of a unary or server-streaming call together with its request.
 *  Errors: as gmq_call_start_with(), and GMQ_E_STATE. Since 0.1. */
GMQ_API gmq_status gmq_rpc_start_with(gmq_rpc *rpc, const char *path, gmq_rpc_kind kind,
                                      const void *data, size_t len);

/** Sends one message (copied). Blocks while the send buffer is full: for ever where the server
 * waits for its own messages to be received, which then takes another thread. Errors: GMQ_E_CLOSED
 * (the call is over: gmq_rpc_finish() and gmq_rpc_code() tell how), GMQ_E_STATE (not started, the
 * sending side is closed, a second message where the kind allows one), GMQ_E_TOO_LARGE,
 * GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_rpc_send(gmq_rpc *rpc, const void *data, size_t len);

/** Says that no more will be sent. Idempotent. Errors: GMQ_E_STATE (not started). Since 0.1. */
GMQ_API gmq_status gmq_rpc_close_send(gmq_rpc *rpc);

/** The next message, into `message`: the caller's, to be given back with gmq_buf_unref(). Blocks
 *  until it is there. NULL, with GMQ_OK: there are no more; gmq_rpc_code() says how the call ended.
 *  Errors: GMQ_E_STATE (not started). Since 0.1. */
GMQ_API gmq_status gmq_rpc_recv(gmq_rpc *rpc, gmq_buf **message);

/** Initial metadata of the server, into `metadata`: borrowed as long as the rpc; NULL when there
 *  is none. Blocks until it is there or the call is over. Errors: GMQ_E_STATE (not started).
 *  Since 0.1. */
GMQ_API gmq_status gmq_rpc_initial_metadata(gmq_rpc *rpc, const gmq_metadata **metadata);

/** Closes the sending side, drops messages that were not received, and blocks until the call is
 *  over: to the end of what the server sends, unless the call is cancelled before.
 *  Errors: GMQ_E_STATE (not started). Since 0.1. */
GMQ_API gmq_status gmq_rpc_finish(gmq_rpc *rpc);

/** Cancels, from any thread; whoever waits is woken. Nothing where the call is not started or is
 *  over. Since 0.1. */
GMQ_API void gmq_rpc_cancel(gmq_rpc *rpc);

/** Cancels with a status of the caller's choice: what it found wrong with a message, say. The rpc
 *  shows this status even where the call has ended OK meanwhile; an error that was there before
 *  stays. A `code` that is not 1 to 16 becomes UNKNOWN; `details` may be NULL. Any thread.
 *  Since 0.1. */
GMQ_API void gmq_rpc_cancel_with(gmq_rpc *rpc, int32_t code, const char *details);

/** How the call ended, a gRPC status; -1 until its end was seen: for certain once gmq_rpc_recv()
 * has given NULL, or after gmq_rpc_finish(). Since 0.1. */
GMQ_API int32_t gmq_rpc_code(const gmq_rpc *rpc);

/** The details of that status; "" when there are none yet. Borrowed as long as the rpc. Since 0.1.
 */
GMQ_API const char *gmq_rpc_details(const gmq_rpc *rpc);

/** Trailing metadata of the server; NULL when there is none, or none yet. Borrowed as long as the
 *  rpc. Since 0.1. */
GMQ_API const gmq_metadata *gmq_rpc_trailing_metadata(const gmq_rpc *rpc);

#ifdef __cplusplus
}
#endif
#endif
