/* How long to wait before the next attempt to connect: short once, then gRPC's 1 s x 1.6 +-20 %, at
 * most `max`. */
#ifndef GMQ_RUNTIME_BACKOFF_H
#define GMQ_RUNTIME_BACKOFF_H

#include "base/prng.h"

/* A connection that lasted so long was a good one: only then does the wait begin short again. Two
 * clients that push each other out (same client id) thus slow down. */
#define GMQ__BACKOFF_GOOD_NS INT64_C(10000000000)

typedef struct gmq__backoff {
    int64_t max_ns;
    int64_t base_ns; /* of the next wait; 0 = begin again */
    gmq__prng prng;
} gmq__backoff;

void gmq__backoff_init(gmq__backoff *backoff, int64_t max_ns, uint64_t seed);
void gmq__backoff_reset(gmq__backoff *backoff);
int64_t gmq__backoff_next(gmq__backoff *backoff); /* ns */

#endif
