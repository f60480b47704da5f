#include "convert.h"

#include <grpc/byte_buffer_reader.h>
#include <stdlib.h>
#include <string.h>

/* Keys that gRPC or HTTP/2 owns. A peer that could set them could forge a timeout, an encoding or a
 * status. */
static bool key_travels(const char *key, size_t len)
{
    static const char *const reserved[] = {"te",         "content-type",      "content-length",
                                           "user-agent", "connection",        "proxy-connection",
                                           "keep-alive", "transfer-encoding", "upgrade",
                                           "host"};
    static const char details[] = "grpc-status-details-bin"; /* set by applications */
    if (len == sizeof details - 1 && memcmp(key, details, len) == 0)
        return true;
    if (len == 0 || key[0] == ':' || (len >= 5 && memcmp(key, "grpc-", 5) == 0))
        return false;
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        if (strlen(reserved[i]) == len && memcmp(reserved[i], key, len) == 0)
            return false;
    }
    return true;
}

/* gRPC refuses a whole batch for one bad pair, so bad ones are sorted out before. */
static bool pair_legal(grpc_slice key, grpc_slice value)
{
    return grpc_header_key_is_legal(key) &&
           (grpc_is_binary_header(key) || grpc_header_nonbin_value_is_legal(value));
}

static void headers_add(gmq__headers *headers, const char *key, const void *value, size_t len)
{
    grpc_slice key_slice = grpc_slice_from_copied_string(key);
    grpc_slice value_slice = grpc_slice_from_copied_buffer(value, len);
    if (pair_legal(key_slice, value_slice)) {
        grpc_metadata *pair = &headers->pairs[headers->count++];
        pair->key = key_slice;
        pair->value = value_slice;
    } else {
        grpc_slice_unref(key_slice);
        grpc_slice_unref(value_slice);
    }
}

bool gmq__headers_make(gmq__headers *out, const gmq_metadata *from)
{
    size_t count = gmq_metadata_count(from);
    out->count = 0;
    out->pairs = count ? calloc(count, sizeof *out->pairs) : NULL;
    if (count && !out->pairs)
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t len = 0;
        const char *key = gmq_metadata_key(from, i);
        const void *value = gmq_metadata_value(from, i, &len);
        if (key_travels(key, strlen(key)))
            headers_add(out, key, value, len);
    }
    return true;
}

void gmq__headers_clear(gmq__headers *headers)
{
    for (size_t i = 0; i < headers->count; i++) {
        grpc_slice_unref(headers->pairs[i].key);
        grpc_slice_unref(headers->pairs[i].value);
    }
    free(headers->pairs);
    headers->pairs = NULL;
    headers->count = 0;
}

static gmq_status append_pair(gmq_metadata *to, const grpc_metadata *pair)
{
    const char *bytes = (const char *)GRPC_SLICE_START_PTR(pair->key);
    size_t len = GRPC_SLICE_LENGTH(pair->key);
    if (!key_travels(bytes, len))
        return GMQ_OK;
    char *key = malloc(len + 1);
    if (!key)
        return GMQ_E_NOMEM;
    memcpy(key, bytes, len);
    key[len] = '\0';
    gmq_status status = gmq_metadata_add(to, key, GRPC_SLICE_START_PTR(pair->value),
                                         GRPC_SLICE_LENGTH(pair->value));
    free(key);
    return status;
}

bool gmq__metadata_append(gmq_metadata **to, const grpc_metadata_array *from)
{
    if (from->count && !*to && gmq_metadata_new(to) != GMQ_OK)
        return false;
    for (size_t i = 0; i < from->count; i++) {
        if (append_pair(*to, &from->metadata[i]) == GMQ_E_NOMEM)
            return false;
    }
    return true;
}

static void unref_buf(void *buf) { gmq_buf_unref(buf); }

/* A slice inlines short contents, which is cheaper than counting references. */
enum { INLINE_MAX = GRPC_SLICE_INLINED_SIZE };

static grpc_slice slice_of(gmq_buf *buf)
{
    size_t len = gmq_buf_len(buf);
    if (len <= INLINE_MAX)
        return grpc_slice_from_copied_buffer(gmq_buf_data(buf), len);
    return grpc_slice_new_with_user_data((void *)(uintptr_t)gmq_buf_data(buf), len, unref_buf,
                                         gmq_buf_ref(buf));
}

grpc_byte_buffer *gmq__byte_buffer_make(gmq_buf *buf)
{
    grpc_slice slice = slice_of(buf);
    grpc_byte_buffer *message = grpc_raw_byte_buffer_create(&slice, 1);
    grpc_slice_unref(slice);
    return message;
}

/* `first` and what follows it in `reader`, `len` bytes in all. Consumes `first`. */
static grpc_slice merge(grpc_byte_buffer_reader *reader, grpc_slice first, size_t len)
{
    grpc_slice whole = grpc_slice_malloc(len);
    uint8_t *at = GRPC_SLICE_START_PTR(whole);
    grpc_slice part = first;
    do {
        memcpy(at, GRPC_SLICE_START_PTR(part), GRPC_SLICE_LENGTH(part));
        at += GRPC_SLICE_LENGTH(part);
        grpc_slice_unref(part);
    } while (grpc_byte_buffer_reader_next(reader, &part));
    return whole;
}

grpc_slice gmq__byte_buffer_take(grpc_byte_buffer *message)
{
    grpc_byte_buffer_reader reader;
    grpc_slice slice = grpc_empty_slice();
    size_t len = grpc_byte_buffer_length(message);
    if (grpc_byte_buffer_reader_init(&reader, message)) {
        if (grpc_byte_buffer_reader_next(&reader, &slice) && GRPC_SLICE_LENGTH(slice) < len)
            slice = merge(&reader, slice, len);
        grpc_byte_buffer_reader_destroy(&reader);
    }
    grpc_byte_buffer_destroy(message);
    return slice;
}

char *gmq__slice_text(grpc_slice slice)
{
    size_t len = GRPC_SLICE_LENGTH(slice);
    char *text = malloc(len + 1);
    if (!text)
        return NULL;
    memcpy(text, GRPC_SLICE_START_PTR(slice), len);
    text[len] = '\0';
    for (char *nul = memchr(text, '\0', len); nul;
         nul = memchr(nul, '\0', len - (size_t)(nul - text)))
        *nul = '?';
    return text;
}
