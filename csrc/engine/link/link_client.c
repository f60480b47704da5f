/* Client side of the link dialect: presences, links and the calls on them. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "engine/link/link.h"
#include "wire/metadata.h"
#include "wire/pb.h"

#define MS            INT64_C(1000000)
#define BACKOFF_FIRST (1000 * MS)
#define BACKOFF_MOST  (120000 * MS)

static gmq__link_state *state_of(const gmq__engine *engine) { return gmq__link_state_of(engine); }
static gmq__lcall *of_member(gmq__node *node) { return GMQ__CONTAINER(node, gmq__lcall, member); }

/* ---- Ends ---- */

void gmq__link_client_fail(gmq__engine *engine, gmq__lcall *c, int32_t code, gmq__span text,
                           bool tell, int64_t now)
{
    gmq__link *link = c->link;
    uint64_t number = c->number;
    gmq__lcall_leave(engine, c);
    gmq__call_finish(engine, &c->call, code, text, NULL);
    gmq__lcall_gone(engine, c);
    if (!link || link->phase == GMQ__LINK_IS_GONE)
        return;
    if (tell && number)
        gmq__link_control(engine, link, GMQ__LINK_CANCEL, number, gmq__span_of(NULL, 0));
    gmq__link_rearm(engine, link, now);
}

static void fail_str(gmq__engine *engine, gmq__lcall *c, int32_t code, const char *text,
                     int64_t now)
{
    gmq__link_client_fail(engine, c, code, gmq__span_str(text), true, now);
}

static void answered(gmq__engine *engine, gmq__lcall *c, int32_t code, gmq__span text,
                     gmq_metadata *md, int64_t now)
{
    gmq__link *link = c->link;
    gmq__lcall_leave(engine, c);
    c->phase = GMQ__LCALL_ANSWERED;
    gmq__call_end(engine, &c->call, code, text, md);
    if (c->call.state == GMQ__CALL_OVER)
        gmq__lcall_gone(engine, c);
    gmq__link_rearm(engine, link, now);
}

/* ---- Links for calls ---- */

static bool make_headers(gmq__lcall *c, int64_t now)
{
    gmq__bytes out = {0};
    gmq__link_headers h = {.path = gmq__span_of(c->path, c->path_len),
                           .kind = c->any_kind ? GMQ__LINK_KIND_ANY : (uint8_t)c->call.kind,
                           .timeout_ms = -1,
                           .batched = c->options.batched > 0,
                           .level = (uint8_t)c->options.server_level};
    if (c->deadline != INT64_MAX)
        h.timeout_ms = c->deadline > now ? (c->deadline - now + MS - 1) / MS : 0;
    gmq__link_headers_encode(&out, &h, c->metadata);
    gmq_buf *made = out.failed ? NULL : gmq__buf_take(&out);
    gmq__bytes_free(&out);
    if (!made)
        return false;
    gmq_buf_unref(c->headers);
    c->headers = made;
    if (!c->wait_for_ready) {
        gmq_metadata_free(c->metadata);
        c->metadata = NULL;
    }
    return true;
}

/* false = no memory, and as before. */
static bool put_open(gmq__engine *engine, gmq__link *link)
{
    const gmq__link_config *config = &engine->config.link;
    gmq__link_state *s = state_of(engine);
    gmq__bytes inbox = {0}, body = {0}, frame = {0};
    gmq__link_topic_inbox(&inbox, gmq__bytes_span(&s->inbox), gmq__bytes_span(&s->name));
    gmq__link_open open = {gmq__bytes_span(&inbox),
                           GMQ__FEATURE_ZSTD,
                           config->call_window,
                           config->link_window,
                           (uint64_t)(config->timeout_ns / MS),
                           gmq__bytes_span(&link->peer), /* empty, unless calls ride */
                           gmq__span_of(link->instance, sizeof link->instance)};
    gmq__link_open_encode(&body, &open);
    gmq__link_frame f = {GMQ__LINK_OPEN, 0, 0, gmq__bytes_span(&body)};
    gmq__link_frame_put(&frame, &f);
    bool made = !inbox.failed && !body.failed && !frame.failed;
    if (made) {
        gmq__bytes_free(&link->control); /* before ACCEPT nothing else is there */
        link->control = frame;
        link->urgent = true;
        gmq__link_wake(engine, link);
    } else {
        gmq__bytes_free(&frame);
    }
    gmq__bytes_free(&inbox);
    gmq__bytes_free(&body);
    return made;
}

bool gmq__link_client_ride(gmq__engine *engine, gmq__link *link, const gmq__link_server *to)
{
    gmq__bytes_clear(&link->peer);
    gmq__bytes_put(&link->peer, to->name, to->name_len);
    memcpy(link->instance, to->instance, sizeof link->instance);
    link->meant = !link->peer.failed && put_open(engine, link);
    return link->meant;
}

/* The link that takes new calls; NULL = no memory. */
static gmq__link *current_link(gmq__engine *engine, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    uint8_t id[GMQ__LINK_ID_LEN];
    if (s->current && (s->current->gone_at == INT64_MAX || !s->nservers))
        return s->current;
    engine->config.random(engine->config.random_ctx, id, sizeof id);
    gmq__link *link = gmq__link_new(engine, gmq__span_of(id, sizeof id), GMQ__LINK_IS_OPENING, now);
    if (!link)
        return NULL;
    gmq__link_topic_opening(&link->to, engine->config.base, gmq__bytes_span(&s->name));
    if (link->to.failed || !put_open(engine, link)) {
        gmq__link_finish(engine, link, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory", false, now);
        return NULL;
    }
    s->current = link;
    s->opened = true;
    return link;
}

static void back_off(gmq__engine *engine, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    uint32_t jitter;
    engine->config.random(engine->config.random_ctx, &jitter, sizeof jitter);
    s->backoff = s->backoff ? s->backoff / 10 * 16 : BACKOFF_FIRST;
    if (s->backoff > BACKOFF_MOST)
        s->backoff = BACKOFF_MOST;
    s->retry_at = now + s->backoff / 100 * (80 + jitter % 41);
}

static void fail_absent(gmq__engine *engine, gmq__lcall *c, int64_t now)
{
    gmq__bytes text = {0};
    gmq__link_no_server(engine, &text);
    gmq__link_client_fail(engine, c, GMQ_CODE_UNAVAILABLE, gmq__bytes_span(&text), true, now);
    gmq__bytes_free(&text);
}

/* A call whose turn it is leaves its HEADERS with its message, where it has only one. */
static void attach(gmq__engine *engine, gmq__lcall *c, bool retry, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    bool complete = gmq__rpc_client_streams(c->call.kind) || c->request_given;
    if (c->phase != GMQ__LCALL_WAITING || !complete)
        return;
    if (s->no_inbox && !c->wait_for_ready) {
        fail_str(engine, c, s->no_inbox, GMQ__LINK_NO_INBOX, now);
        return;
    }
    bool nobody = (gmq__link_absent(s) && !retry) || s->no_inbox;
    if (nobody && gmq__link_hopeless(engine) && !c->wait_for_ready) {
        fail_absent(engine, c, now);
        return;
    }
    bool wait = c->wait_for_ready && (!engine->connected || s->retry_at != INT64_MAX || nobody);
    gmq__link *link = wait ? NULL : current_link(engine, now);
    if (wait) {
        if (!gmq__node_linked(&c->member))
            gmq__list_push(&s->waiting, &c->member);
        if (nobody && s->retry_at == INT64_MAX)
            back_off(engine, now);
        return;
    }
    if (!link || !make_headers(c, now)) {
        fail_str(engine, c, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory", now);
        return;
    }
    gmq__lcall_join(c, link);
    gmq__grant_init(&c->grant, engine->config.link.call_window);
    if (c->options.batched <= 0 || !engine->config.linger_ns)
        link->urgent = true;
    gmq__lcall_schedule(engine, c);
    gmq__link_rearm(engine, link, now);
}

void gmq__link_client_retry(gmq__engine *engine, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    gmq__list calls;
    gmq__node *node;
    s->retry_at = INT64_MAX;
    gmq__list_init(&calls);
    while ((node = gmq__list_pop(&s->waiting)))
        gmq__list_push(&calls, node);
    while ((node = gmq__list_pop(&calls)))
        attach(engine, of_member(node), true, now);
}

/* Its HEADERS have not left: it may go to another link. */
static void detach(gmq__engine *engine, gmq__lcall *c)
{
    gmq__link *link = c->link;
    gmq__node_unlink(&c->call.run);
    gmq__lcall_weigh(c);
    gmq__node_unlink(&c->member);
    link->ncalls--;
    c->link = NULL;
    c->phase = GMQ__LCALL_WAITING;
    gmq__list_push(&state_of(engine)->waiting, &c->member);
}

void gmq__link_client_ended(gmq__engine *engine, gmq__link *link, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    bool waiting = false;
    if (s->current == link)
        s->current = NULL;
    for (gmq__node *n = link->members.head.next, *next; n != &link->members.head; n = next) {
        next = n->next;
        gmq__lcall *c = of_member(n);
        if (!c->wait_for_ready || c->number)
            continue;
        detach(engine, c);
        waiting = true;
    }
    if (waiting && s->retry_at == INT64_MAX)
        back_off(engine, now);
    gmq__link_tell(engine, now);
}

/* GOAWAY: what the server did not take has not run. */
static void go_away(gmq__engine *engine, gmq__link *link, uint64_t last, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    if (s->current == link)
        s->current = NULL;
    link->phase = GMQ__LINK_IS_GOING;
    for (gmq__node *n = link->members.head.next, *next; n != &link->members.head; n = next) {
        next = n->next;
        gmq__lcall *c = of_member(n);
        if (!c->number)
            detach(engine, c);
        else if (c->number > last)
            gmq__link_client_fail(engine, c, GMQ_CODE_UNAVAILABLE,
                                  gmq__span_str("the server is shutting down"), false, now);
    }
    gmq__link_client_retry(engine, now);
    link->idle_at = INT64_MAX;
    gmq__link_rearm(engine, link, now);
}

/* ---- Packets ---- */

/* The first frame of a packet, where that is ACCEPT. */
static bool accepts(const gmq__link_packet *p, gmq__link_accept *accept)
{
    gmq__span in = p->frames;
    gmq__link_frame f;
    return p->seq == 1 && gmq__link_frame_next(&in, &f) == 1 && f.type == GMQ__LINK_ACCEPT &&
           !f.call && gmq__link_accept_decode(f.body, accept) &&
           gmq__link_name_valid(accept->server) && gmq__span_equal(accept->instance, p->instance);
}

/* M13: the first one that accepts has the link. false = no memory, it will be told again. */
static bool pin(gmq__engine *engine, gmq__link *link, const gmq__link_accept *accept, int64_t now)
{
    gmq__bytes_clear(&link->peer);
    gmq__bytes_put(&link->peer, accept->server.data, accept->server.len);
    gmq__bytes to = {0};
    gmq__link_topic_pinned(&to, engine->config.base, gmq__bytes_span(&state_of(engine)->name),
                           accept->server);
    if (to.failed || link->peer.failed) {
        gmq__bytes_free(&to);
        return false;
    }
    gmq__bytes_free(&link->to);
    link->to = to;
    memcpy(link->instance, accept->instance.data, sizeof link->instance);
    link->phase = GMQ__LINK_IS_OPEN;
    link->urgent = true;
    state_of(engine)->backoff = 0;
    gmq__budget_add(&link->budget, accept->link_window);
    link->budget.left -= GMQ__CREDIT_LINK_0;
    link->peer_call_window = accept->call_window;
    for (gmq__node *n = link->members.head.next; n != &link->members.head; n = n->next) {
        gmq__budget_add(&of_member(n)->budget, accept->call_window);
        of_member(n)->budget.left -= GMQ__CREDIT_CALL_0;
        gmq__lcall_schedule(engine, of_member(n));
    }
    gmq__link_tell(engine, now);
    return true;
}

static void abort_accept(gmq__engine *engine, const gmq__link_packet *p,
                         const gmq__link_accept *accept)
{
    gmq__bytes to = {0};
    gmq__link_topic_pinned(&to, engine->config.base, gmq__bytes_span(&state_of(engine)->name),
                           accept->server);
    if (!to.failed)
        gmq__link_refuse(engine, p->link, gmq__bytes_span(&to), GMQ_CODE_ABORTED,
                         "the link is another server's");
    gmq__bytes_free(&to);
}

/* A CLOSE from an instance that is not the link's. It counts from whoever refuses the opening, and
 * from the next life of the link's server. */
static bool foreign_close(const gmq__link *link, const gmq__link_packet *p)
{
    gmq__span in = p->frames;
    gmq__link_frame f;
    gmq__link_end end;
    uint64_t len;
    if (p->seq || gmq__link_frame_next(&in, &f) != 1 || f.type != GMQ__LINK_CLOSE)
        return false;
    if (link->phase == GMQ__LINK_IS_OPENING)
        return true;
    return gmq__link_end_decode(&f.body, &end) && gmq__pb_next_varint(&f.body, &len) == 1 &&
           len == f.body.len && gmq__span_equal(f.body, gmq__bytes_span(&link->peer));
}

static void take_packet(gmq__engine *engine, const gmq__link_packet *p, gmq_buf *buf, int64_t now)
{
    gmq__link *link = gmq__link_find(engine, p->link);
    gmq__link_accept accept;
    bool same = link && link->phase != GMQ__LINK_IS_OPENING &&
                !memcmp(p->instance.data, link->instance, sizeof link->instance);
    if (!same && accepts(p, &accept)) {
        if (!link || link->phase != GMQ__LINK_IS_OPENING) {
            abort_accept(engine, p, &accept);
            return;
        }
        same = link->out.last && pin(engine, link, &accept, now);
    }
    if (same || (link && foreign_close(link, p)))
        gmq__link_take(engine, link, p, buf, now);
    else
        engine->stats.ignored++;
}

/* M5: nobody of another version can say CLOSE to us in ours. */
static void other_version(gmq__engine *engine, const gmq__link_packet *p, int64_t now)
{
    gmq__link *link = gmq__link_find(engine, p->link);
    char text[80];
    engine->stats.ignored++;
    if (!link || link->phase != GMQ__LINK_IS_OPENING)
        return;
    snprintf(text, sizeof text, "the server speaks link version 0x%02x, 0x%02x is spoken here",
             (unsigned)p->version, (unsigned)GMQ__LINK_VERSION);
    gmq__link_finish(engine, link, GMQ_CODE_UNIMPLEMENTED, text, false, now);
}

bool gmq__link_client_claims(const gmq__engine *engine, gmq__span topic)
{
    (void)engine, (void)topic;
    return true;
}

void gmq__link_client_message(gmq__engine *engine, const gmq__mqtt_message *message,
                              gmq_buf *payload, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    gmq__link_topic topic = gmq__link_topic_parse(engine->config.base, message->topic);
    gmq__link_packet p;
    if (topic.kind == GMQ__LINK_TOPIC_PRESENCE) {
        gmq__link_take_presence(engine, topic.server, message->payload, now);
        return;
    }
    gmq__bytes_clear(&engine->topic);
    gmq__link_topic_inbox(&engine->topic, gmq__bytes_span(&s->inbox), gmq__bytes_span(&s->name));
    gmq__link_packet_verdict verdict = GMQ__LINK_PACKET_MALFORMED;
    if (!engine->topic.failed && gmq__span_equal(gmq__bytes_span(&engine->topic), message->topic))
        verdict = gmq__link_packet_decode(message->payload, &p);
    if (verdict == GMQ__LINK_PACKET_VERSION)
        other_version(engine, &p, now);
    else if (verdict == GMQ__LINK_PACKET_OK && p.instance.len)
        take_packet(engine, &p, payload, now);
    else
        engine->stats.ignored++;
}

void gmq__link_client_link_frame(gmq__engine *engine, gmq__link *link, const gmq__link_frame *f,
                                 int64_t now)
{
    gmq__span body = f->body;
    gmq__link_end end;
    bool ends = f->type == GMQ__LINK_CLOSE || f->type == GMQ__LINK_GOAWAY;
    if (!ends) /* ACCEPT was read with its packet; the rest is of a later version */
        return;
    if (!gmq__link_end_decode(&body, &end)) {
        gmq__link_finish(engine, link, GMQ_CODE_INTERNAL, "a frame of the link does not parse",
                         true, now);
    } else if (f->type == GMQ__LINK_GOAWAY) {
        go_away(engine, link, end.number, now);
    } else {
        char text[200];
        size_t len = end.text.len < sizeof text - 1 ? end.text.len : sizeof text - 1;
        memcpy(text, end.text.data, len);
        text[len] = '\0';
        int32_t code = end.number && end.number <= GMQ_CODE_UNAUTHENTICATED ? (int32_t)end.number
                                                                            : GMQ_CODE_UNAVAILABLE;
        gmq__link_finish(engine, link, code, text, false, now);
    }
}

static void take_initial(gmq__engine *engine, gmq__lcall *c, gmq__span body, int64_t now)
{
    gmq_metadata *md;
    if (c->initial_done || c->got_message || c->in_parts) {
        fail_str(engine, c, GMQ_CODE_INTERNAL, "initial metadata came late", now);
        return;
    }
    gmq_status status = gmq__link_metadata_decode(body, engine->config.metadata_limit, &md);
    if (status != GMQ_OK) {
        fail_str(engine, c, status == GMQ_E_PARSE ? GMQ_CODE_INTERNAL : GMQ_CODE_RESOURCE_EXHAUSTED,
                 gmq_error_text(), now);
        return;
    }
    c->initial_done = true;
    if (md)
        gmq__metadata_sanitize(md);
    if (!gmq_metadata_count(md) && !gmq__rpc_server_streams(c->call.kind)) {
        gmq_metadata_free(md); /* comes with the answer, and says nothing */
        return;
    }
    if (!gmq__call_initial(engine, &c->call, md))
        fail_str(engine, c, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory", now);
}

static void take_status(gmq__engine *engine, gmq__lcall *c, gmq__span body, int64_t now)
{
    gmq__link_end end;
    gmq_metadata *md = NULL;
    bool unary = !gmq__rpc_server_streams(c->call.kind);
    if (!gmq__link_end_decode(&body, &end) || end.number > GMQ_CODE_UNAUTHENTICATED) {
        fail_str(engine, c, GMQ_CODE_INTERNAL, "the status does not parse", now);
        return;
    }
    gmq_status status = gmq__link_metadata_decode(body, engine->config.metadata_limit, &md);
    if (status != GMQ_OK) {
        fail_str(engine, c, status == GMQ_E_PARSE ? GMQ_CODE_INTERNAL : GMQ_CODE_RESOURCE_EXHAUSTED,
                 gmq_error_text(), now);
        return;
    }
    if (!end.number && (c->in_parts || (unary && !c->got_message))) {
        gmq_metadata_free(md);
        fail_str(engine, c, GMQ_CODE_INTERNAL, "the answer is not whole", now);
        return;
    }
    if (md)
        gmq__metadata_sanitize(md);
    answered(engine, c, (int32_t)end.number, end.text, md, now);
}

/* Of a stream there is always an event before the first message, as in the session dialect. */
static bool no_initial(gmq__engine *engine, gmq__lcall *c)
{
    if (c->initial_done || !gmq__rpc_server_streams(c->call.kind))
        return true;
    c->initial_done = true;
    return gmq__call_initial(engine, &c->call, NULL);
}

void gmq__link_client_call_frame(gmq__engine *engine, gmq__lcall *c, const gmq__link_frame *f,
                                 gmq_buf *buf, int64_t now)
{
    gmq__link_fault fault;
    bool second = c->got_message && !gmq__rpc_server_streams(c->call.kind);
    switch (f->type) {
    case GMQ__LINK_HEADERS:
        take_initial(engine, c, f->body, now);
        return;
    case GMQ__LINK_MESSAGE:
        if (second)
            fail_str(engine, c, GMQ_CODE_INTERNAL, "the answer has a second message", now);
        else if (!no_initial(engine, c))
            fail_str(engine, c, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory", now);
        else if (!gmq__lcall_message(engine, c, f, buf, &fault))
            fail_str(engine, c, fault.code, fault.text, now);
        else
            gmq__lcall_credit(engine, c);
        return;
    case GMQ__LINK_STATUS:
        take_status(engine, c, f->body, now);
        return;
    default: /* M8 */
        return;
    }
}

/* ---- Calls ---- */

void gmq__link_client_refused(gmq__engine *engine, gmq__link *link, int reason, int64_t now)
{
    char text[160] = "no server listens at this base topic";
    int32_t code = GMQ_CODE_UNAVAILABLE;
    if (reason != GMQ__MQTT_NO_SUBSCRIBERS)
        snprintf(text, sizeof text, "the broker refused a packet of the link: %s (0x%02x)%s",
                 gmq__mqtt_reason_text(reason), (unsigned)reason,
                 reason == GMQ__MQTT_PACKET_TOO_LARGE ? "; set msg_size_limit to the broker's limit"
                                                      : "");
    if (reason == GMQ__MQTT_NOT_AUTHORIZED)
        code = GMQ_CODE_PERMISSION_DENIED;
    else if (reason == GMQ__MQTT_QUOTA_EXCEEDED || reason == GMQ__MQTT_PACKET_TOO_LARGE)
        code = GMQ_CODE_RESOURCE_EXHAUSTED;
    gmq__link_finish(engine, link, code, text, false, now);
}

static int8_t level_of(int8_t own, int8_t general)
{
    return own >= 0 ? own : general > 0 ? general : 0;
}

gmq_status gmq__link_client_start(gmq__engine *engine, const gmq__call_args *args, int64_t now)
{
    const gmq__rpc_options *general = &engine->config.options;
    if (args->deadline <= now)
        return gmq__dialect_still_born(engine, args->id, GMQ_CODE_DEADLINE_EXCEEDED,
                                       "Deadline Exceeded");
    if (!engine->connected && !args->wait_for_ready)
        return gmq__dialect_still_born(engine, args->id, GMQ_CODE_UNAVAILABLE,
                                       "not connected to the broker");
    if (engine->stats.open_calls >= engine->config.max_calls)
        return gmq__dialect_still_born(engine, args->id, GMQ_CODE_RESOURCE_EXHAUSTED,
                                       "too many calls on this connection");
    gmq__lcall *c;
    gmq_metadata *md = NULL;
    if (gmq_metadata_count(args->metadata) && gmq__metadata_copy(&md, args->metadata) != GMQ_OK)
        return gmq__fail_nomem();
    gmq_status status = gmq__lcall_new(&c, engine, args->id, args->kind, args->path);
    if (status != GMQ_OK) {
        gmq_metadata_free(md);
        return status;
    }
    c->metadata = md;
    c->deadline = args->deadline;
    c->wait_for_ready = args->wait_for_ready;
    c->any_kind = args->any_kind;
    c->options.batched = level_of(args->options.batched, general->batched);
    c->options.server_level = level_of(args->options.server_level, general->server_level);
    c->options.client_level = level_of(args->options.client_level, general->client_level);
    gmq__call_timer(engine, &c->call, c->deadline);
    attach(engine, c, false, now);
    return GMQ_OK;
}

gmq_status gmq__link_client_send(gmq__engine *engine, gmq__lcall *c, gmq_buf *message, int64_t now)
{
    bool stream = gmq__rpc_client_streams(c->call.kind);
    if (c->half_closed || c->request_given)
        return gmq__fail(GMQ_E_STATE, "send: the client's side of the call has ended");
    if (c->phase == GMQ__LCALL_ANSWERED)
        return gmq__fail(GMQ_E_CLOSED, "send: the call has been answered");
    gmq_status status = gmq__lcall_send(engine, c, message, c->options.client_level, now);
    if (status != GMQ_OK)
        return status;
    if (!stream) {
        gmq__sendq_half_close(&c->out); /* a flag of the message: needs no memory */
        c->request_given = c->half_closed = true;
        attach(engine, c, false, now);
        return GMQ_OK;
    }
    gmq__lcall_schedule(engine, c);
    if (c->link)
        gmq__link_rearm(engine, c->link, now);
    return GMQ_OK;
}

gmq_status gmq__link_client_half_close(gmq__engine *engine, gmq__call *call, int64_t now)
{
    gmq__lcall *c = gmq__lcall_of(call);
    (void)now;
    if (!gmq__rpc_client_streams(call->kind))
        return c->request_given ? GMQ_OK
                                : gmq__fail(GMQ_E_STATE, "half_close: the request was not sent");
    if (c->half_closed || c->phase == GMQ__LCALL_ANSWERED)
        return GMQ_OK;
    if (!gmq__sendq_half_close(&c->out))
        return gmq__fail_nomem();
    c->half_closed = true;
    if (c->link)
        c->link->urgent = true;
    gmq__lcall_schedule(engine, c);
    return GMQ_OK;
}
