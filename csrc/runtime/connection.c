/* The connection's life: attempts, backoff, what the transport reports. */
#include <stdio.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/os.h"
#include "runtime/owner.h"
#include "runtime/reason.h"

#define WINDOW_MAX                                                                                 \
    1024 /* publishes in flight where the broker allows more: fairness between calls is the        \
            engine's */

static void post_message(gmq__runtime *rt, const gmq__mqtt_message *message, gmq_buf *payload)
{
    gmq__cmd_message *cmd = gmq__cmd_of_message(message, payload);
    gmq__mailbox_lock(&rt->mailbox);
    if (!cmd ||
        rt->mailbox.closed) { /* like a message that the broker lost: the call notices the gap */
        gmq__mailbox_unlock(&rt->mailbox);
        atomic_fetch_add_explicit(&rt->lost_messages, !cmd, memory_order_relaxed);
        if (cmd)
            gmq__cmd_free(&cmd->base);
        return;
    }
    gmq__mailbox_post(&rt->mailbox, &cmd->base);
    gmq__mailbox_unlock_and_wake(&rt->mailbox);
}

static void on_message(void *ctx, const gmq__mqtt_message *message, gmq_buf *payload)
{
    post_message(ctx, message, payload);
}

static void on_acked(void *ctx, uint64_t token, int reason)
{
    gmq__runtime *rt = ctx;
    gmq__mailbox_ack(&rt->mailbox, token, reason);
}

/* A transport with step() reports inside of it, that is on the owner: what has come goes on at
 * once, and a payload that nobody keeps is not copied. States wait for their turn, as ever. */
static void owner_message(void *ctx, const gmq__mqtt_message *message, gmq_buf *payload)
{
    gmq__runtime *rt = ctx;
    rt->stepped = true;
    if (rt->conn == GMQ__CONN_UP)
        gmq__engine_message(rt->engine, message, payload, gmq__os_now_ns());
}

static void owner_acked(void *ctx, uint64_t token, int reason)
{
    gmq__runtime *rt = ctx;
    gmq__ack ack = {token, reason};
    rt->stepped = true;
    gmq__pump_ack(rt, ack, gmq__os_now_ns());
}

static void on_state(void *ctx, const gmq__tstate_info *info)
{
    gmq__runtime *rt = ctx;
    gmq__mailbox_lock(&rt->mailbox);
    gmq__cmd_state *cmd = NULL;
    for (size_t i = 0; i < GMQ__STATES && !cmd; i++)
        if (!rt->states[i].busy)
            cmd = &rt->states[i];
    if (!cmd || rt->mailbox.closed) {
        gmq__mailbox_unlock(&rt->mailbox);
        return;
    }
    cmd->busy = true;
    cmd->info = *info;
    snprintf(cmd->text, sizeof cmd->text, "%s", info->text ? info->text : "");
    cmd->info.text = cmd->text;
    gmq__mailbox_post(&rt->mailbox, &cmd->base);
    gmq__mailbox_unlock_and_wake(&rt->mailbox);
}

gmq__sink gmq__connection_sink(gmq__runtime *rt)
{
    gmq__sink sink = {rt, on_message, on_acked, on_state};
    if (rt->vtable->step) {
        sink.message = owner_message;
        sink.acked = owner_acked;
    }
    return sink;
}

static void down(gmq__runtime *rt, int32_t code, const char *why, int64_t now)
{
    bool quick = rt->backoff.base_ns == 0;
    rt->undecided = rt->conn == GMQ__CONN_UP && quick;
    rt->conn = GMQ__CONN_DOWN;
    rt->why_code = code;
    snprintf(rt->why, sizeof rt->why, "%s", why);
    gmq__pump_reset(rt);
    gmq__engine_disconnected(rt->engine, code, why, now);
    if (!rt->undecided)
        gmq__hold_fail(rt, code, why, false);
    rt->retry_at = now + gmq__backoff_next(&rt->backoff);
    gmq__report_state(rt, GMQ_STATE_TRANSIENT_FAILURE, why);
}

static void attempt(gmq__runtime *rt, int64_t now)
{
    rt->retry_at = INT64_MAX;
    rt->conn = GMQ__CONN_TRYING;
    gmq__report_state(rt, GMQ_STATE_CONNECTING, rt->address);
    gmq_status status = rt->vtable->connect(rt->transport);
    if (status != GMQ_OK)
        down(rt, GMQ_CODE_UNAVAILABLE, gmq_error_text(), now);
}

void gmq__connection_begin(gmq__runtime *rt, int64_t now)
{
    rt->undecided = true;
    attempt(rt, now);
}

static void up(gmq__runtime *rt, const gmq__mqtt_limits *limits, int64_t now)
{
    rt->conn = GMQ__CONN_UP;
    rt->numbers.own.connects++;
    rt->undecided = false;
    rt->up_since = now;
    rt->retry_at = INT64_MAX;
    rt->limits = *limits;
    rt->window =
        limits->receive_max && limits->receive_max < WINDOW_MAX ? limits->receive_max : WINDOW_MAX;
    gmq__engine_connected(rt->engine, limits, now);
    if (!gmq__engine_undecided(rt->engine))
        gmq__hold_release(rt, now);
}

static void gone(gmq__runtime *rt, const gmq__tstate_info *info, int64_t now)
{
    if (rt->conn == GMQ__CONN_UP && now - rt->up_since >= GMQ__BACKOFF_GOOD_NS)
        gmq__backoff_reset(&rt->backoff);
    int32_t code =
        info->state == GMQ__T_REFUSED ? gmq__reason_code(info->reason) : GMQ_CODE_UNAVAILABLE;
    down(rt, code, info->text && *info->text ? info->text : "connection lost", now);
}

void gmq__connection_state(gmq__runtime *rt, const gmq__tstate_info *info, int64_t now)
{
    if (info->state == GMQ__T_CONNECTED) {
        if (rt->phase < GMQ__PHASE_DISCONNECTING && rt->conn == GMQ__CONN_TRYING)
            up(rt, &info->limits, now);
        return;
    }
    if (rt->phase >= GMQ__PHASE_DISCONNECTING) {
        rt->phase_until = now; /* CLOSED, or it went by itself */
        return;
    }
    gone(rt, info, now);
}

void gmq__connection_ready(gmq__runtime *rt, int64_t now)
{
    gmq__report_state(rt, GMQ_STATE_READY, rt->address);
    gmq__hold_release(rt, now);
}

void gmq__connection_absent(gmq__runtime *rt, const char *why)
{
    gmq__report_state(rt, GMQ_STATE_TRANSIENT_FAILURE, why);
}

void gmq__connection_refused_filters(gmq__runtime *rt, const char *why, int64_t now)
{
    rt->retry_at = now + gmq__backoff_next(&rt->backoff);
    gmq__report_state(rt, GMQ_STATE_TRANSIENT_FAILURE, why);
}

/* The connection is fine, the broker only refused our subscriptions: to the engine this is a new
 * connection. */
static void ask_again(gmq__runtime *rt, int64_t now)
{
    rt->retry_at = INT64_MAX;
    gmq__engine_disconnected(rt->engine, GMQ_CODE_UNAVAILABLE, "subscribing again", now);
    gmq__engine_connected(rt->engine, &rt->limits, now);
}

void gmq__connection_timer(gmq__runtime *rt, int64_t now)
{
    if (now < rt->retry_at || rt->phase >= GMQ__PHASE_FLUSHING)
        return;
    if (rt->conn == GMQ__CONN_UP)
        ask_again(rt, now);
    else
        attempt(rt, now);
}
