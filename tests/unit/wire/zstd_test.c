#include "wire/zstd.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/mem.h"
#include "base/prng.h"
#include "cmocka_all.h"

enum { BIG = 1 << 20 };

static uint8_t *random_bytes(gmq__prng *rng, size_t len, unsigned alphabet)
{
    uint8_t *bytes = malloc(len + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)gmq__prng_below(rng, alphabet);
    return bytes;
}

/* Copies into a block of the frame's size, so that a sanitizer sees a step beyond it. */
static gmq_status decompress(gmq__bytes *out, gmq__span frame, size_t limit)
{
    uint8_t *exact = malloc(frame.len ? frame.len : 1);
    assert_non_null(exact);
    if (frame.len)
        memcpy(exact, frame.data, frame.len);
    gmq_status status = gmq__zstd_decompress(out, gmq__span_of(exact, frame.len), limit);
    free(exact);
    return status;
}

static void expect_status(gmq__span frame, size_t limit, gmq_status want)
{
    gmq__bytes out = {0};
    assert_int_equal(decompress(&out, frame, limit), want);
    assert_true(out.len == 0 || want == GMQ_OK);
    gmq__bytes_free(&out);
}

static gmq__bytes compressed(gmq__span plain, int level)
{
    gmq__bytes frame = {0};
    assert_int_equal(gmq__zstd_compress(&frame, plain, level), GMQ_OK);
    return frame;
}

/* A frame with parameters that ours never writes. */
static gmq__bytes foreign(gmq__span plain, bool size, bool checksum)
{
    gmq__bytes frame = {0};
    assert_true(gmq__bytes_reserve(&frame, ZSTD_compressBound(plain.len)));
    ZSTD_CCtx *context = ZSTD_createCCtx();
    assert_non_null(context);
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, size);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, checksum);
    size_t len = ZSTD_compress2(context, frame.data, frame.cap, plain.data, plain.len);
    assert_false(ZSTD_isError(len));
    ZSTD_freeCCtx(context);
    frame.len = len;
    return frame;
}

static void round_trips_at_every_level(void **state)
{
    (void)state;
    gmq__prng rng = {19};
    for (int level = 1; level <= 22; level++) {
        size_t len = gmq__prng_below(&rng, 5000) + 1;
        uint8_t *plain = random_bytes(&rng, len, 1 + (unsigned)level * 10);
        gmq__bytes frame = compressed(gmq__span_of(plain, len), level), out = {0};
        gmq__span in = gmq__bytes_span(&frame);
        assert_true(gmq__zstd_is_frame(in));
        assert_true(ZSTD_getFrameContentSize(in.data, in.len) == len); /* the reference needs it */
        assert_int_equal(decompress(&out, in, len), GMQ_OK);
        assert_true(gmq__span_equal(gmq__bytes_span(&out), gmq__span_of(plain, len)));
        gmq__bytes_free(&out);
        expect_status(in, len - 1, GMQ_E_TOO_LARGE);
        gmq__bytes_free(&frame);
        free(plain);
    }
}

static void empty_stays_empty(void **state)
{
    (void)state;
    gmq__bytes out = {0};
    assert_int_equal(gmq__zstd_compress(&out, gmq__span_of(NULL, 0), 3), GMQ_OK);
    assert_int_equal(out.len, 0);
    assert_int_equal(gmq__zstd_decompress(&out, gmq__span_of(NULL, 0), 0), GMQ_OK);
    assert_int_equal(out.len, 0);
    gmq__bytes frame = foreign(gmq__span_of("", 0), true, false);
    assert_int_equal(decompress(&out, gmq__bytes_span(&frame), 0), GMQ_OK);
    assert_int_equal(out.len, 0);
    gmq__bytes_free(&frame);
    frame = foreign(gmq__span_of("", 0), false, true);
    assert_int_equal(decompress(&out, gmq__bytes_span(&frame), 0), GMQ_OK);
    assert_int_equal(out.len, 0);
    gmq__bytes_free(&frame);
    gmq__bytes_free(&out);
}

static void appends(void **state)
{
    (void)state;
    gmq__bytes out = {0};
    gmq__bytes_put_str(&out, "x");
    assert_int_equal(gmq__zstd_compress(&out, gmq__span_str("hi"), 3), GMQ_OK);
    assert_true(out.data[0] == 'x' && gmq__zstd_is_frame(gmq__span_of(out.data + 1, out.len - 1)));
    gmq__bytes plain = {0};
    gmq__bytes_put_str(&plain, "y");
    assert_int_equal(decompress(&plain, gmq__span_of(out.data + 1, out.len - 1), 2), GMQ_OK);
    assert_true(gmq__span_equal_str(gmq__bytes_span(&plain), "yhi"));
    gmq__bytes_free(&out);
    gmq__bytes_free(&plain);
}

static void levels_out_of_range(void **state)
{
    (void)state;
    gmq__bytes out = {0};
    assert_int_equal(gmq__zstd_compress(&out, gmq__span_str("hi"), 0), GMQ_E_INVALID);
    assert_int_equal(gmq__zstd_compress(&out, gmq__span_str("hi"), 23), GMQ_E_INVALID);
    assert_non_null(strstr(gmq_error_text(), "23"));
    assert_int_equal(out.len, 0);
    gmq__bytes_free(&out);
}

static void frame_magic(void **state)
{
    (void)state;
    assert_true(gmq__zstd_is_frame(gmq__span_of("\x28\xb5\x2f\xfd", 4)));
    assert_false(gmq__zstd_is_frame(gmq__span_of("\x28\xb5\x2f", 3)));
    assert_false(gmq__zstd_is_frame(gmq__span_of("\x28\xb5\x2f\xfc\x00", 5)));
    assert_false(gmq__zstd_is_frame(gmq__span_of(NULL, 0)));
}

/* Sizes around the first step of 64 KiB and around the limit, compressible and not. */
static void frames_without_a_size(void **state)
{
    (void)state;
    gmq__prng rng = {23};
    const size_t lens[] = {1, 100, 65535, 65536, 65537, 131072, 131073, 300000, BIG};
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++)
        for (unsigned alphabet = 1; alphabet <= 256; alphabet += 255) {
            uint8_t *plain = random_bytes(&rng, lens[i], alphabet);
            gmq__bytes frame = foreign(gmq__span_of(plain, lens[i]), false, true), out = {0};
            gmq__span in = gmq__bytes_span(&frame);
            assert_true(ZSTD_getFrameContentSize(in.data, in.len) == ZSTD_CONTENTSIZE_UNKNOWN);
            assert_int_equal(decompress(&out, in, lens[i]), GMQ_OK);
            assert_true(gmq__span_equal(gmq__bytes_span(&out), gmq__span_of(plain, lens[i])));
            gmq__bytes_free(&out);
            expect_status(in, lens[i] - 1, GMQ_E_TOO_LARGE);
            expect_status(in, BIG * 4, GMQ_OK);
            gmq__bytes_free(&frame);
            free(plain);
        }
}

static size_t largest;

static void *watching_realloc(void *old, size_t size)
{
    largest = size > largest ? size : largest;
    return realloc(old, size);
}

/* 64 MiB of zeros in a few kilobytes: refused, and never more memory than the limit is asked for.
 */
static void bombs(void **state)
{
    (void)state;
    static const gmq__mem_hooks hooks = {watching_realloc, free};
    uint8_t *zeros = calloc(64, BIG);
    assert_non_null(zeros);
    for (int size = 0; size < 2; size++) {
        gmq__bytes frame = foreign(gmq__span_of(zeros, (size_t)64 * BIG), size, false);
        assert_true(frame.len < 64 * 1024);
        largest = 0;
        gmq__mem_set_hooks(&hooks);
        expect_status(gmq__bytes_span(&frame), 4 * BIG, GMQ_E_TOO_LARGE);
        gmq__mem_set_hooks(NULL);
        assert_true(largest <= 4 * BIG);
        assert_true(size == 0 ||
                    largest == 0); /* an announced size is refused before anything is allocated */
        gmq__bytes_free(&frame);
    }
    free(zeros);
}

/* 28b52ffd, descriptor 20, size 14, then blocks: the size is byte 5. */
static void lying_sizes(void **state)
{
    (void)state;
    gmq__bytes frame = compressed(gmq__span_str("hihihihihihihihihihi"), 3);
    assert_int_equal(frame.data[4] & 0xe0, 0x20);
    assert_int_equal(frame.data[5], 20);
    for (int lie = 0; lie < 256; lie++) {
        frame.data[5] = (uint8_t)lie;
        expect_status(gmq__bytes_span(&frame), 1000, lie == 20 ? GMQ_OK : GMQ_E_PARSE);
    }
    gmq__bytes_free(&frame);
    /* 4 GiB - 1 in an 18-byte frame: above any limit, or impossible. */
    static const uint8_t huge[] = "\x28\xb5\x2f\xfd\xa0\xff\xff\xff\xff\x01\x00\x00";
    expect_status(gmq__span_of(huge, 12), 4 * BIG, GMQ_E_TOO_LARGE);
    largest = 0;
    static const gmq__mem_hooks hooks = {watching_realloc, free};
    gmq__mem_set_hooks(&hooks);
    expect_status(gmq__span_of(huge, 12), SIZE_MAX, GMQ_E_PARSE);
    gmq__mem_set_hooks(NULL);
    assert_int_equal(largest, 0);
}

static void truncation_and_tails(void **state)
{
    (void)state;
    gmq__prng rng = {29};
    uint8_t *plain = random_bytes(&rng, 600, 20);
    for (int kind = 0; kind < 4; kind++) { /* two frames without a size would be one to zstd */
        gmq__bytes frame = foreign(gmq__span_of(plain, 600), kind & 1, kind & 2);
        size_t len = frame.len;
        for (size_t cut = 1; cut < len; cut++)
            expect_status(gmq__span_of(frame.data, cut), 1000, GMQ_E_PARSE);
        for (int tail = 0; tail < 3; tail++) {
            gmq__bytes_put_u8(&frame, (uint8_t)tail);
            expect_status(gmq__bytes_span(&frame), 1000, GMQ_E_PARSE);
        }
        gmq__bytes twice = {0};
        gmq__bytes_put(&twice, frame.data, len);
        gmq__bytes_put(&twice, frame.data, len);
        expect_status(gmq__bytes_span(&twice), 2000, GMQ_E_PARSE);
        gmq__bytes_free(&twice);
        gmq__bytes_free(&frame);
    }
    free(plain);
}

static void other_frames(void **state)
{
    (void)state;
    static const uint8_t skippable[] = "\x50\x2a\x4d\x18\x02\x00\x00\x00hi";
    expect_status(gmq__span_of(skippable, 10), 100, GMQ_E_PARSE);
    expect_status(gmq__span_str("plain text"), 100, GMQ_E_PARSE);
    expect_status(gmq__span_str("\x28\xb5\x2f\xfd"), 100, GMQ_E_PARSE);
}

/* One bit wrong: any status, but no crash, no bytes above the limit, and with a checksum never a
 * wrong text. */
static void flipped_bits(void **state)
{
    (void)state;
    gmq__prng rng = {31};
    uint8_t *plain = random_bytes(&rng, 300, 8);
    gmq__bytes frame = foreign(gmq__span_of(plain, 300), true, true);
    for (size_t bit = 0; bit < frame.len * 8; bit++) {
        frame.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        gmq__bytes out = {0};
        gmq_status status = decompress(&out, gmq__bytes_span(&frame), 300);
        assert_true(out.len <= 300);
        bool same = gmq__span_equal(gmq__bytes_span(&out), gmq__span_of(plain, 300));
        if (bit / 8 != 4) /* the descriptor can turn the checksum off */
            assert_true(status != GMQ_OK || same);
        gmq__bytes_free(&out);
        frame.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    gmq__bytes_free(&frame);
    free(plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips_at_every_level),
        cmocka_unit_test(empty_stays_empty),
        cmocka_unit_test(appends),
        cmocka_unit_test(levels_out_of_range),
        cmocka_unit_test(frame_magic),
        cmocka_unit_test(frames_without_a_size),
        cmocka_unit_test(bombs),
        cmocka_unit_test(lying_sizes),
        cmocka_unit_test(truncation_and_tails),
        cmocka_unit_test(other_frames),
        cmocka_unit_test(flipped_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
