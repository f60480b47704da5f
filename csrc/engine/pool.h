/* Session topics of a client: subscribed ahead of need, taken by calls, given back in batches. Each
 * is used once. */
#ifndef GMQ_ENGINE_POOL_H
#define GMQ_ENGINE_POOL_H

#include "base/list.h"
#include "base/map.h"
#include "wire/topic.h"

#define GMQ__POOL_BATCH                                                                            \
    8 /* filters in a SUBSCRIBE or UNSUBSCRIBE: what the strictest brokers take */

typedef struct gmq__pool_topic {
    gmq__node node; /* in asked, ready, or leaving; in none while a call has it */
    char sid[GMQ__SID_LEN + 1];
    uint32_t batch; /* of the SUBSCRIBE that asks for it */
    void *owner;    /* the call that has it */
} gmq__pool_topic;

/* State of a topic: fresh -> asked (SUBSCRIBE pulled) -> ready (granted) -> taken (a call's) ->
 * leaving (over)
 * -> gone (UNSUBSCRIBE pulled). Spare ones go from ready to leaving when the pool is idle. */
typedef struct gmq__pool {
    gmq__list asked, ready, leaving;
    size_t nasked, nready, ntaken, nleaving;
    gmq__map by_sid; /* session id -> topic; in: SUBSCRIBE pulled; out: released, refused or
                        disconnected */
    size_t most;     /* topics subscribed at a time, as configured */
    size_t cap;      /* the same, or less where the broker refused more */
    bool connected;
    bool refused; /* the last SUBSCRIBE was: ask again only when a call waits */
    uint32_t batch;
    int64_t idle_ns, busy_until; /* spare topics are kept until then */
    int64_t leave_at;            /* when those leaving go, however few */
    void (*random)(void *ctx, void *out, size_t len);
    void *random_ctx;
} gmq__pool;

void gmq__pool_init(gmq__pool *pool, size_t cap, int64_t idle_ns,
                    void (*random)(void *ctx, void *out, size_t len), void *random_ctx);
void gmq__pool_free(gmq__pool *pool);
void gmq__pool_connected(gmq__pool *pool, int64_t now);
void gmq__pool_disconnected(gmq__pool *pool); /* frees every topic, also those taken */

/* A granted topic for a call; NULL = none now. */
gmq__pool_topic *gmq__pool_take(gmq__pool *pool, void *owner, int64_t now);
void gmq__pool_release(gmq__pool *pool, gmq__pool_topic *topic, int64_t now);
void *gmq__pool_owner(const gmq__pool *pool, gmq__span sid); /* NULL = no call has this topic */

typedef enum gmq__pool_ask {
    GMQ__POOL_NOTHING,
    GMQ__POOL_SUBSCRIBE,
    GMQ__POOL_UNSUBSCRIBE
} gmq__pool_ask;

/* The next request for the broker: session ids into `sids`, their number into `n`, `batch` for
 * gmq__pool_granted(). `waiting`: calls that wait for a topic. */
gmq__pool_ask gmq__pool_pull(gmq__pool *pool, size_t waiting, int64_t now,
                             char sids[GMQ__POOL_BATCH][GMQ__SID_LEN + 1], size_t *n,
                             uint32_t *batch);

/* Answer to a SUBSCRIBE. false = it was refused and calls that wait for a topic cannot hope for
 * another. */
bool gmq__pool_granted(gmq__pool *pool, uint32_t batch, bool ok, int64_t now);

int64_t gmq__pool_deadline(const gmq__pool *pool); /* when pull has something that it has not now */
size_t gmq__pool_subscribed(const gmq__pool *pool);

#endif
