/* What both roles of the session dialect do alike, and the dialect's vtable. */
#include "engine/session.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "wire/zstd.h"

/* ---- A session ---- */

gmq_status gmq__session_new(gmq__session **out, gmq__engine *engine, uint64_t id, gmq_rpc_kind kind,
                            gmq__span path, gmq__span sid)
{
    size_t sid_room = sid.len ? sid.len : GMQ__SID_LEN;
    gmq__session *s = gmq__calloc(1, sizeof *s + path.len + 1 + sid_room + 1);
    if (!s)
        return gmq__fail_nomem();
    s->path = (char *)(s + 1);
    s->path_len = path.len;
    memcpy(s->path, path.data, path.len);
    s->sid = s->path + path.len + 1;
    s->sid_len = sid.len;
    if (sid.len)
        memcpy(s->sid, sid.data, sid.len);
    s->call.kind = kind;
    s->call.dialect = &gmq__session_dialect;
    s->deadline = INT64_MAX;
    gmq_status status = gmq__call_add(engine, &s->call, id, id != 0);
    if (status != GMQ_OK) {
        gmq__free(s);
        return status;
    }
    *out = s;
    return GMQ_OK;
}

void gmq__session_recount(gmq__engine *engine, gmq__session *s)
{
    size_t bytes = gmq__order_bytes(&s->order) + gmq__reassembly_bytes(&s->parts) + s->held.bytes;
    engine->stats.reassembly_bytes += bytes - s->counted;
    s->counted = bytes;
}

void gmq__session_drop_receiving(gmq__engine *engine, gmq__session *s)
{
    gmq__order_free(&s->order);
    gmq__reassembly_free(&s->parts);
    gmq__backlog_free(&s->held);
    gmq__session_recount(engine, s);
}

static void no_longer_unsent(gmq__engine *engine, gmq__session *s, size_t user)
{
    s->unsent -= user;
    engine->stats.unsent_bytes -= user;
}

void gmq__session_drop_sending(gmq__engine *engine, gmq__session *s, bool keep_begun)
{
    size_t user = s->batch.raw;
    user += keep_begun ? gmq__outbox_drop_unbegun(&s->outbox) : gmq__outbox_free(&s->outbox);
    gmq__batch_free(&s->batch);
    no_longer_unsent(engine, s, keep_begun ? user : s->unsent);
}

void gmq__session_discard(gmq__engine *engine, gmq__call *call)
{
    gmq__session *s = gmq__session_of(call);
    gmq__session_drop_receiving(engine, s);
    gmq__session_drop_sending(engine, s, false);
    if (gmq__node_linked(&s->waiting)) {
        gmq__node_unlink(&s->waiting);
        gmq__session_state_of(engine)->nwaiting--;
    }
    gmq_metadata_free(s->metadata);
    gmq_metadata_free(s->initial);
    gmq_buf_unref(s->request);
    gmq_buf_unref(s->body);
    s->metadata = s->initial = NULL;
    s->request = s->body = NULL;
}

void gmq__session_gone(gmq__engine *engine, gmq__session *s)
{
    s->phase = GMQ__SESSION_CLOSING;
    s->terminate_due = false;
    gmq__session_discard(engine, &s->call);
    gmq__call_gone(engine, &s->call);
}

/* ---- Receiving ---- */

size_t gmq__session_wire_limit(const gmq__engine *engine)
{
    const gmq__engine_config *c = &engine->config;
    return c->receive_limit + c->metadata_limit + c->msg_size_limit + 65536;
}

static bool listening(const gmq__session *s)
{
    return s->phase == GMQ__SESSION_OPEN || s->phase == GMQ__SESSION_NEW ||
           s->phase == GMQ__SESSION_OFFERED || s->phase == GMQ__SESSION_SERVING;
}

static bool fail(gmq__fault *fault, int32_t code, const char *text)
{
    *fault = (gmq__fault){code, text, 0};
    return false;
}

/* In the words of gRPC, which programs look for; `got` may be less than the whole message. */
static bool too_large(gmq__fault *fault, size_t got, size_t limit)
{
    gmq__fail(GMQ_E_TOO_LARGE, "Received message larger than max (%zu vs. %zu)", got, limit);
    return fail(fault, GMQ_CODE_RESOURCE_EXHAUSTED, gmq_error_text());
}

static bool reassemble(gmq__engine *engine, gmq__session *s, const gmq__order_packet *packet,
                       gmq__session_consume *consume, int64_t now, gmq__fault *fault)
{
    gmq_buf *buf;
    gmq__span wire;
    switch (gmq__reassembly_put(&s->parts, packet, gmq__session_wire_limit(engine), &buf, &wire)) {
    case GMQ__REASSEMBLY_MORE:
        return true;
    case GMQ__REASSEMBLY_WHOLE:
        consume(engine, s, buf, wire, now);
        gmq_buf_unref(buf);
        return true;
    case GMQ__REASSEMBLY_REPEATED:
        engine->stats.duplicates++;
        return true;
    case GMQ__REASSEMBLY_MALFORMED:
        return fail(fault, GMQ_CODE_INTERNAL, "packets of a message contradict each other");
    case GMQ__REASSEMBLY_TOO_LARGE:
        return too_large(fault, s->parts.prefix.len + s->parts.piece_bytes + packet->payload.len,
                         engine->config.receive_limit);
    case GMQ__REASSEMBLY_NOMEM:
        break;
    }
    return fail(fault, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory");
}

/* The first `i` counts, as with the reference. */
static bool sequence_of(const gmq__mqtt_message *message, uint64_t *i)
{
    for (size_t at = 0; at < message->nproperties; at++)
        if (gmq__span_equal_str(message->properties[at].key, "i"))
            return gmq__order_parse(message->properties[at].value, i);
    return false;
}

static bool in_order(gmq__engine *engine, gmq__session *s, uint64_t i,
                     const gmq__order_packet *packet, gmq__session_consume *consume, int64_t now,
                     gmq__fault *fault)
{
    switch (gmq__order_put(&s->order, i, packet, now)) {
    case GMQ__ORDER_HELD:
        return true;
    case GMQ__ORDER_DUPLICATE:
        engine->stats.duplicates++;
        return true;
    case GMQ__ORDER_BEYOND:
        engine->stats.ignored++;
        return true;
    case GMQ__ORDER_NOMEM:
        return fail(fault, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory");
    case GMQ__ORDER_NOW:
        break;
    }
    bool ok = reassemble(engine, s, packet, consume, now, fault);
    gmq__order_packet held;
    while (ok && listening(s) && gmq__order_take(&s->order, &held, now)) {
        ok = reassemble(engine, s, &held, consume, now, fault);
        gmq_buf_unref(held.buf);
    }
    engine->stats.duplicates += s->order.duplicates;
    s->order.duplicates = 0;
    return ok;
}

bool gmq__session_packet(gmq__engine *engine, gmq__session *s, const gmq__mqtt_message *message,
                         const gmq__order_packet *packet, gmq__session_consume *consume,
                         int64_t now, gmq__fault *fault)
{
    uint64_t i;
    bool ok = sequence_of(message, &i) ? in_order(engine, s, i, packet, consume, now, fault)
                                       : reassemble(engine, s, packet, consume, now, fault);
    if (!listening(s))
        gmq__session_drop_receiving(engine, s);
    gmq__session_recount(engine, s);
    if (ok && s->counted && engine->stats.reassembly_bytes > engine->config.reassembly_limit)
        return fail(fault, GMQ_CODE_RESOURCE_EXHAUSTED,
                    "too many unfinished messages on this connection");
    return ok;
}

int64_t gmq__session_gap_at(const gmq__engine *engine, const gmq__session *s)
{
    return s->order.held ? s->order.gap_since + engine->config.gap_ns : INT64_MAX;
}

bool gmq__session_unpack(int level, size_t limit, gmq_buf *buf, gmq__span in, gmq_buf **out_buf,
                         gmq__span *out, gmq__fault *fault)
{
    if (level <= 0 || !gmq__zstd_is_frame(in)) {
        if (in.len > limit)
            return too_large(fault, in.len, limit);
        *out_buf = gmq_buf_ref(buf);
        *out = in;
        return true;
    }
    gmq__bytes plain = {0};
    gmq_status status = gmq__zstd_decompress(&plain, in, limit);
    *out_buf = status == GMQ_OK ? gmq__buf_take(&plain) : NULL;
    if (*out_buf) {
        *out = gmq__buf_span(*out_buf);
        return true;
    }
    gmq__bytes_free(&plain);
    if (status == GMQ_E_PARSE) {
        fail(fault, GMQ_CODE_INTERNAL, "message does not decompress");
        fault->rerror = GMQ__RERROR_INVALID_MESSAGE;
        return false;
    }
    return fail(fault, GMQ_CODE_RESOURCE_EXHAUSTED,
                status == GMQ_E_TOO_LARGE ? gmq_error_text() : "out of memory");
}

static bool element(gmq__engine *engine, gmq__session *s, int level, gmq_buf *buf, gmq__span elem,
                    gmq__fault *fault)
{
    gmq_buf *holder;
    gmq__span plain;
    if (!gmq__session_unpack(level, engine->config.receive_limit, buf, elem, &holder, &plain,
                             fault))
        return false;
    const uint8_t *start = gmq_buf_data(holder);
    gmq_buf *message =
        gmq__buf_slice(holder, plain.len ? (size_t)(plain.data - start) : 0, plain.len);
    gmq_buf_unref(holder);
    if (!message)
        return fail(fault, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory");
    if (!gmq__call_fits(engine, &s->call, plain.len)) {
        gmq_buf_unref(message);
        return fail(fault, GMQ_CODE_RESOURCE_EXHAUSTED,
                    "messages are read too slowly: receive buffer full");
    }
    if (!gmq__call_message(engine, &s->call, message))
        return fail(fault, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory");
    return true;
}

bool gmq__session_elements(gmq__engine *engine, gmq__session *s, int level, gmq_buf *buf,
                           const gmq__chunk *chunk, gmq__fault *fault)
{
    gmq__chunk walk = *chunk;
    gmq__span elem;
    while (gmq__chunk_next(&walk, &elem))
        if (!element(engine, s, level, buf, elem, fault))
            return false;
    return true;
}

/* ---- Sending ---- */

bool gmq__session_squeeze(gmq__bytes *data, int level)
{
    gmq__bytes packed = {0};
    if (data->failed || (level > 0 && data->len &&
                         gmq__zstd_compress(&packed, gmq__bytes_span(data), level) != GMQ_OK)) {
        gmq__bytes_free(&packed);
        gmq__bytes_free(data);
        return false;
    }
    if (level > 0 && data->len) {
        gmq__bytes_free(data);
        *data = packed;
    }
    return true;
}

bool gmq__session_flush(gmq__engine *engine, gmq__session *s, int level)
{
    if (!s->batch.count)
        return true;
    gmq__bytes chunk = {0};
    if (!gmq__outbox_reserve(&s->outbox, 1))
        return false;
    gmq__chunk_encode(&chunk, gmq__bytes_span(&s->batch.elems));
    if (!gmq__session_squeeze(&chunk, level))
        return false;
    gmq__outbox_push(&s->outbox, &chunk, s->batch.raw); /* has its place */
    s->batch.raw = s->batch.count = 0;
    gmq__bytes_clear(&s->batch.elems);
    if (!s->options.batched || s->batch.elems.cap > engine->config.msg_size_limit)
        gmq__bytes_free(&s->batch.elems);
    return true;
}

static bool add_elem(gmq__session *s, gmq__span elem, int level, int64_t now)
{
    if (level <= 0 || !elem.len)
        return gmq__batch_add(&s->batch, elem, elem.len, now);
    gmq__bytes packed = {0};
    bool ok = gmq__zstd_compress(&packed, elem, level) == GMQ_OK &&
              gmq__batch_add(&s->batch, gmq__bytes_span(&packed), elem.len, now);
    gmq__bytes_free(&packed);
    return ok;
}

gmq_status gmq__session_put_elem(gmq__engine *engine, gmq__session *s, gmq_buf *elem, int level,
                                 int64_t now)
{
    gmq__span bytes = gmq__buf_span(elem);
    size_t limit = engine->config.msg_size_limit;
    if (!gmq__batch_fits(&s->batch, bytes.len, limit) && !gmq__session_flush(engine, s, level))
        return gmq__fail_nomem();
    if (!gmq__outbox_reserve(&s->outbox, 1) || !add_elem(s, bytes, level, now))
        return gmq__fail_nomem();
    s->unsent += bytes.len;
    engine->stats.unsent_bytes += bytes.len;
    /* what cannot be flushed for want of memory stays in the batch, and its time comes again */
    if (!s->options.batched || gmq__batch_full(&s->batch, limit))
        gmq__session_flush(engine, s, level);
    return GMQ_OK;
}

int64_t gmq__session_linger_at(const gmq__engine *engine, const gmq__session *s)
{
    int64_t linger = engine->config.linger_ns; /* 0: whenever there is room to send */
    return s->batch.count && linger ? s->batch.since + linger : INT64_MAX;
}

static size_t digits(char *out, size_t room, uint64_t i)
{
    return (size_t)snprintf(out, room, "%llu", (unsigned long long)i);
}

/* Largest payload of this message that the broker takes; 0 = none. */
static size_t broker_room(const gmq__engine *engine, const gmq__mqtt_message *message)
{
    size_t most = engine->limits.packet_max, limit = engine->config.msg_size_limit;
    size_t room = most < limit ? most : limit;
    size_t around = gmq__mqtt_publish_overhead(message, room);
    if (around >= most)
        return 0;
    if (room > most - around)
        room = most - around;
    while (room < limit && room + 1 + gmq__mqtt_publish_overhead(message, room + 1) <= most)
        room++;
    return room;
}

/* Slice length of the message that begins; 0 = nothing fits into the broker's packets. */
static size_t slice_len(gmq__engine *engine, const gmq__session *s, gmq__mqtt_message *message)
{
    if (engine->limits.packet_max == SIZE_MAX)
        return gmq__packet_slice_len(engine->config.msg_size_limit);
    size_t len = s->outbox.items[s->outbox.head].data.len, slice = 0;
    uint64_t last = s->next_i;
    for (int round = 0; round < 2; round++) { /* the last packet's number may have more digits */
        engine->properties[0].value.len = digits(engine->digits, sizeof engine->digits, last);
        size_t room = broker_room(engine, message);
        if (room < gmq__packet_encoded_len(1))
            return 0;
        slice = gmq__packet_slice_len(room > GMQ__PACKET_LIMIT_MIN ? room : GMQ__PACKET_LIMIT_MIN);
        last = s->next_i + gmq__packet_count(len, slice) - 1;
    }
    return slice;
}

static const gmq__mqtt_property error_metadata = {
    {(const uint8_t *)GMQ__SESSION_ERROR_METADATA, sizeof GMQ__SESSION_ERROR_METADATA - 1},
    {(const uint8_t *)"1", 1}};

bool gmq__session_asked_for_more(const gmq__mqtt_message *message)
{
    for (size_t at = 0; at < message->nproperties; at++)
        if (gmq__span_equal(message->properties[at].key, error_metadata.key))
            return true;
    return false;
}

/* The first packet of a call whose errors have no place for metadata in the reference's messages.
 */
static bool asks_for_more(const gmq__engine *engine, const gmq__session *s)
{
    return engine->config.role == GMQ__ROLE_CLIENT && s->call.kind == GMQ_RPC_UNARY && !s->next_i;
}

bool gmq__session_publish_packet(gmq__engine *engine, gmq__session *s, gmq__output *out)
{
    gmq__mqtt_message *message = &out->message;
    out->kind = GMQ__OUT_PUBLISH;
    message->topic = gmq__bytes_span(&engine->topic);
    message->qos = engine->config.qos;
    engine->properties[0].key = gmq__span_str("i");
    engine->properties[0].value = gmq__span_of(engine->digits, 0);
    message->properties = engine->properties;
    message->nproperties = engine->limits.properties && !s->unnumbered ? 1 : 0;
    if (message->nproperties && asks_for_more(engine, s))
        engine->properties[message->nproperties++] = error_metadata;
    size_t slice = s->outbox.position ? s->outbox.slice : slice_len(engine, s, message), user = 0;
    if (engine->topic.failed || !slice)
        return false;
    engine->properties[0].value.len = digits(engine->digits, sizeof engine->digits, s->next_i);
    gmq__bytes_clear(&engine->payload);
    gmq__outbox_packet(&s->outbox, slice, &engine->payload, &user);
    if (engine->payload.failed)
        return false;
    message->payload = gmq__bytes_span(&engine->payload);
    s->next_i++;
    no_longer_unsent(engine, s, user);
    gmq__call_sent(engine, &s->call, user);
    return true;
}

bool gmq__session_publish_control(gmq__engine *engine, gmq__span sid, int control, gmq__output *out)
{
    gmq__bytes_clear(&engine->topic);
    gmq__bytes_clear(&engine->payload);
    gmq__topic_control(&engine->topic, engine->config.base, sid);
    gmq__control_encode(&engine->payload, (gmq__control)control);
    out->kind = GMQ__OUT_PUBLISH;
    out->message.topic = gmq__bytes_span(&engine->topic);
    out->message.payload = gmq__bytes_span(&engine->payload);
    out->message.qos = engine->config.qos;
    return !engine->topic.failed && !engine->payload.failed;
}

int32_t gmq__session_reason_code(int reason)
{
    switch (reason) {
    case GMQ__MQTT_NOT_AUTHORIZED:
        return GMQ_CODE_PERMISSION_DENIED;
    case GMQ__MQTT_QUOTA_EXCEEDED:
    case GMQ__MQTT_PACKET_TOO_LARGE:
        return GMQ_CODE_RESOURCE_EXHAUSTED;
    default:
        return GMQ_CODE_UNAVAILABLE;
    }
}

/* ---- The dialect ---- */

static bool is_client(const gmq__engine *engine) { return engine->config.role == GMQ__ROLE_CLIENT; }

static gmq_status dialect_open(gmq__engine *engine)
{
    const gmq__engine_config *c = &engine->config;
    gmq__session_state *state = gmq__calloc(1, sizeof *state);
    if (!state)
        return gmq__fail_nomem();
    gmq__pool_init(&state->pool, c->subscriptions, c->pool_idle_ns, c->random, c->random_ctx);
    gmq__list_init(&state->waiting);
    c->random(c->random_ctx, &state->by_sid.seed, sizeof state->by_sid.seed);
    c->random(c->random_ctx, &state->tombstones.by_sid.seed, sizeof state->tombstones.by_sid.seed);
    engine->dialect_state = state;
    return GMQ_OK;
}

static void dialect_close(gmq__engine *engine)
{
    gmq__session_state *state = gmq__session_state_of(engine);
    gmq__pool_free(&state->pool);
    gmq__map_free(&state->by_sid);
    gmq__tombstones_free(&state->tombstones);
    gmq__free(state);
}

static void dialect_connected(gmq__engine *engine, int64_t now)
{
    is_client(engine) ? gmq__session_client_connected(engine, now)
                      : gmq__session_server_connected(engine, now);
}

static void dialect_disconnected(gmq__engine *engine, int32_t code, const char *why, int64_t now)
{
    is_client(engine) ? gmq__session_client_disconnected(engine, code, why, now)
                      : gmq__session_server_disconnected(engine, code, why, now);
}

static void dialect_message(gmq__engine *engine, const gmq__mqtt_message *message, gmq_buf *payload,
                            int64_t now)
{
    is_client(engine) ? gmq__session_client_message(engine, message, payload, now)
                      : gmq__session_server_message(engine, message, payload, now);
}

static void dialect_acked(gmq__engine *engine, uint64_t token, int reason, int64_t now)
{
    is_client(engine) ? gmq__session_client_acked(engine, token, reason, now)
                      : gmq__session_server_acked(engine, token, reason, now);
}

static void dialect_call_acked(gmq__engine *engine, gmq__call *call, bool mark, int reason,
                               int64_t now)
{
    gmq__session *s = gmq__session_of(call);
    is_client(engine) ? gmq__session_client_call_acked(engine, s, mark, reason, now)
                      : gmq__session_server_call_acked(engine, s, mark, reason, now);
}

static int64_t dialect_deadline(const gmq__engine *engine)
{
    const gmq__session_state *state = gmq__session_state_of(engine);
    if (!is_client(engine))
        return gmq__tombstones_deadline(&state->tombstones);
    int64_t pool = gmq__pool_deadline(&state->pool);
    return state->probe.running && state->probe.at < pool ? state->probe.at : pool;
}

static void dialect_timer(gmq__engine *engine, int64_t now)
{
    gmq__tombstones_expire(&gmq__session_state_of(engine)->tombstones, now);
    gmq__probe_timer(engine, now);
}

static void dialect_call_timer(gmq__engine *engine, gmq__call *call, int64_t now)
{
    gmq__session *s = gmq__session_of(call);
    is_client(engine) ? gmq__session_client_timer(engine, s, now)
                      : gmq__session_server_timer(engine, s, now);
}

static bool dialect_pull(gmq__engine *engine, int64_t now, gmq__output *out)
{
    return is_client(engine) ? gmq__session_client_pull(engine, now, out)
                             : gmq__session_server_pull(engine, now, out);
}

static bool dialect_ready(const gmq__engine *engine)
{
    return engine->connected && (is_client(engine) || gmq__session_state_of(engine)->subscribed);
}

static bool dialect_call_pull(gmq__engine *engine, gmq__call *call, int64_t now, gmq__output *out,
                              bool *more)
{
    gmq__session *s = gmq__session_of(call);
    return is_client(engine) ? gmq__session_client_call_pull(engine, s, now, out, more)
                             : gmq__session_server_call_pull(engine, s, now, out, more);
}

static gmq_status dialect_send(gmq__engine *engine, gmq__call *call, gmq_buf *message, int64_t now)
{
    gmq__session *s = gmq__session_of(call);
    return is_client(engine) ? gmq__session_client_send(engine, s, message, now)
                             : gmq__session_server_send(engine, s, message, now);
}

static void dialect_cancel(gmq__engine *engine, gmq__call *call, int32_t code, const char *details,
                           int64_t now)
{
    gmq__session *s = gmq__session_of(call);
    is_client(engine) ? gmq__session_client_cancel(engine, s, code, details, now)
                      : gmq__session_server_cancel(engine, s, code, details, now);
}

static void dialect_read_out(gmq__engine *engine, gmq__call *call)
{
    if (gmq__session_of(call)->phase == GMQ__SESSION_ANSWERED)
        gmq__session_gone(engine, gmq__session_of(call));
}

static void dialect_drain(gmq__engine *engine, int64_t now)
{
    (void)now;
    gmq__session_state_of(engine)->draining = true;
}

static size_t dialect_tombstones(const gmq__engine *engine)
{
    return gmq__map_count(&gmq__session_state_of(engine)->tombstones.by_sid);
}

static size_t dialect_subscriptions(const gmq__engine *engine)
{
    const gmq__session_state *state = gmq__session_state_of(engine);
    return is_client(engine) ? gmq__pool_subscribed(&state->pool) : state->subscribed ? 2 : 0;
}

const gmq__dialect gmq__session_dialect = {
    .open = dialect_open,
    .close = dialect_close,
    .connected = dialect_connected,
    .disconnected = dialect_disconnected,
    .message = dialect_message,
    .acked = dialect_acked,
    .call_acked = dialect_call_acked,
    .deadline = dialect_deadline,
    .timer = dialect_timer,
    .call_timer = dialect_call_timer,
    .pull = dialect_pull,
    .ready = dialect_ready,
    .publish = gmq__probe_publish,
    .wants = gmq__probe_wants,
    .call_pull = dialect_call_pull,
    .start = gmq__session_client_start,
    .send = dialect_send,
    .half_close = gmq__session_client_half_close,
    .cancel = dialect_cancel,
    .read_out = dialect_read_out,
    .send_initial = gmq__session_server_send_initial,
    .finish = gmq__session_server_finish,
    .resolve = gmq__session_server_resolve,
    .drain = dialect_drain,
    .discard = gmq__session_discard,
    .tombstones = dialect_tombstones,
    .subscriptions = dialect_subscriptions,
};
