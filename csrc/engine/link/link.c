/* Links: tables, timers, ends; and the dialect's vtable. */
#include "engine/link/link.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "wire/pb.h"

#define REPLIES_MOST 256

typedef struct reply { /* a publish that belongs to no link: payload, then topic */
    gmq__node node;
    size_t payload_len, topic_len;
    uint8_t bytes[];
} reply;

static gmq__link_state *state_of(const gmq__engine *engine) { return gmq__link_state_of(engine); }
static gmq__link *of_timer(gmq__heap_node *node) { return GMQ__CONTAINER(node, gmq__link, timer); }
static gmq__lcall *of_member(gmq__node *node) { return GMQ__CONTAINER(node, gmq__lcall, member); }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* ---- Tables ---- */

static void link_free(gmq__link *link)
{
    gmq__bytes_free(&link->to);
    gmq__bytes_free(&link->peer);
    gmq__bytes_free(&link->control);
    gmq__map_free(&link->numbers);
    gmq__window_free(&link->in);
    gmq__resend_free(&link->out);
    gmq__free(link);
}

/* Links that ended since the last entry. */
static void bury(gmq__link_state *state)
{
    gmq__node *node;
    while ((node = gmq__list_pop(&state->dead)))
        link_free(GMQ__CONTAINER(node, gmq__link, ready));
}

static void set_up(gmq__engine *engine, gmq__link *link, gmq__span id, gmq__link_phase phase,
                   int64_t now)
{
    const gmq__link_config *c = &engine->config.link;
    memcpy(link->id, id.data, GMQ__LINK_ID_LEN);
    link->phase = phase;
    link->numbers.seed = state_of(engine)->links.seed;
    gmq__list_init(&link->members);
    gmq__list_init(&link->run);
    gmq__list_init(&link->starved);
    gmq__grant_init(&link->grant, c->link_window);
    link->budget.left = GMQ__CREDIT_LINK_0;
    link->peer_call_window = GMQ__CREDIT_CALL_0;
    link->quiet_from = now;
    link->ack_at = link->linger_at = link->gone_at = INT64_MAX;
    link->idle_at = now + c->idle_ns;
    link->pinged_at = now;
}

gmq__link *gmq__link_new(gmq__engine *engine, gmq__span id, gmq__link_phase phase, int64_t now)
{
    gmq__link_state *state = state_of(engine);
    gmq__link *link = gmq__calloc(1, sizeof *link);
    if (!link)
        return NULL;
    set_up(engine, link, id, phase, now);
    link->serial = ++state->last_serial;
    if (!gmq__heap_set(&state->timers, &link->timer, INT64_MAX))
        goto no_timer;
    if (!gmq__map_put(&state->links, id, link))
        goto no_id;
    if (!gmq__map_put_u64(&state->by_serial, link->serial, link))
        goto no_serial;
    return link;
no_serial:
    gmq__map_remove(&state->links, id);
no_id:
    gmq__heap_remove(&state->timers, &link->timer);
no_timer:
    link_free(link);
    return NULL;
}

gmq__link *gmq__link_find(const gmq__engine *engine, gmq__span id)
{
    return gmq__map_get(&state_of(engine)->links, id);
}

void gmq__link_wake(gmq__engine *engine, gmq__link *link)
{
    if (link->phase != GMQ__LINK_IS_GONE && !gmq__node_linked(&link->ready))
        gmq__list_push(&state_of(engine)->ready, &link->ready);
}

void gmq__link_control(gmq__engine *engine, gmq__link *link, uint8_t type, uint64_t call,
                       gmq__span body)
{
    gmq__link_frame f = {type, 0, call, body};
    size_t before = link->control.len;
    gmq__link_frame_put(&link->control, &f);
    if (link->control.failed) { /* as if it had been lost with its call's end: deadlines remain */
        link->control.failed = false;
        link->control.len = before;
    }
    link->urgent = true;
    gmq__link_wake(engine, link);
}

/* ---- Ends ---- */

/* Whole publish of a CLOSE without repair. */
static void say_close(gmq__engine *engine, gmq__span id, gmq__span topic, int32_t code,
                      const char *text)
{
    gmq__link_state *state = state_of(engine);
    gmq__bytes body = {0}, out = {0};
    gmq__link_packet head = {.link = id};
    if (!gmq__link_is_client(engine))
        head.instance = gmq__span_of(engine->config.link.instance, GMQ__LINK_INSTANCE_LEN);
    gmq__link_packet_encode(&out, &head);
    gmq__link_end_encode(&body, (uint64_t)code, gmq__span_str(text));
    gmq__pb_put_varint(&body, state->name.len);
    gmq__bytes_put(&body, state->name.data, state->name.len);
    gmq__link_frame f = {GMQ__LINK_CLOSE, 0, 0, gmq__bytes_span(&body)};
    gmq__link_frame_put(&out, &f);
    reply *r = NULL;
    if (!body.failed && !out.failed && (state->nreplies < REPLIES_MOST || state->leaving))
        r = gmq__malloc(sizeof *r + out.len + topic.len);
    if (r) {
        memset(&r->node, 0, sizeof r->node);
        r->payload_len = out.len;
        r->topic_len = topic.len;
        memcpy(r->bytes, out.data, out.len);
        memcpy(r->bytes + out.len, topic.data, topic.len);
        gmq__list_push(&state->replies, &r->node);
        state->nreplies++;
    }
    gmq__bytes_free(&body);
    gmq__bytes_free(&out);
}

void gmq__link_refuse(gmq__engine *engine, gmq__span id, gmq__span topic, int32_t code,
                      const char *text)
{
    if (topic.len)
        say_close(engine, id, topic, code, text);
}

static void end_call(gmq__engine *engine, gmq__lcall *c, int32_t code, const char *text)
{
    gmq__lcall_leave(engine, c);
    gmq__call_finish(engine, &c->call, code, gmq__span_str(text), NULL);
    gmq__lcall_gone(engine, c);
}

void gmq__link_finish(gmq__engine *engine, gmq__link *link, int32_t code, const char *text,
                      bool tell, int64_t now)
{
    gmq__link_state *state = state_of(engine);
    const gmq__engine_config *config = &engine->config;
    gmq__span id = gmq__span_of(link->id, GMQ__LINK_ID_LEN);
    if (link->phase == GMQ__LINK_IS_GONE)
        return;
    gmq__map_remove(&state->links, id);
    gmq__map_remove_u64(&state->by_serial, link->serial);
    gmq__heap_remove(&state->timers, &link->timer);
    if (tell)
        say_close(engine, id, gmq__bytes_span(&link->to), code, text);
    if (gmq__link_is_client(engine)) {
        gmq__link_client_ended(engine, link, now);
    } else {
        int64_t from = link->latest > now + config->link.timeout_ns ? link->latest
                                                                    : now + config->link.timeout_ns;
        gmq__tombstones_add(&state->tombstones, id, from + config->tombstone_ns, 0);
    }
    gmq__node *node;
    while ((node = gmq__list_first(&link->members)))
        end_call(engine, of_member(node), code, text);
    engine->stats.reassembly_bytes -= link->in.bytes;
    gmq__window_free(&link->in);
    link->phase = GMQ__LINK_IS_GONE;
    gmq__node_unlink(&link->stalled);
    gmq__node_unlink(&link->ready);
    gmq__list_push(&state->dead, &link->ready);
}

/* ---- Time ---- */

static bool has_reason(const gmq__link *link) /* for the peer to be heard of */
{
    return link->ncalls || link->out.acked != link->out.last || link->phase == GMQ__LINK_IS_OPENING;
}

static int64_t idle_time(const gmq__engine *engine, const gmq__link *link)
{
    if (link->phase == GMQ__LINK_IS_GOING)
        return 0;
    return engine->config.link.idle_ns * (gmq__link_is_client(engine) ? 1 : 2);
}

void gmq__link_rearm(gmq__engine *engine, gmq__link *link, int64_t now)
{
    const gmq__link_config *c = &engine->config.link;
    if (link->phase == GMQ__LINK_IS_GONE)
        return;
    bool active = has_reason(link);
    if (active && !link->active)
        link->quiet_from = link->pinged_at = now;
    link->active = active;
    if (link->ncalls)
        link->idle_at = INT64_MAX;
    else if (link->idle_at == INT64_MAX || !link->idle_at)
        link->idle_at = now + idle_time(engine, link);
    int64_t at = least(least(link->ack_at, link->linger_at), least(link->gone_at, link->idle_at));
    if (active)
        at = least(at, link->quiet_from + c->timeout_ns);
    if (link->ncalls && state_of(engine)->granted)
        at = least(at, (link->quiet_from > link->pinged_at ? link->quiet_from : link->pinged_at) +
                           c->ping_ns);
    if (state_of(engine)->granted)
        at = least(at, gmq__resend_deadline(&link->out));
    gmq__heap_set(&state_of(engine)->timers, &link->timer, at); /* it is in there: no memory */
}

/* What must happen before anything else; true = the link is over. */
static bool overdue(gmq__engine *engine, gmq__link *link, int64_t now)
{
    if (link->active && now >= link->quiet_from + engine->config.link.timeout_ns)
        gmq__link_finish(engine, link, GMQ_CODE_UNAVAILABLE, "the peer has not been heard of", true,
                         now);
    else if (now >= link->gone_at)
        gmq__link_finish(engine, link, GMQ_CODE_UNAVAILABLE, "the peer is gone", false, now);
    else if (!link->ncalls && now >= link->idle_at)
        gmq__link_finish(engine, link, GMQ_CODE_OK, "idle", gmq__link_is_client(engine), now);
    return link->phase == GMQ__LINK_IS_GONE;
}

static void link_timer(gmq__engine *engine, gmq__link *link, int64_t now)
{
    if (overdue(engine, link, now))
        return;
    if (now >= link->ack_at) {
        link->ack_at = INT64_MAX;
        link->ack_now = true;
    }
    if (now >= link->linger_at) {
        link->linger_at = INT64_MAX;
        link->urgent = true;
    }
    if (state_of(engine)->granted)
        gmq__resend_timer(&link->out, now);
    int64_t silent = link->quiet_from > link->pinged_at ? link->quiet_from : link->pinged_at;
    if (link->ncalls && state_of(engine)->granted && now >= silent + engine->config.link.ping_ns) {
        link->pinged_at = now;
        link->ping_due = true;
    }
    gmq__link_wake(engine, link);
    gmq__link_rearm(engine, link, now);
}

/* ---- The dialect ---- */

static bool copy(gmq__bytes *to, gmq__span from)
{
    gmq__bytes_put(to, from.data, from.len);
    return !to->failed;
}

static void dialect_close(gmq__engine *engine);

static gmq_status dialect_open(gmq__engine *engine)
{
    const gmq__engine_config *c = &engine->config;
    bool client = gmq__link_is_client(engine);
    gmq__link_state *s = gmq__calloc(1, sizeof *s);
    if (!s)
        return gmq__fail_nomem();
    gmq__list_init(&s->ready);
    gmq__list_init(&s->dead);
    gmq__list_init(&s->stalled);
    gmq__list_init(&s->replies);
    gmq__list_init(&s->waiting);
    gmq__list_init(&s->servers);
    s->retry_at = s->look_at = INT64_MAX;
    c->random(c->random_ctx, &s->links.seed, sizeof s->links.seed);
    s->by_serial.seed = s->tombstones.by_sid.seed = s->links.seed;
    engine->link_state = s;
    if (!copy(&s->name, client ? c->link.client_id : c->link.server_id) ||
        !copy(&s->inbox, c->link.inbox) || !copy(&s->group, c->link.group)) {
        dialect_close(engine);
        return gmq__fail_nomem();
    }
    return GMQ_OK;
}

static void dialect_close(gmq__engine *engine)
{
    gmq__link_state *s = state_of(engine);
    size_t at = 0;
    for (gmq__link *link; (link = gmq__map_next(&s->links, &at));)
        link_free(link);
    bury(s);
    for (gmq__node *node; (node = gmq__list_pop(&s->replies));)
        gmq__free(GMQ__CONTAINER(node, reply, node));
    for (gmq__node *node; (node = gmq__list_pop(&s->servers));)
        gmq__free(GMQ__CONTAINER(node, gmq__link_server, node));
    gmq__map_free(&s->links);
    gmq__map_free(&s->by_serial);
    gmq__heap_free(&s->timers);
    gmq__tombstones_free(&s->tombstones);
    gmq__bytes_free(&s->name);
    gmq__bytes_free(&s->inbox);
    gmq__bytes_free(&s->group);
    gmq__free(s);
    engine->link_state = NULL;
}

static void dialect_connected(gmq__engine *engine, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    bury(s);
    s->subscribe_due = true;
    s->granted = false;
    gmq__link_is_client(engine) ? gmq__link_client_connected(engine, now)
                                : gmq__link_server_connected(engine, now);
}

static void dialect_disconnected(gmq__engine *engine, int32_t code, const char *why, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    bury(s);
    s->granted = s->subscribe_due = s->presence_due = s->unsubscribe_due = false;
    size_t at = 0;
    for (gmq__link *link; (link = gmq__map_next(&s->links, &at));) {
        link->in_flight = 0;
        link->tried = link->out.last != 0;
        gmq__link_rearm(engine, link, now);
    }
    gmq__link_is_client(engine) ? gmq__link_client_disconnected(engine, code, why, now)
                                : gmq__link_server_disconnected(engine, code, why, now);
}

static bool dialect_claims(const gmq__engine *engine, gmq__span topic)
{
    return gmq__link_is_client(engine) ? gmq__link_client_claims(engine, topic)
                                       : gmq__link_server_claims(engine, topic);
}

static void dialect_message(gmq__engine *engine, const gmq__mqtt_message *message, gmq_buf *payload,
                            int64_t now)
{
    bury(state_of(engine));
    gmq__link_is_client(engine) ? gmq__link_client_message(engine, message, payload, now)
                                : gmq__link_server_message(engine, message, payload, now);
}

/* All that was sent and not acknowledged goes again: the broker may have lost it. */
void gmq__link_granted(gmq__engine *engine, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    size_t at = 0;
    s->granted = true;
    for (gmq__link *link; (link = gmq__map_next(&s->links, &at));) {
        gmq__resend_all(&link->out);
        link->ack_now = true;
        gmq__link_wake(engine, link);
        gmq__link_rearm(engine, link, now);
    }
}

static void packet_acked(gmq__engine *engine, gmq__link *link, int reason, int64_t now)
{
    link->in_flight -= link->in_flight != 0;
    bool opening = link->phase == GMQ__LINK_IS_OPENING;
    /* after a reconnect the server may only be later than we are */
    if (reason >= 0x80 || (opening && !link->tried && reason == GMQ__MQTT_NO_SUBSCRIBERS))
        gmq__link_is_client(engine) ? gmq__link_client_refused(engine, link, reason, now)
                                    : gmq__link_server_refused(engine, link, reason, now);
    gmq__link_wake(engine, link);
}

static void dialect_acked(gmq__engine *engine, uint64_t token, int reason, int64_t now)
{
    bury(state_of(engine));
    uint64_t kind = token >> GMQ__TOKEN_KIND_SHIFT;
    uint64_t serial = token & ((UINT64_C(1) << GMQ__TOKEN_KIND_SHIFT) - 1);
    gmq__link *link = NULL;
    if (kind == GMQ__LINK_TOKEN_PACKET)
        link = gmq__map_get_u64(&state_of(engine)->by_serial, serial);
    if (link)
        packet_acked(engine, link, reason, now);
    if (kind == GMQ__LINK_TOKEN_NOBODY && serial == GMQ__LINK_PRESENCE && reason >= 0x80)
        gmq__link_server_presence_refused(engine);
    if (kind != GMQ__LINK_TOKEN_FILTERS)
        return;
    gmq__link_is_client(engine) ? gmq__link_client_filters(engine, (unsigned)serial, reason, now)
                                : gmq__link_server_filters(engine, (unsigned)serial, reason, now);
}

static void dialect_call_acked(gmq__engine *engine, gmq__call *call, bool mark, int reason,
                               int64_t now)
{
    (void)engine, (void)call, (void)mark, (void)reason, (void)now; /* no packet is a call's */
}

static int64_t dialect_deadline(const gmq__engine *engine)
{
    const gmq__link_state *s = state_of(engine);
    gmq__heap_node *first = gmq__heap_first(&s->timers);
    int64_t at = gmq__tombstones_deadline(&s->tombstones);
    if (engine->connected)
        at = least(at, least(s->retry_at, s->look_at));
    return least(at, first ? first->key : INT64_MAX);
}

static void dialect_timer(gmq__engine *engine, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    gmq__heap_node *first;
    bury(s);
    gmq__tombstones_expire(&s->tombstones, now);
    while ((first = gmq__heap_first(&s->timers)) && first->key <= now) {
        gmq__link *link = of_timer(first);
        link_timer(engine, link, now);
        /* whatever it did, a timer that is still due would fire for ever */
        if (link->phase != GMQ__LINK_IS_GONE && link->timer.key <= now)
            gmq__heap_set(&s->timers, &link->timer, now + 1);
    }
    if (engine->connected && gmq__link_is_client(engine))
        gmq__link_client_timer(engine, now);
}

static void fail_call(gmq__engine *engine, gmq__lcall *c, int32_t code, const char *text,
                      int64_t now)
{
    gmq__span details = gmq__span_str(text);
    gmq__link_is_client(engine) ? gmq__link_client_fail(engine, c, code, details, true, now)
                                : gmq__link_server_fail(engine, c, code, details, true, now);
}

static void dialect_call_timer(gmq__engine *engine, gmq__call *call, int64_t now)
{
    bury(state_of(engine));
    gmq__lcall *c = gmq__lcall_of(call);
    if (now >= c->deadline)
        fail_call(engine, c, GMQ_CODE_DEADLINE_EXCEEDED, "Deadline Exceeded", now);
    else
        gmq__call_timer(engine, call, c->deadline);
}

static bool dialect_pull(gmq__engine *engine, int64_t now, gmq__output *out)
{
    (void)now;
    return gmq__link_is_client(engine) ? gmq__link_client_pull(engine, out)
                                       : gmq__link_server_pull(engine, out);
}

static bool dialect_ready(const gmq__engine *engine)
{
    return engine->connected && state_of(engine)->granted;
}

static bool pull_reply(gmq__engine *engine, gmq__output *out)
{
    gmq__link_state *s = state_of(engine);
    gmq__node *node = gmq__list_pop(&s->replies);
    if (!node)
        return false;
    reply *r = GMQ__CONTAINER(node, reply, node);
    s->nreplies--;
    gmq__bytes_clear(&engine->topic);
    gmq__bytes_clear(&engine->payload);
    gmq__bytes_put(&engine->payload, r->bytes, r->payload_len);
    gmq__bytes_put(&engine->topic, r->bytes + r->payload_len, r->topic_len);
    gmq__free(r);
    out->kind = GMQ__OUT_PUBLISH;
    out->token = (uint64_t)GMQ__LINK_TOKEN_NOBODY << GMQ__TOKEN_KIND_SHIFT;
    out->message.topic = gmq__bytes_span(&engine->topic);
    out->message.payload = gmq__bytes_span(&engine->payload);
    out->message.qos = engine->config.qos;
    return !engine->topic.failed && !engine->payload.failed;
}

/* M3, M4: what the Will would say, at an orderly end. */
static bool pull_bye(gmq__engine *engine, gmq__output *out)
{
    gmq__link_state *s = state_of(engine);
    bool client = gmq__link_is_client(engine);
    if (!s->bye_due)
        return false;
    s->bye_due = false;
    gmq__bytes_clear(&engine->topic);
    if (client)
        gmq__link_topic_gone(&engine->topic, engine->config.base, gmq__bytes_span(&s->name));
    else
        gmq__link_topic_presence(&engine->topic, engine->config.base, gmq__bytes_span(&s->name));
    out->kind = GMQ__OUT_PUBLISH;
    out->token = (uint64_t)GMQ__LINK_TOKEN_NOBODY << GMQ__TOKEN_KIND_SHIFT;
    out->message.topic = gmq__bytes_span(&engine->topic);
    out->message.qos = 1;
    out->message.retain = !client;
    return !engine->topic.failed;
}

static void dialect_leave(gmq__engine *engine, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    bool client = gmq__link_is_client(engine);
    const char *text = client ? "the client is closed" : "the server is closed";
    size_t at = 0;
    bury(s);
    s->leaving = s->draining = true;
    s->subscribe_due = s->presence_due = false;
    s->bye_due = client ? s->opened : true;
    for (gmq__link *link; (link = gmq__map_next(&s->links, &at));)
        gmq__link_finish(engine, link, GMQ_CODE_UNAVAILABLE, text, true, now);
}

static bool dialect_publish(gmq__engine *engine, int64_t now, gmq__output *out)
{
    bury(state_of(engine));
    gmq__link_unstall(engine);
    if (!dialect_ready(engine))
        return false;
    if (state_of(engine)->presence_due && gmq__link_server_presence(engine, out))
        return true;
    return pull_reply(engine, out) || pull_bye(engine, out) || gmq__link_publish(engine, now, out);
}

static bool dialect_wants(const gmq__engine *engine, int64_t now)
{
    const gmq__link_state *s = state_of(engine);
    if (!dialect_ready(engine))
        return false;
    if (s->presence_due || s->nreplies || s->bye_due)
        return true;
    for (gmq__node *n = s->ready.head.next; n != &s->ready.head; n = n->next)
        if (gmq__link_wants(engine, GMQ__CONTAINER(n, gmq__link, ready), now))
            return true;
    return false;
}

static gmq_status dialect_start(gmq__engine *engine, const gmq__call_args *args, int64_t now)
{
    bury(state_of(engine));
    return gmq__link_client_start(engine, args, now);
}

static gmq_status dialect_send(gmq__engine *engine, gmq__call *call, gmq_buf *message, int64_t now)
{
    gmq__lcall *c = gmq__lcall_of(call);
    return gmq__link_is_client(engine) ? gmq__link_client_send(engine, c, message, now)
                                       : gmq__link_server_send(engine, c, message, now);
}

static void dialect_cancel(gmq__engine *engine, gmq__call *call, int32_t code, const char *details,
                           int64_t now)
{
    fail_call(engine, gmq__lcall_of(call), code, details ? details : "", now);
}

static void dialect_taken(gmq__engine *engine, gmq__call *call, int64_t now)
{
    (void)now;
    gmq__link_unstall(engine);
    gmq__lcall_credit(engine, gmq__lcall_of(call));
}

static void dialect_read_out(gmq__engine *engine, gmq__call *call)
{
    gmq__lcall_gone(engine, gmq__lcall_of(call));
}

static gmq_status dialect_resolve(gmq__engine *engine, gmq__call *call, gmq_rpc_kind kind,
                                  int64_t now)
{
    gmq__lcall *c = (gmq__lcall *)call; /* first in it */
    (void)now;
    if (engine->config.role != GMQ__ROLE_SERVER || !c->any_kind || c->phase != GMQ__LCALL_ACTIVE)
        return gmq__fail(GMQ_E_STATE, "resolve: the call's kind is known, or the call is finished");
    c->any_kind = false;
    c->call.kind = kind;
    return GMQ_OK;
}

static void dialect_drain(gmq__engine *engine, int64_t now)
{
    bury(state_of(engine));
    if (!gmq__link_is_client(engine))
        gmq__link_server_drain(engine, now);
}

static size_t dialect_tombstones(const gmq__engine *engine)
{
    return gmq__map_count(&state_of(engine)->tombstones.by_sid);
}

static size_t dialect_subscriptions(const gmq__engine *engine)
{
    return !state_of(engine)->granted ? 0 : gmq__link_is_client(engine) ? 2 : 3;
}

static size_t dialect_links(const gmq__engine *engine)
{
    return gmq__map_count(&state_of(engine)->links);
}

const gmq__dialect gmq__link_dialect = {
    .open = dialect_open,
    .close = dialect_close,
    .connected = dialect_connected,
    .disconnected = dialect_disconnected,
    .claims = dialect_claims,
    .takes_lent = true,
    .message = dialect_message,
    .acked = dialect_acked,
    .call_acked = dialect_call_acked,
    .deadline = dialect_deadline,
    .timer = dialect_timer,
    .call_timer = dialect_call_timer,
    .pull = dialect_pull,
    .ready = dialect_ready,
    .publish = dialect_publish,
    .wants = dialect_wants,
    .start = dialect_start,
    .send = dialect_send,
    .half_close = gmq__link_client_half_close,
    .cancel = dialect_cancel,
    .taken = dialect_taken,
    .read_out = dialect_read_out,
    .send_initial = gmq__link_server_send_initial,
    .finish = gmq__link_server_finish,
    .resolve = dialect_resolve,
    .drain = dialect_drain,
    .leave = dialect_leave,
    .discard = gmq__lcall_discard,
    .tombstones = dialect_tombstones,
    .subscriptions = dialect_subscriptions,
    .links = dialect_links,
};
