#include "methods/method_rows.h"

#include <string.h>

#include "base/mem.h"
#include "methods/path.h"

static char *put_string(char **at, gmq__span s)
{
    char *start = *at;
    if (s.len)
        memcpy(start, s.data, s.len);
    start[s.len] = '\0';
    *at += s.len + 1;
    return start;
}

gmq__row *gmq__row_new(gmq__span path, gmq__span input, gmq__span output, gmq__rpc_method method)
{
    gmq__row *row = gmq__malloc(sizeof *row + path.len + input.len + output.len + 3);
    if (!row)
        return NULL;
    memset(row, 0, sizeof *row);
    row->method = method;
    char *at = (char *)(row + 1);
    row->path = put_string(&at, path);
    row->input = put_string(&at, input);
    row->output = put_string(&at, output);
    return row;
}

gmq__row *gmq__row_copy(const gmq__row *row)
{
    gmq__row *copy = gmq__row_new(gmq__span_str(row->path), gmq__span_str(row->input),
                                  gmq__span_str(row->output), row->method);
    if (!copy || !row->target)
        return copy;
    copy->target = gmq__strdup(row->target);
    if (copy->target)
        return copy;
    gmq__row_free(copy);
    return NULL;
}

void gmq__row_free(gmq__row *row)
{
    if (!row)
        return;
    gmq__free(row->target);
    gmq__free(row);
}

void gmq__rows_init(gmq_method_map *map)
{
    memset(map, 0, sizeof *map);
    /* The place in memory is random enough to spoil collisions that were computed beforehand. */
    map->index.seed = (uint64_t)(uintptr_t)map * 0x9e3779b97f4a7c15u;
}

void gmq__rows_free(gmq_method_map *map)
{
    for (size_t i = 0; i < map->len; i++)
        gmq__row_free(map->rows[i]);
    gmq__free(map->rows);
    gmq__map_free(&map->index);
}

gmq__row *gmq__rows_find(const gmq_method_map *map, gmq__span path)
{
    return gmq__map_get(&map->index, path);
}

static bool reserve(gmq_method_map *map, size_t more)
{
    if (map->cap - map->len >= more)
        return true;
    size_t cap = map->cap * 2 > map->len + more ? map->cap * 2 : map->len + more;
    gmq__row **rows = gmq__realloc(map->rows, cap * sizeof(gmq__row *));
    if (!rows)
        return false;
    map->rows = rows;
    map->cap = cap;
    return true;
}

bool gmq__rows_push(gmq_method_map *map, gmq__row *row)
{
    if (!reserve(map, 1) || !gmq__map_put(&map->index, gmq__span_str(row->path), row))
        return false;
    row->index = map->len;
    map->rows[map->len++] = row;
    return true;
}

/* Takes the rows from `len` on out again; they stay with the map that they came from. */
static void roll_back(gmq_method_map *map, size_t len, gmq_method_map *from)
{
    while (map->len > len)
        gmq__map_remove(&map->index, gmq__span_str(map->rows[--map->len]->path));
    for (size_t i = 0; i < from->len; i++)
        from->rows[i]->index = i;
}

/* Takes the rows that belong to `map` by now out of `from`. */
static void forget_moved(gmq_method_map *from, const gmq_method_map *map)
{
    size_t kept = 0;
    for (size_t i = 0; i < from->len; i++) {
        gmq__row *row = from->rows[i];
        if (gmq__rows_find(map, gmq__span_str(row->path)) == row) {
            gmq__map_remove(&from->index, gmq__span_str(row->path));
        } else {
            row->index = kept;
            from->rows[kept++] = row;
        }
    }
    from->len = kept;
}

bool gmq__rows_absorb(gmq_method_map *map, gmq_method_map *from)
{
    size_t len = map->len;
    if (!reserve(map, from->len))
        return false;
    for (size_t i = 0; i < from->len; i++) {
        gmq__row *row = from->rows[i];
        if (!gmq__rows_find(map, gmq__span_str(row->path)) && !gmq__rows_push(map, row)) {
            roll_back(map, len, from);
            return false;
        }
    }
    forget_moved(from, map);
    return true;
}

void gmq__rows_keep(gmq_method_map *map, const char *pattern)
{
    size_t kept = 0;
    for (size_t i = 0; i < map->len; i++) {
        gmq__row *row = map->rows[i];
        if (gmq__path_matches(pattern, row->path)) {
            row->index = kept;
            map->rows[kept++] = row;
        } else {
            gmq__map_remove(&map->index, gmq__span_str(row->path));
            gmq__row_free(row);
        }
    }
    map->len = kept;
}
