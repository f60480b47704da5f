/* Server side of the link dialect: who may open a link, calls, replies, presence. */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "engine/link/link.h"
#include "wire/metadata.h"

#define MS         INT64_C(1000000)
#define TELL_AFTER INT64_C(1000000000) /* M7 */
#define LINKS_MOST 100000

static gmq__link_state *state_of(const gmq__engine *engine) { return gmq__link_state_of(engine); }

/* ---- Ends ---- */

static void put_status(gmq__engine *engine, gmq__link *link, uint64_t number, int32_t code,
                       gmq__span text)
{
    gmq__bytes body = {0};
    if (text.len > 200) /* it must fit into any packet */
        text.len = 200;
    gmq__link_end_encode(&body, (uint64_t)code, text);
    gmq__link_metadata_encode(&body, NULL);
    if (!body.failed)
        gmq__link_control(engine, link, GMQ__LINK_STATUS, number, gmq__bytes_span(&body));
    gmq__bytes_free(&body);
}

void gmq__link_server_fail(gmq__engine *engine, gmq__lcall *c, int32_t code, gmq__span text,
                           bool tell, int64_t now)
{
    gmq__link *link = c->link;
    uint64_t number = c->number;
    gmq__lcall_leave(engine, c);
    gmq__call_finish(engine, &c->call, code, text, NULL);
    gmq__lcall_gone(engine, c);
    if (!link || link->phase == GMQ__LINK_IS_GONE)
        return;
    if (tell)
        put_status(engine, link, number, code, text);
    gmq__link_rearm(engine, link, now);
}

static void fail_str(gmq__engine *engine, gmq__lcall *c, int32_t code, const char *text,
                     int64_t now)
{
    gmq__link_server_fail(engine, c, code, gmq__span_str(text), true, now);
}

void gmq__link_server_sent_status(gmq__engine *engine, gmq__lcall *c)
{
    gmq__lcall_leave(engine, c);
    gmq__call_finish(engine, &c->call, c->final_code, gmq__span_of(NULL, 0), NULL);
    gmq__lcall_gone(engine, c);
}

/* ---- Links ---- */

/* The inbox of a client that has told none: the pattern's, where it ends in '+'. */
static void guess_inbox(gmq__engine *engine, gmq__bytes *out, gmq__span client)
{
    gmq__span pattern = gmq__bytes_span(&state_of(engine)->inbox);
    if (pattern.len < 2 || pattern.data[pattern.len - 1] != '+')
        return;
    gmq__span prefix = gmq__span_of(pattern.data, pattern.len - 1);
    if (memchr(prefix.data, '+', prefix.len))
        return;
    gmq__bytes_put(out, prefix.data, prefix.len);
    gmq__bytes_put(out, client.data, client.len);
}

static void refuse(gmq__engine *engine, gmq__span id, gmq__span client, int32_t code,
                   const char *text)
{
    gmq__bytes to = {0};
    guess_inbox(engine, &to, client);
    if (!to.failed)
        gmq__link_refuse(engine, id, gmq__bytes_span(&to), code, text);
    gmq__bytes_free(&to);
}

/* M7: once a second and client. */
static bool may_tell(gmq__link_state *s, gmq__span client, int64_t now)
{
    uint64_t hash = s->links.seed | 1;
    for (size_t at = 0; at < client.len; at++)
        hash = (hash ^ client.data[at]) * UINT64_C(0x100000001b3);
    size_t at = (size_t)(hash >> 32) % (sizeof s->refused / sizeof *s->refused);
    if (s->refused[at].client == hash && now - s->refused[at].at < TELL_AFTER)
        return false;
    s->refused[at].client = hash;
    s->refused[at].at = now;
    return true;
}

static void put_accept(gmq__engine *engine, gmq__link *link)
{
    const gmq__engine_config *c = &engine->config;
    gmq__bytes body = {0};
    gmq__link_accept accept = {gmq__bytes_span(&state_of(engine)->name),
                               gmq__span_of(c->link.instance, GMQ__LINK_INSTANCE_LEN),
                               GMQ__FEATURE_ZSTD,
                               c->link.call_window,
                               c->link.link_window,
                               c->receive_limit,
                               c->metadata_limit};
    gmq__link_accept_encode(&body, &accept);
    if (!body.failed)
        gmq__link_control(engine, link, GMQ__LINK_ACCEPT, 0, gmq__bytes_span(&body));
    gmq__bytes_free(&body);
}

static bool opens(const gmq__link_packet *p, gmq__link_open *open)
{
    gmq__span in = p->frames;
    gmq__link_frame f;
    return p->seq == 1 && gmq__link_frame_next(&in, &f) == 1 && f.type == GMQ__LINK_OPEN &&
           !f.call && gmq__link_open_decode(f.body, open);
}

/* A link for an opening packet that may have one. */
static gmq__link *open_link(gmq__engine *engine, const gmq__link_packet *p, gmq__span client,
                            const gmq__link_open *open, int64_t now)
{
    gmq__link *link = gmq__link_new(engine, p->link, GMQ__LINK_IS_OPEN, now);
    if (!link)
        return NULL;
    memcpy(link->instance, engine->config.link.instance, sizeof link->instance);
    gmq__bytes_put(&link->to, open->inbox.data, open->inbox.len);
    gmq__bytes_put(&link->peer, client.data, client.len);
    link->budget.left = 0;
    gmq__budget_add(&link->budget, open->link_window);
    link->peer_call_window = open->call_window < INT64_MAX / 4 ? open->call_window : INT64_MAX / 4;
    put_accept(engine, link);
    if (link->to.failed || link->peer.failed || !link->control.len) {
        gmq__link_finish(engine, link, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory", false, now);
        return NULL;
    }
    return link;
}

static gmq__link *admit(gmq__engine *engine, const gmq__link_packet *p, gmq__span client,
                        int64_t now)
{
    gmq__link_state *s = state_of(engine);
    gmq__link_open open;
    if (gmq__tombstones_find(&s->tombstones, p->link, NULL)) {
        engine->stats.duplicates++;
        return NULL;
    }
    if (!opens(p, &open) ||
        !gmq__link_inbox_allowed(gmq__bytes_span(&s->inbox), open.inbox, client)) {
        engine->stats.ignored++;
        return NULL;
    }
    if (open.server.len && !gmq__span_equal(open.server, gmq__bytes_span(&s->name))) {
        engine->stats.ignored++; /* for another server, which answers it */
        return NULL;
    }
    if (open.server.len && memcmp(open.instance.data, engine->config.link.instance,
                                  sizeof engine->config.link.instance) != 0) {
        gmq__link_refuse(engine, p->link, open.inbox, GMQ_CODE_UNAVAILABLE,
                         "the server was restarted");
        return NULL;
    }
    if (s->draining || gmq__map_count(&s->links) >= LINKS_MOST) {
        gmq__link_refuse(engine, p->link, open.inbox,
                         s->draining ? GMQ_CODE_UNAVAILABLE : GMQ_CODE_RESOURCE_EXHAUSTED,
                         s->draining ? "the server is shutting down" : "too many links");
        return NULL;
    }
    return open_link(engine, p, client, &open, now);
}

static bool only_close(const gmq__link_packet *p)
{
    gmq__span in = p->frames;
    gmq__link_frame f;
    return gmq__link_frame_next(&in, &f) == 1 && f.type == GMQ__LINK_CLOSE && !f.call;
}

static void take_packet(gmq__engine *engine, const gmq__link_topic *topic,
                        const gmq__link_packet *p, gmq_buf *buf, int64_t now)
{
    gmq__link *link = gmq__link_find(engine, p->link);
    if (link && !gmq__span_equal(gmq__bytes_span(&link->peer), topic->client)) {
        engine->stats.ignored++; /* another client's link */
        return;
    }
    if (!link && topic->kind == GMQ__LINK_TOPIC_OPENING)
        link = admit(engine, p, topic->client, now);
    else if (!link && !only_close(p) && may_tell(state_of(engine), topic->client, now))
        refuse(engine, p->link, topic->client, GMQ_CODE_UNAVAILABLE, "unknown link");
    if (link)
        gmq__link_take(engine, link, p, buf, now);
}

static void other_version(gmq__engine *engine, const gmq__link_topic *topic,
                          const gmq__link_packet *p)
{
    static const char digits[] = "0123456789abcdef";
    char text[] = "link version 0xVV is not spoken here, 0x10 is";
    text[15] = digits[p->version >> 4];
    text[16] = digits[p->version & 15];
    engine->stats.ignored++;
    if (topic->kind == GMQ__LINK_TOPIC_OPENING)
        refuse(engine, p->link, topic->client, GMQ_CODE_UNIMPLEMENTED, text);
}

/* M4: the client's Will; it may be back in a moment. */
static void client_gone(gmq__engine *engine, gmq__span client, int64_t now)
{
    size_t at = 0;
    for (gmq__link *link; (link = gmq__map_next(&state_of(engine)->links, &at));) {
        if (!gmq__span_equal(gmq__bytes_span(&link->peer), client))
            continue;
        link->gone_at = now + engine->config.link.grace_ns;
        gmq__link_rearm(engine, link, now);
    }
}

bool gmq__link_server_claims(const gmq__engine *engine, gmq__span topic)
{
    return gmq__link_topic_parse(engine->config.base, topic).kind != GMQ__LINK_TOPIC_OTHER;
}

void gmq__link_server_message(gmq__engine *engine, const gmq__mqtt_message *message,
                              gmq_buf *payload, int64_t now)
{
    gmq__link_topic topic = gmq__link_topic_parse(engine->config.base, message->topic);
    gmq__link_packet p;
    gmq__tombstones_expire(&state_of(engine)->tombstones, now);
    if (topic.kind == GMQ__LINK_TOPIC_GONE) {
        client_gone(engine, topic.client, now);
        return;
    }
    bool ours = topic.kind == GMQ__LINK_TOPIC_OPENING ||
                (topic.kind == GMQ__LINK_TOPIC_PINNED &&
                 gmq__span_equal(topic.server, gmq__bytes_span(&state_of(engine)->name)));
    gmq__link_packet_verdict verdict =
        ours ? gmq__link_packet_decode(message->payload, &p) : GMQ__LINK_PACKET_MALFORMED;
    if (verdict == GMQ__LINK_PACKET_VERSION)
        other_version(engine, &topic, &p);
    else if (verdict != GMQ__LINK_PACKET_OK || p.instance.len)
        engine->stats.ignored++;
    else
        take_packet(engine, &topic, &p, payload, now);
}

void gmq__link_server_link_frame(gmq__engine *engine, gmq__link *link, const gmq__link_frame *f,
                                 int64_t now)
{
    if (f->type ==
        GMQ__LINK_CLOSE) /* OPEN was read with its packet; the rest is of later versions */
        gmq__link_finish(engine, link, GMQ_CODE_CANCELLED, "the client closed the link", false,
                         now);
}

/* ---- Calls ---- */

static void call_event(gmq__engine *engine, gmq__lcall *c, gmq_metadata *md, int64_t now)
{
    gmq__ev ev = {
        .kind = GMQ__EV_CALL, .call = c->call.id, .metadata = md, .deadline = c->deadline};
    ev.text = gmq__strndup(c->path, c->path_len);
    ev.method.kind = c->call.kind;
    ev.unresolved = ev.any_kind = c->any_kind;
    ev.method.options = c->options;
    bool pushed = ev.text && gmq__events_push(&engine->events, &ev, false);
    if (!pushed) {
        gmq__ev_clear(&ev);
        fail_str(engine, c, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory", now);
        return;
    }
    c->call.told = true;
    engine->stats.calls_started++;
    engine->stats.open_calls++;
    gmq__call_timer(engine, &c->call, c->deadline);
    gmq__link_rearm(engine, c->link, now);
}

static void add_call(gmq__engine *engine, gmq__link *link, uint64_t number,
                     const gmq__link_headers *h, gmq_metadata *md, int64_t now)
{
    gmq__lcall *c;
    gmq__span nomem = gmq__span_str("out of memory");
    bool any = h->kind == GMQ__LINK_KIND_ANY; /* bidi is what fits all, until it is resolved */
    gmq_rpc_kind kind = any ? GMQ_RPC_BIDI_STREAMING : (gmq_rpc_kind)h->kind;
    if (gmq__lcall_new(&c, engine, 0, kind, h->path) != GMQ_OK) {
        gmq_metadata_free(md);
        put_status(engine, link, number, GMQ_CODE_RESOURCE_EXHAUSTED, nomem);
        return;
    }
    gmq__lcall_join(c, link);
    c->number = number;
    c->any_kind = any;
    gmq__grant_init(&c->grant, engine->config.link.call_window);
    c->options.batched = (int8_t)h->batched;
    c->options.server_level = (int8_t)h->level;
    if (h->timeout_ms >= 0 && h->timeout_ms < (INT64_MAX - now) / MS)
        c->deadline = now + h->timeout_ms * MS;
    if (c->deadline != INT64_MAX && c->deadline > link->latest)
        link->latest = c->deadline;
    if (!gmq__map_put_u64(&link->numbers, number, c)) {
        gmq_metadata_free(md);
        gmq__link_server_fail(engine, c, GMQ_CODE_RESOURCE_EXHAUSTED, nomem, true, now);
        return;
    }
    call_event(engine, c, md, now);
}

/* What refuses a call before it begins; GMQ_CODE_OK = nothing. Where the client leaves the kind
 * open, ours is put in, if we know it. */
static int32_t refusal(gmq__engine *engine, gmq__link_headers *h, gmq__span *text)
{
    gmq__rpc_method method = {.kind = (gmq_rpc_kind)h->kind};
    bool known = engine->config.lookup(engine->config.lookup_ctx, h->path, &method);
    *text = h->path;
    if (!known && !engine->config.offer_unknown)
        return GMQ_CODE_UNIMPLEMENTED;
    if (known && h->kind == GMQ__LINK_KIND_ANY)
        h->kind = (uint8_t)method.kind;
    if (known && method.kind != (gmq_rpc_kind)h->kind) {
        *text = gmq__span_str("the method is of another kind");
        return GMQ_CODE_INTERNAL;
    }
    *text = gmq__span_str("too many calls on this server");
    return engine->stats.open_calls < engine->config.max_calls ? GMQ_CODE_OK
                                                               : GMQ_CODE_RESOURCE_EXHAUSTED;
}

/* As in the session dialect: what gRPC could not carry ends the call, keys that a peer may not set
 * are dropped. */
static int32_t take_metadata(gmq__engine *engine, const gmq__link_headers *h, gmq_metadata **md,
                             gmq__span *text)
{
    gmq_status status = gmq__link_metadata_decode(h->metadata, engine->config.metadata_limit, md);
    if (status != GMQ_OK) {
        *text = gmq__span_str(gmq_error_text());
        return status == GMQ_E_PARSE ? GMQ_CODE_INTERNAL : GMQ_CODE_RESOURCE_EXHAUSTED;
    }
    if (!gmq__metadata_legal(*md)) {
        gmq_metadata_free(*md);
        *text = gmq__span_str("the request's metadata is invalid");
        return GMQ_CODE_INTERNAL;
    }
    if (*md)
        gmq__metadata_sanitize(*md);
    return GMQ_CODE_OK;
}

void gmq__link_server_new_call(gmq__engine *engine, gmq__link *link, const gmq__link_frame *f,
                               int64_t now)
{
    gmq__link_headers h;
    gmq__span text;
    gmq_metadata *md = NULL;
    if (f->call <= link->last_number) { /* M24 */
        engine->stats.duplicates++;
        return;
    }
    if (state_of(engine)->draining) /* it is above what GOAWAY named */
        return;
    link->last_number = f->call;
    if (!gmq__link_headers_decode(f->body, &h)) {
        put_status(engine, link, f->call, GMQ_CODE_INTERNAL,
                   gmq__span_str("the headers do not parse"));
        return;
    }
    int32_t code = refusal(engine, &h, &text);
    if (code == GMQ_CODE_OK && !h.timeout_ms) {
        code = GMQ_CODE_DEADLINE_EXCEEDED;
        text = gmq__span_str("Deadline Exceeded");
    }
    if (code == GMQ_CODE_OK)
        code = take_metadata(engine, &h, &md, &text);
    if (code != GMQ_CODE_OK) {
        put_status(engine, link, f->call, code, text);
        return;
    }
    add_call(engine, link, f->call, &h, md, now);
}

static void half_close(gmq__engine *engine, gmq__lcall *c, int64_t now)
{
    c->half_closed = true;
    if (c->in_parts)
        fail_str(engine, c, GMQ_CODE_INTERNAL, "the last message is not whole", now);
    else if (!gmq__call_half_closed(engine, &c->call))
        fail_str(engine, c, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory", now);
}

static void take_message(gmq__engine *engine, gmq__lcall *c, const gmq__link_frame *f, gmq_buf *buf,
                         int64_t now)
{
    gmq__link_fault fault;
    bool second = c->got_message && !gmq__rpc_client_streams(c->call.kind);
    if (c->half_closed || second) {
        fail_str(engine, c, GMQ_CODE_INTERNAL, "a message behind the last one", now);
        return;
    }
    if (!gmq__lcall_message(engine, c, f, buf, &fault)) {
        fail_str(engine, c, fault.code, fault.text, now);
        return;
    }
    if (f->flags & GMQ__LINK_ENDS && !(f->flags & GMQ__LINK_MORE))
        half_close(engine, c, now);
    gmq__lcall_credit(engine, c);
}

void gmq__link_server_call_frame(gmq__engine *engine, gmq__lcall *c, const gmq__link_frame *f,
                                 gmq_buf *buf, int64_t now)
{
    switch (f->type) {
    case GMQ__LINK_HEADERS:
        if (c->phase == GMQ__LCALL_ACTIVE)
            fail_str(engine, c, GMQ_CODE_INTERNAL, "headers came a second time", now);
        return;
    case GMQ__LINK_CANCEL:
        gmq__link_server_fail(engine, c, GMQ_CODE_CANCELLED,
                              gmq__span_str("the client gave the call up"), false, now);
        return;
    case GMQ__LINK_MESSAGE:
        if (c->phase == GMQ__LCALL_ACTIVE)
            take_message(engine, c, f, buf, now);
        else /* its answer is given */
            gmq__grant_back(&c->link->grant, f->body.len + GMQ__CREDIT_FRAME);
        return;
    case GMQ__LINK_HALF_CLOSE:
        if (c->phase == GMQ__LCALL_ACTIVE && !c->half_closed)
            half_close(engine, c, now);
        return;
    default: /* M8 */
        return;
    }
}

/* ---- Replies ---- */

static gmq_status not_active(const gmq__lcall *c)
{
    return c->phase == GMQ__LCALL_ACTIVE ? GMQ_OK
                                         : gmq__fail(GMQ_E_STATE, "the call was finished already");
}

static void replied(gmq__engine *engine, gmq__lcall *c, bool urgent, int64_t now)
{
    c->link->urgent |= urgent;
    gmq__lcall_schedule(engine, c);
    gmq__link_rearm(engine, c->link, now);
}

gmq_status gmq__link_server_send(gmq__engine *engine, gmq__lcall *c, gmq_buf *message, int64_t now)
{
    gmq_status status = not_active(c);
    if (status != GMQ_OK)
        return status;
    if (!gmq__rpc_server_streams(c->call.kind) && c->request_given)
        return gmq__fail(GMQ_E_STATE, "send: a call of this kind has one response");
    c->initial_done = true; /* none can come behind it */
    status = gmq__lcall_send(engine, c, message, c->options.server_level, now);
    if (status != GMQ_OK)
        return status;
    c->request_given = true;
    if (gmq__rpc_server_streams(c->call.kind)) /* else it leaves with the status */
        replied(engine, c, false, now);
    return GMQ_OK;
}

static bool push_frame(gmq__lcall *c, uint8_t type, gmq__bytes *body)
{
    gmq_buf *buf = body->failed ? NULL : gmq__buf_take(body);
    gmq__bytes_free(body);
    if (buf && gmq__sendq_push(&c->out, type, 0, buf, 0))
        return true;
    gmq_buf_unref(buf);
    return false;
}

gmq_status gmq__link_server_send_initial(gmq__engine *engine, gmq__call *call,
                                         const gmq_metadata *md, int64_t now)
{
    gmq__lcall *c = gmq__lcall_of(call);
    gmq_status status = not_active(c);
    if (status != GMQ_OK)
        return status;
    if (c->initial_done)
        return gmq__fail(GMQ_E_STATE, "send_initial: initial metadata was sent already");
    gmq__bytes body = {0};
    gmq__link_metadata_encode(&body, md);
    if (!push_frame(c, GMQ__LINK_HEADERS, &body))
        return gmq__fail_nomem();
    c->initial_done = true;
    if (gmq__rpc_server_streams(call->kind)) /* a single answer takes it along */
        replied(engine, c, true, now);
    return GMQ_OK;
}

gmq_status gmq__link_server_finish(gmq__engine *engine, gmq__call *call, int32_t code,
                                   gmq__span details, const gmq_metadata *trailing, int64_t now)
{
    gmq__lcall *c = gmq__lcall_of(call);
    gmq_status status = not_active(c);
    if (status != GMQ_OK)
        return status;
    gmq__bytes body = {0};
    gmq__link_end_encode(&body, (uint64_t)(code < 0 ? GMQ_CODE_UNKNOWN : code), details);
    gmq__link_metadata_encode(&body, trailing);
    if (!push_frame(c, GMQ__LINK_STATUS, &body))
        return gmq__fail_nomem();
    c->phase = GMQ__LCALL_ENDING;
    c->final_code = code;
    replied(engine, c, true, now);
    return GMQ_OK;
}

/* ---- Connection, presence ---- */

void gmq__link_server_connected(gmq__engine *engine, int64_t now) { (void)engine, (void)now; }

void gmq__link_server_disconnected(gmq__engine *engine, int32_t code, const char *why, int64_t now)
{
    (void)engine, (void)code, (void)why, (void)now; /* links survive until their timeout */
}

bool gmq__link_server_pull(gmq__engine *engine, gmq__output *out)
{
    gmq__link_state *s = state_of(engine);
    gmq__span any = gmq__span_str("+"), base = engine->config.base;
    size_t ends[3];
    bool leave = s->unsubscribe_due && s->granted;
    if (!s->subscribe_due && !leave)
        return false;
    gmq__bytes_clear(&engine->topic);
    gmq__link_topic_opening_filter(&engine->topic, base, gmq__bytes_span(&s->group));
    ends[0] = engine->topic.len;
    gmq__link_topic_pinned(&engine->topic, base, any, gmq__bytes_span(&s->name));
    ends[1] = engine->topic.len;
    gmq__link_topic_gone(&engine->topic, base, any);
    ends[2] = engine->topic.len;
    if (engine->topic.failed)
        return false;
    for (size_t at = 0, from = 0; at < 3; from = ends[at++])
        engine->filters[at] = gmq__span_of(engine->topic.data + from, ends[at] - from);
    /* one that drains takes no openings */
    out->filters = engine->filters + (s->draining && !leave ? 1 : 0);
    out->nfilters = leave ? 1 : s->draining ? 2 : 3;
    out->kind = leave ? GMQ__OUT_UNSUBSCRIBE : GMQ__OUT_SUBSCRIBE;
    uint64_t kind = leave ? GMQ__LINK_TOKEN_NOBODY : GMQ__LINK_TOKEN_FILTERS;
    out->token = kind << GMQ__TOKEN_KIND_SHIFT;
    out->qos = engine->config.qos;
    s->unsubscribe_due = false;
    s->subscribe_due = s->subscribe_due && leave;
    return true;
}

void gmq__link_server_filters(gmq__engine *engine, unsigned which, int reason, int64_t now)
{
    (void)which;
    gmq__link_state *s = state_of(engine);
    if (reason < 0x80) {
        gmq__link_granted(engine, now);
        s->presence_due = true;
        gmq__dialect_granted(engine);
        return;
    }
    gmq__events_filters_refused(&engine->events, engine->config.base, reason);
}

bool gmq__link_server_presence(gmq__engine *engine, gmq__output *out)
{
    static const char *const all[] = {"link", "session", NULL}, *const link[] = {"link", NULL};
    const char *const *dialects = engine->config.speak == GMQ__SPEAK_BOTH ? all : link;
    gmq__link_state *s = state_of(engine);
    const gmq__engine_config *c = &engine->config;
    gmq__presence p = {.server = gmq__bytes_span(&s->name),
                       .instance = gmq__span_of(c->link.instance, GMQ__LINK_INSTANCE_LEN),
                       .features = GMQ__FEATURE_ZSTD | (s->group.len ? GMQ__FEATURE_SHARED : 0),
                       .receive_limit = (uint32_t)c->receive_limit,
                       .since_unix_s = c->link.since_unix_s};
    if (c->link.version)
        p.version = gmq__span_str(c->link.version);
    gmq__bytes_clear(&engine->topic);
    gmq__bytes_clear(&engine->payload);
    gmq__link_topic_presence(&engine->topic, c->base, p.server);
    /* one that drains is there for the calls that it has, and takes no more */
    gmq__presence_encode(&engine->payload, &p, s->draining ? NULL : dialects, c->link.services);
    out->message.topic = gmq__bytes_span(&engine->topic);
    out->message.qos = 1;
    size_t around = gmq__mqtt_publish_overhead(&out->message, engine->payload.len);
    if (engine->payload.len + around > engine->limits.packet_max) { /* the names are for people */
        gmq__bytes_clear(&engine->payload);
        gmq__presence_encode(&engine->payload, &p, s->draining ? NULL : dialects, NULL);
    }
    if (engine->topic.failed || engine->payload.failed)
        return false;
    s->presence_due = false;
    out->kind = GMQ__OUT_PUBLISH;
    out->token = (uint64_t)GMQ__LINK_TOKEN_NOBODY << GMQ__TOKEN_KIND_SHIFT | GMQ__LINK_PRESENCE;
    out->message.payload = gmq__bytes_span(&engine->payload);
    out->message.retain = true;
    return true;
}

void gmq__link_server_presence_refused(gmq__engine *engine)
{
    gmq__ev ev = {.kind = GMQ__EV_LOG, .code = 1};
    ev.text = gmq__strdup("the broker refused the server's presence: clients do not see it");
    gmq__events_push(&engine->events, &ev, false);
}

void gmq__link_server_services(gmq__engine *engine)
{
    gmq__link_state *s = state_of(engine);
    s->presence_due = s->granted && !s->leaving;
}

void gmq__link_server_refused(gmq__engine *engine, gmq__link *link, int reason, int64_t now)
{
    (void)reason;
    gmq__link_finish(engine, link, GMQ_CODE_UNAVAILABLE, "the broker refused a packet of the link",
                     false, now);
}

void gmq__link_server_drain(gmq__engine *engine, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    size_t at = 0;
    if (s->draining)
        return;
    s->draining = true;
    s->presence_due = s->unsubscribe_due = engine->connected;
    for (gmq__link *link; (link = gmq__map_next(&s->links, &at));) {
        gmq__bytes body = {0};
        gmq__link_end_encode(&body, link->last_number, gmq__span_str("shutting down"));
        if (!body.failed)
            gmq__link_control(engine, link, GMQ__LINK_GOAWAY, 0, gmq__bytes_span(&body));
        gmq__bytes_free(&body);
        gmq__link_rearm(engine, link, now);
    }
}
