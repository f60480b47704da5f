#include "runtime/services.h"

#include <string.h>

#include "base/mem.h"

/* Length of "pkg.Svc" in "/pkg.Svc/Method". */
static size_t service_len(const char *path)
{
    const char *end = strrchr(path, '/');
    return end > path ? (size_t)(end - path) - 1 : 0;
}

typedef struct names {
    char **list; /* of `count`, behind it NULLs */
    size_t count;
    char *room; /* behind the list */
} names;

static void add(names *out, const char *name, size_t len)
{
    if (!len)
        return;
    for (size_t at = 0; at < out->count; at++)
        if (strlen(out->list[at]) == len && !memcmp(out->list[at], name, len))
            return;
    memcpy(out->room, name, len); /* zeroed: the NUL is there */
    out->list[out->count++] = out->room;
    out->room += len + 1;
}

static void add_listed(names *out, const char *more)
{
    for (size_t len; *more; more += len + (more[len] == ',')) {
        len = strcspn(more, ",");
        add(out, more, len);
    }
}

char **gmq__services_of(const gmq_method_map *map, const char *more)
{
    size_t count = gmq_method_map_count(map), bytes = 0, most = count;
    for (size_t at = 0; at < count; at++)
        bytes += service_len(gmq_method_map_path(map, at)) + 1;
    more = more ? more : "";
    bytes += strlen(more) + 1;
    most += strlen(more) + 1; /* more than enough: of "a,b" */
    names out = {.list = gmq__calloc(1, (most + 1) * sizeof *out.list + bytes)};
    if (!out.list)
        return NULL;
    out.room = (char *)(out.list + most + 1);
    for (size_t at = 0; at < count; at++) {
        const char *path = gmq_method_map_path(map, at);
        add(&out, path + 1, service_len(path));
    }
    add_listed(&out, more);
    return out.list;
}
