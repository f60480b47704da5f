#include "wire/packet.h"

#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "cmocka_all.h"
#include "unit/wire/fixture_util.h"

static void round_trips(void **state)
{
    (void)state;
    gmq__prng rng = {7};
    uint8_t data[400];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)gmq__prng_next(&rng);
    for (int i = 0; i < 2000; i++) {
        gmq__span payload = gmq__span_of(data, gmq__prng_below(&rng, sizeof data + 1));
        uint32_t position = (uint32_t)gmq__prng_next(&rng),
                 npackets = (uint32_t)gmq__prng_next(&rng);
        gmq__bytes out = {0};
        gmq__packet got;
        gmq__packet_encode(&out, payload, position, npackets);
        assert_int_equal(out.len, gmq__packet_encoded_len(payload.len));
        assert_int_equal(gmq__packet_decode(gmq__bytes_span(&out), &got), GMQ_OK);
        assert_true(gmq__span_equal(got.payload, payload));
        assert_true(got.position == position && got.npackets == npackets);
        gmq__bytes_free(&out);
    }
}

static gmq_status decode(const char *hex, gmq__packet *packet)
{
    gmq__span bytes = hex_decode(hex);
    gmq_status status = gmq__packet_decode(bytes, packet);
    hex_free(bytes);
    return status;
}

static void tolerant_reading(void **state)
{
    (void)state;
    gmq__packet p;
    assert_int_equal(decode("15010000001502000000", &p), GMQ_OK);
    assert_true(p.position == 2 && p.npackets == 1 && p.payload.len == 0);
    assert_int_equal(decode("1d00000000", &p), GMQ_OK); /* as it stands: the engine judges it */
    assert_true(p.npackets == 0);
    assert_int_equal(decode("15ffffffff1dffffffff", &p), GMQ_OK);
    assert_true(p.position == UINT32_MAX && p.npackets == UINT32_MAX);
    assert_int_equal(decode("08010a00", &p),
                     GMQ_OK); /* payload twice: only the last one's type counts */
}

static void refused(void **state)
{
    (void)state;
    const char *const bad[] = {"0801",   "0a000801", "1001",     "1a00",
                               "ffffff", "0a0568",   "15000000", "0a0068"};
    gmq__packet p;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (decode(bad[i], &p) != GMQ_E_PARSE)
            fail_msg("%s is taken", bad[i]);
}

static void every_prefix_is_safe(void **state)
{
    (void)state;
    gmq__bytes out = {0};
    gmq__packet p;
    gmq__packet_encode(&out, gmq__span_str("payload"), 1, 2);
    for (size_t len = 0; len < out.len; len++) {
        uint8_t *copy = malloc(len + 1);
        assert_non_null(copy);
        memcpy(copy, out.data, len);
        gmq_status want =
            len == 0 || len == 9 || len == 14 ? GMQ_OK : GMQ_E_PARSE; /* ends of fields */
        assert_int_equal(gmq__packet_decode(gmq__span_of(copy, len), &p), want);
        free(copy);
    }
    gmq__bytes_free(&out);
}

static void slicing(void **state)
{
    (void)state;
    assert_int_equal(gmq__packet_slice_len(16), 1);
    assert_int_equal(gmq__packet_slice_len(17), 1);
    assert_int_equal(gmq__packet_slice_len(18), 2);
    assert_int_equal(gmq__packet_slice_len(64), 48);
    assert_int_equal(gmq__packet_slice_len(0), 1);
    assert_int_equal(gmq__packet_count(0, 48), 1);
    assert_int_equal(gmq__packet_count(48, 48), 1);
    assert_int_equal(gmq__packet_count(49, 48), 2);
    assert_int_equal(gmq__packet_count(96, 48), 2);
    assert_int_equal(gmq__packet_count(97, 48), 3);
    assert_int_equal(gmq__packet_count(200, 1), 200);
    assert_true(gmq__packet_count(SIZE_MAX, 1) == UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips), cmocka_unit_test(tolerant_reading),
        cmocka_unit_test(refused),     cmocka_unit_test(every_prefix_is_safe),
        cmocka_unit_test(slicing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
