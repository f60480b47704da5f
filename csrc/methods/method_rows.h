/* The rows of a method map: in order of addition, and by path. */
#ifndef GMQ_METHODS_METHOD_ROWS_H
#define GMQ_METHODS_METHOD_ROWS_H

#include "base/map.h"
#include "methods/method_map.h"

typedef struct gmq__row {
    gmq__rpc_method method;
    size_t index;                /* its place in gmq_method_map.rows */
    char *target;                /* NULL = not bound */
    char *path, *input, *output; /* inside the row's own memory */
} gmq__row;

struct gmq_method_map {
    gmq__row **rows; /* owned, in order of addition */
    size_t len, cap;
    gmq__map index; /* path -> row; an entry comes with its row in `rows` and goes with it */
};

/* NULL = out of memory. */
gmq__row *gmq__row_new(gmq__span path, gmq__span input, gmq__span output, gmq__rpc_method method);
gmq__row *gmq__row_copy(const gmq__row *row);
void gmq__row_free(gmq__row *row); /* NULL is fine */

void gmq__rows_init(gmq_method_map *map);
void gmq__rows_free(gmq_method_map *map); /* what the map holds, not the map itself */

gmq__row *gmq__rows_find(const gmq_method_map *map, gmq__span path); /* NULL = unknown */

/* Takes the row, whose path must be unknown. false = out of memory: the row stays the caller's. */
bool gmq__rows_push(gmq_method_map *map, gmq__row *row);

/* Moves over the rows of `from` whose paths `map` does not know, in order; `from` keeps the others.
 * false = out of memory, both as they were. */
bool gmq__rows_absorb(gmq_method_map *map, gmq_method_map *from);

/* Frees the rows whose path does not match the pattern. */
void gmq__rows_keep(gmq_method_map *map, const char *pattern);

#endif
