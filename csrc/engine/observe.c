#include "engine/observe.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "engine/dialect.h"
#include "wire/metadata.h"

/* Tokens: kind << GMQ__TOKEN_KIND_SHIFT | number. No dialect is beside this one. */
#define TOKEN_SUBSCRIBE UINT64_C(2)
#define TOKEN_PUBLISH   UINT64_C(3)

typedef struct filter {
    char *text;
    uint8_t qos;
    bool wanted; /* to be asked for: set at birth and with each connection; cleared when pulled */
} filter;

typedef struct post { /* a publish: in `waiting`, from its pull on in `sent`, until its answer */
    gmq__node node;
    uint64_t number;
    char *topic;
    gmq_buf *payload;
    gmq_metadata *metadata; /* what `properties` borrows from */
    gmq__mqtt_property *properties;
    bool retain;
    uint8_t qos;
} post;

typedef struct observer {
    filter *filters;
    size_t nfilters, cap, asked; /* asked: all before it are not wanted */
    gmq__list waiting, sent;
    uint64_t last;
} observer;

static observer *of(const gmq__engine *engine) { return engine->dialect_state; }

static uint64_t token_of(uint64_t kind, uint64_t number)
{
    return kind << GMQ__TOKEN_KIND_SHIFT | number;
}

static void free_post(post *p)
{
    gmq__free(p->topic);
    gmq_buf_unref(p->payload);
    gmq_metadata_free(p->metadata);
    gmq__free(p->properties);
    gmq__free(p);
}

/* ---- Life ---- */

static gmq_status open_observer(gmq__engine *engine)
{
    observer *o = gmq__calloc(1, sizeof *o);
    if (!o)
        return gmq__fail_nomem();
    gmq__list_init(&o->waiting);
    gmq__list_init(&o->sent);
    engine->dialect_state = o;
    return GMQ_OK;
}

static void free_posts(gmq__list *list)
{
    for (gmq__node *node; (node = gmq__list_pop(list));)
        free_post(GMQ__CONTAINER(node, post, node));
}

static void close_observer(gmq__engine *engine)
{
    observer *o = of(engine);
    free_posts(&o->waiting);
    free_posts(&o->sent);
    for (size_t at = 0; at < o->nfilters; at++)
        gmq__free(o->filters[at].text);
    gmq__free(o->filters);
    gmq__free(o);
}

static void connected(gmq__engine *engine, int64_t now)
{
    (void)now;
    observer *o = of(engine);
    for (size_t at = 0; at < o->nfilters; at++)
        o->filters[at].wanted = true;
    o->asked = 0;
    gmq__dialect_granted(engine);
}

static void tell(gmq__engine *engine, gmq__ev_kind kind, const char *text, int reason)
{
    gmq__ev ev = {.kind = kind, .code = reason, .text = gmq__strdup(text)};
    gmq__events_push(&engine->events, &ev, false);
}

static void answer_post(gmq__engine *engine, post *p, int reason)
{
    gmq__node_unlink(&p->node);
    tell(engine, GMQ__EV_PUBLISHED, p->topic, reason);
    free_post(p);
}

static void answer_all(gmq__engine *engine, gmq__list *list)
{
    for (gmq__node *node; (node = gmq__list_first(list));)
        answer_post(engine, GMQ__CONTAINER(node, post, node), GMQ__MQTT_SERVER_UNAVAILABLE);
}

static void disconnected(gmq__engine *engine, int32_t code, const char *why, int64_t now)
{
    (void)code, (void)why, (void)now;
    answer_all(engine, &of(engine)->sent);
    answer_all(engine, &of(engine)->waiting);
    engine->stats.unsent_bytes = 0;
}

/* ---- What comes ---- */

static gmq_metadata *properties_in(const gmq__mqtt_message *message)
{
    gmq_metadata *list = NULL;
    if (!message->nproperties || gmq_metadata_new(&list) != GMQ_OK)
        return NULL;
    for (size_t at = 0; at < message->nproperties; at++)
        gmq__metadata_add_raw(list, message->properties[at].key, message->properties[at].value);
    return list;
}

static void message_in(gmq__engine *engine, const gmq__mqtt_message *message, gmq_buf *payload,
                       int64_t now)
{
    (void)now;
    gmq__ev ev = {.kind = GMQ__EV_OBSERVED,
                  .code = message->qos | (message->retain ? GMQ__OBSERVED_RETAINED : 0),
                  .text = gmq__strndup((const char *)message->topic.data, message->topic.len),
                  .message = gmq_buf_ref(payload),
                  .metadata = properties_in(message)};
    gmq__events_push(&engine->events, &ev, false);
}

static post *sent_post(const gmq__engine *engine, uint64_t number)
{
    gmq__list *list = &of(engine)->sent;
    for (gmq__node *node = list->head.next; node != &list->head; node = node->next) {
        post *p = GMQ__CONTAINER(node, post, node);
        if (p->number == number)
            return p;
    }
    return NULL;
}

static void acked(gmq__engine *engine, uint64_t token, int reason, int64_t now)
{
    (void)now;
    uint64_t number = token & ~(UINT64_C(15) << GMQ__TOKEN_KIND_SHIFT);
    if (token >> GMQ__TOKEN_KIND_SHIFT == TOKEN_PUBLISH) {
        post *p = sent_post(engine, number);
        if (p)
            answer_post(engine, p, reason);
    } else if (number < of(engine)->nfilters) {
        tell(engine, GMQ__EV_SUBSCRIBED, of(engine)->filters[number].text, reason);
    }
}

/* ---- What goes ---- */

static bool pull_subscribe(gmq__engine *engine, int64_t now, gmq__output *out)
{
    (void)now;
    observer *o = of(engine);
    while (o->asked < o->nfilters && !o->filters[o->asked].wanted)
        o->asked++;
    if (o->asked == o->nfilters)
        return false;
    filter *f = &o->filters[o->asked];
    f->wanted = false;
    engine->filters[0] = gmq__span_str(f->text);
    out->kind = GMQ__OUT_SUBSCRIBE;
    out->token = token_of(TOKEN_SUBSCRIBE, o->asked);
    out->filters = engine->filters;
    out->nfilters = 1;
    out->qos = f->qos;
    return true;
}

static bool has_post(const gmq__engine *engine, int64_t now)
{
    (void)now;
    return !gmq__list_empty(&of(engine)->waiting);
}

static bool pull_post(gmq__engine *engine, int64_t now, gmq__output *out)
{
    (void)now;
    gmq__node *node = gmq__list_pop(&of(engine)->waiting);
    if (!node)
        return false;
    post *p = GMQ__CONTAINER(node, post, node);
    gmq__list_push(&of(engine)->sent, &p->node);
    engine->stats.unsent_bytes -= gmq_buf_len(p->payload);
    out->kind = GMQ__OUT_PUBLISH;
    out->token = token_of(TOKEN_PUBLISH, p->number);
    out->message = (gmq__mqtt_message){.topic = gmq__span_str(p->topic),
                                       .payload = gmq__buf_span(p->payload),
                                       .properties = p->properties,
                                       .nproperties = gmq_metadata_count(p->metadata),
                                       .qos = p->qos,
                                       .retain = p->retain};
    return true;
}

/* ---- What is asked ---- */

static bool room_for_filter(observer *o)
{
    if (o->nfilters < o->cap)
        return true;
    size_t cap = o->cap ? o->cap * 2 : 4;
    filter *more = gmq__realloc(o->filters, cap * sizeof *more);
    if (!more)
        return false;
    o->filters = more;
    o->cap = cap;
    return true;
}

gmq_status gmq__engine_observe(gmq__engine *engine, gmq__span text, uint8_t qos)
{
    observer *o = of(engine);
    filter f = {gmq__strndup((const char *)text.data, text.len), qos, true};
    if (!f.text || !room_for_filter(o)) {
        gmq__free(f.text);
        return gmq__fail_nomem();
    }
    o->filters[o->nfilters++] = f;
    return GMQ_OK;
}

static bool fill_properties(post *p, const gmq_metadata *from)
{
    if (!gmq_metadata_count(from))
        return true;
    if (gmq__metadata_copy(&p->metadata, from) != GMQ_OK)
        return false;
    p->properties = gmq__calloc(gmq_metadata_count(from), sizeof *p->properties);
    for (size_t at = 0; p->properties && at < gmq_metadata_count(from); at++) {
        p->properties[at].key = gmq__metadata_key(p->metadata, at);
        p->properties[at].value = gmq__metadata_value(p->metadata, at);
    }
    return p->properties != NULL;
}

gmq_status gmq__engine_publish(gmq__engine *engine, const gmq__observe_publish *publish)
{
    observer *o = of(engine);
    post *p = gmq__calloc(1, sizeof *p);
    if (!p)
        return gmq__fail_nomem();
    p->topic = gmq__strndup((const char *)publish->topic.data, publish->topic.len);
    p->payload = gmq_buf_ref(publish->payload);
    p->retain = publish->retain;
    p->qos = publish->qos;
    p->number = ++o->last;
    if (!p->topic || !fill_properties(p, publish->properties)) {
        free_post(p);
        return gmq__fail_nomem();
    }
    engine->stats.unsent_bytes += gmq_buf_len(p->payload);
    gmq__list_push(&o->waiting, &p->node);
    return GMQ_OK;
}

/* ---- What does not concern an observer ---- */

static int64_t deadline(const gmq__engine *engine)
{
    (void)engine;
    return INT64_MAX;
}

static void nothing_at(gmq__engine *engine, int64_t now) { (void)engine, (void)now; }

static bool ready(const gmq__engine *engine)
{
    (void)engine;
    return true;
}

static size_t none(const gmq__engine *engine)
{
    (void)engine;
    return 0;
}

static size_t subscriptions(const gmq__engine *engine) { return of(engine)->nfilters; }

/* There are no calls: what is done with calls is left out. */
const gmq__dialect gmq__observe_dialect = {
    .open = open_observer,
    .close = close_observer,
    .connected = connected,
    .disconnected = disconnected,
    .message = message_in,
    .acked = acked,
    .deadline = deadline,
    .timer = nothing_at,
    .pull = pull_subscribe,
    .ready = ready,
    .publish = pull_post,
    .wants = has_post,
    .drain = nothing_at,
    .tombstones = none,
    .subscriptions = subscriptions,
};
