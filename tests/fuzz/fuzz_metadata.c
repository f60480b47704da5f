/* Metadata that is taken keeps its limit and its order, comes back the same when written again, and
 * is clean once sanitized. */
#include <string.h>

#include "fuzz/fuzz_lists.h"

static void check_clean(gmq_metadata *md)
{
    size_t before = gmq_metadata_count(md), dropped = gmq__metadata_sanitize(md);
    check(gmq_metadata_count(md) + dropped == before);
    for (size_t i = 0; i < gmq_metadata_count(md); i++) {
        gmq__span key = gmq__metadata_key(md, i), value = gmq__metadata_value(md, i);
        check(gmq__metadata_check_pair(key, value) == GMQ_OK);
        check(strlen(gmq_metadata_key(md, i)) == key.len && value.data[value.len] == 0);
    }
    check(gmq__metadata_sanitize(md) == 0);
}

static void run(gmq__span in, size_t limit)
{
    gmq_metadata *md = NULL, *again = NULL, *copy = NULL;
    if (gmq__metadata_decode(in, limit, &md) != GMQ_OK) {
        check(!md);
        return;
    }
    check(gmq__metadata_size(md) <= limit);
    gmq__bytes out = {0};
    gmq__metadata_encode(&out, 1, md);
    check(gmq__metadata_decode(gmq__bytes_span(&out), limit, &again) == GMQ_OK);
    check_same_lists(md, again);
    check(gmq__metadata_copy(&copy, md) == GMQ_OK);
    check_same_lists(md, copy);
    check_clean(md);
    gmq__bytes_free(&out);
    gmq_metadata_free(md);
    gmq_metadata_free(again);
    gmq_metadata_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    run(gmq__span_of(data, len), 200);
    run(gmq__span_of(data, len), 1000000);
    return 0;
}
