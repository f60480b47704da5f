#include "base/map.h"

#include <string.h>

#include "base/mem.h"

struct gmq__map_slot {
    uint64_t hash;
    void *value; /* NULL: free, or deleted when `dead` */
    uint8_t *key;
    uint32_t len;
    bool dead;
};

static uint64_t mix(uint64_t h)
{
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    return h ^ (h >> 32);
}

static uint64_t hash_key(const gmq__map *map, gmq__span key)
{
    uint64_t h = map->seed ^ (key.len * 0x9e3779b97f4a7c15u);
    size_t at = 0;
    for (; at + 8 <= key.len; at += 8) {
        uint64_t word;
        memcpy(&word, key.data + at, 8);
        h = mix(h ^ word);
    }
    uint64_t tail = 0;
    if (at < key.len)
        memcpy(&tail, key.data + at, key.len - at);
    return mix(h ^ tail);
}

static gmq__map_slot *find(const gmq__map *map, gmq__span key, uint64_t hash)
{
    if (!map->cap)
        return NULL;
    for (size_t i = hash & (map->cap - 1);; i = (i + 1) & (map->cap - 1)) {
        gmq__map_slot *slot = &map->slots[i];
        if (!slot->value && !slot->dead)
            return NULL;
        if (slot->value && slot->hash == hash &&
            gmq__span_equal(gmq__span_of(slot->key, slot->len), key))
            return slot;
    }
}

static void place(gmq__map_slot *slots, size_t cap, const gmq__map_slot *entry)
{
    size_t i = entry->hash & (cap - 1);
    while (slots[i].value)
        i = (i + 1) & (cap - 1);
    slots[i] = *entry;
}

static bool rehash(gmq__map *map)
{
    size_t cap = 8;
    while (cap < map->used * 2 + 2)
        cap *= 2;
    gmq__map_slot *slots = gmq__calloc(cap, sizeof *slots);
    if (!slots)
        return false;
    for (size_t i = 0; i < map->cap; i++)
        if (map->slots[i].value)
            place(slots, cap, &map->slots[i]);
    gmq__free(map->slots);
    map->slots = slots;
    map->cap = cap;
    map->full = map->used;
    return true;
}

bool gmq__map_put(gmq__map *map, gmq__span key, void *value)
{
    uint64_t hash = hash_key(map, key);
    gmq__map_slot *slot = find(map, key, hash);
    if (slot) {
        slot->value = value;
        return true;
    }
    if (key.len > UINT32_MAX)
        return false;
    if ((map->full + 1) * 4 > map->cap * 3 && !rehash(map))
        return false;
    gmq__map_slot entry = {hash, value, gmq__malloc(key.len), (uint32_t)key.len, false};
    if (!entry.key)
        return false;
    if (key.len)
        memcpy(entry.key, key.data, key.len);
    size_t i = hash & (map->cap - 1);
    while (map->slots[i].value)
        i = (i + 1) & (map->cap - 1);
    map->full += !map->slots[i].dead;
    map->slots[i] = entry;
    map->used++;
    return true;
}

void *gmq__map_get(const gmq__map *map, gmq__span key)
{
    gmq__map_slot *slot = find(map, key, hash_key(map, key));
    return slot ? slot->value : NULL;
}

void *gmq__map_remove(gmq__map *map, gmq__span key)
{
    gmq__map_slot *slot = find(map, key, hash_key(map, key));
    if (!slot)
        return NULL;
    void *value = slot->value;
    gmq__free(slot->key);
    memset(slot, 0, sizeof *slot);
    slot->dead = true;
    map->used--;
    return value;
}

bool gmq__map_put_u64(gmq__map *map, uint64_t key, void *value)
{
    return gmq__map_put(map, gmq__span_of(&key, sizeof key), value);
}

void *gmq__map_get_u64(const gmq__map *map, uint64_t key)
{
    return gmq__map_get(map, gmq__span_of(&key, sizeof key));
}

void *gmq__map_remove_u64(gmq__map *map, uint64_t key)
{
    return gmq__map_remove(map, gmq__span_of(&key, sizeof key));
}

size_t gmq__map_count(const gmq__map *map) { return map->used; }

void *gmq__map_next(const gmq__map *map, size_t *at)
{
    while (*at < map->cap) {
        void *value = map->slots[(*at)++].value;
        if (value)
            return value;
    }
    return NULL;
}

void gmq__map_free(gmq__map *map)
{
    for (size_t i = 0; i < map->cap; i++)
        gmq__free(map->slots[i].key);
    gmq__free(map->slots);
    uint64_t seed = map->seed;
    memset(map, 0, sizeof *map);
    map->seed = seed;
}
