#include "engine/tombstone.h"

#include <string.h>

#include "base/list.h"
#include "base/mem.h"

typedef struct stone {
    gmq__heap_node timer;
    uint64_t next_i;
    size_t len;
    uint8_t sid[];
} stone;

static stone *of_timer(gmq__heap_node *node) { return GMQ__CONTAINER(node, stone, timer); }

static void drop(gmq__tombstones *t, stone *s)
{
    gmq__heap_remove(&t->by_time, &s->timer);
    gmq__map_remove(&t->by_sid, gmq__span_of(s->sid, s->len));
    gmq__free(s);
}

bool gmq__tombstones_add(gmq__tombstones *t, gmq__span sid, int64_t until, uint64_t next_i)
{
    stone *s = gmq__map_get(&t->by_sid, sid);
    if (s && next_i > s->next_i)
        s->next_i = next_i;
    if (s)
        return s->timer.key >= until || gmq__heap_set(&t->by_time, &s->timer, until);
    if (gmq__map_count(&t->by_sid) >= GMQ__TOMBSTONES_MAX)
        drop(t, of_timer(gmq__heap_first(&t->by_time)));
    s = gmq__calloc(1, sizeof *s + sid.len);
    if (!s)
        return false;
    memcpy(s->sid, sid.data, sid.len);
    s->len = sid.len;
    s->next_i = next_i;
    if (!gmq__heap_set(&t->by_time, &s->timer, until) || !gmq__map_put(&t->by_sid, sid, s)) {
        gmq__heap_remove(&t->by_time, &s->timer);
        gmq__free(s);
        return false;
    }
    return true;
}

bool gmq__tombstones_find(const gmq__tombstones *t, gmq__span sid, uint64_t *next_i)
{
    stone *s = gmq__map_get(&t->by_sid, sid);
    if (s && next_i)
        *next_i = s->next_i;
    return s != NULL;
}

int64_t gmq__tombstones_deadline(const gmq__tombstones *t)
{
    gmq__heap_node *first = gmq__heap_first(&t->by_time);
    return first ? first->key : INT64_MAX;
}

void gmq__tombstones_expire(gmq__tombstones *t, int64_t now)
{
    gmq__heap_node *first;
    while ((first = gmq__heap_first(&t->by_time)) && first->key <= now)
        drop(t, of_timer(first));
}

void gmq__tombstones_free(gmq__tombstones *t)
{
    gmq__tombstones_expire(t, INT64_MAX);
    gmq__heap_free(&t->by_time);
    gmq__map_free(&t->by_sid);
}
