/* Hash table: byte keys or u64 keys -> pointers. The table copies byte keys. Open addressing with
 * linear probing; the hash is seeded, so that a peer cannot choose collisions. */
#ifndef GMQ_BASE_MAP_H
#define GMQ_BASE_MAP_H

#include "base/bytes.h"

typedef struct gmq__map_slot gmq__map_slot;
typedef struct gmq__map {
    gmq__map_slot *slots;
    size_t cap;  /* power of two, or 0 */
    size_t used; /* live entries */
    size_t full; /* live entries and deleted marks */
    uint64_t seed;
} gmq__map; /* all zero is an empty map (seed 0); set seed before the first put */

/* Puts or replaces. false = out of memory (map unchanged). value must not be NULL. */
bool gmq__map_put(gmq__map *map, gmq__span key, void *value);
void *gmq__map_get(const gmq__map *map, gmq__span key); /* NULL = absent */
void *gmq__map_remove(gmq__map *map, gmq__span key);    /* the value that was there, or NULL */

bool gmq__map_put_u64(gmq__map *map, uint64_t key, void *value);
void *gmq__map_get_u64(const gmq__map *map, uint64_t key);
void *gmq__map_remove_u64(gmq__map *map, uint64_t key);

size_t gmq__map_count(const gmq__map *map);

/* Iterates: start with *at = 0; returns each value once, then NULL. The entry just returned may be
 * removed meanwhile; nothing may be put. */
void *gmq__map_next(const gmq__map *map, size_t *at);

/* Frees the table, not the values; all zero again but the seed. */
void gmq__map_free(gmq__map *map);

#endif
