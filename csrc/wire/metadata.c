#include "wire/metadata.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"

/* Key, NUL, value, NUL of each pair stand one after another in `arena`; `pairs` says where. */
typedef struct pair {
    size_t at, key_len, value_len;
} pair;

struct gmq_metadata {
    gmq__bytes arena;
    pair *pairs;
    size_t count, cap;
};

gmq_status gmq_metadata_new(gmq_metadata **out)
{
    if (!out)
        return gmq__fail(GMQ_E_INVALID, "gmq_metadata_new: out is NULL");
    gmq_metadata *md = gmq__calloc(1, sizeof *md);
    if (!md)
        return gmq__fail_nomem();
    *out = md;
    return GMQ_OK;
}

void gmq_metadata_free(gmq_metadata *metadata)
{
    if (!metadata)
        return;
    gmq__bytes_free(&metadata->arena);
    gmq__free(metadata->pairs);
    gmq__free(metadata);
}

static bool reserve_pair(gmq_metadata *md)
{
    if (md->count < md->cap)
        return true;
    size_t cap = md->cap ? md->cap * 2 : 8;
    pair *pairs =
        cap > SIZE_MAX / sizeof *pairs ? NULL : gmq__realloc(md->pairs, cap * sizeof *pairs);
    if (!pairs)
        return false;
    md->pairs = pairs;
    md->cap = cap;
    return true;
}

/* Bytes that lie in the arena itself move with it: somebody may add a pair of the same list again.
 */
static size_t offset_in(const gmq__bytes *arena, gmq__span bytes)
{
    uintptr_t start = (uintptr_t)arena->data, at = (uintptr_t)bytes.data;
    return arena->data && at >= start && at - start < arena->len ? at - start : SIZE_MAX;
}

gmq_status gmq__metadata_add_raw(gmq_metadata *md, gmq__span key, gmq__span value)
{
    if (key.len > SIZE_MAX / 4 || value.len > SIZE_MAX / 4 || !reserve_pair(md))
        return gmq__fail_nomem();
    size_t key_in = offset_in(&md->arena, key), value_in = offset_in(&md->arena, value);
    if (!gmq__bytes_reserve(&md->arena, key.len + value.len + 2)) {
        md->arena.failed = false; /* the list stays usable */
        return gmq__fail_nomem();
    }
    if (key_in != SIZE_MAX)
        key.data = md->arena.data + key_in;
    if (value_in != SIZE_MAX)
        value.data = md->arena.data + value_in;
    md->pairs[md->count++] = (pair){md->arena.len, key.len, value.len};
    gmq__bytes_put(&md->arena, key.data, key.len);
    gmq__bytes_put_u8(&md->arena, 0);
    gmq__bytes_put(&md->arena, value.data, value.len);
    gmq__bytes_put_u8(&md->arena, 0);
    return GMQ_OK;
}

gmq_status gmq_metadata_add(gmq_metadata *metadata, const char *key, const void *value, size_t len)
{
    if (!metadata || !key || (!value && len))
        return gmq__fail(GMQ_E_INVALID, "gmq_metadata_add: %s is NULL",
                         !metadata ? "metadata"
                         : !key    ? "key"
                                   : "value");
    gmq__span k = gmq__span_str(key), v = gmq__span_of(value, len);
    gmq_status status = gmq__metadata_check_pair(k, v);
    return status == GMQ_OK ? gmq__metadata_add_raw(metadata, k, v) : status;
}

size_t gmq_metadata_count(const gmq_metadata *metadata) { return metadata ? metadata->count : 0; }

gmq__span gmq__metadata_key(const gmq_metadata *md, size_t index)
{
    if (index >= gmq_metadata_count(md))
        return gmq__span_of(NULL, 0);
    const pair *p = &md->pairs[index];
    return gmq__span_of(md->arena.data + p->at, p->key_len);
}

gmq__span gmq__metadata_value(const gmq_metadata *md, size_t index)
{
    if (index >= gmq_metadata_count(md))
        return gmq__span_of(NULL, 0);
    const pair *p = &md->pairs[index];
    return gmq__span_of(md->arena.data + p->at + p->key_len + 1, p->value_len);
}

const char *gmq_metadata_key(const gmq_metadata *metadata, size_t index)
{
    return (const char *)gmq__metadata_key(metadata, index).data;
}

const void *gmq_metadata_value(const gmq_metadata *metadata, size_t index, size_t *len)
{
    gmq__span value = gmq__metadata_value(metadata, index);
    if (len)
        *len = value.len;
    return value.data;
}

gmq_status gmq__metadata_copy(gmq_metadata **out, const gmq_metadata *md)
{
    if (!md) {
        *out = NULL;
        return GMQ_OK;
    }
    gmq_metadata *copy = NULL;
    gmq_status status = gmq_metadata_new(&copy);
    if (!copy)
        return status;
    for (size_t i = 0; i < md->count && status == GMQ_OK; i++)
        status = gmq__metadata_add_raw(copy, gmq__metadata_key(md, i), gmq__metadata_value(md, i));
    if (status != GMQ_OK) {
        gmq_metadata_free(copy);
        return status;
    }
    *out = copy;
    return GMQ_OK;
}

size_t gmq__metadata_size(const gmq_metadata *md)
{
    size_t size = 0;
    for (size_t i = 0; i < gmq_metadata_count(md); i++)
        size += md->pairs[i].key_len + md->pairs[i].value_len + GMQ__METADATA_PAIR_COST;
    return size;
}

static bool key_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '_' || c == '.' || c == '-';
}

static bool ends_in_bin(gmq__span key)
{
    return key.len >= 4 && memcmp(key.data + key.len - 4, "-bin", 4) == 0;
}

static const char *illegal_key(gmq__span key)
{
    if (!key.len)
        return "is empty";
    for (size_t i = 0; i < key.len; i++)
        if (!key_char(key.data[i]))
            return key.data[i] >= 'A' && key.data[i] <= 'Z' ? "has an upper-case letter"
                                                            : "has a bad character";
    return NULL;
}

/* The details of a status are set by applications. */
static bool reserved(gmq__span key)
{
    return key.len >= 5 && memcmp(key.data, "grpc-", 5) == 0 &&
           !gmq__span_equal_str(key, "grpc-status-details-bin");
}

static const char *fault_of_key(gmq__span key)
{
    const char *fault = illegal_key(key);
    if (fault)
        return fault;
    if (reserved(key))
        return "begins with the reserved grpc-";
    return NULL;
}

static bool printable(gmq__span value)
{
    for (size_t i = 0; i < value.len; i++)
        if (value.data[i] < 0x20 || value.data[i] > 0x7e)
            return false;
    return true;
}

/* NULL = a good pair. Sets no error text: gmq__metadata_sanitize() judges a peer's pairs silently.
 */
static const char *fault_of_pair(gmq__span key, gmq__span value)
{
    const char *fault = fault_of_key(key);
    if (!fault && !ends_in_bin(key) && !printable(value))
        fault = "has a value that is not printable ASCII (a key for bytes ends in -bin)";
    return fault;
}

gmq_status gmq__metadata_check_pair(gmq__span key, gmq__span value)
{
    const char *fault = fault_of_pair(key, value);
    if (!fault)
        return GMQ_OK;
    if (fault_of_key(key))
        return gmq__fail(GMQ_E_INVALID, "metadata key \"%s\" %s", gmq__show(key).text, fault);
    return gmq__fail(GMQ_E_INVALID, "metadata key \"%s\" %s: \"%s\"", gmq__show(key).text, fault,
                     gmq__show(value).text);
}

bool gmq__metadata_legal(const gmq_metadata *md)
{
    for (size_t i = 0; i < gmq_metadata_count(md); i++) {
        gmq__span key = gmq__metadata_key(md, i);
        if (illegal_key(key) || (!ends_in_bin(key) && !printable(gmq__metadata_value(md, i))))
            return false;
    }
    return true;
}

size_t gmq__metadata_sanitize(gmq_metadata *md)
{
    size_t kept = 0, count = gmq_metadata_count(md);
    for (size_t i = 0; i < count; i++)
        if (!fault_of_pair(gmq__metadata_key(md, i), gmq__metadata_value(md, i)))
            md->pairs[kept++] = md->pairs[i];
    if (md)
        md->count = kept;
    return count - kept;
}
