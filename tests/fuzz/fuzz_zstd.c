/* Any bytes as a frame: within the limit, and the same in one go and in steps; any bytes as a text:
 * there and back. */
#include "fuzz/fuzz.h"
#include "wire/zstd.h"

enum { LIMIT = 100000 };

static void check_there_and_back(gmq__span in)
{
    gmq__bytes frame = {0}, plain = {0};
    check(gmq__zstd_compress(&frame, in, in.len % 4 + 1) == GMQ_OK);
    check(gmq__zstd_decompress(&plain, gmq__bytes_span(&frame), in.len) == GMQ_OK);
    check(gmq__span_equal(gmq__bytes_span(&plain), in));
    gmq__bytes_free(&frame);
    gmq__bytes_free(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    gmq__span in = gmq__span_of(data, len);
    gmq__bytes out = {0}, exact = {0};
    gmq_status status = gmq__zstd_decompress(&out, in, LIMIT);
    check(out.len <= LIMIT && (status == GMQ_OK || out.len == 0));
    check(status == GMQ_OK || status == GMQ_E_PARSE || status == GMQ_E_TOO_LARGE);
    check(status != GMQ_OK || len == 0 || gmq__zstd_is_frame(in));
    if (status == GMQ_OK) {
        check(gmq__zstd_decompress(&exact, in, out.len) == GMQ_OK);
        check(gmq__span_equal(gmq__bytes_span(&exact), gmq__bytes_span(&out)));
        gmq__bytes_free(&exact);
        if (out.len)
            check(gmq__zstd_decompress(&exact, in, out.len - 1) == GMQ_E_TOO_LARGE);
    }
    gmq__bytes_free(&out);
    gmq__bytes_free(&exact);
    if (len % 8 == 0)
        check_there_and_back(in);
    return 0;
}
