/**
 * @file call.h
 * One RPC, on either side. Client: start, send, half_close, read, cancel. Server: the same without
 * start, and send_initial_metadata, finish. Events tell the rest (queue.h).
 *
 * Credit: no MESSAGE event comes without credit. gmq_call_read(call, n) allows n more.
 * Any thread may use a call; two that send at once leave the order to chance. Nothing here blocks.
 * Every function here that returns a gmq_status may also return GMQ_E_INVALID and GMQ_E_FORKED.
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
 *                     "wait_for_ready", "any_kind" for this call; they stand below what the method
 *                     map says of the method, and compress no unary call (only the method's own
 *                     options do)
 *  @param tag         echoed in the call's events
 *  @param out         the caller's handle: gmq_call_unref()
 *  Until the first attempt to connect has an outcome, and again after a connection was lost, calls
 *  wait for it; after a failed attempt they end UNAVAILABLE at once, unless "wait_for_ready".
 *  Errors, with no event following: GMQ_E_INVALID (path with `+`, `#`, or not of two parts; kind),
 *  GMQ_E_TOO_LARGE (metadata above "metadata_limit"), GMQ_E_OPTION, GMQ_E_CLOSED (the client is
 *  closed), GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_call_start(gmq_call **out, gmq_client *client, const char *path,
                                  gmq_rpc_kind kind, const gmq_metadata *metadata,
                                  int64_t timeout_ms, const gmq_options *options, uint64_t tag);

/** gmq_call_start() of a unary or server-streaming call, gmq_call_send() of its request,
 *  gmq_call_half_close() and gmq_call_read(credit) in one: the quick way to make a unary call.
 *  Parameters and errors as theirs; GMQ_E_INVALID for the other kinds. Since 0.1. */
GMQ_API gmq_status gmq_call_start_with(gmq_call **out, gmq_client *client, const char *path,
                                       gmq_rpc_kind kind, const gmq_metadata *metadata,
                                       int64_t timeout_ms, const gmq_options *options, uint64_t tag,
                                       const void *data, size_t len, uint32_t credit);

/** Adds a handle and returns `call`; each is given back with gmq_call_unref(). Since 0.1. */
GMQ_API gmq_call *gmq_call_ref(gmq_call *call);

/** Drops a handle; NULL is fine; never blocks. A client's call whose last handle goes before the
 *  end is cancelled; a server's that was not finished is finished CANCELLED. FINISHED comes all the
 *  same. Since 0.1. */
GMQ_API void gmq_call_unref(gmq_call *call);

/** Sends one message (copied; `data` may be NULL when `len` is 0).
 *  Errors: GMQ_E_AGAIN ("send_buffer" bytes or more are waiting; nothing was taken; a WRITABLE
 *  event follows when it is half empty), GMQ_E_TOO_LARGE (2 GiB or more), GMQ_E_STATE (half-closed,
 *  finished, or a second message where the kind allows one), GMQ_E_NOMEM. After the call is over:
 * GMQ_E_CLOSED; its FINISHED event says why. Since 0.1. */
GMQ_API gmq_status gmq_call_send(gmq_call *call, const void *data, size_t len);

/** The client sends no more. Idempotent, and no error after the end. Errors: GMQ_E_STATE on a
 *  server's call. Since 0.1. */
GMQ_API gmq_status gmq_call_half_close(gmq_call *call);

/** Allows `messages` more MESSAGE events; credit adds up. Errors: GMQ_E_CLOSED (the call is over:
 *  no reason to worry, its last events are in the queue). Since 0.1. */
GMQ_API gmq_status gmq_call_read(gmq_call *call, uint32_t messages);

/** Cancels; FINISHED (CANCELLED, unless it was over already) follows. Idempotent. A server's call
 *  is finished CANCELLED. Since 0.1. */
GMQ_API void gmq_call_cancel(gmq_call *call);

/** As gmq_call_cancel(), with a status of the caller's choice for its own FINISHED event (the peer
 *  is told of a cancellation; the client of a server's call is told the status). A `code` that is
 *  not 0 to 16 becomes UNKNOWN. `details` may be NULL; copied. Since 0.1. */
GMQ_API void gmq_call_cancel_with(gmq_call *call, int32_t code, const char *details);

/** Server: sends initial metadata now; otherwise it goes, empty, with the first message or the
 *  status. `metadata` may be NULL (empty); copied. In unary and client-streaming calls it travels
 *  with the reply. Errors: GMQ_E_STATE (sent already, by this or by a message; a client's call),
 *  GMQ_E_TOO_LARGE, GMQ_E_CLOSED, GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_call_send_initial_metadata(gmq_call *call, const gmq_metadata *metadata);

/** Server: ends the call with a status, behind the messages sent before; FINISHED follows when it
 *  has left. `details` and `trailing` may be NULL; copied. Errors: GMQ_E_INVALID (`code` not 0 to
 * 16), GMQ_E_TOO_LARGE (trailing metadata), GMQ_E_STATE (finished already; a client's call),
 * GMQ_E_CLOSED (the client is gone; FINISHED says so), GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_call_finish(gmq_call *call, int32_t code, const char *details,
                                   const gmq_metadata *trailing);

/** Server, of a call offered by "unknown_methods=offer", for which gmq_call_kind() is -1: says of
 *  what kind it is, and so that it is served. Until then what its client sends is held, within the
 *  usual limits, and there is no sending: the call may be given credit, cancelled, or refused by
 *  gmq_call_finish() with a status other than OK (its trailing metadata is not sent).
 *  Errors: GMQ_E_INVALID (`kind`), GMQ_E_STATE (the kind is known, or finished), GMQ_E_CLOSED,
 *  GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_call_resolve(gmq_call *call, gmq_rpc_kind kind);

/** "/pkg.Service/Method". Borrowed: valid as long as a handle of the call. Since 0.1. */
GMQ_API const char *gmq_call_path(const gmq_call *call);

/** A gmq_rpc_kind; negative until gmq_call_resolve() where the server does not know: -1 when the
 *  client expects one kind, -2 when it leaves it to the server ("any_kind"), so that
 *  GMQ_RPC_BIDI_STREAMING fits whatever the method is. Since 0.1. */
GMQ_API int32_t gmq_call_kind(const gmq_call *call);

/** Milliseconds left until the deadline, 0 when it has passed, -1 when there is none. Since 0.1. */
GMQ_API int64_t gmq_call_time_remaining_ms(const gmq_call *call);

/** "mqtt:<host>:<port>/<base>", "loopback:<name>/<base>": the broker and base topic where the other
 *  end is met. Borrowed: valid as long as a handle of the call. Since 0.1. */
GMQ_API const char *gmq_call_peer(const gmq_call *call);

/** Tag of the client or server that the call belongs to: which of several that share a queue a CALL
 *  event is for. Since 0.1. */
GMQ_API uint64_t gmq_call_owner_tag(const gmq_call *call);

/** Gives the call another tag; events taken from the queue later carry it, also those that wait
 *  there already. A server's new call has tag 0. Since 0.1. */
GMQ_API void gmq_call_set_tag(gmq_call *call, uint64_t tag);

#ifdef __cplusplus
}
#endif
#endif
