#include <string.h>

#include "base/mem.h"
#include "transport/filter.h"
#include "transport/loopback/broker.h"

#define MILLION 1000000u
#define HELD_MAX_NS                                                                                \
    (20 * GMQ__NS_PER_MS) /* a held-back delivery that nothing overtakes goes after so long */

/* ---- filters ---- */

typedef struct filter_key {
    gmq__span filter, group; /* group.data NULL = not shared */
    bool exact;
} filter_key;

static filter_key parse(gmq__span filter)
{
    filter_key key = {filter, {NULL, 0}, false};
    if (!gmq__filter_shared(filter, &key.group, &key.filter))
        key.exact = !gmq__filter_has_wildcard(filter);
    return key;
}

static bool same(const gmq__ltopic *topic, const filter_key *key)
{
    if ((topic->group != NULL) != (key->group.data != NULL))
        return false;
    return gmq__span_equal_str(key->filter, topic->filter) &&
           (!topic->group || gmq__span_equal_str(key->group, topic->group));
}

static gmq__ltopic *find_topic(gmq__loopback_broker *b, const filter_key *key)
{
    if (key->exact)
        return gmq__map_get(&b->exact, key->filter);
    for (gmq__node *n = b->patterns.head.next; n != &b->patterns.head; n = n->next) {
        gmq__ltopic *topic = GMQ__CONTAINER(n, gmq__ltopic, node);
        if (same(topic, key))
            return topic;
    }
    return NULL;
}

static void free_topic(gmq__ltopic *topic)
{
    gmq__node_unlink(&topic->node);
    gmq__free(topic->filter);
    gmq__free(topic->group);
    gmq__free(topic);
}

static gmq__ltopic *add_topic(gmq__loopback_broker *b, const filter_key *key)
{
    gmq__ltopic *topic = gmq__calloc(1, sizeof *topic);
    if (!topic)
        return NULL;
    gmq__list_init(&topic->subs);
    topic->filter = gmq__strndup((const char *)key->filter.data, key->filter.len);
    if (key->group.data)
        topic->group = gmq__strndup((const char *)key->group.data, key->group.len);
    bool ok = topic->filter && (topic->group || !key->group.data);
    if (ok && key->exact)
        ok = gmq__map_put(&b->exact, key->filter, topic);
    else if (ok)
        gmq__list_push(&b->patterns, &topic->node);
    if (ok)
        return topic;
    free_topic(topic);
    return NULL;
}

static void drop_topic_if_unused(gmq__loopback_broker *b, gmq__ltopic *topic)
{
    if (!gmq__list_empty(&topic->subs))
        return;
    if (!gmq__node_linked(&topic->node))
        gmq__map_remove(&b->exact, gmq__span_str(topic->filter));
    free_topic(topic);
}

/* ---- one delivery, with faults ---- */

static void overtake(gmq__loopback_broker *b, gmq__lconn *c)
{
    for (gmq__node *n = c->held.head.next, *next; n != &c->held.head; n = next) {
        next = n->next;
        gmq__levent *ev = GMQ__CONTAINER(n, gmq__levent, held);
        if (--ev->overtakers)
            continue;
        gmq__node_unlink(&ev->held);
        gmq__heap_remove(&b->delayed, &ev->when);
        gmq__lbroker_post(b, c, ev);
    }
}

static gmq__levent *new_delivery(gmq__packet *packet, uint8_t qos, bool retain)
{
    gmq__levent *ev = gmq__levent_new(GMQ__L_MESSAGE);
    if (!ev)
        return NULL;
    packet->refs++;
    ev->packet = packet;
    ev->qos = qos;
    ev->retain = retain;
    return ev;
}

static void post_later(gmq__loopback_broker *b, gmq__lconn *c, gmq__levent *ev, int64_t after)
{
    gmq__lbroker_bind(c, ev);
    if (gmq__heap_set(&b->delayed, &ev->when, gmq__os_now_ns() + after))
        gmq__lbroker_wake(b); /* it may be due before what the thread waits for */
    else
        gmq__lbroker_post(b, c, ev);
}

/* As a broker with a full queue, this drops what there is no memory for. */
static void send_to(gmq__lconn *c, gmq__packet *packet, uint8_t sub_qos, bool retain)
{
    gmq__loopback_broker *b = c->broker;
    const gmq__loopback_faults *f = &b->faults;
    uint8_t qos = packet->message.qos < sub_qos ? packet->message.qos : sub_qos;
    /* Always the same number of draws, so that a seed tells the fate of the n-th delivery. */
    bool drop = gmq__prng_below(&b->prng, MILLION) < f->drop_ppm;
    bool twice = gmq__prng_below(&b->prng, MILLION) < f->double_ppm;
    bool reorder = gmq__prng_below(&b->prng, MILLION) < f->reorder_ppm;
    bool delay = gmq__prng_below(&b->prng, MILLION) < f->delay_ppm;
    uint64_t amount = gmq__prng_next(&b->prng);

    overtake(b, c);
    gmq__levent *ev = drop ? NULL : new_delivery(packet, qos, retain);
    if (!ev)
        return;
    if (twice) {
        gmq__levent *copy = new_delivery(packet, qos, retain);
        if (copy)
            gmq__lbroker_post(b, c, copy);
    }
    if (reorder && f->reorder_span) {
        ev->overtakers = 1 + (uint32_t)(amount % f->reorder_span);
        gmq__list_push(&c->held, &ev->held);
        post_later(b, c, ev, f->delay_max_ns > HELD_MAX_NS ? f->delay_max_ns : HELD_MAX_NS);
    } else if (delay && f->delay_max_ns > 0) {
        post_later(b, c, ev, (int64_t)(amount % (uint64_t)f->delay_max_ns));
    } else {
        gmq__lbroker_post(b, c, ev);
    }
}

/* ---- subscribe ---- */

static void send_retained(gmq__lconn *c, const filter_key *key, uint8_t qos)
{
    size_t at = 0;
    gmq__packet *packet;
    while ((packet = gmq__map_next(&c->broker->retained, &at)))
        if (gmq__filter_match(key->filter, packet->message.topic))
            send_to(c, packet, qos, true);
}

static gmq__lsub *find_sub(const gmq__lconn *c, const gmq__ltopic *topic)
{
    for (gmq__node *n = c->subs.head.next; n != &c->subs.head; n = n->next) {
        gmq__lsub *sub = GMQ__CONTAINER(n, gmq__lsub, of_conn);
        if (sub->topic == topic)
            return sub;
    }
    return NULL;
}

bool gmq__lroute_subscribe(gmq__lconn *c, gmq__span filter, uint8_t qos)
{
    filter_key key = parse(filter);
    gmq__ltopic *topic = find_topic(c->broker, &key);
    gmq__lsub *sub = topic ? find_sub(c, topic) : NULL;
    if (!sub) {
        if (!topic && !(topic = add_topic(c->broker, &key)))
            return false;
        sub = gmq__calloc(1, sizeof *sub);
        if (!sub) {
            drop_topic_if_unused(c->broker, topic);
            return false;
        }
        sub->topic = topic;
        sub->conn = c;
        gmq__list_push(&topic->subs, &sub->of_topic);
        gmq__list_push(&c->subs, &sub->of_conn);
    }
    sub->qos = qos;
    if (!topic->group)
        send_retained(c, &key, qos);
    return true;
}

static void free_sub(gmq__loopback_broker *b, gmq__lsub *sub)
{
    gmq__node_unlink(&sub->of_conn);
    gmq__node_unlink(&sub->of_topic);
    drop_topic_if_unused(b, sub->topic);
    gmq__free(sub);
}

bool gmq__lroute_unsubscribe(gmq__lconn *c, gmq__span filter)
{
    filter_key key = parse(filter);
    gmq__ltopic *topic = find_topic(c->broker, &key);
    gmq__lsub *sub = topic ? find_sub(c, topic) : NULL;
    if (sub)
        free_sub(c->broker, sub);
    return sub != NULL;
}

void gmq__lroute_forget(gmq__lconn *c)
{
    gmq__node *n;
    while ((n = gmq__list_first(&c->subs)))
        free_sub(c->broker, GMQ__CONTAINER(n, gmq__lsub, of_conn));
}

/* ---- publish ---- */

static void retain(gmq__loopback_broker *b, gmq__packet *packet)
{
    gmq__packet *old = NULL;
    if (packet->message.payload.len) {
        old = gmq__map_get(&b->retained, packet->message.topic);
        if (!gmq__map_put(&b->retained, packet->message.topic, packet))
            return;
        packet->refs++;
    } else {
        old = gmq__map_remove(&b->retained, packet->message.topic);
    }
    gmq__packet_unref(old);
}

static size_t send_to_all(gmq__ltopic *topic, gmq__packet *packet)
{
    size_t n = 0;
    for (gmq__node *at = topic->subs.head.next; at != &topic->subs.head; at = at->next, n++) {
        gmq__lsub *sub = GMQ__CONTAINER(at, gmq__lsub, of_topic);
        send_to(sub->conn, packet, sub->qos, false);
    }
    return n;
}

static size_t send_to_next(gmq__ltopic *topic, gmq__packet *packet) /* round robin */
{
    gmq__lsub *sub = GMQ__CONTAINER(gmq__list_first(&topic->subs), gmq__lsub, of_topic);
    gmq__node_unlink(&sub->of_topic);
    gmq__list_push(&topic->subs, &sub->of_topic);
    send_to(sub->conn, packet, sub->qos, false);
    return 1;
}

size_t gmq__lroute_publish(gmq__loopback_broker *b, gmq__packet *packet)
{
    if (packet->message.retain)
        retain(b, packet);
    size_t n = 0;
    gmq__ltopic *topic = gmq__map_get(&b->exact, packet->message.topic);
    if (topic)
        n += send_to_all(topic, packet);
    for (gmq__node *at = b->patterns.head.next; at != &b->patterns.head; at = at->next) {
        topic = GMQ__CONTAINER(at, gmq__ltopic, node);
        if (gmq__filter_match(gmq__span_str(topic->filter), packet->message.topic))
            n += topic->group ? send_to_next(topic, packet) : send_to_all(topic, packet);
    }
    return n;
}

void gmq__lroute_free(gmq__loopback_broker *b)
{
    size_t at = 0;
    gmq__packet *packet;
    while ((packet = gmq__map_next(&b->retained, &at)))
        gmq__packet_unref(packet);
    gmq__map_free(&b->retained);
    gmq__map_free(&b->exact);
}
