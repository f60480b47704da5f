#include "codegen/scratch.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

struct gmq__scratch_block {
    gmq__scratch_block *next;
    max_align_t data[];
};

void *gmq__scratch_alloc(gmq__scratch *scratch, size_t count, size_t size)
{
    gmq__scratch_block *block = NULL;
    if (!size || count <= (SIZE_MAX - sizeof *block) / size)
        block = gmq__calloc(1, sizeof *block + count * size);
    if (!block) {
        scratch->failed = true;
        return NULL;
    }
    block->next = scratch->blocks;
    scratch->blocks = block;
    return block->data;
}

const char *gmq__scratch_text(gmq__scratch *scratch, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int len = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *text = len < 0 ? NULL : gmq__scratch_alloc(scratch, (size_t)len + 1, 1);
    if (!text)
        return "";
    va_start(arguments, format);
    vsnprintf(text, (size_t)len + 1, format, arguments);
    va_end(arguments);
    return text;
}

const char *gmq__scratch_keep(gmq__scratch *scratch, gmq__span text)
{
    char *copy = gmq__scratch_alloc(scratch, text.len + 1, 1);
    if (!copy)
        return "";
    if (text.len)
        memcpy(copy, text.data, text.len);
    return copy;
}

void gmq__scratch_free(gmq__scratch *scratch)
{
    for (gmq__scratch_block *block = scratch->blocks, *next; block; block = next) {
        next = block->next;
        gmq__free(block);
    }
    memset(scratch, 0, sizeof *scratch);
}
