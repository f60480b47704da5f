/**
 * @file call.h
 * One RPC, on either side. Client: start, send, half_close, read, cancel. Server: the same without
 * start, and send_initial_metadata, finish. Events tell the rest (queue.h).
 *
 * Credit: no MESSAGE event comes without credit. gmq_call_read(call, n) allows n more.
 */
#ifndef GRPC_MQTT_CALL_H
#define GRPC_MQTT_CALL_H

#include <grpc_mqtt/client.h>
#include <grpc_mqtt/server.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Starts a call. A unary or server-streaming request leaves with its one message
 *  (gmq_call_send()), the others leave at once.
 *  @param path        "/pkg.Service/Method"
 *  @param metadata    may be NULL; copied
 *  @param timeout_ms  time to the deadline; negative: none; 0: expires at once
 *  @param options     may be NULL: "batched_stream", "server_clevel", "client_clevel",
 *                     "wait_for_ready" for this call; they stand below what the method map says of
 *                     the method
 *  @param tag         echoed in the call's events
 *  Errors: GMQ_E_INVALID (path with `+`, `#`, NUL, or not of two parts; metadata above the limit),
 *  GMQ_E_OPTION, GMQ_E_CLOSED, GMQ_E_NOMEM, GMQ_E_FORKED. Since 0.1. */
GMQ_API gmq_status gmq_call_start(gmq_call **out, gmq_client *client, const char *path,
                                  gmq_rpc_kind kind, const gmq_metadata *metadata,
                                  int64_t timeout_ms, const gmq_options *options, uint64_t tag);

/** gmq_call_start() of a unary or server-streaming call, gmq_call_send() of its request,
 *  gmq_call_half_close() and gmq_call_read(credit) in one. Parameters and errors as theirs.
 *  Since 0.1. */
GMQ_API gmq_status gmq_call_start_with(gmq_call **out, gmq_client *client, const char *path,
                                       gmq_rpc_kind kind, const gmq_metadata *metadata,
                                       int64_t timeout_ms, const gmq_options *options, uint64_t tag,
                                       const void *data, size_t len, uint32_t credit);

/** Adds a reference and returns `call`. Since 0.1. */
GMQ_API gmq_call *gmq_call_ref(gmq_call *call);

/** Drops a reference; NULL is fine; never blocks. A client's call whose last handle goes before the
 *  end is cancelled; a server's is finished CANCELLED. Since 0.1. */
GMQ_API void gmq_call_unref(gmq_call *call);

/** Sends one message (copied; `data` may be NULL when `len` is 0).
 *  Errors: GMQ_E_AGAIN (more than the "send_buffer" is waiting; nothing was taken; a WRITABLE event
 *  follows), GMQ_E_TOO_LARGE, GMQ_E_STATE (half-closed, finished, or a second message where the
 *  kind allows one), GMQ_E_NOMEM. After the call is over: GMQ_E_CLOSED; its FINISHED event says
 *  why. Since 0.1. */
GMQ_API gmq_status gmq_call_send(gmq_call *call, const void *data, size_t len);

/** The client sends no more. Idempotent. Errors: GMQ_E_STATE on a server's call. Since 0.1. */
GMQ_API gmq_status gmq_call_half_close(gmq_call *call);

/** Allows `messages` more MESSAGE events. Errors: GMQ_E_CLOSED. Since 0.1. */
GMQ_API gmq_status gmq_call_read(gmq_call *call, uint32_t messages);

/** Cancels; FINISHED (CANCELLED, unless it was over already) follows. Idempotent. Since 0.1. */
GMQ_API void gmq_call_cancel(gmq_call *call);

/** As gmq_call_cancel(), with a status of the caller's choice for its own FINISHED event (the peer
 *  is told of a cancellation). `details` may be NULL. Since 0.1. */
GMQ_API void gmq_call_cancel_with(gmq_call *call, int32_t code, const char *details);

/** Server: sends initial metadata now; otherwise it goes, empty, with the first message or the
 *  status.
 *  Errors: GMQ_E_STATE (sent already), GMQ_E_INVALID, GMQ_E_CLOSED, GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_call_send_initial_metadata(gmq_call *call, const gmq_metadata *metadata);

/** Server: ends the call with a status; FINISHED follows when it has left. `details` and `trailing`
 *  may be NULL. Errors: GMQ_E_INVALID (`code` not 0 to 16), GMQ_E_STATE (finished already),
 *  GMQ_E_CLOSED (the client is gone; FINISHED says so), GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_call_finish(gmq_call *call, int32_t code, const char *details,
                                   const gmq_metadata *trailing);

/** "/pkg.Service/Method". Borrowed from the call. Since 0.1. */
GMQ_API const char *gmq_call_path(const gmq_call *call);

/** A gmq_rpc_kind. Since 0.1. */
GMQ_API int32_t gmq_call_kind(const gmq_call *call);

/** Milliseconds left until the deadline, 0 when it has passed, -1 when there is none. Since 0.1. */
GMQ_API int64_t gmq_call_time_remaining_ms(const gmq_call *call);

/** "mqtt:<host>:<port>/<base>" and the like: who is at the other end. Borrowed. Since 0.1. */
GMQ_API const char *gmq_call_peer(const gmq_call *call);

/** Gives the call another tag; events taken from the queue later carry it. Since 0.1. */
GMQ_API void gmq_call_set_tag(gmq_call *call, uint64_t tag);

#ifdef __cplusplus
}
#endif
#endif
