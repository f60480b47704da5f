#include <grpc_mqtt/channel.h>
#include <string.h>

#include "api/channel.h"
#include "base/error.h"
#include "base/mem.h"
#include "runtime/event.h"

/* Messages of a server that may come before they are asked for, so that a stream does not wait for
 * each. */
enum { AHEAD = 8 };

struct gmq_rpc {
    gmq_channel *channel;
    gmq__inbox inbox; /* under the channel's lock; so are `code` and `details` */
    int32_t code;     /* of gmq_rpc_cancel_with(); 0 = not said */
    char *details;
    gmq_call *call; /* NULL until started */
    int64_t timeout_ms;
    gmq_metadata *metadata;
    const gmq_options *options;
    gmq_rpc_kind kind;
    uint32_t received; /* since credit was last given; the receiving thread's */
};

static gmq_status check(const gmq_rpc *rpc)
{
    return rpc ? gmq__channel_check(rpc->channel) : gmq__fail(GMQ_E_INVALID, "rpc is NULL");
}

static gmq_status check_fresh(const gmq_rpc *rpc)
{
    gmq_status status = check(rpc);
    if (!status && rpc->call)
        return gmq__fail(GMQ_E_STATE, "the rpc has been started: an rpc is for one call");
    return status;
}

static gmq_status check_started(const gmq_rpc *rpc)
{
    gmq_status status = check(rpc);
    if (!status && !rpc->call)
        return gmq__fail(GMQ_E_STATE, "the rpc has not been started");
    return status;
}

gmq_status gmq_rpc_new(gmq_rpc **out, gmq_channel *channel)
{
    gmq_status status = gmq__channel_check(channel);
    if (status)
        return status;
    if (!out)
        return gmq__fail(GMQ_E_INVALID, "gmq_rpc_new: out is NULL");
    gmq_rpc *rpc = gmq__calloc(1, sizeof *rpc);
    if (!rpc || !gmq__channel_join(channel, &rpc->inbox)) {
        gmq__free(rpc);
        return gmq__fail_nomem();
    }
    rpc->channel = gmq__channel_hold(channel);
    rpc->timeout_ms = -1;
    *out = rpc;
    return GMQ_OK;
}

void gmq_rpc_free(gmq_rpc *rpc)
{
    if (!rpc || check(rpc))
        return;
    gmq_call_unref(rpc->call);
    gmq__channel_leave(rpc->channel, &rpc->inbox);
    gmq_metadata_free(rpc->metadata);
    gmq__free(rpc->details);
    gmq_channel_free(rpc->channel);
    gmq__free(rpc);
}

gmq_status gmq_rpc_set_timeout_ms(gmq_rpc *rpc, int64_t timeout_ms)
{
    gmq_status status = check_fresh(rpc);
    if (!status)
        rpc->timeout_ms = timeout_ms;
    return status;
}

gmq_status gmq_rpc_add_metadata(gmq_rpc *rpc, const char *key, const void *value, size_t len)
{
    gmq_status status = check_fresh(rpc);
    if (!status && !rpc->metadata)
        status = gmq_metadata_new(&rpc->metadata);
    return status ? status : gmq_metadata_add(rpc->metadata, key, value, len);
}

gmq_status gmq_rpc_set_options(gmq_rpc *rpc, const gmq_options *options)
{
    gmq_status status = check_fresh(rpc);
    if (!status)
        rpc->options = options;
    return status;
}

static uint32_t first_credit(gmq_rpc_kind kind)
{
    return (unsigned)kind & (unsigned)GMQ_RPC_SERVER_STREAMING ? AHEAD : 1;
}

gmq_status gmq_rpc_start(gmq_rpc *rpc, const char *path, gmq_rpc_kind kind)
{
    gmq_status status = check_fresh(rpc);
    if (!status)
        status = gmq_call_start(&rpc->call, gmq__channel_client(rpc->channel), path, kind,
                                rpc->metadata, rpc->timeout_ms, rpc->options, rpc->inbox.tag);
    if (status)
        return status;
    rpc->kind = kind;
    gmq_call_read(rpc->call, first_credit(kind)); /* where it is over already, nothing is lost */
    return GMQ_OK;
}

gmq_status gmq_rpc_start_with(gmq_rpc *rpc, const char *path, gmq_rpc_kind kind, const void *data,
                              size_t len)
{
    gmq_status status = check_fresh(rpc);
    if (!status)
        status = gmq_call_start_with(&rpc->call, gmq__channel_client(rpc->channel), path, kind,
                                     rpc->metadata, rpc->timeout_ms, rpc->options, rpc->inbox.tag,
                                     data, len, first_credit(kind));
    if (!status)
        rpc->kind = kind;
    return status;
}

static bool is_over(const void *of) { return ((const gmq_rpc *)of)->inbox.finished != NULL; }

static bool is_writable(const void *of)
{
    return ((const gmq_rpc *)of)->inbox.writable || is_over(of);
}

static bool has_news(const void *of)
{
    return !gmq__list_empty(&((const gmq_rpc *)of)->inbox.messages) || is_over(of);
}

static bool has_metadata(const void *of)
{
    return ((const gmq_rpc *)of)->inbox.initial != NULL || is_over(of);
}

static gmq_status wait_for(gmq_rpc *rpc, bool (*done)(const void *rpc))
{
    gmq__channel_lock(rpc->channel);
    gmq_status status = gmq__channel_wait(rpc->channel, done, rpc);
    gmq__channel_unlock(rpc->channel);
    return status;
}

gmq_status gmq_rpc_send(gmq_rpc *rpc, const void *data, size_t len)
{
    gmq_status status = check_started(rpc);
    while (!status) {
        gmq__channel_lock(rpc->channel);
        rpc->inbox.writable = false;
        gmq__channel_unlock(rpc->channel);
        status = gmq_call_send(rpc->call, data, len);
        if (status != GMQ_E_AGAIN)
            break;
        status = wait_for(rpc, is_writable);
    }
    return status;
}

gmq_status gmq_rpc_close_send(gmq_rpc *rpc)
{
    gmq_status status = check_started(rpc);
    return status ? status : gmq_call_half_close(rpc->call);
}

/* Allows as many messages more as were received, now and then. */
static void give_credit(gmq_rpc *rpc)
{
    if (first_credit(rpc->kind) == 1 || ++rpc->received < AHEAD / 2)
        return;
    gmq_call_read(rpc->call, rpc->received);
    rpc->received = 0;
}

gmq_status gmq_rpc_recv(gmq_rpc *rpc, gmq_buf **message)
{
    gmq_status status = check_started(rpc);
    if (status)
        return status;
    if (!message)
        return gmq__fail(GMQ_E_INVALID, "gmq_rpc_recv: message is NULL");
    gmq__channel_lock(rpc->channel);
    status = gmq__channel_wait(rpc->channel, has_news, rpc);
    gmq__node *node = status ? NULL : gmq__list_pop(&rpc->inbox.messages);
    gmq__channel_unlock(rpc->channel);
    if (status)
        return status;
    *message = NULL;
    if (!node)
        return GMQ_OK;
    gmq_event *event = GMQ__CONTAINER(node, gmq_event, node);
    *message = gmq_buf_ref(gmq_event_message(event));
    gmq_event_free(event);
    give_credit(rpc);
    return GMQ_OK;
}

gmq_status gmq_rpc_initial_metadata(gmq_rpc *rpc, const gmq_metadata **metadata)
{
    gmq_status status = check_started(rpc);
    if (status)
        return status;
    if (!metadata)
        return gmq__fail(GMQ_E_INVALID, "gmq_rpc_initial_metadata: metadata is NULL");
    status = wait_for(rpc, has_metadata);
    if (!status) /* `initial` does not change any more */
        *metadata = rpc->inbox.initial ? gmq_event_metadata(rpc->inbox.initial) : NULL;
    return status;
}

gmq_status gmq_rpc_finish(gmq_rpc *rpc)
{
    gmq_status status = gmq_rpc_close_send(rpc);
    gmq_buf *message = NULL;
    while (!status) {
        status = gmq_rpc_recv(rpc, &message);
        if (!status && !message)
            return GMQ_OK;
        gmq_buf_unref(message);
        message = NULL;
    }
    return status;
}

void gmq_rpc_cancel(gmq_rpc *rpc)
{
    if (rpc && rpc->call)
        gmq_call_cancel(rpc->call);
}

void gmq_rpc_cancel_with(gmq_rpc *rpc, int32_t code, const char *details)
{
    if (!rpc || !rpc->call || check(rpc))
        return;
    if (code < 1 || code > GMQ_CODE_UNAUTHENTICATED)
        code = GMQ_CODE_UNKNOWN;
    char *copy = details ? gmq__strdup(details) : NULL; /* short of memory: no details */
    gmq__channel_lock(rpc->channel);
    const gmq_event *end = rpc->inbox.finished;
    if (!rpc->code && !(end && gmq_event_code(end))) {
        rpc->code = code;
        rpc->details = copy;
        copy = NULL;
    }
    gmq__channel_unlock(rpc->channel);
    gmq__free(copy);
    gmq_call_cancel_with(rpc->call, code, details);
}

/* The FINISHED event, once it has come; it stays as long as the rpc. */
static const gmq_event *end_of(const gmq_rpc *rpc)
{
    if (!rpc || gmq__channel_check(rpc->channel))
        return NULL;
    gmq__channel_lock(rpc->channel);
    const gmq_event *end = rpc->inbox.finished;
    gmq__channel_unlock(rpc->channel);
    return end;
}

/* Whether the status of gmq_rpc_cancel_with() stands for the end's. */
static bool overruled(const gmq_rpc *rpc, const gmq_event *end)
{
    return rpc->code && gmq_event_code(end) == GMQ_CODE_OK;
}

int32_t gmq_rpc_code(const gmq_rpc *rpc)
{
    const gmq_event *end = end_of(rpc);
    return !end ? -1 : overruled(rpc, end) ? rpc->code : gmq_event_code(end);
}

const char *gmq_rpc_details(const gmq_rpc *rpc)
{
    const gmq_event *end = end_of(rpc);
    if (!end)
        return "";
    if (overruled(rpc, end))
        return rpc->details ? rpc->details : "";
    return gmq_event_text(end);
}

const gmq_metadata *gmq_rpc_trailing_metadata(const gmq_rpc *rpc)
{
    const gmq_event *end = end_of(rpc);
    return end ? gmq_event_metadata(end) : NULL;
}
