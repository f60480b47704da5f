#include "base/mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void *default_realloc(void *old, size_t size) { return realloc(old, size); }
static void default_free(void *p) { free(p); }

static const gmq__mem_hooks default_hooks = {default_realloc, default_free};
static gmq__mem_hooks hooks = {default_realloc, default_free};

void gmq__mem_set_hooks(const gmq__mem_hooks *given) { hooks = given ? *given : default_hooks; }

void *gmq__malloc(size_t size) { return hooks.realloc_fn(NULL, size ? size : 1); }

void *gmq__calloc(size_t count, size_t size)
{
    if (size && count > SIZE_MAX / size)
        return NULL;
    void *p = gmq__malloc(count * size);
    if (p)
        memset(p, 0, count * size);
    return p;
}

void *gmq__realloc(void *old, size_t size) { return hooks.realloc_fn(old, size ? size : 1); }

void gmq__free(void *p)
{
    if (p)
        hooks.free_fn(p);
}

void gmq__mem_expect(size_t largest) { gmq__free(gmq__malloc(largest)); }

char *gmq__strndup(const char *s, size_t len)
{
    char *copy = gmq__malloc(len + 1);
    if (!copy)
        return NULL;
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

char *gmq__strdup(const char *s) { return gmq__strndup(s, strlen(s)); }
