#include "base/bytes.h"

#include <string.h>

#include "base/mem.h"

gmq__span gmq__span_str(const char *s) { return gmq__span_of(s, strlen(s)); }

bool gmq__span_equal(gmq__span a, gmq__span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool gmq__span_equal_str(gmq__span a, const char *s)
{
    return gmq__span_equal(a, gmq__span_str(s));
}

bool gmq__bytes_reserve(gmq__bytes *b, size_t more)
{
    if (b->failed)
        return false;
    if (more <= b->cap - b->len)
        return true;
    size_t need = b->len + more;
    size_t cap = b->cap ? b->cap : 64;
    while (cap < need && cap <= SIZE_MAX / 2)
        cap *= 2;
    uint8_t *data = need < b->len || cap < need ? NULL : gmq__realloc(b->data, cap);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

void gmq__bytes_put(gmq__bytes *b, const void *data, size_t len)
{
    if (!len || !gmq__bytes_reserve(b, len))
        return;
    memcpy(b->data + b->len, data, len);
    b->len += len;
}

void gmq__bytes_put_u8(gmq__bytes *b, uint8_t v) { gmq__bytes_put(b, &v, 1); }
void gmq__bytes_put_str(gmq__bytes *b, const char *s) { gmq__bytes_put(b, s, strlen(s)); }

void gmq__bytes_clear(gmq__bytes *b)
{
    b->len = 0;
    b->failed = false;
}

void gmq__bytes_free(gmq__bytes *b)
{
    gmq__free(b->data);
    memset(b, 0, sizeof *b);
}

gmq__span gmq__bytes_span(const gmq__bytes *b) { return gmq__span_of(b->data, b->len); }
