#include "methods/method_map.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "methods/descriptor_file.h"
#include "methods/descriptor_set.h"
#include "methods/method_rows.h"
#include "methods/path.h"

static gmq_method_map *new_map(void) /* NULL = out of memory */
{
    gmq_method_map *map = gmq__malloc(sizeof *map);
    if (map)
        gmq__rows_init(map);
    return map;
}

gmq_status gmq_method_map_new(gmq_method_map **out)
{
    gmq_method_map *map = new_map();
    if (!map)
        return gmq__fail_nomem();
    *out = map;
    return GMQ_OK;
}

void gmq_method_map_free(gmq_method_map *map)
{
    if (!map)
        return;
    gmq__rows_free(map);
    gmq__free(map);
}

gmq_status gmq_method_map_add_descriptors(gmq_method_map *map, const void *data, size_t len)
{
    gmq_method_map read;
    gmq__rows_init(&read);
    gmq_status status = gmq__descriptor_set_read(&read, gmq__span_of(data, len));
    if (!status && !gmq__rows_absorb(map, &read))
        status = gmq__fail_nomem();
    gmq__rows_free(&read);
    return status;
}

gmq_status gmq_method_map_add_descriptor_file(gmq_method_map *map, const char *file)
{
    gmq__bytes bytes = {0};
    gmq_status status = gmq__descriptor_file_read(&bytes, file);
    if (!status)
        status = gmq__descriptor_file_fail(
            gmq_method_map_add_descriptors(map, bytes.data, bytes.len), file);
    gmq__bytes_free(&bytes);
    return status;
}

gmq_status gmq_method_map_add(gmq_method_map *map, const char *path, gmq_rpc_kind kind)
{
    gmq_status status = gmq__path_check(path);
    if (status)
        return status;
    if ((int)kind < GMQ_RPC_UNARY || (int)kind > GMQ_RPC_BIDI_STREAMING)
        return gmq__fail(GMQ_E_INVALID, "kind %d of method \"%s\" is not 0 to 3", (int)kind, path);
    if (gmq__rows_find(map, gmq__span_str(path)))
        return gmq__fail(GMQ_E_EXISTS, "method \"%s\" is in the map already", path);
    gmq__span none = {0};
    gmq__rpc_method method = {kind, {-1, -1, -1}};
    gmq__row *row = gmq__row_new(gmq__span_str(path), none, none, method);
    if (row && gmq__rows_push(map, row))
        return GMQ_OK;
    gmq__row_free(row);
    return gmq__fail_nomem();
}

/* Gives the matching rows their targets; `targets` has one string for each, owned by the row from
 * now on. */
static void set_targets(gmq_method_map *map, const char *pattern, char **targets)
{
    size_t used = 0;
    for (size_t i = 0; i < map->len; i++) {
        gmq__row *row = map->rows[i];
        if (gmq__path_matches(pattern, row->path)) {
            gmq__free(row->target);
            row->target = targets[used++];
        }
    }
}

static size_t count_matches(const gmq_method_map *map, const char *pattern)
{
    size_t n = 0;
    for (size_t i = 0; i < map->len; i++)
        n += gmq__path_matches(pattern, map->rows[i]->path);
    return n;
}

/* `n` copies of `target`, all or none; NULL = out of memory. */
static char **copy_targets(const char *target, size_t n)
{
    char **copies = gmq__calloc(n, sizeof *copies);
    for (size_t i = 0; copies && i < n; i++) {
        copies[i] = gmq__strdup(target);
        if (copies[i])
            continue;
        while (i--)
            gmq__free(copies[i]);
        gmq__free(copies);
        return NULL;
    }
    return copies;
}

gmq_status gmq_method_map_bind(gmq_method_map *map, const char *pattern, const char *target,
                               size_t *count)
{
    gmq_status status = gmq__path_check_pattern(pattern);
    if (status)
        return status;
    if (!target || !*target)
        return gmq__fail(GMQ_E_INVALID, "target of pattern \"%s\" is empty",
                         pattern ? pattern : "*");
    size_t n = count_matches(map, pattern);
    char **targets = copy_targets(target, n);
    if (!targets)
        return gmq__fail_nomem();
    set_targets(map, pattern, targets);
    gmq__free(targets);
    if (count)
        *count = n;
    return GMQ_OK;
}

gmq_status gmq_method_map_filter(gmq_method_map *map, const char *pattern)
{
    gmq_status status = gmq__path_check_pattern(pattern);
    if (!status)
        gmq__rows_keep(map, pattern);
    return status;
}

/* Copies the rows that `map` does not know to its end. false = out of memory. */
static bool add_copies(gmq_method_map *map, const gmq_method_map *from)
{
    for (size_t i = 0; from && i < from->len; i++) {
        if (gmq__rows_find(map, gmq__span_str(from->rows[i]->path)))
            continue;
        gmq__row *row = gmq__row_copy(from->rows[i]);
        if (!row || !gmq__rows_push(map, row)) {
            gmq__row_free(row);
            return false;
        }
    }
    return true;
}

gmq_status gmq_method_map_merge(gmq_method_map **out, const gmq_method_map *left,
                                const gmq_method_map *right)
{
    gmq_method_map *map = new_map();
    if (!map || !add_copies(map, left) || !add_copies(map, right)) {
        gmq_method_map_free(map);
        return gmq__fail_nomem();
    }
    *out = map;
    return GMQ_OK;
}

gmq_status gmq__method_map_copy(gmq_method_map **out, const gmq_method_map *map)
{
    return gmq_method_map_merge(out, map, NULL);
}

bool gmq__method_map_lookup(const gmq_method_map *map, gmq__span path, gmq__rpc_method *out)
{
    const gmq__row *row = map ? gmq__rows_find(map, path) : NULL;
    if (row)
        *out = row->method;
    return row != NULL;
}
