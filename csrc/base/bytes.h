/* Byte spans (borrowed) and growable byte strings (owned). */
#ifndef GMQ_BASE_BYTES_H
#define GMQ_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes. data may be NULL when len is 0. */
typedef struct gmq__span {
    const uint8_t *data;
    size_t len;
} gmq__span;

static inline gmq__span gmq__span_of(const void *data, size_t len)
{
    gmq__span s = {data, len};
    return s;
}
gmq__span gmq__span_str(const char *s);
bool gmq__span_equal(gmq__span a, gmq__span b);
bool gmq__span_equal_str(gmq__span a, const char *s);

/* Owned bytes; all zero is an empty one. An append that fails for memory sets `failed` and does
 * nothing from then on, so that a writer checks once, at the end. */
typedef struct gmq__bytes {
    uint8_t *data;
    size_t len;
    size_t cap;
    bool failed;
} gmq__bytes;

bool gmq__bytes_reserve(gmq__bytes *b, size_t more); /* room for `more` further bytes */
void gmq__bytes_put(gmq__bytes *b, const void *data, size_t len);
void gmq__bytes_put_u8(gmq__bytes *b, uint8_t v);
void gmq__bytes_put_str(gmq__bytes *b, const char *s);
void gmq__bytes_clear(gmq__bytes *b); /* len = 0, failed = false; keeps the memory */
void gmq__bytes_free(gmq__bytes *b);  /* frees, all zero again */
gmq__span gmq__bytes_span(const gmq__bytes *b);

#endif
