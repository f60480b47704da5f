/* Sessions that are over: their ids, until no duplicate of their packets can arrive any more. */
#ifndef GMQ_ENGINE_TOMBSTONE_H
#define GMQ_ENGINE_TOMBSTONE_H

#include "base/heap.h"
#include "base/map.h"

#define GMQ__TOMBSTONES_MAX 100000 /* above: the one that would go first goes */

typedef struct gmq__tombstones {
    gmq__map by_sid; /* session id -> tombstone; in: end of a session; out: its time is up */
    gmq__heap by_time;
} gmq__tombstones; /* all zero (but by_sid.seed) is empty */

/* `next_i`: the number that the session's next packet would have had. An id that is there stays,
 * with the later time. false = no memory. */
bool gmq__tombstones_add(gmq__tombstones *t, gmq__span sid, int64_t until, uint64_t next_i);
bool gmq__tombstones_find(const gmq__tombstones *t, gmq__span sid,
                          uint64_t *next_i);                /* next_i may be NULL */
int64_t gmq__tombstones_deadline(const gmq__tombstones *t); /* INT64_MAX = none */
void gmq__tombstones_expire(gmq__tombstones *t, int64_t now);
void gmq__tombstones_free(gmq__tombstones *t);

#endif
