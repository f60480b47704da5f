#include "engine/rate.h"

#define BURST_NS INT64_C(10000000)
#define NS_PER_S 1000000000.0

void gmq__rate_take(gmq__rate *rate, size_t bytes, int64_t now)
{
    if (!rate->limit)
        return;
    int64_t from = rate->ready_at > now - BURST_NS ? rate->ready_at : now - BURST_NS;
    rate->ready_at = from + (int64_t)((double)bytes * NS_PER_S / (double)rate->limit);
}
