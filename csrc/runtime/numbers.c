#include "runtime/numbers.h"

#include <string.h>

#include "runtime/owner.h"

void gmq__numbers_init(gmq__numbers_box *box) { pthread_mutex_init(&box->lock, NULL); }
void gmq__numbers_free(gmq__numbers_box *box) { pthread_mutex_destroy(&box->lock); }

void gmq__numbers_finished(gmq__numbers_box *box, int32_t code)
{
    box->own.finished[code >= 0 && code < GMQ__CODES ? code : GMQ_CODE_UNKNOWN]++;
}

/* Of an engine that is gone the counters stay. */
static void forget_gauges(gmq__engine_stats *stats)
{
    stats->open_calls = stats->tombstones = stats->subscriptions = stats->links = 0;
    stats->reassembly_bytes = stats->unread_bytes = stats->unsent_bytes = 0;
}

void gmq__numbers_publish(gmq__runtime *rt)
{
    gmq__numbers_box *box = &rt->numbers;
    if (rt->engine)
        gmq__engine_stats_get(rt->engine, &box->own.engine);
    else
        forget_gauges(&box->own.engine);
    box->own.open = gmq__map_count(&rt->calls);
    box->own.connected = rt->engine && rt->conn == GMQ__CONN_UP;
    if (memcmp(&box->own, &box->published, sizeof box->own) == 0)
        return;
    pthread_mutex_lock(&box->lock);
    box->published = box->own;
    pthread_mutex_unlock(&box->lock);
}

void gmq__numbers_read(gmq__numbers_box *box, gmq__numbers *out)
{
    pthread_mutex_lock(&box->lock);
    *out = box->published;
    pthread_mutex_unlock(&box->lock);
}
