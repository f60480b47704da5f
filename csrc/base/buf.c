#include "base/buf.h"

#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"

struct gmq_buf {
    atomic_size_t refs;
    const uint8_t *data;
    size_t len;
    gmq_buf *parent; /* slice: referenced; else NULL */
    uint8_t *owned;  /* taken over from a gmq__bytes; else NULL */
    uint8_t inline_data[];
};

static gmq_buf *new_buf(size_t inline_len)
{
    if (inline_len > SIZE_MAX - sizeof(gmq_buf))
        return NULL;
    gmq_buf *buf = gmq__malloc(sizeof *buf + inline_len);
    if (!buf)
        return NULL;
    atomic_init(&buf->refs, 1);
    buf->data = buf->inline_data;
    buf->len = inline_len;
    buf->parent = NULL;
    buf->owned = NULL;
    return buf;
}

gmq_buf *gmq__buf_alloc(size_t len, uint8_t **data)
{
    gmq_buf *buf = new_buf(len);
    if (buf)
        *data = buf->inline_data;
    return buf;
}

gmq_buf *gmq__buf_copy(gmq__span bytes)
{
    gmq_buf *buf = new_buf(bytes.len);
    if (buf && bytes.len)
        memcpy(buf->inline_data, bytes.data, bytes.len);
    return buf;
}

gmq_buf *gmq__buf_take(gmq__bytes *b)
{
    gmq_buf *buf = new_buf(0);
    if (!buf)
        return NULL;
    if (b->data) {
        buf->owned = b->data;
        buf->data = b->data;
        buf->len = b->len;
    }
    memset(b, 0, sizeof *b);
    return buf;
}

gmq_buf *gmq__buf_slice(gmq_buf *parent, size_t offset, size_t len)
{
    gmq_buf *buf = new_buf(0);
    if (!buf)
        return NULL;
    buf->parent = gmq_buf_ref(parent);
    buf->data = parent->data + offset;
    buf->len = len;
    return buf;
}

gmq__span gmq__buf_span(const gmq_buf *buf)
{
    return buf ? gmq__span_of(buf->data, buf->len) : gmq__span_of(NULL, 0);
}

gmq_status gmq_buf_new(gmq_buf **out, const void *data, size_t len)
{
    if (!out || (!data && len))
        return gmq__fail(GMQ_E_INVALID, "gmq_buf_new: %s is NULL", out ? "data" : "out");
    gmq_buf *buf = gmq__buf_copy(gmq__span_of(data, len));
    if (!buf)
        return gmq__fail_nomem();
    *out = buf;
    return GMQ_OK;
}

gmq_buf *gmq_buf_ref(gmq_buf *buf)
{
    atomic_fetch_add_explicit(&buf->refs, 1, memory_order_relaxed);
    return buf;
}

void gmq_buf_unref(gmq_buf *buf)
{
    while (buf && atomic_fetch_sub_explicit(&buf->refs, 1, memory_order_acq_rel) == 1) {
        gmq_buf *parent = buf->parent;
        gmq__free(buf->owned);
        gmq__free(buf);
        buf = parent;
    }
}

const void *gmq_buf_data(const gmq_buf *buf) { return buf->data; }
size_t gmq_buf_len(const gmq_buf *buf) { return buf->len; }
