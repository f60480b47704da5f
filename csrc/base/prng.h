/* Small seeded generator (splitmix64) for jitter and simulated faults. Never for ids or secrets. */
#ifndef GMQ_BASE_PRNG_H
#define GMQ_BASE_PRNG_H

#include <stdint.h>

typedef struct gmq__prng {
    uint64_t state;
} gmq__prng;

static inline uint64_t gmq__prng_next(gmq__prng *p)
{
    uint64_t z = (p->state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 to bound - 1; bound > 0. */
static inline uint64_t gmq__prng_below(gmq__prng *p, uint64_t bound)
{
    return gmq__prng_next(p) % bound;
}

#endif
