#include <grpc_mqtt/call.h>
#include <inttypes.h>

#include "api/endpoint.h"
#include "api/options.h"
#include "base/error.h"
#include "base/mem.h"
#include "runtime/call.h"
#include "wire/metadata.h"
#include "wire/topic.h"

#define MESSAGE_MAX ((size_t)INT32_MAX) /* protobuf's, and gRPC's */

static gmq_status check(const gmq_call *call)
{
    if (!call)
        return gmq__fail(GMQ_E_INVALID, "call is NULL");
    if (call->generation != gmq__os_fork_generation())
        return gmq__fail(GMQ_E_FORKED, "the call was made before fork(): start it in the child");
    return GMQ_OK;
}

/* Above "send_limit" in gRPC's words: users see them in the status of the call. */
static gmq_status check_message(const gmq__runtime *runtime, const void *data, size_t len)
{
    if (!data && len)
        return gmq__fail(GMQ_E_INVALID, "data is NULL and len is %zu", len);
    if (len > MESSAGE_MAX)
        return gmq__fail(GMQ_E_TOO_LARGE,
                         "a message of %zu bytes is above the largest possible, %zu", len,
                         MESSAGE_MAX);
    size_t limit = gmq__runtime_send_limit(runtime);
    if (len > limit)
        return gmq__fail(GMQ_E_TOO_LARGE, "Sent message larger than max (%zu vs. %zu)", len, limit);
    return GMQ_OK;
}

static gmq_status check_metadata(const gmq__runtime *runtime, const gmq_metadata *metadata)
{
    size_t size = metadata ? gmq__metadata_size(metadata) : 0,
           limit = gmq__runtime_metadata_limit(runtime);
    if (size > limit)
        return gmq__fail(
            GMQ_E_TOO_LARGE,
            "metadata of %zu bytes (key + value + 32 a pair) is above \"metadata_limit\", %zu",
            size, limit);
    return GMQ_OK;
}

/* ---- Starting ---- */

/* Run-time options compress no unary call: peers of the session dialect disagree on how that
 * travels. */
static int8_t resolve(int8_t method, const gmq__settings *said, gmq__option_id id, bool unary)
{
    if (method >= 0)
        return method;
    return said->given[id] && !unary ? (int8_t)said->number[id] : -1;
}

/* Method map, over the options of this call; what neither says is left to the client's. */
static gmq_status resolve_options(gmq__cmd_start *start, const gmq_options *options)
{
    gmq__settings said;
    gmq_status status = gmq__settings_resolve(&said, GMQ__FOR_CALL, NULL, options);
    if (status != GMQ_OK)
        return status;
    gmq__rpc_method method = {.options = {-1, -1, -1}};
    gmq_call *call = start->base.call;
    if (!gmq__runtime_lookup(call->runtime, gmq__span_str(call->path), &method))
        method.options = (gmq__rpc_options){-1, -1, -1};
    start->options.batched = resolve(method.options.batched, &said, GMQ__OPT_BATCHED_STREAM, false);
    start->options.server_level = resolve(method.options.server_level, &said,
                                          GMQ__OPT_SERVER_CLEVEL, call->kind == GMQ_RPC_UNARY);
    start->options.client_level = resolve(method.options.client_level, &said,
                                          GMQ__OPT_CLIENT_CLEVEL, call->kind == GMQ_RPC_UNARY);
    start->wait_for_ready = said.given[GMQ__OPT_WAIT_FOR_READY]
                                ? said.number[GMQ__OPT_WAIT_FOR_READY] != 0
                                : gmq__runtime_wait_for_ready(call->runtime);
    start->any_kind = said.number[GMQ__OPT_ANY_KIND] != 0;
    gmq__settings_clear(&said);
    return start->any_kind && call->kind != GMQ_RPC_BIDI_STREAMING
               ? gmq__fail(GMQ_E_INVALID, "option \"any_kind\": the call is started as bidi")
               : GMQ_OK;
}

static int64_t deadline_of(int64_t timeout_ms)
{
    int64_t now = gmq__os_now_ns();
    if (timeout_ms < 0 || timeout_ms > (INT64_MAX - now) / GMQ__NS_PER_MS - 1)
        return INT64_MAX;
    return now + timeout_ms * GMQ__NS_PER_MS;
}

static gmq_status check_start(gmq_call **out, gmq_client *client, const char *path,
                              gmq_rpc_kind kind, const gmq_metadata *metadata)
{
    if (!out || !path)
        return gmq__fail(GMQ_E_INVALID, "gmq_call_start: %s is NULL", out ? "path" : "out");
    if (!client)
        return gmq__fail(GMQ_E_INVALID, "client is NULL");
    gmq_status status = gmq__endpoint_check(&client->endpoint, "client");
    if (status != GMQ_OK)
        return status;
    if (kind < GMQ_RPC_UNARY || kind > GMQ_RPC_BIDI_STREAMING)
        return gmq__fail(GMQ_E_INVALID, "kind is %d: not a gmq_rpc_kind, 0 to 3", (int)kind);
    status = gmq__topic_check_path(gmq__span_str(path));
    return status == GMQ_OK ? check_metadata(client->endpoint.runtime, metadata) : status;
}

/* A call with its start command, not posted yet. */
static gmq_status prepare(gmq__cmd_start **out, gmq_client *client, const char *path,
                          gmq_rpc_kind kind, const gmq_metadata *metadata,
                          const gmq_options *options)
{
    gmq_call *call = gmq__handle_new(client->endpoint.runtime, gmq__span_str(path), kind, false);
    if (!call)
        return gmq__fail_nomem();
    gmq__cmd_start *start = gmq__cmd_new(sizeof *start, GMQ__CMD_START, call);
    gmq_status status = start ? resolve_options(start, options) : gmq__fail_nomem();
    if (status == GMQ_OK)
        status = gmq__metadata_copy(&start->metadata, metadata);
    if (status == GMQ_OK) {
        *out = start;
        return GMQ_OK;
    }
    if (start)
        gmq__cmd_free(&start->base);
    gmq__handle_release(call);
    return status;
}

static gmq_status post_start(gmq_call **out, gmq__cmd_start *start, int64_t timeout_ms,
                             uint64_t tag)
{
    gmq_call *call = start->base.call;
    gmq__mailbox *box = gmq__runtime_mailbox(call->runtime);
    call->id = gmq__runtime_next_id(call->runtime);
    call->deadline = deadline_of(timeout_ms);
    atomic_init(&call->tag, tag);
    gmq__mailbox_lock(box);
    if (!gmq__runtime_closing(call->runtime)) {
        gmq__mailbox_post(box, &start->base);
        gmq__mailbox_unlock_and_wake(box);
        *out = call;
        return GMQ_OK;
    }
    gmq__mailbox_unlock(box);
    gmq__cmd_free(&start->base);
    gmq__handle_release(call);
    return gmq__fail(GMQ_E_CLOSED, "the client is closed");
}

gmq_status gmq_call_start(gmq_call **out, gmq_client *client, const char *path, gmq_rpc_kind kind,
                          const gmq_metadata *metadata, int64_t timeout_ms,
                          const gmq_options *options, uint64_t tag)
{
    gmq__cmd_start *start = NULL;
    gmq_status status = check_start(out, client, path, kind, metadata);
    if (status == GMQ_OK)
        status = prepare(&start, client, path, kind, metadata, options);
    return status == GMQ_OK ? post_start(out, start, timeout_ms, tag) : status;
}

gmq_status gmq_call_start_with(gmq_call **out, gmq_client *client, const char *path,
                               gmq_rpc_kind kind, const gmq_metadata *metadata, int64_t timeout_ms,
                               const gmq_options *options, uint64_t tag, const void *data,
                               size_t len, uint32_t credit)
{
    gmq__cmd_start *start = NULL;
    gmq_status status = check_start(out, client, path, kind, metadata);
    if (status == GMQ_OK && gmq__rpc_client_streams(kind))
        status = gmq__fail(
            GMQ_E_INVALID,
            "kind is %d: only a unary or server-streaming call is started with its request",
            (int)kind);
    if (status == GMQ_OK)
        status = check_message(client->endpoint.runtime, data, len);
    if (status == GMQ_OK)
        status = prepare(&start, client, path, kind, metadata, options);
    if (status != GMQ_OK)
        return status;
    gmq_call *call = start->base.call;
    start->message = gmq__buf_copy(gmq__span_of(data, len));
    if (!start->message) {
        gmq__cmd_free(&start->base);
        gmq__handle_release(call);
        return gmq__fail_nomem();
    }
    start->credit = credit;
    call->unsent = len;
    call->sent_one = call->half_closed = true;
    return post_start(out, start, timeout_ms, tag);
}

/* ---- References ---- */

gmq_call *gmq_call_ref(gmq_call *call)
{
    atomic_fetch_add_explicit(&call->handles, 1, memory_order_relaxed);
    return gmq__handle_hold(call);
}

void gmq_call_unref(gmq_call *call)
{
    if (!call || call->generation != gmq__os_fork_generation())
        return;
    if (atomic_fetch_sub_explicit(&call->handles, 1, memory_order_acq_rel) == 1)
        gmq__handle_cancel(call, GMQ_CODE_CANCELLED, "the call was dropped", true);
    gmq__handle_release(call);
}

/* ---- Sending, reading, ending ---- */

static gmq_status unresolved(void)
{
    return gmq__fail(GMQ_E_STATE, "the kind of the call is not known: gmq_call_resolve() first");
}

/* Whether a message may be sent now; then it is counted. Locked. */
static gmq_status admit(gmq_call *call, size_t len)
{
    int kind = call->kind;
    bool single = call->server ? !gmq__rpc_server_streams((gmq_rpc_kind)kind)
                               : !gmq__rpc_client_streams((gmq_rpc_kind)kind);
    if (call->over || gmq__runtime_mailbox(call->runtime)->closed)
        return gmq__fail(GMQ_E_CLOSED, "the call is over");
    if (kind < 0)
        return unresolved();
    if (call->half_closed || call->finish_sent)
        return gmq__fail(GMQ_E_STATE,
                         call->half_closed ? "the call is half-closed" : "the call is finished");
    if (single && call->sent_one)
        return gmq__fail(GMQ_E_STATE, "this side of the call sends one message, and it is sent");
    size_t room = gmq__runtime_send_buffer(call->runtime);
    if (call->unsent >= room) {
        call->want_writable = true;
        return gmq__fail(GMQ_E_AGAIN, "%zu bytes wait to be sent, \"send_buffer\" is %zu",
                         call->unsent, room);
    }
    call->unsent += len;
    call->sent_one = true;
    if (!single)
        call->initial_sent = true; /* a server's: it goes before the first message */
    return GMQ_OK;
}

gmq_status gmq_call_send(gmq_call *call, const void *data, size_t len)
{
    gmq_status status = check(call);
    if (status == GMQ_OK)
        status = check_message(call->runtime, data, len);
    if (status != GMQ_OK)
        return status;
    gmq__cmd_send *cmd = gmq__cmd_new(sizeof *cmd, GMQ__CMD_SEND, call);
    if (!cmd)
        return gmq__fail_nomem();
    cmd->message = gmq__buf_copy(gmq__span_of(data, len));
    if (!cmd->message) {
        gmq__cmd_free(&cmd->base);
        return gmq__fail_nomem();
    }
    gmq__mailbox *box = gmq__runtime_mailbox(call->runtime);
    gmq__mailbox_lock(box);
    status = admit(call, len);
    if (status == GMQ_OK) {
        gmq__mailbox_post(box, &cmd->base);
        gmq__mailbox_unlock_and_wake(box);
        return GMQ_OK;
    }
    gmq__mailbox_unlock(box);
    gmq__cmd_free(&cmd->base);
    return status;
}

/* Posts a command that is part of the call. Locked; unlocks. */
static void post_own(gmq_call *call, gmq__cmd *cmd)
{
    gmq__mailbox *box = gmq__runtime_mailbox(call->runtime);
    gmq__handle_hold(call); /* cmd->call */
    gmq__mailbox_post(box, cmd);
    gmq__mailbox_unlock_and_wake(box);
}

gmq_status gmq_call_half_close(gmq_call *call)
{
    gmq_status status = check(call);
    if (status != GMQ_OK)
        return status;
    if (call->server)
        return gmq__fail(GMQ_E_STATE, "a server's call is not half-closed but finished");
    gmq__mailbox *box = gmq__runtime_mailbox(call->runtime);
    gmq__mailbox_lock(box);
    bool post = !call->half_closed && !call->over && !box->closed;
    call->half_closed = true;
    if (post)
        post_own(call, &call->half_close);
    else
        gmq__mailbox_unlock(box);
    return GMQ_OK;
}

gmq_status gmq_call_read(gmq_call *call, uint32_t messages)
{
    gmq_status status = check(call);
    if (status != GMQ_OK)
        return status;
    gmq__mailbox *box = gmq__runtime_mailbox(call->runtime);
    gmq__mailbox_lock(box);
    if (call->over || box->closed) {
        gmq__mailbox_unlock(box);
        return gmq__fail(GMQ_E_CLOSED, "the call is over");
    }
    call->credit += messages;
    if (call->read_posted || !messages) {
        gmq__mailbox_unlock(box);
        return GMQ_OK;
    }
    call->read_posted = true;
    post_own(call, &call->read);
    return GMQ_OK;
}

void gmq_call_cancel(gmq_call *call) { gmq_call_cancel_with(call, GMQ_CODE_CANCELLED, NULL); }

void gmq_call_cancel_with(gmq_call *call, int32_t code, const char *details)
{
    if (check(call) != GMQ_OK)
        return;
    if (code < GMQ_CODE_OK || code > GMQ_CODE_UNAUTHENTICATED)
        code = GMQ_CODE_UNKNOWN;
    gmq__handle_cancel(call, code, details, false);
}

static gmq__cmd_status *new_status(gmq_call *call, gmq__cmd_kind kind, const char *text,
                                   const gmq_metadata *metadata)
{
    gmq__cmd_status *cmd = gmq__cmd_new(sizeof *cmd, kind, call);
    if (!cmd)
        return NULL;
    if (text)
        cmd->text = gmq__strdup(text);
    if ((!text || cmd->text) && gmq__metadata_copy(&cmd->metadata, metadata) == GMQ_OK)
        return cmd;
    gmq__cmd_free(&cmd->base);
    return NULL;
}

/* Locked: whether a server's call may still say something. */
static gmq_status check_open(const gmq_call *call)
{
    if (call->finish_sent)
        return gmq__fail(GMQ_E_STATE, "the call is finished");
    if (call->over || gmq__runtime_mailbox(call->runtime)->closed)
        return gmq__fail(GMQ_E_CLOSED, "the call is over");
    return GMQ_OK;
}

static gmq_status post_status(gmq__cmd_status *cmd, bool *mark)
{
    gmq_call *call = cmd->base.call;
    gmq__mailbox *box = gmq__runtime_mailbox(call->runtime);
    gmq__mailbox_lock(box);
    gmq_status status = check_open(call);
    bool refusal = cmd->base.kind == GMQ__CMD_FINISH && cmd->code != GMQ_CODE_OK;
    if (status == GMQ_OK && call->kind < 0 && !refusal)
        status = unresolved();
    if (status == GMQ_OK && *mark)
        status = gmq__fail(GMQ_E_STATE,
                           "initial metadata has been sent, or went with the first message");
    if (status == GMQ_OK) {
        *mark = true;
        gmq__mailbox_post(box, &cmd->base);
        gmq__mailbox_unlock_and_wake(box);
        return GMQ_OK;
    }
    gmq__mailbox_unlock(box);
    gmq__cmd_free(&cmd->base);
    return status;
}

static gmq_status check_server(const gmq_call *call, const gmq_metadata *metadata)
{
    gmq_status status = check(call);
    if (status == GMQ_OK && !call->server)
        status = gmq__fail(GMQ_E_STATE, "only a server's call is answered");
    return status == GMQ_OK ? check_metadata(call->runtime, metadata) : status;
}

gmq_status gmq_call_send_initial_metadata(gmq_call *call, const gmq_metadata *metadata)
{
    gmq_status status = check_server(call, metadata);
    if (status != GMQ_OK)
        return status;
    gmq__cmd_status *cmd = new_status(call, GMQ__CMD_INITIAL, NULL, metadata);
    return cmd ? post_status(cmd, &call->initial_sent) : gmq__fail_nomem();
}

gmq_status gmq_call_finish(gmq_call *call, int32_t code, const char *details,
                           const gmq_metadata *trailing)
{
    gmq_status status = check_server(call, trailing);
    if (status == GMQ_OK && (code < GMQ_CODE_OK || code > GMQ_CODE_UNAUTHENTICATED))
        status = gmq__fail(GMQ_E_INVALID, "code is %" PRId32 ": not a gRPC status, 0 to 16", code);
    if (status != GMQ_OK)
        return status;
    gmq__cmd_status *cmd = new_status(call, GMQ__CMD_FINISH, details, trailing);
    if (!cmd)
        return gmq__fail_nomem();
    cmd->code = code;
    return post_status(cmd, &call->finish_sent);
}

gmq_status gmq_call_resolve(gmq_call *call, gmq_rpc_kind kind)
{
    gmq_status status = check_server(call, NULL);
    if (status == GMQ_OK && (kind < GMQ_RPC_UNARY || kind > GMQ_RPC_BIDI_STREAMING))
        status = gmq__fail(GMQ_E_INVALID, "kind is %d: not a gmq_rpc_kind, 0 to 3", (int)kind);
    gmq__cmd_status *cmd = status == GMQ_OK ? new_status(call, GMQ__CMD_RESOLVE, NULL, NULL) : NULL;
    if (!cmd)
        return status == GMQ_OK ? gmq__fail_nomem() : status;
    cmd->code = kind;
    gmq__mailbox *box = gmq__runtime_mailbox(call->runtime);
    gmq__mailbox_lock(box);
    status = check_open(call);
    if (status == GMQ_OK && call->kind >= 0)
        status = gmq__fail(GMQ_E_STATE, "the kind of the call is known: it is %d", call->kind);
    if (status == GMQ_OK) {
        call->kind = (int)kind;
        gmq__mailbox_post(box, &cmd->base);
        gmq__mailbox_unlock_and_wake(box);
        return GMQ_OK;
    }
    gmq__mailbox_unlock(box);
    gmq__cmd_free(&cmd->base);
    return status;
}

/* ---- What is known of it ---- */

const char *gmq_call_path(const gmq_call *call) { return call->path; }
int32_t gmq_call_kind(const gmq_call *call) { return call->kind; }
const char *gmq_call_peer(const gmq_call *call) { return gmq__runtime_peer(call->runtime); }
uint64_t gmq_call_owner_tag(const gmq_call *call) { return gmq__runtime_tag(call->runtime); }

int64_t gmq_call_time_remaining_ms(const gmq_call *call)
{
    if (call->deadline == INT64_MAX)
        return -1;
    int64_t left = call->deadline - gmq__os_now_ns();
    return left > 0 ? (left + GMQ__NS_PER_MS - 1) / GMQ__NS_PER_MS : 0;
}

void gmq_call_set_tag(gmq_call *call, uint64_t tag)
{
    atomic_store_explicit(&call->tag, tag, memory_order_relaxed);
}
