#include "methods/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

#define ALIGNMENT  _Alignof(max_align_t)
#define BLOCK_SIZE ((size_t)16 << 10)

typedef struct gmq__arena_block {
    struct gmq__arena_block *older;
    max_align_t data[];
} block;

gmq__arena gmq__arena_of(size_t total) { return (gmq__arena){.left = total, .total = total}; }

void gmq__arena_free(gmq__arena *arena)
{
    while (arena->blocks) {
        block *older = arena->blocks->older;
        gmq__free(arena->blocks);
        arena->blocks = older;
    }
}

static bool add_block(gmq__arena *arena, size_t size)
{
    size_t cap = size > BLOCK_SIZE ? size : BLOCK_SIZE;
    block *b = gmq__malloc(sizeof *b + cap);
    if (!b)
        return false;
    b->older = arena->blocks;
    arena->blocks = b;
    arena->used = 0;
    arena->cap = cap;
    return true;
}

void *gmq__arena_take(gmq__arena *arena, size_t count, size_t size)
{
    if (count && size > (SIZE_MAX - ALIGNMENT) / count) {
        arena->exceeded = true;
        return NULL;
    }
    size_t need = (count * size / ALIGNMENT + 1) * ALIGNMENT; /* never nothing */
    if (need > arena->left) {
        arena->exceeded = true;
        return NULL;
    }
    if (need > arena->cap - arena->used && !add_block(arena, need))
        return NULL;
    arena->left -= need;
    void *p = (char *)arena->blocks->data + arena->used;
    arena->used += need;
    memset(p, 0, need);
    return p;
}

char *gmq__arena_text(gmq__arena *arena, const char *text, size_t len)
{
    char *copy = gmq__arena_take(arena, len + 1, 1);
    if (copy && len)
        memcpy(copy, text, len);
    return copy;
}

char *gmq__arena_join(gmq__arena *arena, const char *a, const char *b, const char *c, const char *d)
{
    size_t size = strlen(a) + strlen(b) + strlen(c) + strlen(d) + 1;
    char *joined = gmq__arena_take(arena, size, 1);
    if (joined)
        snprintf(joined, size, "%s%s%s%s", a, b, c, d);
    return joined;
}

gmq_status gmq__arena_fail(const gmq__arena *arena)
{
    if (arena->exceeded)
        return gmq__fail(GMQ_E_TOO_LARGE, "the descriptor set takes more than %zu bytes of memory",
                         arena->total);
    return gmq__fail_nomem();
}
