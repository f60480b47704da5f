/* gmq_metadata <-> MetadataMap: entries {1 = key, 2 = values ...}. */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "wire/metadata.h"
#include "wire/pb.h"

enum { FIELD_KEY = 1, FIELD_VALUE = 2, FIELD_ENTRY = 1 };

/* What is sorted: pairs to be written (body = value) or entries read (body = entry). */
typedef struct item {
    gmq__span key, body;
} item;

static int compare_keys(gmq__span a, gmq__span b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len ? memcmp(a.data, b.data, len) : 0;
    return order ? order : a.len < b.len ? -1 : a.len > b.len;
}

static void merge_runs(item *to, const item *from, size_t left, size_t mid, size_t end)
{
    size_t right = mid;
    for (size_t i = left; i < end; i++) {
        bool take_left =
            left < mid && (right == end || compare_keys(from[left].key, from[right].key) <= 0);
        to[i] = from[take_left ? left++ : right++];
    }
}

/* Stable merge sort by key; `items` has room for 2 * n. Returns where the sorted ones stand. Not
 * qsort(): that may allocate behind our back, and a peer chooses the input. */
static item *sort_items(item *items, size_t n)
{
    item *from = items, *to = items + n;
    for (size_t run = 1; run < n; run *= 2) {
        for (size_t at = 0; at < n; at += 2 * run) {
            size_t mid = at + run < n ? at + run : n;
            merge_runs(to, from, at, mid, mid + run < n ? mid + run : n);
        }
        item *swap = from;
        from = to;
        to = swap;
    }
    return from;
}

static void put_entry(gmq__bytes *out, uint32_t field, const item *items, size_t nvalues)
{
    gmq__span key = items[0].key;
    size_t len = key.len ? gmq__pb_bytes_len(FIELD_KEY, key.len)
                         : 0; /* an empty key is left out, an empty value not */
    for (size_t i = 0; i < nvalues; i++)
        len += gmq__pb_bytes_len(FIELD_VALUE, items[i].body.len);
    gmq__pb_put_tag(out, field, GMQ__PB_BYTES);
    gmq__pb_put_varint(out, len);
    if (key.len)
        gmq__pb_put_bytes(out, FIELD_KEY, key);
    for (size_t i = 0; i < nvalues; i++)
        gmq__pb_put_bytes(out, FIELD_VALUE, items[i].body);
}

void gmq__metadata_encode(gmq__bytes *out, uint32_t field, const gmq_metadata *md)
{
    size_t n = gmq_metadata_count(md);
    if (!n)
        return;
    item *items = gmq__calloc(n, 2 * sizeof *items);
    if (!items) {
        out->failed = true;
        return;
    }
    for (size_t i = 0; i < n; i++)
        items[i] = (item){gmq__metadata_key(md, i), gmq__metadata_value(md, i)};
    const item *sorted = sort_items(items, n);
    for (size_t at = 0, end; at < n; at = end) {
        for (end = at + 1; end < n && gmq__span_equal(sorted[at].key, sorted[end].key);)
            end++;
        put_entry(out, field, sorted + at, end - at);
    }
    gmq__free(items);
}

/* Key of an entry (the last one given), and what the entry weighs; false = malformed. */
static bool scan_entry(gmq__span entry, gmq__span *key, size_t *weight)
{
    size_t nvalues = 0, values = 0;
    uint32_t wrong = 0;
    gmq__pb_field field;
    int got;
    *key = gmq__span_of(NULL, 0);
    while ((got = gmq__pb_next(&entry, &field)) > 0) {
        if (field.number == FIELD_KEY && gmq__pb_expect(&field, GMQ__PB_BYTES, &wrong))
            *key = field.bytes;
        if (field.number != FIELD_VALUE)
            continue;
        if (field.type != GMQ__PB_BYTES)
            return false;
        nvalues++;
        values += field.bytes.len;
    }
    *weight = values + (nvalues ? nvalues : 1) * (key->len + GMQ__METADATA_PAIR_COST);
    return got == 0 && !wrong;
}

/* Next entry under `number`; 1, 0, -1 as gmq__pb_next(). */
static int next_entry(gmq__span *in, uint32_t number, gmq__span *entry)
{
    gmq__pb_field field;
    int got;
    while ((got = gmq__pb_next(in, &field)) > 0) {
        if (field.number != number)
            continue;
        *entry = field.bytes;
        return field.type == GMQ__PB_BYTES ? 1 : -1;
    }
    return got;
}

/* Checks everything before anything is allocated. */
static gmq_status scan(gmq__span in, uint32_t number, size_t limit, size_t *count)
{
    size_t total = 0, weight;
    gmq__span entry, key;
    int got;
    *count = 0;
    while ((got = next_entry(&in, number, &entry)) > 0) {
        if (!scan_entry(entry, &key, &weight))
            return gmq__fail(GMQ_E_PARSE, "metadata: malformed entry %zu", *count);
        total = weight > SIZE_MAX - total ? SIZE_MAX : total + weight;
        if (total > limit)
            return gmq__fail(GMQ_E_TOO_LARGE,
                             "metadata of %zu bytes or more is above the limit of %zu", total,
                             limit);
        ++*count;
    }
    return got < 0 ? gmq__fail(GMQ_E_PARSE, "metadata: malformed field") : GMQ_OK;
}

static gmq_status add_entry(gmq_metadata *md, const item *it)
{
    gmq__span in = it->body;
    gmq__pb_field field;
    gmq_status status = GMQ_OK;
    while (status == GMQ_OK && gmq__pb_next(&in, &field) > 0)
        if (field.number == FIELD_VALUE)
            status = gmq__metadata_add_raw(md, it->key, field.bytes);
    return status;
}

static gmq_status add_entries(gmq_metadata *md, gmq__span in, uint32_t number, size_t count)
{
    if (!count)
        return GMQ_OK;
    item *items = gmq__calloc(count, 2 * sizeof *items);
    if (!items)
        return gmq__fail_nomem();
    size_t weight;
    for (size_t i = 0; i < count; i++) {
        next_entry(&in, number, &items[i].body);
        scan_entry(items[i].body, &items[i].key, &weight);
    }
    const item *sorted = sort_items(items, count);
    gmq_status status = GMQ_OK;
    for (size_t i = 0; i < count && status == GMQ_OK; i++) {
        bool replaced = i + 1 < count && gmq__span_equal(sorted[i].key, sorted[i + 1].key);
        if (!replaced)
            status = add_entry(md, &sorted[i]);
    }
    gmq__free(items);
    return status;
}

static gmq_status decode(gmq__span bytes, uint32_t number, size_t limit, bool null_if_none,
                         gmq_metadata **out)
{
    size_t count;
    gmq_status status = scan(bytes, number, limit, &count);
    if (status != GMQ_OK)
        return status;
    gmq_metadata *md = NULL;
    if (count || !null_if_none)
        status = gmq_metadata_new(&md);
    if (status == GMQ_OK)
        status = add_entries(md, bytes, number, count);
    if (status != GMQ_OK) {
        gmq_metadata_free(md);
        return status;
    }
    *out = md;
    return GMQ_OK;
}

gmq_status gmq__metadata_decode(gmq__span bytes, size_t limit, gmq_metadata **out)
{
    return decode(bytes, FIELD_ENTRY, limit, false, out);
}

gmq_status gmq__metadata_decode_field(gmq__span bytes, uint32_t field, size_t limit,
                                      gmq_metadata **out)
{
    return decode(bytes, field, limit, true, out);
}
