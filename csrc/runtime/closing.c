/* The orderly end, phase by phase. */
#include "base/mem.h"
#include "base/os.h"
#include "runtime/owner.h"

#define FLUSH_NS      (2 * GMQ__NS_PER_S)
#define LEAVE_NS      (1 * GMQ__NS_PER_S)
#define DISCONNECT_NS (2 * GMQ__NS_PER_S)

void gmq__closing_asked(gmq__runtime *rt, int64_t now)
{
    gmq__mailbox_lock(&rt->mailbox);
    rt->close_posted = false;
    int64_t deadline = rt->close_deadline;
    gmq__mailbox_unlock(&rt->mailbox);
    if (rt->phase > GMQ__PHASE_DRAINING)
        return;
    if (rt->phase == GMQ__PHASE_OPEN)
        gmq__engine_drain(rt->engine, now);
    rt->phase = GMQ__PHASE_DRAINING;
    rt->phase_until = deadline;
}

static void cancel_all(gmq__runtime *rt, int64_t now)
{
    gmq__mailbox_lock(&rt->mailbox);
    bool abandoned = rt->abandoned;
    gmq__mailbox_unlock(&rt->mailbox);
    int32_t code = rt->server || abandoned ? GMQ_CODE_UNAVAILABLE : GMQ_CODE_CANCELLED;
    const char *why = rt->server  ? "the server is shutting down"
                      : abandoned ? "the client is gone"
                                  : "the client was closed";
    gmq__hold_fail(rt, code, why, true);
    gmq_call *call;
    for (size_t at = 0; (call = gmq__map_next(&rt->calls, &at));)
        gmq__engine_cancel(rt->engine, call->id, code, why, now);
}

static bool flushed(const gmq__runtime *rt)
{
    gmq__engine_stats stats;
    gmq__engine_stats_get(rt->engine, &stats);
    return rt->idle && !rt->outstanding && !stats.unsent_bytes && !gmq__map_count(&rt->calls);
}

static void enter(gmq__runtime *rt, gmq__phase phase, int64_t until)
{
    rt->phase = phase;
    rt->phase_until = until;
}

bool gmq__closing_step(gmq__runtime *rt, int64_t now)
{
    bool late = now >= rt->phase_until;
    switch (rt->phase) {
    case GMQ__PHASE_DRAINING:
        if (gmq__map_count(&rt->calls) && !late)
            return false;
        cancel_all(rt, now);
        enter(rt, GMQ__PHASE_FLUSHING, now + FLUSH_NS);
        return true;
    case GMQ__PHASE_FLUSHING:
        if (rt->conn == GMQ__CONN_UP && !late && !flushed(rt))
            return false;
        if (rt->conn == GMQ__CONN_UP)
            gmq__engine_leave(rt->engine, now);
        enter(rt, GMQ__PHASE_LEAVING, now + LEAVE_NS);
        rt->idle = false;
        return true;
    case GMQ__PHASE_LEAVING:
        if (rt->conn == GMQ__CONN_UP && !late && (!rt->idle || rt->outstanding))
            return false;
        enter(rt, GMQ__PHASE_DISCONNECTING, rt->conn == GMQ__CONN_UP ? now + DISCONNECT_NS : now);
        if (rt->conn == GMQ__CONN_UP)
            rt->vtable->close(rt->transport);
        return true;
    case GMQ__PHASE_DISCONNECTING:
        if (!late)
            return false;
        gmq__closing_end(rt);
        return false;
    case GMQ__PHASE_OPEN:
    case GMQ__PHASE_ENDED:
        break;
    }
    return false;
}

/* What was posted and never looked at. A call among it was started, so it has an end. */
static void clear_mailbox(gmq__runtime *rt)
{
    gmq__list commands;
    gmq__mailbox_lock(&rt->mailbox);
    rt->mailbox.closed = true;
    gmq__mailbox_unlock(&rt->mailbox);
    gmq__mailbox_take(&rt->mailbox, &commands);
    for (gmq__node *node; (node = gmq__list_pop(&commands));) {
        gmq__cmd *cmd = GMQ__CONTAINER(node, gmq__cmd, node);
        if (cmd->kind == GMQ__CMD_START)
            gmq__report_finished(rt, gmq__handle_hold(cmd->call), GMQ_CODE_UNAVAILABLE,
                                 gmq__strdup("the client is gone"), NULL);
        gmq__cmd_free(cmd);
    }
}

void gmq__closing_end(gmq__runtime *rt)
{
    gmq__pump(rt, gmq__os_now_ns()); /* ends that the engine has told of */
    rt->phase = GMQ__PHASE_ENDED;
    rt->vtable->destroy(rt->transport);
    rt->transport = NULL;
    clear_mailbox(rt);
    gmq_call *call;
    for (size_t at = 0; (call = gmq__map_next(&rt->calls, &at));)
        gmq__report_finished(rt, call, GMQ_CODE_UNAVAILABLE,
                             gmq__strdup("the connection is closed"), NULL);
    gmq__pump_reset(rt);
    gmq__engine_free(rt->engine);
    rt->engine = NULL;
    gmq__report_state(rt, GMQ_STATE_SHUTDOWN, "closed");
    gmq__list_push(&rt->events, &rt->closed->node);
    rt->closed = NULL;
    gmq__report_flush(rt);
}
