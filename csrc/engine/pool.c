#include "engine/pool.h"

#include <string.h>

#include "base/mem.h"

#define SPARE    8                  /* topics ready while calls are made one at a time */
#define LEAVE_NS INT64_C(100000000) /* a few topics wait so long for more to leave with */

static gmq__pool_topic *of(gmq__node *node) { return GMQ__CONTAINER(node, gmq__pool_topic, node); }

void gmq__pool_init(gmq__pool *pool, size_t cap, int64_t idle_ns,
                    void (*random)(void *ctx, void *out, size_t len), void *random_ctx)
{
    memset(pool, 0, sizeof *pool);
    gmq__list_init(&pool->asked);
    gmq__list_init(&pool->ready);
    gmq__list_init(&pool->leaving);
    pool->most = pool->cap = cap ? cap : 1;
    pool->idle_ns = idle_ns;
    pool->random = random;
    pool->random_ctx = random_ctx;
    random(random_ctx, &pool->by_sid.seed, sizeof pool->by_sid.seed);
}

static void empty(gmq__list *list)
{
    gmq__node *node;
    while ((node = gmq__list_pop(list)))
        gmq__free(of(node));
}

void gmq__pool_disconnected(gmq__pool *pool)
{
    size_t at = 0;
    for (gmq__pool_topic *topic; (topic = gmq__map_next(&pool->by_sid, &at));)
        if (topic->owner)
            gmq__free(topic);
    gmq__map_free(&pool->by_sid);
    empty(&pool->asked);
    empty(&pool->ready);
    empty(&pool->leaving);
    pool->nasked = pool->nready = pool->ntaken = pool->nleaving = 0;
    pool->connected = pool->refused = false;
}

void gmq__pool_free(gmq__pool *pool) { gmq__pool_disconnected(pool); }

void gmq__pool_connected(gmq__pool *pool, int64_t now)
{
    pool->connected = true;
    pool->cap = pool->most;
    pool->busy_until = now + pool->idle_ns;
}

size_t gmq__pool_subscribed(const gmq__pool *pool)
{
    return pool->nasked + pool->nready + pool->ntaken + pool->nleaving;
}

gmq__pool_topic *gmq__pool_take(gmq__pool *pool, void *owner, int64_t now)
{
    pool->busy_until = now + pool->idle_ns;
    gmq__node *node = gmq__list_pop(&pool->ready);
    if (!node)
        return NULL;
    pool->nready--;
    pool->ntaken++;
    of(node)->owner = owner;
    return of(node);
}

static void leave(gmq__pool *pool, gmq__pool_topic *topic, int64_t now)
{
    gmq__map_remove(&pool->by_sid, gmq__span_of(topic->sid, GMQ__SID_LEN));
    topic->owner = NULL;
    gmq__list_push(&pool->leaving, &topic->node);
    if (!pool->nleaving++)
        pool->leave_at = now + LEAVE_NS;
}

void gmq__pool_release(gmq__pool *pool, gmq__pool_topic *topic, int64_t now)
{
    pool->ntaken--;
    leave(pool, topic, now);
}

void *gmq__pool_owner(const gmq__pool *pool, gmq__span sid)
{
    gmq__pool_topic *topic = gmq__map_get(&pool->by_sid, sid);
    return topic ? topic->owner : NULL;
}

/* How many topics to subscribe now: enough for those waiting and as many spare ones as calls are
 * open. */
static size_t missing(const gmq__pool *pool, size_t waiting, int64_t now)
{
    size_t spare = pool->ntaken > SPARE ? pool->ntaken : SPARE;
    size_t have = pool->nasked + pool->nready, want = waiting;
    if (now < pool->busy_until && !pool->refused)
        want += spare;
    size_t lack = want > have ? want - have : 0, room = 0;
    if (gmq__pool_subscribed(pool) < pool->cap)
        room = pool->cap - gmq__pool_subscribed(pool);
    if (lack > room)
        lack = room;
    /* spare ones come by the batch: a call costs a fraction of a SUBSCRIBE */
    if (lack < SPARE / 2 && have > waiting && lack < room)
        return 0;
    return lack > GMQ__POOL_BATCH ? GMQ__POOL_BATCH : lack;
}

static bool subscribe_one(gmq__pool *pool, char sid[GMQ__SID_LEN + 1])
{
    gmq__pool_topic *topic = gmq__calloc(1, sizeof *topic);
    uint8_t random[18];
    if (!topic)
        return false;
    pool->random(pool->random_ctx, random, sizeof random);
    gmq__sid_encode(random, topic->sid);
    if (!gmq__map_put(&pool->by_sid, gmq__span_of(topic->sid, GMQ__SID_LEN), topic)) {
        gmq__free(topic);
        return false;
    }
    topic->batch = pool->batch;
    gmq__list_push(&pool->asked, &topic->node);
    pool->nasked++;
    memcpy(sid, topic->sid, sizeof topic->sid);
    return true;
}

static bool want_to_leave(const gmq__pool *pool, size_t waiting, int64_t now)
{
    if (!pool->nleaving)
        return false;
    bool tight = waiting && gmq__pool_subscribed(pool) >= pool->cap;
    return pool->nleaving >= GMQ__POOL_BATCH || tight || now >= pool->leave_at;
}

static size_t unsubscribe(gmq__pool *pool, char sids[GMQ__POOL_BATCH][GMQ__SID_LEN + 1])
{
    size_t n = 0;
    for (gmq__node *node; n < GMQ__POOL_BATCH && (node = gmq__list_pop(&pool->leaving)); n++) {
        memcpy(sids[n], of(node)->sid, sizeof of(node)->sid);
        gmq__free(of(node));
        pool->nleaving--;
    }
    return n;
}

static void give_spare_back(gmq__pool *pool, int64_t now)
{
    gmq__node *node;
    while ((node = gmq__list_pop(&pool->ready))) {
        pool->nready--;
        leave(pool, of(node), now);
    }
    pool->leave_at = now;
}

gmq__pool_ask gmq__pool_pull(gmq__pool *pool, size_t waiting, int64_t now,
                             char sids[GMQ__POOL_BATCH][GMQ__SID_LEN + 1], size_t *n,
                             uint32_t *batch)
{
    if (!pool->connected)
        return GMQ__POOL_NOTHING;
    if (pool->ntaken)
        pool->busy_until = now + pool->idle_ns;
    if (now >= pool->busy_until && !waiting && pool->nready)
        give_spare_back(pool, now);
    *n = 0;
    if (want_to_leave(pool, waiting, now)) {
        *n = unsubscribe(pool, sids);
        return GMQ__POOL_UNSUBSCRIBE;
    }
    size_t lack = missing(pool, waiting, now);
    if (!lack)
        return GMQ__POOL_NOTHING;
    pool->batch++;
    while (*n < lack && subscribe_one(pool, sids[*n]))
        ++*n;
    *batch = pool->batch;
    return *n ? GMQ__POOL_SUBSCRIBE : GMQ__POOL_NOTHING;
}

bool gmq__pool_granted(gmq__pool *pool, uint32_t batch, bool ok, int64_t now)
{
    gmq__node *end = &pool->asked.head;
    for (gmq__node *node = end->next, *next; node != end; node = next) {
        next = node->next;
        if (of(node)->batch != batch)
            continue;
        gmq__node_unlink(node);
        pool->nasked--;
        if (!ok) { /* some of them may have been granted */
            leave(pool, of(node), now);
            continue;
        }
        gmq__list_push(&pool->ready, node);
        pool->nready++;
    }
    pool->refused = !ok;
    if (ok)
        return true;
    /* the broker takes no more than there are: go on with these */
    size_t have = pool->nready + pool->ntaken;
    if (have)
        pool->cap = have;
    return have != 0;
}

int64_t gmq__pool_deadline(const gmq__pool *pool)
{
    int64_t at = pool->nleaving ? pool->leave_at : INT64_MAX;
    if (pool->connected && pool->nready && !pool->ntaken && pool->busy_until < at)
        at = pool->busy_until;
    return at;
}
