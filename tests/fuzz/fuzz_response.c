/* A response that is taken keeps its limits, and comes back the same when written again. */
#include "fuzz/fuzz_errors.h"
#include "fuzz/fuzz_lists.h"

enum { LIMIT = 1000 };

static void check_again(const gmq__response *r, gmq__response_shape shape)
{
    gmq__bytes out = {0};
    gmq__response again;
    gmq__response_encode(&out, r, shape);
    check(gmq__response_decode(gmq__bytes_span(&out), LIMIT, &again) == GMQ_OK);
    check(!again.is_error && !again.empty && again.code == r->code && again.trailing);
    check_same_lists(again.trailing, r->trailing);
    if (shape == GMQ__RESPONSE_WITH_BODY) {
        check(again.has_body == r->has_body && gmq__span_equal(again.body, r->body));
        check_same_lists(again.initial, r->initial);
    }
    check(gmq__utf8_valid(again.details));
    check(!gmq__utf8_valid(r->details) || gmq__span_equal(again.details, r->details));
    gmq__response_clear(&again);
    gmq__bytes_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    gmq__response r;
    gmq_status status = gmq__response_decode(gmq__span_of(data, len), LIMIT, &r);
    check(status == GMQ_OK || (!r.initial && !r.trailing));
    if (status != GMQ_OK)
        return 0;
    check(gmq__metadata_size(r.initial) <= LIMIT && gmq__metadata_size(r.trailing) <= LIMIT);
    if (r.is_error) {
        check_remote_error(&r.error);
    } else if (!r.empty) {
        check_again(&r, GMQ__RESPONSE_WITH_BODY);
        check_again(&r, GMQ__RESPONSE_OF_STREAM);
    }
    gmq__response_clear(&r);
    return 0;
}
