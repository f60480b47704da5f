/* A request that is taken keeps its limits, and comes back the same when written again. */
#include "fuzz/fuzz_lists.h"
#include "wire/request.h"

enum { LIMIT = 1000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    gmq__request r, again;
    gmq_status status = gmq__request_decode(gmq__span_of(data, len), LIMIT, &r);
    check(status == GMQ_OK || r.metadata == NULL);
    if (status != GMQ_OK)
        return 0;
    check(gmq__metadata_size(r.metadata) <= LIMIT);
    check(r.options.batched >= 0 && r.options.batched <= 1);
    check(r.options.server_level >= 0 && r.options.server_level <= 22);
    check(r.options.client_level >= 0 && r.options.client_level <= 22);
    gmq__bytes out = {0};
    gmq__request_encode(&out, &r);
    check(gmq__request_decode(gmq__bytes_span(&out), LIMIT, &again) == GMQ_OK);
    check(gmq__span_equal(r.message, again.message) && r.timeout_s == again.timeout_s);
    check(r.options.batched == again.options.batched &&
          r.options.server_level == again.options.server_level);
    check_same_lists(r.metadata, again.metadata);
    gmq__bytes_free(&out);
    gmq_metadata_free(r.metadata);
    gmq_metadata_free(again.metadata);
    return 0;
}
