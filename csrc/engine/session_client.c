/* Client side of the session dialect: topics, the Request, what is sent and acknowledged. Answers:
 * session_answer.c. */
#include "engine/session_answer.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

#define MS            INT64_C(1000000)
#define BACKOFF_FIRST (1000 * MS)
#define BACKOFF_MOST  (120000 * MS)

static gmq__session_state *state_of(const gmq__engine *engine)
{
    return gmq__session_state_of(engine);
}
static gmq__session *of_waiting(gmq__node *node)
{
    return GMQ__CONTAINER(node, gmq__session, waiting);
}

/* ---- When ---- */

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

void gmq__session_client_rearm(gmq__engine *engine, gmq__session *s)
{
    int64_t at = s->phase == GMQ__SESSION_CLOSING ? INT64_MAX : s->deadline;
    if (s->phase == GMQ__SESSION_WAITING && s->retry_at)
        at = least(at, s->retry_at);
    if (s->phase == GMQ__SESSION_OPEN) {
        at = least(at, gmq__session_gap_at(engine, s));
        at = least(at, gmq__session_linger_at(engine, s));
        if (s->first_sent)
            at = least(at, s->heartbeat_at);
    }
    gmq__call_timer(engine, &s->call, at);
}

static bool has_packet(const gmq__engine *engine, const gmq__session *s)
{
    return s->outbox.len || (s->batch.count && !engine->config.linger_ns);
}

static bool has_output(const gmq__engine *engine, const gmq__session *s)
{
    if (s->phase == GMQ__SESSION_CLOSING)
        return s->terminate_due && s->first_acked;
    if (s->phase != GMQ__SESSION_OPEN)
        return false;
    return s->alive_due || (has_packet(engine, s) && (!s->first_sent || s->first_acked));
}

static void schedule(gmq__engine *engine, gmq__session *s)
{
    bool control = s->alive_due || s->terminate_due;
    if (has_output(engine, s))
        gmq__call_run(engine, &s->call, control);
}

/* ---- Ends ---- */

static void stop_waiting(gmq__engine *engine, gmq__session *s)
{
    if (!gmq__node_linked(&s->waiting))
        return;
    gmq__node_unlink(&s->waiting);
    state_of(engine)->nwaiting--;
}

void gmq__session_client_let_go(gmq__engine *engine, gmq__session *s, int64_t now)
{
    if (s->topic)
        gmq__pool_release(&state_of(engine)->pool, s->topic, now);
    s->topic = NULL;
    stop_waiting(engine, s);
    gmq__session_drop_receiving(engine, s);
    gmq__session_drop_sending(engine, s, false);
    s->alive_due = false;
}

void gmq__session_client_fail(gmq__engine *engine, gmq__session *s, int32_t code, gmq__span text,
                              int64_t now)
{
    bool tell = s->phase == GMQ__SESSION_OPEN && s->first_sent && engine->connected;
    gmq__session_client_let_go(engine, s, now);
    gmq__call_finish(engine, &s->call, code, text, NULL);
    gmq__node_unlink(&s->call.run);
    if (!tell) {
        gmq__session_gone(engine, s);
        return;
    }
    s->phase = GMQ__SESSION_CLOSING;
    s->terminate_due = true;
    gmq__session_client_rearm(engine, s);
    schedule(engine, s);
}

static void fail_str(gmq__engine *engine, gmq__session *s, int32_t code, const char *text,
                     int64_t now)
{
    gmq__session_client_fail(engine, s, code, gmq__span_str(text), now);
}

/* The batch into the outbox; false = no memory, the call is over. */
static bool flush(gmq__engine *engine, gmq__session *s, int64_t now)
{
    if (gmq__session_flush(engine, s, s->options.client_level))
        return true;
    fail_str(engine, s, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory", now);
    return false;
}

/* ---- A topic, and the Request ---- */

static bool request_ready(const gmq__session *s)
{
    return gmq__rpc_client_streams(s->call.kind) || s->request_given;
}

static bool queue_request(gmq__session *s, int64_t now)
{
    gmq__request request = {
        .message = gmq__buf_span(s->request), .options = s->options, .metadata = s->metadata};
    /* a call without a deadline: see GMQ__SESSION_FOREVER_S */
    request.timeout_s = GMQ__SESSION_FOREVER_S;
    if (s->deadline != INT64_MAX)
        request.timeout_s = gmq__request_timeout_s((s->deadline - now + MS - 1) / MS);
    gmq__bytes wire = {0};
    gmq__request_encode(&wire, &request);
    if (!gmq__outbox_push_front(&s->outbox, &wire, s->request_user))
        return false;
    if (!s->wait_for_ready) { /* it will not be sent again */
        gmq_buf_unref(s->request);
        gmq_metadata_free(s->metadata);
        s->request = NULL;
        s->metadata = NULL;
    }
    return true;
}

static void open_with(gmq__engine *engine, gmq__session *s, gmq__pool_topic *topic, int64_t now)
{
    s->topic = topic;
    s->phase = GMQ__SESSION_OPEN;
    s->retry_at = 0;
    memcpy(s->sid, topic->sid, GMQ__SID_LEN);
    s->sid_len = GMQ__SID_LEN;
    if (!queue_request(s, now)) {
        fail_str(engine, s, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory", now);
        return;
    }
    gmq__session_client_rearm(engine, s);
    schedule(engine, s);
}

static void want_topic(gmq__engine *engine, gmq__session *s, int64_t now)
{
    if (s->phase != GMQ__SESSION_WAITING || !request_ready(s) || s->retry_at)
        return;
    gmq__session_state *state = state_of(engine);
    bool first = !state->nwaiting && engine->connected;
    gmq__pool_topic *topic = first ? gmq__pool_take(&state->pool, s, now) : NULL;
    if (topic) {
        open_with(engine, s, topic, now);
    } else if (!gmq__node_linked(&s->waiting)) {
        gmq__list_push(&state->waiting, &s->waiting);
        state->nwaiting++;
    }
}

static void serve_waiting(gmq__engine *engine, int64_t now)
{
    gmq__session_state *state = state_of(engine);
    gmq__pool_topic *topic;
    while (
        state->nwaiting &&
        (topic = gmq__pool_take(&state->pool, of_waiting(gmq__list_first(&state->waiting)), now))) {
        gmq__session *s = of_waiting(gmq__list_pop(&state->waiting));
        state->nwaiting--;
        open_with(engine, s, topic, now);
    }
}

/* Back to where it has no topic; the Request is made anew. */
static void close_topic(gmq__engine *engine, gmq__session *s, int64_t now)
{
    bool request_inside = !s->first_sent || s->outbox.position;
    /* the application's bytes in it go with the next Request, unless they were reported as sent */
    s->request_user = request_inside ? gmq__outbox_drop_first(&s->outbox) : 0;
    if (s->topic && engine->connected)
        gmq__pool_release(&state_of(engine)->pool, s->topic, now);
    s->topic = NULL;
    gmq__session_drop_receiving(engine, s);
    memset(&s->order, 0, sizeof s->order);
    s->phase = GMQ__SESSION_WAITING;
    s->next_i = 0;
    s->first_sent = s->first_acked = s->alive_due = false;
    gmq__node_unlink(&s->call.run);
}

/* Nobody listens at the other end: try again later. */
static void retry(gmq__engine *engine, gmq__session *s, int64_t now)
{
    close_topic(engine, s, now);
    uint32_t jitter;
    engine->config.random(engine->config.random_ctx, &jitter, sizeof jitter);
    s->backoff = s->backoff ? least(s->backoff / 10 * 16, BACKOFF_MOST) : BACKOFF_FIRST;
    s->retry_at = now + s->backoff / 100 * (80 + jitter % 41);
    gmq__session_client_rearm(engine, s);
}

/* ---- Calls ---- */

static int8_t level_of(int8_t own, int8_t general, bool unary)
{
    if (own >= 0)
        return own;
    /* a unary call is not compressed unless its method says so: the reference's unary paths are
     * broken */
    return general > 0 && !unary ? general : 0;
}

static gmq__rpc_options announce(const gmq__engine *engine, const gmq__call_args *args)
{
    const gmq__rpc_options *own = &args->options, *general = &engine->config.options;
    bool unary = args->kind == GMQ_RPC_UNARY;
    gmq__rpc_options options = {
        .batched = level_of(own->batched, general->batched, unary),
        .server_level = level_of(own->server_level, general->server_level, unary),
        .client_level = level_of(own->client_level, general->client_level, unary),
    };
    return options;
}

gmq_status gmq__session_client_start(gmq__engine *engine, const gmq__call_args *args, int64_t now)
{
    if (args->deadline <= now)
        return gmq__dialect_still_born(engine, args->id, GMQ_CODE_DEADLINE_EXCEEDED,
                                       "Deadline Exceeded");
    if (!engine->connected && !args->wait_for_ready)
        return gmq__dialect_still_born(engine, args->id, GMQ_CODE_UNAVAILABLE,
                                       "not connected to the broker");
    if (args->any_kind)
        return gmq__dialect_still_born(engine, args->id, GMQ_CODE_UNIMPLEMENTED,
                                       "the session dialect needs to know the method's kind");
    if (engine->stats.open_calls >= engine->config.max_calls)
        return gmq__dialect_still_born(engine, args->id, GMQ_CODE_RESOURCE_EXHAUSTED,
                                       "too many calls on this connection");
    gmq__session *s;
    gmq_metadata *md = NULL;
    if (args->metadata && gmq_metadata_count(args->metadata) &&
        gmq__metadata_copy(&md, args->metadata) != GMQ_OK)
        return gmq__fail_nomem();
    gmq_status status =
        gmq__session_new(&s, engine, args->id, args->kind, args->path, gmq__span_of(NULL, 0));
    if (status != GMQ_OK) {
        gmq_metadata_free(md);
        return status;
    }
    s->metadata = md;
    s->deadline = args->deadline;
    s->wait_for_ready = args->wait_for_ready;
    s->options = announce(engine, args);
    s->phase = GMQ__SESSION_WAITING;
    gmq__session_client_rearm(engine, s);
    want_topic(engine, s, now);
    return GMQ_OK;
}

gmq_status gmq__session_client_send(gmq__engine *engine, gmq__session *s, gmq_buf *message,
                                    int64_t now)
{
    if (s->half_closed || s->request_given)
        return gmq__fail(GMQ_E_STATE, "send: the client's side of the call has ended");
    if (s->phase == GMQ__SESSION_ANSWERED)
        return gmq__fail(GMQ_E_CLOSED, "send: the call has been answered");
    if (gmq__rpc_client_streams(s->call.kind)) {
        gmq_status status = gmq__session_put_elem(engine, s, message, s->options.client_level, now);
        gmq__session_client_rearm(engine, s);
        schedule(engine, s);
        return status;
    }
    s->request = gmq_buf_ref(message);
    s->request_given = true;
    s->unsent = s->request_user = gmq_buf_len(message);
    engine->stats.unsent_bytes += s->unsent;
    want_topic(engine, s, now);
    return GMQ_OK;
}

gmq_status gmq__session_client_half_close(gmq__engine *engine, gmq__call *call, int64_t now)
{
    gmq__session *s = gmq__session_of(call);
    if (!gmq__rpc_client_streams(call->kind))
        return s->request_given ? GMQ_OK
                                : gmq__fail(GMQ_E_STATE, "half_close: the request was not sent");
    if (s->half_closed || s->phase == GMQ__SESSION_ANSWERED)
        return GMQ_OK;
    (void)now;
    gmq__bytes end = {0};
    if (!gmq__outbox_reserve(&s->outbox, 2) ||
        !gmq__session_flush(engine, s, s->options.client_level))
        return gmq__fail_nomem();
    gmq__outbox_push(&s->outbox, &end, 0); /* has its place */
    s->half_closed = true;
    gmq__session_client_rearm(engine, s);
    schedule(engine, s);
    return GMQ_OK;
}

void gmq__session_client_cancel(gmq__engine *engine, gmq__session *s, int32_t code,
                                const char *details, int64_t now)
{
    fail_str(engine, s, code, details ? details : "", now);
}

void gmq__session_client_timer(gmq__engine *engine, gmq__session *s, int64_t now)
{
    if (now >= s->deadline && s->phase != GMQ__SESSION_CLOSING) {
        fail_str(engine, s, GMQ_CODE_DEADLINE_EXCEEDED, "Deadline Exceeded", now);
        return;
    }
    if (s->phase == GMQ__SESSION_WAITING && s->retry_at && now >= s->retry_at) {
        s->retry_at = 0;
        want_topic(engine, s, now);
    }
    if (s->phase == GMQ__SESSION_OPEN) {
        if (now >= gmq__session_gap_at(engine, s)) {
            fail_str(engine, s, GMQ_CODE_UNAVAILABLE, "a packet of the answer was lost", now);
            return;
        }
        if (now >= gmq__session_linger_at(engine, s) && !flush(engine, s, now))
            return;
        if (s->first_sent && now >= s->heartbeat_at) {
            s->alive_due = true;
            s->heartbeat_at = now + engine->config.heartbeat_ns;
        }
        schedule(engine, s);
    }
    if (s->call.state != GMQ__CALL_GONE)
        gmq__session_client_rearm(engine, s);
}

/* ---- Connection ---- */

void gmq__session_client_connected(gmq__engine *engine, int64_t now)
{
    if (!gmq__probe_start(engine, false, now))
        gmq__dialect_granted(engine);
    gmq__pool_connected(&state_of(engine)->pool, now);
}

void gmq__session_client_disconnected(gmq__engine *engine, int32_t code, const char *why,
                                      int64_t now)
{
    gmq__pool_disconnected(&state_of(engine)->pool);
    gmq__probe_stop(engine);
    for (uint32_t at = 0; at < engine->nslots; at++) {
        gmq__session *s = (gmq__session *)(void *)engine->slots[at].call;
        if (!s || s->call.dialect != &gmq__session_dialect)
            continue;
        s->topic = NULL;
        if (s->phase == GMQ__SESSION_CLOSING) {
            gmq__session_gone(engine, s);
        } else if (s->phase == GMQ__SESSION_ANSWERED) {
            continue;
        } else if (!s->wait_for_ready || s->first_sent) {
            fail_str(engine, s, code, why, now);
        } else if (s->phase == GMQ__SESSION_OPEN) {
            close_topic(engine, s, now);
            want_topic(engine, s, now);
            gmq__session_client_rearm(engine, s);
        }
    }
}

static void refuse_waiting(gmq__engine *engine, int reason, int64_t now)
{
    gmq__session_state *state = state_of(engine);
    int32_t code = reason == GMQ__MQTT_QUOTA_EXCEEDED ? GMQ_CODE_RESOURCE_EXHAUSTED
                                                      : GMQ_CODE_PERMISSION_DENIED;
    char text[128];
    snprintf(text, sizeof text, "the broker refused the subscription for the answer: %s (0x%02x)",
             gmq__mqtt_reason_text(reason), (unsigned)reason);
    gmq__node *node;
    while ((node = gmq__list_first(&state->waiting)))
        fail_str(engine, of_waiting(node), code, text, now);
}

void gmq__session_client_acked(gmq__engine *engine, uint64_t token, int reason, int64_t now)
{
    if (token ==
        ((uint64_t)GMQ__SESSION_TOKEN_NOBODY << GMQ__TOKEN_KIND_SHIFT | GMQ__SESSION_PROBE))
        gmq__probe_heard(engine, reason != GMQ__MQTT_NO_SUBSCRIBERS, now);
    if (token >> GMQ__TOKEN_KIND_SHIFT != GMQ__SESSION_TOKEN_POOL)
        return;
    gmq__session_state *state = state_of(engine);
    if (gmq__pool_granted(&state->pool, (uint32_t)token, reason < 0x80, now))
        serve_waiting(engine, now);
    else
        refuse_waiting(engine, reason, now);
}

void gmq__session_client_call_acked(gmq__engine *engine, gmq__session *s, bool first, int reason,
                                    int64_t now)
{
    bool failed = reason >= 0x80 || reason == GMQ__MQTT_NO_SUBSCRIBERS;
    if (first)
        gmq__probe_heard(engine, reason != GMQ__MQTT_NO_SUBSCRIBERS, now);
    if (s->phase == GMQ__SESSION_CLOSING && first && failed) {
        gmq__session_gone(engine, s); /* nobody to tell */
        return;
    }
    if (first && !failed) {
        s->first_acked = true;
        gmq_buf_unref(s->request);
        gmq_metadata_free(s->metadata);
        s->request = NULL;
        s->metadata = NULL;
        schedule(engine, s);
        return;
    }
    if (!failed || s->phase != GMQ__SESSION_OPEN)
        return;
    if (reason == GMQ__MQTT_NO_SUBSCRIBERS && first && s->wait_for_ready)
        retry(engine, s, now);
    else if (reason == GMQ__MQTT_NO_SUBSCRIBERS)
        fail_str(engine, s, GMQ_CODE_UNAVAILABLE, "no server listens at this base topic", now);
    else
        fail_str(engine, s, gmq__session_reason_code(reason),
                 "the broker refused a packet of the call", now);
}

void gmq__session_client_message(gmq__engine *engine, const gmq__mqtt_message *message,
                                 gmq_buf *payload, int64_t now)
{
    gmq__topic_parts parts = gmq__topic_parse(engine->config.base, message->topic);
    gmq__packet packet;
    gmq__session *s = NULL;
    if (parts.kind == GMQ__TOPIC_SESSION)
        s = gmq__pool_owner(&state_of(engine)->pool, parts.sid);
    if (!s || s->phase != GMQ__SESSION_OPEN) {
        engine->stats.ignored++;
        return;
    }
    gmq__fault fault = {.code = GMQ_CODE_INTERNAL, .text = "a packet of the answer does not parse"};
    bool is_packet = gmq__packet_decode(message->payload, &packet) == GMQ_OK;
    gmq__order_packet in = {payload, packet.payload, packet.position, packet.npackets};
    if (!is_packet ||
        !gmq__session_packet(engine, s, message, &in, gmq__session_answer, now, &fault))
        fail_str(engine, s, fault.code, fault.text, now);
    if (s->phase == GMQ__SESSION_OPEN)
        gmq__session_client_rearm(engine, s);
}

/* ---- Output ---- */

bool gmq__session_client_pull(gmq__engine *engine, int64_t now, gmq__output *out)
{
    gmq__session_state *state = state_of(engine);
    char sids[GMQ__POOL_BATCH][GMQ__SID_LEN + 1];
    uint32_t batch = 0;
    size_t n, ends[GMQ__POOL_BATCH];
    gmq__pool_ask ask = gmq__pool_pull(&state->pool, state->nwaiting, now, sids, &n, &batch);
    if (ask == GMQ__POOL_NOTHING)
        return false;
    gmq__bytes_clear(&engine->topic);
    for (size_t at = 0; at < n; at++) {
        gmq__topic_session(&engine->topic, engine->config.base,
                           gmq__span_of(sids[at], GMQ__SID_LEN));
        ends[at] = engine->topic.len;
    }
    bool subscribe = ask == GMQ__POOL_SUBSCRIBE;
    if (engine->topic.failed) {
        if (subscribe && !gmq__pool_granted(&state->pool, batch, false, now))
            refuse_waiting(engine, GMQ__MQTT_QUOTA_EXCEEDED, now);
        return false;
    }
    for (size_t at = 0, from = 0; at < n; from = ends[at++])
        engine->filters[at] = gmq__span_of(engine->topic.data + from, ends[at] - from);
    out->kind = subscribe ? GMQ__OUT_SUBSCRIBE : GMQ__OUT_UNSUBSCRIBE;
    uint64_t kind = subscribe ? GMQ__SESSION_TOKEN_POOL : GMQ__SESSION_TOKEN_NOBODY;
    out->token = kind << GMQ__TOKEN_KIND_SHIFT | batch;
    out->filters = engine->filters;
    out->nfilters = n;
    out->qos = engine->config.qos;
    return true;
}

static bool pull_control(gmq__engine *engine, gmq__session *s, gmq__output *out)
{
    bool terminate = s->phase == GMQ__SESSION_CLOSING;
    int control = terminate ? GMQ__CONTROL_TERMINATE : GMQ__CONTROL_ALIVE;
    bool pulled = gmq__session_publish_control(engine, gmq__session_sid(s), control, out);
    out->token = gmq__call_token(engine, &s->call, false);
    s->alive_due = s->terminate_due = false;
    if (terminate) {
        out->token = (uint64_t)GMQ__SESSION_TOKEN_NOBODY << GMQ__TOKEN_KIND_SHIFT;
        gmq__session_gone(engine, s);
    }
    return pulled;
}

static bool pull_packet(gmq__engine *engine, gmq__session *s, int64_t now, gmq__output *out)
{
    gmq__bytes_clear(&engine->topic);
    gmq__topic_request(&engine->topic, engine->config.base, gmq__session_sid(s),
                       gmq__span_of(s->path, s->path_len));
    if (!gmq__session_publish_packet(engine, s, out)) {
        fail_str(engine, s, GMQ_CODE_RESOURCE_EXHAUSTED,
                 "a packet of the call fits neither memory nor the broker's limit", now);
        return false;
    }
    out->token = gmq__call_token(engine, &s->call, !s->first_sent);
    if (!s->first_sent) {
        s->first_sent = true;
        s->heartbeat_at = now + engine->config.heartbeat_ns;
        gmq__session_client_rearm(engine, s);
    }
    return true;
}

bool gmq__session_client_call_pull(gmq__engine *engine, gmq__session *s, int64_t now,
                                   gmq__output *out, bool *more)
{
    if (!has_output(engine, s))
        return false;
    if (s->phase == GMQ__SESSION_OPEN && !engine->config.linger_ns && !flush(engine, s, now))
        return false;
    bool pulled = s->alive_due || s->terminate_due ? pull_control(engine, s, out)
                                                   : pull_packet(engine, s, now, out);
    *more = s->call.state != GMQ__CALL_GONE && has_output(engine, s);
    return pulled;
}
