#include "runtime/backoff.h"

#include "base/os.h"

#define QUICK_NS (100 * GMQ__NS_PER_MS)

void gmq__backoff_init(gmq__backoff *backoff, int64_t max_ns, uint64_t seed)
{
    backoff->max_ns = max_ns;
    backoff->base_ns = 0;
    backoff->prng.state = seed;
}

void gmq__backoff_reset(gmq__backoff *backoff) { backoff->base_ns = 0; }

int64_t gmq__backoff_next(gmq__backoff *backoff)
{
    int64_t base = backoff->base_ns ? backoff->base_ns : QUICK_NS;
    if (!backoff->base_ns)
        backoff->base_ns = GMQ__NS_PER_S;
    else if (base < backoff->max_ns)
        backoff->base_ns = base / 5 * 8;
    if (base > backoff->max_ns)
        base = backoff->max_ns;
    int64_t wait =
        base * 4 / 5 + (int64_t)gmq__prng_below(&backoff->prng, (uint64_t)(base / 5 * 2 + 1));
    return wait < backoff->max_ns ? wait : backoff->max_ns;
}
