#include "runtime/call.h"

#include "base/mem.h"
#include "base/os.h"
#include "runtime/runtime.h"

gmq_call *gmq__handle_new(gmq__runtime *runtime, gmq__span path, int kind, bool server)
{
    gmq_call *call = gmq__calloc(1, sizeof *call);
    if (!call)
        return NULL;
    call->path = gmq__strndup((const char *)path.data, path.len);
    call->finished = gmq__event_new(GMQ_EVENT_FINISHED, 0, NULL);
    if (!call->path || !call->finished) {
        gmq__free(call->path);
        gmq_event_free(call->finished);
        gmq__free(call);
        return NULL;
    }
    atomic_init(&call->refs, 1);
    atomic_init(&call->handles, 1);
    call->runtime = gmq__runtime_hold(runtime);
    atomic_init(&call->kind, kind);
    call->server = server;
    call->generation = gmq__os_fork_generation();
    call->deadline = INT64_MAX;
    call->read.kind = GMQ__CMD_READ;
    call->read.call = call; /* for good: the owner may still look at it when it is posted again */
    call->half_close.kind = GMQ__CMD_HALF_CLOSE;
    call->half_close.call = call;
    call->cancel.base.kind = GMQ__CMD_CANCEL;
    gmq__list_init(&call->held_cmds);
    return call;
}

gmq_call *gmq__handle_hold(gmq_call *call)
{
    atomic_fetch_add_explicit(&call->refs, 1, memory_order_relaxed);
    return call;
}

void gmq__handle_release(gmq_call *call)
{
    if (atomic_fetch_sub_explicit(&call->refs, 1, memory_order_acq_rel) != 1)
        return;
    gmq_event_free(call->finished);
    gmq__runtime_release(call->runtime);
    gmq__free(call->path);
    gmq__free(call);
}

uint64_t gmq__handle_tag(const gmq_call *call)
{
    return atomic_load_explicit(&call->tag, memory_order_relaxed);
}

void gmq__handle_cancel(gmq_call *call, int32_t code, const char *details, bool dropped)
{
    gmq__mailbox *box = gmq__runtime_mailbox(call->runtime);
    char *text = details ? gmq__strdup(details)
                         : NULL; /* no memory: cancelled all the same, without the text */
    gmq__mailbox_lock(box);
    bool finished = call->over || (dropped && call->finish_sent);
    if (!box->closed && !finished && !call->cancel_sent) {
        call->cancel_sent = true;
        call->cancel.code = code;
        call->cancel.text = text;
        call->cancel.base.call = gmq__handle_hold(call);
        gmq__mailbox_post(box, &call->cancel.base);
        gmq__mailbox_unlock_and_wake(box);
        return;
    }
    gmq__mailbox_unlock(box);
    gmq__free(text);
}
