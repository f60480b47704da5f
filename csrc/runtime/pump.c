
#include "base/error.h"
#include "base/mem.h"
#include "runtime/owner.h"

/* Tells publishes from subscriptions in the answers; the engine's tokens leave this bit free. */
#define PUBLISH_BIT (UINT64_C(1) << 63)

static void end_for_memory(gmq__runtime *rt, uint64_t call, int64_t now)
{
    gmq__engine_cancel(rt->engine, call, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory", now);
}

static gmq_call *new_call(gmq__runtime *rt, gmq__ev *ev)
{
    int kind = ev->unresolved ? (ev->any_kind ? -2 : -1) : (int)ev->method.kind;
    gmq_call *call = gmq__handle_new(rt, gmq__span_str(ev->text ? ev->text : ""), kind, true);
    if (!call)
        return NULL;
    call->id = ev->call;
    call->deadline = ev->deadline;
    if (!gmq__map_put_u64(&rt->calls, call->id, gmq__handle_hold(call)))
        gmq__handle_release(call);
    else if (gmq__report_call(rt, call, GMQ_EVENT_CALL, ev))
        return call;
    else
        gmq__handle_release(gmq__map_remove_u64(&rt->calls, call->id));
    gmq__handle_release(call);
    return NULL;
}

static void on_call(gmq__runtime *rt, gmq__ev *ev, int64_t now)
{
    gmq_call *call = new_call(rt, ev);
    if (!call) {
        end_for_memory(rt, ev->call, now);
        return;
    }
    gmq_event *event = GMQ__CONTAINER(rt->events.head.prev, gmq_event, node);
    event->handle = true; /* the event has the one handle, and with it the first reference */
}

static void on_sent(gmq__runtime *rt, gmq_call *call, size_t size, int64_t now)
{
    gmq__mailbox_lock(&rt->mailbox);
    call->unsent -= size < call->unsent ? size : call->unsent;
    bool tell = call->want_writable && call->unsent <= rt->send_buffer / 2;
    if (tell)
        call->want_writable = false;
    gmq__mailbox_unlock(&rt->mailbox);
    if (tell && !gmq__report_call(rt, call, GMQ_EVENT_WRITABLE, NULL))
        end_for_memory(rt, call->id, now);
}

static void on_call_event(gmq__runtime *rt, gmq__ev *ev, int64_t now)
{
    static const int32_t types[] = {
        [GMQ__EV_INITIAL_METADATA] = GMQ_EVENT_INITIAL_METADATA,
        [GMQ__EV_MESSAGE] = GMQ_EVENT_MESSAGE,
        [GMQ__EV_HALF_CLOSED] = GMQ_EVENT_HALF_CLOSED,
    };
    gmq_call *call = gmq__map_get_u64(&rt->calls, ev->call);
    if (!call)
        return; /* it was not made for lack of memory */
    if (ev->kind == GMQ__EV_SENT) {
        on_sent(rt, call, ev->size, now);
    } else if (ev->kind == GMQ__EV_FINISHED) {
        gmq__report_finished(rt, call, ev->code, ev->text, ev->metadata);
        ev->text = NULL;
        ev->metadata = NULL;
    } else if (!gmq__report_call(rt, call, types[ev->kind], ev)) {
        end_for_memory(rt, call->id, now);
    }
}

static void on_event(gmq__runtime *rt, gmq__ev *ev, int64_t now)
{
    switch (ev->kind) {
    case GMQ__EV_READY:
        gmq__connection_ready(rt, now);
        break;
    case GMQ__EV_ABSENT:
        gmq__connection_absent(rt, ev->text ? ev->text : "no server is announced");
        break;
    case GMQ__EV_LOOKED:
        gmq__hold_release(rt, now);
        break;
    case GMQ__EV_FAILED:
        gmq__connection_refused_filters(rt, ev->text ? ev->text : "subscriptions refused", now);
        break;
    case GMQ__EV_LOG:
        gmq__report_log(rt, ev->code, ev->text ? ev->text : "");
        break;
    case GMQ__EV_CALL:
        on_call(rt, ev, now);
        break;
    case GMQ__EV_OBSERVED:
        gmq__report_observed(rt, GMQ_EVENT_OBSERVED, ev);
        break;
    case GMQ__EV_SUBSCRIBED:
        gmq__report_observed(rt, GMQ_EVENT_SUBSCRIBED, ev);
        break;
    case GMQ__EV_PUBLISHED:
        gmq__report_observed(rt, GMQ_EVENT_PUBLISHED, ev);
        break;
    default:
        on_call_event(rt, ev, now);
    }
}

static bool pull_events(gmq__runtime *rt, int64_t now)
{
    bool any = false;
    for (gmq__ev ev; gmq__engine_next_event(rt->engine, &ev); any = true) {
        on_event(rt, &ev, now);
        gmq__ev_clear(&ev);
    }
    gmq__report_flush(rt);
    return any;
}

/* ---- Outputs ---- */

static int reason_of(gmq_status status)
{
    if (status == GMQ_E_TOO_LARGE)
        return GMQ__MQTT_PACKET_TOO_LARGE;
    return status == GMQ_E_NOMEM ? GMQ__MQTT_QUOTA_EXCEEDED : GMQ__MQTT_UNSPECIFIED;
}

static void count_publish(gmq__runtime *rt)
{
    rt->inflight++;
    rt->outstanding++;
}

static gmq_status stash(gmq__runtime *rt, const gmq__mqtt_message *message, uint64_t token)
{
    gmq_buf *payload = gmq__buf_copy(message->payload);
    rt->stash = payload ? gmq__cmd_of_message(message, payload) : NULL;
    gmq_buf_unref(payload);
    if (!rt->stash)
        return GMQ_E_NOMEM;
    rt->stash->message.payload = gmq__buf_span(payload);
    rt->stash_token = token;
    return GMQ_OK;
}

static void publish(gmq__runtime *rt, const gmq__mqtt_message *message, uint64_t token, int64_t now)
{
    gmq_status status = rt->vtable->publish(rt->transport, message, token | PUBLISH_BIT);
    if (status == GMQ_OK) {
        count_publish(rt);
        return;
    }
    if (status == GMQ_E_AGAIN)
        status = stash(rt, message, token);
    if (status != GMQ_OK && status != GMQ_E_CLOSED) /* CLOSED: LOST is on its way */
        gmq__engine_acked(rt->engine, token, reason_of(status), now);
}

static bool publish_stash(gmq__runtime *rt, int64_t now) /* false: no room still */
{
    gmq__cmd_message *cmd = rt->stash;
    gmq_status status =
        rt->vtable->publish(rt->transport, &cmd->message, rt->stash_token | PUBLISH_BIT);
    if (status == GMQ_E_AGAIN)
        return false;
    rt->stash = NULL;
    if (status == GMQ_OK)
        count_publish(rt);
    else if (status != GMQ_E_CLOSED)
        gmq__engine_acked(rt->engine, rt->stash_token, reason_of(status), now);
    gmq__cmd_free(&cmd->base);
    return true;
}

static void put_out(gmq__runtime *rt, const gmq__output *out, int64_t now)
{
    gmq_status status;
    if (out->kind == GMQ__OUT_PUBLISH) {
        publish(rt, &out->message, out->token, now);
        return;
    }
    if (out->kind == GMQ__OUT_SUBSCRIBE)
        status =
            rt->vtable->subscribe(rt->transport, out->filters, out->nfilters, out->qos, out->token);
    else
        status = rt->vtable->unsubscribe(rt->transport, out->filters, out->nfilters, out->token);
    if (status == GMQ_OK)
        rt->outstanding += out->token != 0; /* 0: there will be no answer */
    else if (status != GMQ_E_CLOSED)
        gmq__engine_acked(rt->engine, out->token, reason_of(status), now);
}

static bool pull_outputs(gmq__runtime *rt, int64_t now)
{
    if (rt->conn != GMQ__CONN_UP || rt->phase >= GMQ__PHASE_DISCONNECTING)
        return false;
    bool any = false;
    rt->idle = false;
    if (rt->stash && rt->inflight < rt->window)
        any = publish_stash(rt, now);
    for (gmq__output out; gmq__mailbox_reserve_acks(&rt->mailbox, rt->outstanding + 1);
         any = true) {
        bool room = !rt->stash && rt->inflight < rt->window;
        if (!gmq__engine_next_output(rt->engine, room, now, &out)) {
            rt->idle = room;
            break;
        }
        put_out(rt, &out, now);
    }
    return any;
}

/* Ends without an event left: a call may end just because there was no output to be made of it. */
void gmq__pump(gmq__runtime *rt, int64_t now)
{
    do
        pull_events(rt, now);
    while (pull_outputs(rt, now) || pull_events(rt, now));
}

void gmq__pump_ack(gmq__runtime *rt, gmq__ack ack, int64_t now)
{
    if (rt->outstanding)
        rt->outstanding--;
    if ((ack.token & PUBLISH_BIT) && rt->inflight)
        rt->inflight--;
    if (ack.token & ~PUBLISH_BIT)
        gmq__engine_acked(rt->engine, ack.token & ~PUBLISH_BIT, ack.reason, now);
}

void gmq__pump_reset(gmq__runtime *rt)
{
    rt->inflight = rt->outstanding = 0;
    if (rt->stash)
        gmq__cmd_free(&rt->stash->base);
    rt->stash = NULL;
}
