/* A chunk that is taken can be walked to its end, and comes back the same when written again. */
#include "fuzz/fuzz_errors.h"
#include "wire/chunk.h"

static void check_elems(gmq__chunk chunk)
{
    gmq__bytes list = {0}, out = {0};
    gmq__span elem, other;
    gmq__chunk walk = chunk, again;
    while (gmq__chunk_next(&walk, &elem))
        gmq__chunk_put_elem(&list, elem);
    check(!walk.elems.len && !walk.rest.len); /* nothing malformed was left standing */
    gmq__chunk_encode(&out, gmq__bytes_span(&list));
    check(gmq__chunk_decode(gmq__bytes_span(&out), &again) == GMQ_OK &&
          again.kind == GMQ__CHUNK_ELEMS);
    while (gmq__chunk_next(&chunk, &elem))
        check(gmq__chunk_next(&again, &other) && gmq__span_equal(elem, other));
    check(!gmq__chunk_next(&again, &other));
    gmq__bytes_free(&list);
    gmq__bytes_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    gmq__chunk chunk;
    if (gmq__chunk_decode(gmq__span_of(data, len), &chunk) != GMQ_OK)
        return 0;
    if (chunk.kind == GMQ__CHUNK_ELEMS)
        check_elems(chunk);
    else if (chunk.kind == GMQ__CHUNK_ERROR)
        check_remote_error(&chunk.error);
    return 0;
}
