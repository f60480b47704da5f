/* Memory that goes all at once, and never becomes more than a limit. */
#ifndef GMQ_METHODS_ARENA_H
#define GMQ_METHODS_ARENA_H

#include <grpc_mqtt/base.h>

#include <stdbool.h>
#include <stddef.h>

typedef struct gmq__arena {
    struct gmq__arena_block *blocks; /* the newest first */
    size_t used, cap;                /* bytes of the newest */
    size_t left;                     /* bytes that may still be taken */
    size_t total;
    bool exceeded; /* something was refused because of the limit */
} gmq__arena;

gmq__arena gmq__arena_of(size_t total);
void gmq__arena_free(gmq__arena *arena);

/* Zeroed, aligned for anything; NULL = out of memory or limit, see gmq__arena_fail(). */
void *gmq__arena_take(gmq__arena *arena, size_t count, size_t size);
char *gmq__arena_text(gmq__arena *arena, const char *text, size_t len); /* a copy, and a NUL */
char *gmq__arena_join(gmq__arena *arena, const char *a, const char *b, const char *c,
                      const char *d);

/* The failure that a NULL was. Errors: GMQ_E_TOO_LARGE, GMQ_E_NOMEM. */
gmq_status gmq__arena_fail(const gmq__arena *arena);

#endif
