/* Token bucket: bytes a second, with a burst of 10 ms; what goes out may overdraw it once. */
#ifndef GMQ_ENGINE_RATE_H
#define GMQ_ENGINE_RATE_H

#include <stddef.h>
#include <stdint.h>

typedef struct gmq__rate {
    uint64_t limit;   /* bytes a second; 0 = none */
    int64_t ready_at; /* ns; when the next publish may leave */
} gmq__rate;

static inline int64_t gmq__rate_ready_at(const gmq__rate *rate)
{
    return rate->limit ? rate->ready_at : INT64_MIN;
}
void gmq__rate_take(gmq__rate *rate, size_t bytes, int64_t now);

#endif
