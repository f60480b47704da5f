#include "runtime/services.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

/* Length of "pkg.Svc" in "/pkg.Svc/Method". */
static size_t service_len(const char *path)
{
    const char *end = strrchr(path, '/');
    return end > path ? (size_t)(end - path) - 1 : 0;
}

static bool is_named(char *const *names, size_t n, const char *name, size_t len)
{
    while (n--)
        if (strlen(names[n]) == len && !memcmp(names[n], name, len))
            return true;
    return false;
}

char **gmq__services_of(const gmq_method_map *map)
{
    size_t count = gmq_method_map_count(map), bytes = 0, n = 0;
    for (size_t at = 0; at < count; at++)
        bytes += service_len(gmq_method_map_path(map, at)) + 1;
    char **names = gmq__calloc(1, (count + 1) * sizeof *names + bytes);
    if (!names)
        return NULL;
    char *room = (char *)(names + count + 1);
    for (size_t at = 0; at < count; at++) {
        const char *name = gmq_method_map_path(map, at) + 1;
        size_t len = service_len(name - 1);
        if (!len || is_named(names, n, name, len))
            continue;
        memcpy(room, name, len);
        names[n++] = room;
        room += len + 1;
    }
    return names;
}
