/* What the owner does when it is awake. */
#include "runtime/owner.h"
#include "base/mem.h"
#include "base/os.h"
#include "engine/observe.h"
#include "runtime/services.h"

static void end_for_memory(gmq__runtime *rt, gmq_call *call, int64_t now)
{
    gmq__engine_cancel(rt->engine, call->id, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory", now);
}

static void finish(gmq__runtime *rt, gmq_call *call, int32_t code, const char *why)
{
    gmq__report_finished(rt, call, code, gmq__strdup(why), NULL);
}

/* What came with the start, in the engine. */
static gmq_status send_along(gmq__runtime *rt, const gmq__cmd_start *start, uint64_t id,
                             int64_t now)
{
    gmq_status status = GMQ_OK;
    if (start->credit)
        status = gmq__engine_read(rt->engine, id, start->credit, now);
    if (status == GMQ_OK && start->message)
        status = gmq__engine_send(rt->engine, id, start->message, now);
    if (status == GMQ_OK && start->message)
        status = gmq__engine_half_close(rt->engine, id, now);
    return status;
}

static void start_now(gmq__runtime *rt, gmq_call *call, const gmq__cmd_start *start, int64_t now)
{
    gmq__call_args args = {.id = call->id,
                           .path = gmq__span_str(call->path),
                           .kind = (gmq_rpc_kind)call->kind,
                           .metadata = start->metadata,
                           .deadline = call->deadline,
                           .options = start->options,
                           .wait_for_ready = start->wait_for_ready,
                           .any_kind = start->any_kind};
    if (gmq__engine_start(rt->engine, &args, now) != GMQ_OK)
        finish(rt, call, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory");
    else if (send_along(rt, start, call->id, now) == GMQ_E_NOMEM)
        end_for_memory(rt, call, now);
}

/* A client's new call; true: its command is kept. */
static bool on_start(gmq__runtime *rt, gmq__cmd *cmd, int64_t now)
{
    gmq_call *call = cmd->call;
    gmq__cmd_start *start = GMQ__CONTAINER(cmd, gmq__cmd_start, base);
    if (!gmq__map_get_u64(&rt->calls, call->id)) { /* else it was held */
        gmq__handle_hold(call);                    /* the table's */
        if (!gmq__map_put_u64(&rt->calls, call->id, call)) {
            finish(rt, call, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory");
            return false;
        }
    }
    if (rt->conn != GMQ__CONN_UP && !rt->undecided && !start->wait_for_ready) {
        finish(rt, call, rt->why_code, rt->why);
        return false;
    }
    if (gmq__hold_wanted(rt, start)) {
        gmq__hold_add(rt, call, cmd);
        return true;
    }
    start_now(rt, call, start, now);
    return false;
}

static gmq_status on_read(gmq__runtime *rt, gmq_call *call, int64_t now)
{
    gmq__mailbox_lock(&rt->mailbox);
    uint64_t credit = call->credit;
    call->credit = 0;
    call->read_posted = false;
    gmq__mailbox_unlock(&rt->mailbox);
    gmq_status status = GMQ_OK;
    while (credit && status == GMQ_OK) {
        uint32_t part = credit > UINT32_MAX ? UINT32_MAX : (uint32_t)credit;
        status = gmq__engine_read(rt->engine, call->id, part, now);
        credit -= part;
    }
    return status;
}

/* The rest of what a call is asked for. */
static gmq_status on_call_command(gmq__runtime *rt, gmq__cmd *cmd, int64_t now)
{
    uint64_t id = cmd->call->id;
    gmq__cmd_status *status = GMQ__CONTAINER(cmd, gmq__cmd_status, base);
    switch (cmd->kind) {
    case GMQ__CMD_SEND:
        return gmq__engine_send(rt->engine, id, GMQ__CONTAINER(cmd, gmq__cmd_send, base)->message,
                                now);
    case GMQ__CMD_HALF_CLOSE:
        return gmq__engine_half_close(rt->engine, id, now);
    case GMQ__CMD_READ:
        return on_read(rt, cmd->call, now);
    case GMQ__CMD_CANCEL:
        return gmq__engine_cancel(rt->engine, id, status->code, status->text, now);
    case GMQ__CMD_INITIAL:
        return gmq__engine_send_initial(rt->engine, id, status->metadata, now);
    case GMQ__CMD_RESOLVE:
        return gmq__engine_resolve(rt->engine, id, (gmq_rpc_kind)status->code, now);
    case GMQ__CMD_FINISH:
        return gmq__engine_finish(rt->engine, id, status->code,
                                  gmq__span_str(status->text ? status->text : ""), status->metadata,
                                  now);
    default:
        return GMQ_OK;
    }
}

/* A call that waits for a connection keeps what is asked of it; true: the command is kept. */
static bool on_held(gmq__runtime *rt, gmq__cmd *cmd)
{
    if (cmd->kind != GMQ__CMD_CANCEL) {
        gmq__list_push(&cmd->call->held_cmds, &cmd->node);
        return true;
    }
    gmq__cmd_status *cancel = GMQ__CONTAINER(cmd, gmq__cmd_status, base);
    char *text = cancel->text;
    cancel->text = NULL;
    gmq__report_finished(rt, cmd->call, cancel->code, text, NULL);
    return false;
}

static bool of_call(gmq__runtime *rt, gmq__cmd *cmd, int64_t now) /* true: the command is kept */
{
    if (cmd->call->over)
        return false;
    if (cmd->kind == GMQ__CMD_START)
        return on_start(rt, cmd, now);
    if (cmd->call->held)
        return on_held(rt, cmd);
    if (on_call_command(rt, cmd, now) == GMQ_E_NOMEM)
        end_for_memory(rt, cmd->call, now);
    return false;
}

static void set_methods(gmq__runtime *rt, gmq__cmd_methods *cmd)
{
    gmq_method_map *old = rt->methods;
    rt->methods = cmd->methods;
    cmd->methods = old; /* freed with the command */
    char **services = gmq__services_of(rt->methods, rt->more_services);
    if (!services) /* the presence names the old ones; nobody's call depends on it */
        return;
    gmq__engine_services(rt->engine, (const char *const *)services);
    gmq__free(rt->services);
    rt->services = services;
}

static void on_state(gmq__runtime *rt, gmq__cmd_state *cmd, int64_t now)
{
    gmq__connection_state(rt, &cmd->info, now);
    gmq__mailbox_lock(&rt->mailbox);
    cmd->busy = false;
    gmq__mailbox_unlock(&rt->mailbox);
}

static void observe(gmq__runtime *rt, const gmq__cmd_observe *cmd)
{
    gmq__observe_publish publish = {gmq__span_str(cmd->text), cmd->payload, cmd->properties,
                                    cmd->retain, cmd->qos};
    gmq_status status = cmd->payload ? gmq__engine_publish(rt->engine, &publish)
                                     : gmq__engine_observe(rt->engine, publish.topic, publish.qos);
    if (status != GMQ_OK)
        gmq__report_log(rt, 0, "out of memory: a subscription or publish was dropped");
}

void gmq__owner_dispatch(gmq__runtime *rt, gmq__cmd *cmd, int64_t now)
{
    gmq__cmd_message *message;
    switch (cmd->kind) {
    case GMQ__CMD_MESSAGE:
        message = GMQ__CONTAINER(cmd, gmq__cmd_message, base);
        if (rt->conn == GMQ__CONN_UP)
            gmq__engine_message(rt->engine, &message->message, message->payload, now);
        break;
    case GMQ__CMD_STATE:
        on_state(rt, GMQ__CONTAINER(cmd, gmq__cmd_state, base), now);
        break;
    case GMQ__CMD_METHODS:
        set_methods(rt, GMQ__CONTAINER(cmd, gmq__cmd_methods, base));
        break;
    case GMQ__CMD_OBSERVE:
        observe(rt, GMQ__CONTAINER(cmd, gmq__cmd_observe, base));
        break;
    case GMQ__CMD_CLOSE:
        gmq__closing_asked(rt, now);
        break;
    default:
        if (of_call(rt, cmd, now))
            return;
    }
    gmq__cmd_free(cmd);
}

static void read_mailbox(gmq__runtime *rt, int64_t now)
{
    gmq__list commands;
    gmq__mailbox_take(&rt->mailbox, &commands);
    if (atomic_exchange_explicit(&rt->lost_messages, 0, memory_order_relaxed))
        gmq__report_log(rt, 0, "out of memory: messages from the broker were dropped");
    for (size_t i = 0; i < rt->mailbox.taken.count; i++)
        gmq__pump_ack(rt, rt->mailbox.taken.rows[i], now);
    rt->mailbox.taken.count = 0;
    for (gmq__node *node; (node = gmq__list_pop(&commands));)
        gmq__owner_dispatch(rt, GMQ__CONTAINER(node, gmq__cmd, node), now);
}

void gmq__owner_read(gmq__runtime *rt) { read_mailbox(rt, gmq__os_now_ns()); }

static int64_t next_deadline(const gmq__runtime *rt)
{
    int64_t at = gmq__engine_deadline(rt->engine);
    if (rt->retry_at < at && rt->phase < GMQ__PHASE_FLUSHING)
        at = rt->retry_at;
    if (rt->phase != GMQ__PHASE_OPEN && rt->phase_until < at)
        at = rt->phase_until;
    const gmq__heap_node *held = gmq__heap_first(&rt->held_timers);
    return held && held->key < at ? held->key : at;
}

int64_t gmq__owner_step(gmq__runtime *rt)
{
    int64_t now = gmq__os_now_ns();
    if (rt->retry_at == INT64_MIN)
        gmq__connection_begin(rt, now);
    read_mailbox(rt, now);
    gmq__connection_timer(rt, now);
    gmq__hold_timer(rt, now);
    if (gmq__engine_deadline(rt->engine) <= now)
        gmq__engine_timer(rt->engine, now);
    do
        gmq__pump(rt, now);
    while (gmq__closing_step(rt, now));
    return rt->phase == GMQ__PHASE_ENDED ? GMQ__DRIVEN_ENDED : next_deadline(rt);
}
