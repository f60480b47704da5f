/* Server side of the session dialect: sessions by id, the Request, what ends a session. Replies:
 * session_reply.c. */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "engine/session_reply.h"

#define S_NS INT64_C(1000000000)
#define CLOSING_MOST                                                                               \
    1024 /* refusals that wait for the transport; above, strangers get no answer                   \
          */

static gmq__session_state *state_of(const gmq__engine *engine)
{
    return gmq__session_state_of(engine);
}
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static bool is_open(const gmq__session *s) /* its peer waits for an answer */
{
    return s->phase == GMQ__SESSION_NEW || s->phase == GMQ__SESSION_OFFERED ||
           s->phase == GMQ__SESSION_SERVING;
}

static void rearm(gmq__engine *engine, gmq__session *s)
{
    int64_t at = INT64_MAX;
    if (s->phase != GMQ__SESSION_CLOSING)
        at = least(s->deadline, s->heard_at + engine->config.watchdog_ns);
    if (is_open(s))
        at = least(at, gmq__session_gap_at(engine, s));
    if (s->phase == GMQ__SESSION_SERVING)
        at = least(at, gmq__session_linger_at(engine, s));
    /* being heard moves the watchdog: let the timer find that out, not every packet */
    if (at < s->call.timer.key)
        gmq__call_timer(engine, &s->call, at);
}

static void schedule(gmq__engine *engine, gmq__session *s)
{
    if (s->outbox.len || (s->batch.count && !engine->config.linger_ns))
        gmq__call_run(engine, &s->call, false);
}

/* ---- Ends ---- */

/* Out of the table, a tombstone in its place. */
static void bury_sid(gmq__engine *engine, gmq__session *s, int64_t now)
{
    gmq__session_state *state = state_of(engine);
    if (gmq__map_get(&state->by_sid, gmq__session_sid(s)) != s)
        return;
    gmq__map_remove(&state->by_sid, gmq__session_sid(s));
    int64_t from = s->deadline != INT64_MAX && s->deadline > now ? s->deadline : now;
    /* how many packets are still to leave is not known: a number that surely is beyond them */
    uint64_t next_i = s->next_i + (s->outbox.len ? GMQ__ORDER_WINDOW / 2 : 0);
    gmq__tombstones_add(&state->tombstones, gmq__session_sid(s), from + engine->config.tombstone_ns,
                        next_i);
}

static void gone(gmq__engine *engine, gmq__session *s)
{
    if (s->call.state == GMQ__CALL_OVER)
        state_of(engine)->nclosing--;
    gmq__session_gone(engine, s);
}

/* FINISHED is out (if its owner knew of the call); what is queued still leaves. */
static void close_session(gmq__engine *engine, gmq__session *s, int32_t code, const char *text,
                          int64_t now)
{
    gmq__session_drop_receiving(engine, s);
    bury_sid(engine, s, now);
    gmq__call_finish(engine, &s->call, code, gmq__span_str(text), NULL);
    s->phase = GMQ__SESSION_CLOSING;
    state_of(engine)->nclosing++;
    gmq__call_timer(engine, &s->call, INT64_MAX);
    if (!s->outbox.len || !engine->connected)
        gone(engine, s);
    else
        schedule(engine, s);
}

/* Answers a call of unknown kind as that of an unknown method: with an error that clients of any
 * kind understand, never compressed. */
static void speak_plainly(gmq__session *s)
{
    if (s->unknown)
        s->options.server_level = 0;
}

/* Ends now, by our own doing. What has not begun to leave is dropped; `tell`: the peer gets the
 * status. */
static void end(gmq__engine *engine, gmq__session *s, int32_t code, const char *text, bool tell,
                int64_t now)
{
    gmq__session_drop_sending(engine, s, tell);
    if (tell) {
        gmq__session_reply_dropped(s);
        speak_plainly(s);
        gmq__session_reply_status(engine, s, code, gmq__span_str(text),
                                  NULL); /* without memory: silence */
    }
    close_session(engine, s, code, text, now);
}

static void end_with_error(gmq__engine *engine, gmq__session *s, int32_t rerror, int32_t code,
                           gmq__span text, int64_t now)
{
    gmq__remote_error error = {.type = rerror, .message = text};
    error.has_status = code > 0;
    error.status = code;
    gmq__session_reply_error(engine, s, &error);
    close_session(engine, s, GMQ_CODE_INTERNAL, "", now);
}

/* Of what the peer sent wrong: as end(), in the words of the reference where it has some. */
static void end_fault(gmq__engine *engine, gmq__session *s, const gmq__fault *fault, int64_t now)
{
    if (!fault->rerror) {
        end(engine, s, fault->code, fault->text, true, now);
        return;
    }
    gmq__remote_error error = {.type = fault->rerror, .message = gmq__span_str(fault->text)};
    gmq__session_drop_sending(engine, s, true);
    gmq__session_reply_dropped(s);
    gmq__session_reply_error(engine, s, &error);
    close_session(engine, s, fault->code, fault->text, now);
}

/* ---- The Request ---- */

static bool levels_valid(const gmq__rpc_options *o)
{
    return o->batched >= 0 && o->batched <= 1 && o->server_level >= 0 && o->server_level <= 22 &&
           o->client_level >= 0 && o->client_level <= 22;
}

/* Takes over metadata. false = no memory. */
static bool announce_call(gmq__engine *engine, gmq__session *s, gmq_metadata *md)
{
    gmq__ev ev = {
        .kind = GMQ__EV_CALL, .call = s->call.id, .metadata = md, .deadline = s->deadline};
    ev.text = gmq__strndup(s->path, s->path_len);
    ev.method.kind = s->call.kind;
    ev.method.options = s->options;
    ev.unresolved = s->unknown;
    if (!ev.text) {
        gmq__ev_clear(&ev);
        return false;
    }
    if (!gmq__events_push(&engine->events, &ev, false))
        return false;
    s->call.told = true;
    engine->stats.calls_started++;
    engine->stats.open_calls++;
    return true;
}

/* The message of a unary or server-streaming call. */
static bool take_message(gmq__engine *engine, gmq__session *s, gmq_buf *buf, gmq__span message,
                         gmq__fault *fault)
{
    gmq_buf *holder;
    gmq__span plain;
    if (!gmq__session_unpack(s->options.client_level, engine->config.receive_limit, buf, message,
                             &holder, &plain, fault))
        return false;
    size_t offset = plain.len ? (size_t)(plain.data - (const uint8_t *)gmq_buf_data(holder)) : 0;
    gmq_buf *slice = gmq__buf_slice(holder, offset, plain.len);
    gmq_buf_unref(holder);
    *fault = (gmq__fault){.code = GMQ_CODE_RESOURCE_EXHAUSTED, .text = "out of memory"};
    return slice && gmq__call_message(engine, &s->call, slice) &&
           gmq__call_half_closed(engine, &s->call);
}

static void begin(gmq__engine *engine, gmq__session *s, gmq_buf *buf, gmq__request *request,
                  int64_t now)
{
    gmq__fault fault = {.code = GMQ_CODE_RESOURCE_EXHAUSTED, .text = "out of memory"};
    bool stream = gmq__rpc_client_streams(s->call.kind);
    gmq_metadata *md = request->metadata;
    request->metadata = NULL;
    if (md)
        gmq__metadata_sanitize(md);
    s->phase = s->unknown ? GMQ__SESSION_OFFERED : GMQ__SESSION_SERVING;
    bool ok = announce_call(engine, s, md);
    if (ok && s->unknown)
        ok = gmq__backlog_add(&s->held, buf, request->message);
    else if (ok && !stream)
        ok = take_message(engine, s, buf, request->message, &fault);
    s->half_closed = !stream && !s->unknown;
    if (!ok)
        end_fault(engine, s, &fault, now);
    else
        rearm(engine, s);
}

static void set_deadline(gmq__session *s, int64_t timeout_s, int64_t now)
{
    if (timeout_s >= 0 && timeout_s < GMQ__SESSION_FOREVER_S)
        s->deadline = now + timeout_s * S_NS;
}

static void take_request(gmq__engine *engine, gmq__session *s, gmq_buf *buf, gmq__span wire,
                         int64_t now)
{
    gmq__request request = {0};
    gmq_status status = gmq__request_decode(wire, engine->config.metadata_limit, &request);
    if (status == GMQ_OK && !levels_valid(&request.options)) {
        gmq_metadata_free(request.metadata);
        request.metadata = NULL;
        status = gmq__fail(GMQ_E_PARSE, "option out of range in the request");
    }
    if (status == GMQ_E_PARSE) {
        end_with_error(engine, s, GMQ__RERROR_NO_PARSE_EMBEDDED, 0, gmq__span_str(gmq_error_text()),
                       now);
        return;
    }
    if (status != GMQ_OK) {
        end(engine, s, GMQ_CODE_RESOURCE_EXHAUSTED,
            status == GMQ_E_TOO_LARGE ? "the request's metadata is above the limit"
                                      : "out of memory",
            true, now);
        return;
    }
    s->options = request.options;
    set_deadline(s, request.timeout_s, now);
    if (s->deadline <= now)
        end(engine, s, GMQ_CODE_DEADLINE_EXCEEDED, "Deadline Exceeded", true, now);
    else if (!gmq__metadata_legal(request.metadata)) /* in the reference gRPC refuses it so */
        end_with_error(engine, s, GMQ__RERROR_INVALID_METADATA, 0, gmq__span_str(""), now);
    else
        begin(engine, s, buf, &request, now);
    gmq_metadata_free(request.metadata);
}

static void take_chunk(gmq__engine *engine, gmq__session *s, gmq_buf *buf, gmq__span wire,
                       int64_t now)
{
    gmq_buf *holder;
    gmq__span plain;
    gmq__chunk chunk;
    gmq__fault fault = {GMQ_CODE_INTERNAL, "a chunk of the stream does not parse",
                        GMQ__RERROR_NO_PARSE_BINARY};
    int level = s->options.client_level;
    bool ok = gmq__session_unpack(level, gmq__session_wire_limit(engine), buf, wire, &holder,
                                  &plain, &fault);
    if (ok) {
        ok = gmq__chunk_decode(plain, &chunk) == GMQ_OK;
        if (ok && chunk.kind == GMQ__CHUNK_ELEMS)
            ok = gmq__session_elements(engine, s, level, holder, &chunk, &fault);
        else if (ok && chunk.kind == GMQ__CHUNK_END)
            s->half_closed = true;
        gmq_buf_unref(holder);
    }
    if (!ok)
        end_fault(engine, s, &fault, now);
    else if (chunk.kind == GMQ__CHUNK_ERROR)
        end(engine, s, GMQ_CODE_CANCELLED, "the client's stream failed", true, now);
    else if (s->half_closed && !gmq__call_half_closed(engine, &s->call))
        end(engine, s, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory", true, now);
}

/* A chunk, perhaps, of a call of which the kind is not known yet. */
static void hold(gmq__engine *engine, gmq__session *s, gmq_buf *buf, gmq__span wire, int64_t now)
{
    if (gmq__backlog_with(&s->held, wire.len) > engine->config.receive_buffer)
        end(engine, s, GMQ_CODE_RESOURCE_EXHAUSTED,
            "messages are read too slowly: receive buffer full", true, now);
    else if (!gmq__backlog_add(&s->held, buf, wire))
        end(engine, s, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory", true, now);
}

static void consume(gmq__engine *engine, gmq__session *s, gmq_buf *buf, gmq__span wire, int64_t now)
{
    if (s->phase == GMQ__SESSION_NEW)
        take_request(engine, s, buf, wire, now);
    else if (s->phase == GMQ__SESSION_OFFERED)
        hold(engine, s, buf, wire, now);
    else if (s->phase == GMQ__SESSION_SERVING && !s->half_closed)
        take_chunk(engine, s, buf, wire, now);
    else
        engine->stats.ignored++;
}

/* ---- Packets ---- */

static const gmq__fault not_a_packet = {GMQ_CODE_INTERNAL, "not a packet",
                                        GMQ__RERROR_NO_PARSE_BINARY};

/* A session for a first packet. NULL: no memory. */
static gmq__session *open_session(gmq__engine *engine, const gmq__topic_parts *parts,
                                  gmq_rpc_kind kind, gmq__span path, int64_t now)
{
    gmq__session *s;
    gmq__session_state *state = state_of(engine);
    if (gmq__session_new(&s, engine, 0, kind, path, parts->sid) != GMQ_OK)
        return NULL;
    s->phase = GMQ__SESSION_NEW;
    s->heard_at = now;
    if (!gmq__map_put(&state->by_sid, parts->sid, s)) {
        gmq__call_finish(engine, &s->call, GMQ_CODE_RESOURCE_EXHAUSTED, gmq__span_of(NULL, 0),
                         NULL);
        gmq__session_gone(engine, s);
        return NULL;
    }
    rearm(engine, s);
    return s;
}

/* Answers a first packet that begins no call. `known`: the server may have this method. */
static void refuse(gmq__engine *engine, gmq__session *s, bool known, bool full, int64_t now)
{
    gmq__span path = gmq__span_of(s->path, s->path_len);
    if (!known)
        end_with_error(engine, s, GMQ__RERROR_CALL_ERROR, GMQ_CODE_UNIMPLEMENTED, path, now);
    else if (state_of(engine)->draining)
        end(engine, s, GMQ_CODE_UNAVAILABLE, "server is shutting down", true, now);
    else if (full)
        end(engine, s, GMQ_CODE_RESOURCE_EXHAUSTED, "too many calls on this server", true, now);
    else
        end_fault(engine, s, &not_a_packet, now);
}

/* First packet of a session, or a stray one. NULL: it was refused, or there is nothing to answer.
 */
static gmq__session *admit(gmq__engine *engine, const gmq__topic_parts *parts, bool is_packet,
                           int64_t now)
{
    gmq__session_state *state = state_of(engine);
    if (gmq__tombstones_find(&state->tombstones, parts->sid, NULL)) {
        engine->stats.duplicates++;
        return NULL;
    }
    gmq__bytes_clear(&engine->topic);
    gmq__topic_path(&engine->topic, parts);
    if (engine->topic.failed)
        return NULL;
    gmq__rpc_method method = {.kind = GMQ_RPC_UNARY};
    gmq__span path = gmq__bytes_span(&engine->topic);
    bool known = engine->config.lookup(engine->config.lookup_ctx, path, &method);
    bool unknown = !known && engine->config.offer_unknown;
    known = known || unknown;
    bool full = gmq__map_count(&state->by_sid) >= engine->config.max_calls;
    bool welcome = known && is_packet && !full && !state->draining;
    if (!welcome && state->nclosing >= CLOSING_MOST) {
        engine->stats.ignored++;
        return NULL;
    }
    gmq__session *s = open_session(engine, parts, unknown ? GMQ_RPC_UNARY : method.kind, path, now);
    if (s)
        s->unknown = unknown;
    if (s && !welcome)
        refuse(engine, s, known, full, now);
    return welcome ? s : NULL;
}

static void take_packet(gmq__engine *engine, const gmq__topic_parts *parts,
                        const gmq__mqtt_message *message, gmq_buf *payload, int64_t now)
{
    gmq__packet packet;
    gmq__session *s = gmq__map_get(&state_of(engine)->by_sid, parts->sid);
    bool is_packet = gmq__packet_decode(message->payload, &packet) == GMQ_OK;
    engine->stats.ignored += !is_packet;
    if (!s)
        s = admit(engine, parts, is_packet, now);
    if (!s)
        return;
    s->heard_at = now;
    s->error_metadata = s->error_metadata || gmq__session_asked_for_more(message);
    if (s->phase == GMQ__SESSION_ENDING) /* its answer is given */
        return;
    gmq__order_packet in = {payload, packet.payload, packet.position, packet.npackets};
    gmq__fault fault = not_a_packet;
    if (is_packet && gmq__session_packet(engine, s, message, &in, consume, now, &fault))
        rearm(engine, s);
    else
        end_fault(engine, s, &fault, now);
}

/* A client that is still alive has not got the end of a session that is over for us: a packet of
 * its answer was lost. The number after the last one makes it see the hole. A session that we have
 * never heard of is one of our former life, and how far it got is not known: the answer has no
 * number, and is taken at once. */
static void remind(gmq__engine *engine, const gmq__topic_parts *parts, int64_t now)
{
    uint64_t next_i = 0;
    bool known = gmq__tombstones_find(&state_of(engine)->tombstones, parts->sid, &next_i);
    engine->stats.ignored += !known;
    if (state_of(engine)->nclosing >= CLOSING_MOST)
        return;
    gmq__session *s;
    if (gmq__session_new(&s, engine, 0, GMQ_RPC_UNARY, gmq__span_of("/", 1), parts->sid) != GMQ_OK)
        return;
    s->next_i = next_i;
    s->unnumbered = !known;
    gmq__session_reply_status(
        engine, s, GMQ_CODE_UNAVAILABLE,
        gmq__span_str(known ? "the call is over" : "the server does not know the call"), NULL);
    close_session(engine, s, GMQ_CODE_UNAVAILABLE, "", now);
}

static void take_control(gmq__engine *engine, const gmq__topic_parts *parts, gmq__span payload,
                         int64_t now)
{
    int32_t control = GMQ__CONTROL_UNKNOWN;
    gmq__session *s = gmq__map_get(&state_of(engine)->by_sid, parts->sid);
    bool parsed = gmq__control_decode(payload, &control) == GMQ_OK;
    if (parsed && !s && control == GMQ__CONTROL_ALIVE) {
        remind(engine, parts, now);
        return;
    }
    if (!s || !parsed) {
        engine->stats.ignored++;
        return;
    }
    s->heard_at = now;
    if (control == GMQ__CONTROL_TERMINATE)
        end(engine, s, GMQ_CODE_CANCELLED, "the client gave the call up", false, now);
}

void gmq__session_server_message(gmq__engine *engine, const gmq__mqtt_message *message,
                                 gmq_buf *payload, int64_t now)
{
    gmq__tombstones_expire(&state_of(engine)->tombstones, now);
    gmq__topic_parts parts = gmq__topic_parse(engine->config.base, message->topic);
    if (parts.kind == GMQ__TOPIC_REQUEST)
        take_packet(engine, &parts, message, payload, now);
    else if (parts.kind == GMQ__TOPIC_CONTROL)
        take_control(engine, &parts, message->payload, now);
    else
        engine->stats.ignored++;
}

/* ---- Time ---- */

/* A handler that finishes just then has its status in the outbox: the client waits for one. It
 * stands where nothing but the end of the stream leaves before it. */
static void end_at_deadline(gmq__engine *engine, gmq__session *s, int64_t now)
{
    bool ending = s->phase == GMQ__SESSION_ENDING;
    size_t last = gmq__rpc_server_streams(s->call.kind) ? 2 : 1;
    if (ending && s->outbox.len <= last)
        close_session(engine, s, GMQ_CODE_DEADLINE_EXCEEDED, "Deadline Exceeded", now);
    else
        end(engine, s, GMQ_CODE_DEADLINE_EXCEEDED, "Deadline Exceeded", ending || is_open(s), now);
}

void gmq__session_server_timer(gmq__engine *engine, gmq__session *s, int64_t now)
{
    bool open = is_open(s);
    if (now >= s->deadline) {
        end_at_deadline(engine, s, now);
    } else if (now >= s->heard_at + engine->config.watchdog_ns) {
        end(engine, s, GMQ_CODE_CANCELLED, "the client has not been heard of for too long", open,
            now);
    } else if (open && now >= gmq__session_gap_at(engine, s)) {
        end(engine, s, GMQ_CODE_UNAVAILABLE, "a packet of the request was lost", true, now);
    } else {
        if (s->phase == GMQ__SESSION_SERVING && now >= gmq__session_linger_at(engine, s) &&
            !gmq__session_flush(engine, s, s->options.server_level)) {
            end(engine, s, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory", true, now);
            return;
        }
        schedule(engine, s);
        gmq__call_timer(engine, &s->call, INT64_MAX); /* let rearm choose anew */
        rearm(engine, s);
    }
}

/* ---- Connection ---- */

void gmq__session_server_connected(gmq__engine *engine, int64_t now)
{
    (void)now;
    state_of(engine)->subscribe_due = true;
    state_of(engine)->subscribed = false;
}

void gmq__session_server_disconnected(gmq__engine *engine, int32_t code, const char *why,
                                      int64_t now)
{
    state_of(engine)->subscribe_due = state_of(engine)->subscribed = false;
    (void)code; /* the handlers' calls are cancelled by a lost connection, whatever refused the next
                   one */
    for (uint32_t at = 0; at < engine->nslots; at++) {
        gmq__session *s = (gmq__session *)(void *)engine->slots[at].call;
        if (!s || s->call.dialect != &gmq__session_dialect)
            continue;
        if (s->phase == GMQ__SESSION_CLOSING)
            gone(engine, s);
        else
            end(engine, s, GMQ_CODE_UNAVAILABLE, why, false, now);
    }
}

bool gmq__session_server_pull(gmq__engine *engine, int64_t now, gmq__output *out)
{
    (void)now;
    gmq__session_state *state = state_of(engine);
    if (!state->subscribe_due)
        return false;
    gmq__bytes_clear(&engine->topic);
    gmq__topic_request_filter(&engine->topic, engine->config.base);
    size_t first = engine->topic.len;
    gmq__topic_control_filter(&engine->topic, engine->config.base);
    if (engine->topic.failed)
        return false;
    state->subscribe_due = false;
    engine->filters[0] = gmq__span_of(engine->topic.data, first);
    engine->filters[1] = gmq__span_of(engine->topic.data + first, engine->topic.len - first);
    out->kind = GMQ__OUT_SUBSCRIBE;
    out->token = (uint64_t)GMQ__SESSION_TOKEN_FILTERS << GMQ__TOKEN_KIND_SHIFT;
    out->filters = engine->filters;
    out->nfilters = 2;
    out->qos = engine->config.qos;
    return true;
}

void gmq__session_server_acked(gmq__engine *engine, uint64_t token, int reason, int64_t now)
{
    (void)now;
    if (token >> GMQ__TOKEN_KIND_SHIFT != GMQ__SESSION_TOKEN_FILTERS)
        return;
    state_of(engine)->subscribed = reason < 0x80;
    if (reason < 0x80) {
        gmq__dialect_granted(engine);
        return;
    }
    gmq__events_filters_refused(&engine->events, engine->config.base, reason);
}

void gmq__session_server_call_acked(gmq__engine *engine, gmq__session *s, bool first, int reason,
                                    int64_t now)
{
    (void)first;
    if (s->phase == GMQ__SESSION_CLOSING)
        return;
    if (reason == GMQ__MQTT_NO_SUBSCRIBERS)
        end(engine, s, GMQ_CODE_CANCELLED, "the client is gone", false, now);
    else if (reason >= 0x80)
        end(engine, s, gmq__session_reason_code(reason),
            "the broker refused a packet of the answer", false, now);
}

/* ---- Output ---- */

bool gmq__session_server_call_pull(gmq__engine *engine, gmq__session *s, int64_t now,
                                   gmq__output *out, bool *more)
{
    if (s->batch.count && !engine->config.linger_ns &&
        !gmq__session_flush(engine, s, s->options.server_level)) {
        end(engine, s, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory", true, now);
        return false;
    }
    if (!s->outbox.len)
        return false;
    gmq__bytes_clear(&engine->topic);
    gmq__topic_session(&engine->topic, engine->config.base, gmq__session_sid(s));
    if (!gmq__session_publish_packet(engine, s, out)) {
        if (s->phase == GMQ__SESSION_CLOSING)
            gone(engine, s);
        else
            end(engine, s, GMQ_CODE_RESOURCE_EXHAUSTED,
                "a packet of the answer fits neither memory nor the broker's limit", false, now);
        return false;
    }
    out->token = gmq__call_token(engine, &s->call, false);
    *more = s->outbox.len != 0;
    if (!*more && s->phase == GMQ__SESSION_ENDING)
        close_session(engine, s, s->final_code, "", now);
    else if (!*more && s->phase == GMQ__SESSION_CLOSING)
        gone(engine, s);
    return true;
}

/* ---- Calls ---- */

static gmq_status not_serving(const gmq__session *s)
{
    if (s->phase == GMQ__SESSION_OFFERED)
        return gmq__fail(GMQ_E_STATE, "the call's kind is not resolved");
    return s->phase == GMQ__SESSION_SERVING
               ? GMQ_OK
               : gmq__fail(GMQ_E_STATE, "the call was finished already");
}

gmq_status gmq__session_server_send(gmq__engine *engine, gmq__session *s, gmq_buf *message,
                                    int64_t now)
{
    gmq_status status = not_serving(s);
    if (status != GMQ_OK)
        return status;
    if (!gmq__rpc_server_streams(s->call.kind)) {
        if (s->body)
            return gmq__fail(GMQ_E_STATE, "send: a call of this kind has one response");
        s->body = gmq_buf_ref(message);
        s->unsent = gmq_buf_len(message);
        engine->stats.unsent_bytes += s->unsent;
        return GMQ_OK;
    }
    if (!gmq__session_reply_initial(s, NULL))
        return gmq__fail_nomem();
    status = gmq__session_put_elem(engine, s, message, s->options.server_level, now);
    rearm(engine, s);
    schedule(engine, s);
    return status;
}

gmq_status gmq__session_server_send_initial(gmq__engine *engine, gmq__call *call,
                                            const gmq_metadata *md, int64_t now)
{
    (void)now;
    gmq__session *s = gmq__session_of(call);
    gmq_status status = not_serving(s);
    if (status != GMQ_OK)
        return status;
    if (s->initial_done)
        return gmq__fail(GMQ_E_STATE, "send_initial: initial metadata was sent already");
    if (gmq__rpc_server_streams(call->kind)) {
        status = gmq__session_reply_initial(s, md) ? GMQ_OK : gmq__fail_nomem();
        schedule(engine, s);
        return status;
    }
    status = md ? gmq__metadata_copy(&s->initial, md) : GMQ_OK;
    s->initial_done = status == GMQ_OK;
    return status;
}

static bool reply_refusal(gmq__engine *engine, gmq__session *s, int32_t code, gmq__span details)
{
    gmq__remote_error error = {.type = GMQ__RERROR_BAD_STATUS_CODE,
                               .message = details,
                               .has_status = true,
                               .status = code};
    if (code == GMQ_CODE_UNIMPLEMENTED) {
        error.type = GMQ__RERROR_CALL_ERROR;
        if (!details.len)
            error.message = gmq__span_of(s->path, s->path_len);
    }
    speak_plainly(s);
    return gmq__session_reply_error(engine, s, &error);
}

gmq_status gmq__session_server_finish(gmq__engine *engine, gmq__call *call, int32_t code,
                                      gmq__span details, const gmq_metadata *trailing, int64_t now)
{
    gmq__session *s = gmq__session_of(call);
    bool refused = s->phase == GMQ__SESSION_OFFERED && code != GMQ_CODE_OK;
    gmq_status status = refused ? GMQ_OK : not_serving(s);
    if (status != GMQ_OK)
        return status;
    if (!(refused ? reply_refusal(engine, s, code, details)
                  : gmq__session_reply_status(engine, s, code, details, trailing)))
        return gmq__fail_nomem();
    s->phase = GMQ__SESSION_ENDING;
    s->final_code = code;
    gmq__session_drop_receiving(engine, s);
    rearm(engine, s);
    schedule(engine, s);
    (void)now;
    return GMQ_OK;
}

void gmq__session_server_cancel(gmq__engine *engine, gmq__session *s, int32_t code,
                                const char *details, int64_t now)
{
    end(engine, s, code, details ? details : "",
        s->phase == GMQ__SESSION_SERVING || s->phase == GMQ__SESSION_OFFERED, now);
}

/* What came while the kind was not known, in its turn. */
static void take_held(gmq__engine *engine, gmq__session *s, const gmq__backlog *held, int64_t now)
{
    gmq__fault fault = {.code = GMQ_CODE_RESOURCE_EXHAUSTED, .text = "out of memory"};
    s->half_closed = !gmq__rpc_client_streams(s->call.kind);
    if (s->half_closed &&
        !take_message(engine, s, held->rows[0], gmq__buf_span(held->rows[0]), &fault)) {
        end_fault(engine, s, &fault, now);
        return;
    }
    for (size_t at = 1; at < held->count; at++)
        consume(engine, s, held->rows[at], gmq__buf_span(held->rows[at]), now);
}

gmq_status gmq__session_server_resolve(gmq__engine *engine, gmq__call *call, gmq_rpc_kind kind,
                                       int64_t now)
{
    gmq__session *s = gmq__session_of(call);
    if (s->phase != GMQ__SESSION_OFFERED)
        return gmq__fail(GMQ_E_STATE, "resolve: the call's kind is known, or the call is finished");
    gmq__backlog held = s->held;
    s->held = (gmq__backlog){0};
    s->unknown = false;
    s->call.kind = kind;
    s->phase = GMQ__SESSION_SERVING;
    take_held(engine, s, &held, now);
    gmq__backlog_free(&held);
    gmq__session_recount(engine, s);
    rearm(engine, s);
    return GMQ_OK;
}
