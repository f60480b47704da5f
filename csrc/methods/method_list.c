/* Reading a method map: by path, and by index. */
#include "methods/method_rows.h"

static const gmq__row *row_at(const gmq_method_map *map, size_t index)
{
    return map && index < map->len ? map->rows[index] : NULL;
}

size_t gmq_method_map_count(const gmq_method_map *map) { return map ? map->len : 0; }

int64_t gmq_method_map_find(const gmq_method_map *map, const char *path)
{
    const gmq__row *row = map && path ? gmq__rows_find(map, gmq__span_str(path)) : NULL;
    return row ? (int64_t)row->index : -1;
}

const char *gmq_method_map_path(const gmq_method_map *map, size_t index)
{
    const gmq__row *row = row_at(map, index);
    return row ? row->path : NULL;
}

int32_t gmq_method_map_kind(const gmq_method_map *map, size_t index)
{
    const gmq__row *row = row_at(map, index);
    return row ? (int32_t)row->method.kind : -1;
}

const char *gmq_method_map_input_type(const gmq_method_map *map, size_t index)
{
    const gmq__row *row = row_at(map, index);
    return row ? row->input : "";
}

const char *gmq_method_map_output_type(const gmq_method_map *map, size_t index)
{
    const gmq__row *row = row_at(map, index);
    return row ? row->output : "";
}

const char *gmq_method_map_target(const gmq_method_map *map, size_t index)
{
    const gmq__row *row = row_at(map, index);
    return row && row->target ? row->target : "";
}

int32_t gmq_method_map_batched_stream(const gmq_method_map *map, size_t index)
{
    const gmq__row *row = row_at(map, index);
    return row ? row->method.options.batched : -1;
}

int32_t gmq_method_map_server_clevel(const gmq_method_map *map, size_t index)
{
    const gmq__row *row = row_at(map, index);
    return row ? row->method.options.server_level : -1;
}

int32_t gmq_method_map_client_clevel(const gmq_method_map *map, size_t index)
{
    const gmq__row *row = row_at(map, index);
    return row ? row->method.options.client_level : -1;
}
