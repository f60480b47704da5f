/* What holds for every remote error that is taken. */
#ifndef GMQ_TEST_FUZZ_ERRORS_H
#define GMQ_TEST_FUZZ_ERRORS_H

#include "base/text.h"
#include "fuzz/fuzz.h"
#include "wire/response.h"

static inline void check_remote_error(const gmq__remote_error *error)
{
    gmq__bytes details = {0}, out = {0};
    gmq__remote_error again;
    int32_t code = gmq__remote_error_status(error, &details);
    check(code > GMQ_CODE_OK && code <= GMQ_CODE_UNAUTHENTICATED);
    check(gmq__utf8_valid(gmq__bytes_span(&details)));
    gmq__remote_error_encode(&out, error);
    check(gmq__remote_error_decode(gmq__bytes_span(&out), &again) == GMQ_OK);
    check(again.type == error->type && again.has_status == error->has_status &&
          again.status == error->status);
    check(gmq__span_equal(again.embedded, error->embedded));
    gmq__bytes_free(&details);
    gmq__bytes_free(&out);
}

#endif
