/* Until the first attempt to connect has an outcome, and again after a connection was lost, calls
 * wait for that outcome here instead of failing: the engine knows only connected and not connected.
 * So do calls, whether they wait for ready or not, until the engine knows in which dialect to make
 * them.
 * What is asked of such a call meanwhile is kept in order, and its deadline runs. */
#include "base/mem.h"
#include "runtime/owner.h"

bool gmq__hold_wanted(const gmq__runtime *rt, const gmq__cmd_start *start)
{
    if (gmq__engine_undecided(rt->engine))
        return true;
    return rt->undecided && rt->conn != GMQ__CONN_UP &&
           !start->wait_for_ready; /* the engine lets the others wait */
}

void gmq__hold_add(gmq__runtime *rt, gmq_call *call, gmq__cmd *start)
{
    if (call->deadline != INT64_MAX &&
        !gmq__heap_set(&rt->held_timers, &call->held_timer, call->deadline)) {
        gmq__cmd_free(start);
        gmq__report_finished(rt, call, GMQ_CODE_RESOURCE_EXHAUSTED, gmq__strdup("out of memory"),
                             NULL);
        return;
    }
    call->held = true;
    gmq__list_push(&rt->held, &call->held_node);
    gmq__list_push(&call->held_cmds, &start->node);
}

static void take_out(gmq__runtime *rt, gmq_call *call)
{
    call->held = false;
    gmq__node_unlink(&call->held_node);
    gmq__heap_remove(&rt->held_timers, &call->held_timer);
}

void gmq__hold_leave(gmq__runtime *rt, gmq_call *call)
{
    if (!call->held)
        return;
    take_out(rt, call);
    for (gmq__node *node; (node = gmq__list_pop(&call->held_cmds));)
        gmq__cmd_free(GMQ__CONTAINER(node, gmq__cmd, node));
}

void gmq__hold_release(gmq__runtime *rt, int64_t now)
{
    for (gmq__node *at; (at = gmq__list_first(&rt->held));) {
        gmq_call *call = gmq__handle_hold(GMQ__CONTAINER(at, gmq_call, held_node));
        take_out(rt, call);
        for (gmq__node *node; (node = gmq__list_pop(&call->held_cmds));)
            gmq__owner_dispatch(rt, GMQ__CONTAINER(node, gmq__cmd, node), now);
        gmq__handle_release(call);
    }
}

static void finish(gmq__runtime *rt, gmq_call *call, int32_t code, const char *why)
{
    gmq__report_finished(rt, call, code, gmq__strdup(why), NULL);
}

static bool waits_for_ready(const gmq_call *call)
{
    const gmq__cmd *first = GMQ__CONTAINER(call->held_cmds.head.next, const gmq__cmd, node);
    return GMQ__CONTAINER(first, const gmq__cmd_start, base)->wait_for_ready;
}

void gmq__hold_fail(gmq__runtime *rt, int32_t code, const char *why, bool all)
{
    for (gmq__node *at = rt->held.head.next, *next; at != &rt->held.head; at = next) {
        next = at->next;
        gmq_call *call = GMQ__CONTAINER(at, gmq_call, held_node);
        if (all || !waits_for_ready(call))
            finish(rt, call, code, why);
    }
}

void gmq__hold_timer(gmq__runtime *rt, int64_t now)
{
    for (gmq__heap_node *at; (at = gmq__heap_first(&rt->held_timers)) && at->key <= now;)
        finish(rt, GMQ__CONTAINER(at, gmq_call, held_timer), GMQ_CODE_DEADLINE_EXCEEDED,
               "Deadline Exceeded");
}
