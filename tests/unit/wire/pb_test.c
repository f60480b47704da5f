#include "wire/pb.h"

#include "base/prng.h"
#include "cmocka_all.h"
#include "unit/wire/fixture_util.h"

static uint64_t round_trip(uint64_t value)
{
    gmq__bytes out = {0};
    gmq__pb_put_varint(&out, value);
    assert_int_equal(out.len, gmq__pb_varint_len(value));
    gmq__span in = gmq__bytes_span(&out);
    uint64_t got = ~value;
    assert_int_equal(gmq__pb_next_varint(&in, &got), 1);
    assert_int_equal(gmq__pb_next_varint(&in, &got), 0);
    gmq__bytes_free(&out);
    return got;
}

static void varints(void **state)
{
    (void)state;
    gmq__prng rng = {1};
    for (int shift = 0; shift < 64; shift++)
        for (int i = 0; i < 20; i++) {
            uint64_t value = gmq__prng_next(&rng) >> shift;
            assert_true(round_trip(value) == value);
        }
    const uint64_t edges[] = {0, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof edges / sizeof *edges; i++)
        assert_true(round_trip(edges[i]) == edges[i]);
    assert_int_equal(gmq__pb_varint_len(127), 1);
    assert_int_equal(gmq__pb_varint_len(128), 2);
    assert_int_equal(gmq__pb_varint_len(UINT64_MAX), 10);
}

static void zigzag(void **state)
{
    (void)state;
    const struct {
        int64_t plain;
        uint64_t coded;
    } pairs[] = {
        {0, 0}, {-1, 1}, {1, 2}, {-2, 3}, {INT64_MAX, UINT64_MAX - 1}, {INT64_MIN, UINT64_MAX}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_true(gmq__pb_zigzag(pairs[i].plain) == pairs[i].coded);
        assert_true(gmq__pb_unzigzag(pairs[i].coded) == pairs[i].plain);
    }
}

static void every_field_type(void **state)
{
    (void)state;
    gmq__bytes out = {0};
    gmq__pb_put_uint(&out, 1, 300);
    gmq__pb_put_fixed32(&out, 2, 0xdeadbeef);
    gmq__pb_put_bytes(&out, 16, gmq__span_str("abc"));
    gmq__pb_put_tag(&out, 536870911, GMQ__PB_FIXED64);
    gmq__bytes_put(&out, "\x01\x02\x03\x04\x05\x06\x07\x08", 8);
    gmq__span in = gmq__bytes_span(&out);
    gmq__pb_field f;
    assert_int_equal(gmq__pb_next(&in, &f), 1);
    assert_true(f.number == 1 && f.type == GMQ__PB_VARINT && f.value == 300);
    assert_int_equal(gmq__pb_next(&in, &f), 1);
    assert_true(f.number == 2 && f.type == GMQ__PB_FIXED32 && f.value == 0xdeadbeef);
    assert_int_equal(gmq__pb_next(&in, &f), 1);
    assert_true(f.number == 16 && f.type == GMQ__PB_BYTES && gmq__span_equal_str(f.bytes, "abc"));
    assert_int_equal(gmq__pb_next(&in, &f), 1);
    assert_true(f.number == 536870911 && f.type == GMQ__PB_FIXED64 &&
                f.value == 0x0807060504030201u);
    assert_int_equal(gmq__pb_next(&in, &f), 0);
    gmq__bytes_free(&out);
    assert_int_equal(gmq__pb_bytes_len(16, 3), 2 + 1 + 3);
    assert_int_equal(gmq__pb_bytes_len(1, 128), 1 + 2 + 128);
}

static void malformed(void **state)
{
    (void)state;
    const char *const bad[] = {
        "ff",                       /* tag cut off */
        "08",                       /* varint missing */
        "08ff",                     /* varint cut off */
        "08ffffffffffffffffffff01", /* varint of 11 bytes */
        "0a",                       /* length missing */
        "0a02ff",                   /* bytes cut off */
        "0affffffffffffffffff01",   /* length 2^64 - 1 */
        "15000000",                 /* fixed32 cut off */
        "1900000000000000",         /* fixed64 cut off */
        "0000",                     /* number 0 */
        "0200",                     /* number 0 */
        "0b0c",                     /* group */
        "0e",
        "0f",           /* wire types 6, 7 */
        "808080801001", /* tag above 32 bits */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        gmq__span bytes = hex_decode(bad[i]), in = bytes;
        gmq__pb_field f;
        if (gmq__pb_next(&in, &f) != -1)
            fail_msg("%s is taken", bad[i]);
        hex_free(bytes);
    }
}

static void tenth_byte_is_cut(void **state)
{
    (void)state;
    gmq__span bytes = hex_decode("ffffffffffffffffff7f"), in = bytes;
    uint64_t value = 0;
    assert_int_equal(gmq__pb_next_varint(&in, &value), 1);
    assert_true(value == UINT64_MAX);
    hex_free(bytes);
}

static void wrong_types_count_by_the_last(void **state)
{
    (void)state;
    const gmq__pb_field bad = {.number = 3, .type = GMQ__PB_VARINT},
                        good = {.number = 3, .type = GMQ__PB_BYTES};
    const gmq__pb_field other = {.number = 4, .type = GMQ__PB_BYTES};
    uint32_t wrong = 0;
    assert_false(gmq__pb_expect(&bad, GMQ__PB_BYTES, &wrong));
    assert_true(gmq__pb_expect(&other, GMQ__PB_BYTES, &wrong));
    assert_int_not_equal(wrong, 0);
    assert_true(gmq__pb_expect(&good, GMQ__PB_BYTES, &wrong));
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(varints),           cmocka_unit_test(zigzag),
        cmocka_unit_test(every_field_type),  cmocka_unit_test(malformed),
        cmocka_unit_test(tenth_byte_is_cut), cmocka_unit_test(wrong_types_count_by_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
