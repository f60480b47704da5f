/* Client side of the link dialect: its subscriptions, which servers are announced, and what follows
 * from that. */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "engine/link/link.h"
#include "engine/session_probe.h"

#define MS           INT64_C(1000000)
#define SERVERS_MOST 1024
#define PRESENCES    1u /* filters, as bits */
#define INBOX        2u
#define LOOK_LEAST   (50 * MS)
#define LOOK_MOST    (500 * MS)

static gmq__link_state *state_of(const gmq__engine *engine) { return gmq__link_state_of(engine); }
static gmq__lcall *of_member(gmq__node *node) { return GMQ__CONTAINER(node, gmq__lcall, member); }

bool gmq__link_absent(const gmq__link_state *s)
{
    return s->looked && !s->nservers && !s->blind && !s->current;
}

bool gmq__link_hopeless(const gmq__engine *engine) { return !engine->limits.properties; }

void gmq__link_no_server(gmq__engine *engine, gmq__bytes *out)
{
    gmq__bytes_put_str(out, "no server is announced at ");
    gmq__bytes_put(out, engine->config.base.data, engine->config.base.len);
}

void gmq__link_tell(gmq__engine *engine, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    bool linked =
        s->current && s->current->phase == GMQ__LINK_IS_OPEN && s->current->gone_at == INT64_MAX;
    bool ready = !s->no_inbox && (s->nservers || s->blind || linked);
    gmq__bytes text = {0};
    if (!s->looked || s->retired)
        return;
    if (engine->choosing && !ready &&
        gmq__probe_start(engine, s->told && s->told_ready, now)) { /* which tells now */
        gmq__ev looked = {.kind = GMQ__EV_LOOKED};
        gmq__events_push(&engine->events, &looked, false);
        s->told = false;
        return;
    }
    if (engine->choosing && ready)
        gmq__probe_stop(engine);
    ready |= engine->choosing;
    if (s->told && s->told_ready == ready)
        return;
    gmq__ev ev = {.kind = ready ? GMQ__EV_READY : GMQ__EV_ABSENT, .code = GMQ_CODE_UNAVAILABLE};
    if (!ready) {
        s->no_inbox ? gmq__bytes_put_str(&text, GMQ__LINK_NO_INBOX)
                    : gmq__link_no_server(engine, &text);
        ev.text = gmq__strndup((const char *)text.data, text.len);
        gmq__bytes_free(&text);
    }
    s->told = true;
    s->told_ready = ready;
    gmq__events_push(&engine->events, &ev, false);
}

/* ---- Presences ---- */

static gmq__link_server *find_server(gmq__link_state *s, gmq__span name)
{
    for (gmq__node *n = s->servers.head.next; n != &s->servers.head; n = n->next) {
        gmq__link_server *server = GMQ__CONTAINER(n, gmq__link_server, node);
        if (gmq__span_equal(gmq__span_of(server->name, server->name_len), name))
            return server;
    }
    return NULL;
}

/* An opening that has not left: there is nobody to send it to. */
static void drop_opening(gmq__engine *engine, int64_t now)
{
    gmq__link *link = state_of(engine)->current;
    gmq__bytes text = {0};
    if (!link || link->out.last)
        return;
    gmq__link_no_server(engine, &text);
    gmq__bytes_put_u8(&text, 0);
    gmq__link_finish(engine, link, GMQ_CODE_UNAVAILABLE,
                     text.failed ? "no server is announced" : (const char *)text.data, false, now);
    gmq__bytes_free(&text);
}

static void look_is_over(gmq__engine *engine, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    size_t at = 0;
    s->looked = true;
    s->look_at = INT64_MAX;
    gmq__link_tell(engine, now);
    if (!s->nservers && !s->blind && !engine->choosing && gmq__link_hopeless(engine))
        drop_opening(engine, now);
    for (gmq__link *link; (link = gmq__map_next(&s->links, &at));)
        gmq__link_wake(engine, link);
}

/* M14: the retained presences follow the answers to the subscriptions. */
static void look(gmq__engine *engine, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    if (s->looked || s->answered != (PRESENCES | INBOX))
        return;
    int64_t patience = 2 * (now - s->connected_at);
    patience = patience < LOOK_LEAST ? LOOK_LEAST : patience > LOOK_MOST ? LOOK_MOST : patience;
    if (s->nservers || s->blind)
        look_is_over(engine, now);
    else if (s->look_at == INT64_MAX)
        s->look_at = now + patience;
}

bool gmq__link_client_looked(const gmq__engine *engine) { return state_of(engine)->looked; }
bool gmq__link_client_announced(const gmq__engine *engine)
{
    return state_of(engine)->nservers && !state_of(engine)->no_inbox;
}

void gmq__link_client_retire(gmq__engine *engine)
{
    gmq__link_state *s = state_of(engine);
    s->retired = true;
    s->unsubscribe_due = s->granted;
    s->granted = false;
}

void gmq__link_client_timer(gmq__engine *engine, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    if (now >= s->look_at)
        look_is_over(engine, now);
    if (now >= s->retry_at)
        gmq__link_client_retry(engine, now);
}

/* M27: of the links to this server those that are not to this instance (NULL: to any). */
static void former_links(gmq__engine *engine, gmq__span name, const uint8_t *instance, int64_t now)
{
    size_t at = 0;
    for (gmq__link *link; (link = gmq__map_next(&state_of(engine)->links, &at));) {
        if ((link->phase == GMQ__LINK_IS_OPENING && !link->meant) ||
            !gmq__span_equal(gmq__bytes_span(&link->peer), name))
            continue;
        if (!instance) { /* its Will: it may be back in a moment */
            link->gone_at = now + engine->config.link.grace_ns;
            gmq__link_rearm(engine, link, now);
        } else if (!memcmp(link->instance, instance, sizeof link->instance)) {
            link->gone_at = INT64_MAX;
            gmq__link_rearm(engine, link, now);
            if (!state_of(engine)->current && link->phase == GMQ__LINK_IS_OPEN)
                state_of(engine)->current = link;
        } else {
            gmq__link_finish(engine, link, GMQ_CODE_UNAVAILABLE, "the server was restarted", false,
                             now);
        }
    }
}

static void forget_server(gmq__link_state *s, gmq__link_server *server)
{
    if (!server)
        return;
    gmq__node_unlink(&server->node);
    gmq__free(server);
    s->nservers--;
}

void gmq__link_take_presence(gmq__engine *engine, gmq__span name, gmq__span payload, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    gmq__link_server *server = find_server(s, name);
    gmq__presence p;
    if (payload.len && (!gmq__presence_decode(payload, &p) || !gmq__span_equal(p.server, name))) {
        engine->stats.ignored++;
        return;
    }
    former_links(engine, name, payload.len ? p.instance.data : NULL, now);
    if (!payload.len || !gmq__presence_has(&p, GMQ__PRESENCE_DIALECTS, "link")) {
        forget_server(s, server);
        gmq__link_tell(engine, now);
        return;
    }
    if (!server && s->nservers < SERVERS_MOST) {
        server = gmq__calloc(1, sizeof *server + name.len);
        if (server) {
            memcpy(server->name, name.data, name.len);
            server->name_len = name.len;
            gmq__list_push(&s->servers, &server->node);
            s->nservers++;
        }
    }
    if (server) {
        memcpy(server->instance, p.instance.data, sizeof server->instance);
        server->features = p.features;
    }
    look(engine, now);
    gmq__link_tell(engine, now);
    if (engine->connected && s->retry_at != INT64_MAX)
        gmq__link_client_retry(engine, now);
}

/* ---- Connection ---- */

void gmq__link_client_connected(gmq__engine *engine, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    s->asked = s->answered = 0;
    s->looked = s->told = s->blind = false;
    s->no_inbox = GMQ_CODE_OK;
    s->connected_at = now;
    s->look_at = INT64_MAX;
}

void gmq__link_client_disconnected(gmq__engine *engine, int32_t code, const char *why, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    size_t at = 0;
    gmq__node *node;
    if (code != GMQ_CODE_UNAVAILABLE) /* no connection will come: refused for good */
        for (gmq__link *link; (link = gmq__map_next(&s->links, &at));)
            gmq__link_finish(engine, link, code, why, false, now);
    /* what was announced is announced again after the next connect */
    while ((node = gmq__list_pop(&s->servers)))
        gmq__free(GMQ__CONTAINER(node, gmq__link_server, node));
    s->nservers = 0;
    s->looked = false;
    s->look_at = INT64_MAX;
}

bool gmq__link_client_pull(gmq__engine *engine, gmq__output *out)
{
    gmq__link_state *s = state_of(engine);
    if (!s->subscribe_due && !s->unsubscribe_due)
        return false;
    gmq__bytes_clear(&engine->topic);
    gmq__link_topic_presence(&engine->topic, engine->config.base, gmq__span_str("+"));
    size_t first = engine->topic.len;
    gmq__link_topic_inbox(&engine->topic, gmq__bytes_span(&s->inbox), gmq__bytes_span(&s->name));
    if (engine->topic.failed)
        return false;
    engine->filters[0] = gmq__span_of(engine->topic.data, first);
    engine->filters[1] = gmq__span_of(engine->topic.data + first, engine->topic.len - first);
    if (s->unsubscribe_due) {
        s->unsubscribe_due = false;
        out->kind = GMQ__OUT_UNSUBSCRIBE;
        out->token = (uint64_t)GMQ__LINK_TOKEN_NOBODY << GMQ__TOKEN_KIND_SHIFT;
        out->filters = engine->filters;
        out->nfilters = 2;
        return true;
    }
    unsigned which = s->asked & PRESENCES ? INBOX : PRESENCES;
    s->asked |= (uint8_t)which;
    s->subscribe_due = which == PRESENCES;
    out->kind = GMQ__OUT_SUBSCRIBE;
    out->token = (uint64_t)GMQ__LINK_TOKEN_FILTERS << GMQ__TOKEN_KIND_SHIFT | which;
    out->filters = engine->filters + (which == INBOX);
    out->nfilters = 1;
    out->qos = engine->config.qos;
    return true;
}

/* With both answers links may publish: what they sent before goes again. */
static void filter_granted(gmq__engine *engine, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    if (s->answered != (PRESENCES | INBOX) || s->granted || s->retired)
        return;
    gmq__link_granted(engine, now);
    look(engine, now);
    gmq__link_client_retry(engine, now);
}

/* No answer can come on this connection. Calls end, and so do later ones; a client that may choose
 * takes the other dialect. */
static void inbox_refused(gmq__engine *engine, int reason, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    size_t at = 0;
    gmq__node *node;
    s->no_inbox = reason == GMQ__MQTT_QUOTA_EXCEEDED ? GMQ_CODE_RESOURCE_EXHAUSTED
                                                     : GMQ_CODE_PERMISSION_DENIED;
    s->looked = true;
    s->look_at = INT64_MAX;
    gmq__link_tell(engine, now);
    for (gmq__link *link; (link = gmq__map_next(&s->links, &at));)
        gmq__link_finish(engine, link, s->no_inbox, GMQ__LINK_NO_INBOX, false, now);
    while ((node = gmq__list_first(&s->waiting)))
        gmq__link_client_fail(engine, of_member(node), s->no_inbox,
                              gmq__span_str(GMQ__LINK_NO_INBOX), true, now);
}

void gmq__link_client_filters(gmq__engine *engine, unsigned which, int reason, int64_t now)
{
    gmq__link_state *s = state_of(engine);
    s->answered |= (uint8_t)which;
    if (which == PRESENCES && reason >= 0x80)
        s->blind = true;
    if (which == INBOX && reason >= 0x80)
        inbox_refused(engine, reason, now);
    else if (!s->no_inbox)
        filter_granted(engine, now);
}
