#include "unit/methods/alloc_util.h"

#include <stdlib.h>

#include "base/mem.h"

static size_t live, count, fail_at;

static void *watched_realloc(void *old, size_t size)
{
    if (++count == fail_at)
        return NULL;
    void *p = realloc(old, size);
    live += p && !old;
    return p;
}

static void watched_free(void *p)
{
    live--;
    free(p);
}

void alloc_watch(void)
{
    static const gmq__mem_hooks hooks = {watched_realloc, watched_free};
    live = 0;
    alloc_fail_at(0);
    gmq__mem_set_hooks(&hooks);
}

void alloc_fail_at(size_t nth)
{
    count = 0;
    fail_at = nth;
}

size_t alloc_count(void) { return count; }

size_t alloc_live(void) { return live; }

void alloc_unwatch(void) { gmq__mem_set_hooks(NULL); }
