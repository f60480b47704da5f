#include "wire/request.h"

#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "cmocka_all.h"
#include "unit/wire/fixture_util.h"

#define LIMIT 8192

static gmq_status decode(const char *hex, size_t limit, gmq__request *out)
{
    gmq__span bytes = hex_decode(hex);
    gmq_status status = gmq__request_decode(bytes, limit, out);
    hex_free(bytes);
    return status;
}

static void random_metadata(gmq__prng *rng, gmq_metadata **out)
{
    assert_int_equal(gmq_metadata_new(out), GMQ_OK);
    for (size_t n = gmq__prng_below(rng, 6); n; n--) {
        uint8_t key = (uint8_t)('a' + gmq__prng_below(rng, 3)), value[20];
        for (size_t i = 0; i < sizeof value; i++)
            value[i] = (uint8_t)gmq__prng_next(rng);
        gmq__span v = gmq__span_of(value, gmq__prng_below(rng, sizeof value + 1));
        assert_int_equal(gmq__metadata_add_raw(*out, gmq__span_of(&key, 1), v), GMQ_OK);
    }
}

/* Values of each key, in order. */
static void expect_same_values(const gmq_metadata *got, const gmq_metadata *want)
{
    assert_int_equal(gmq_metadata_count(got), gmq_metadata_count(want));
    for (uint8_t key = 'a'; key <= 'c'; key++) {
        size_t at = 0;
        for (size_t i = 0; i < gmq_metadata_count(want); i++) {
            if (gmq__metadata_key(want, i).data[0] != key)
                continue;
            while (gmq__metadata_key(got, at).data[0] != key)
                at++;
            assert_true(
                gmq__span_equal(gmq__metadata_value(got, at++), gmq__metadata_value(want, i)));
        }
    }
}

static void round_trips(void **state)
{
    (void)state;
    gmq__prng rng = {11};
    for (int i = 0; i < 2000; i++) {
        gmq__request want = {.message = gmq__span_of("0123456789", gmq__prng_below(&rng, 11)),
                             .metadata = NULL},
                     got;
        want.options =
            (gmq__rpc_options){(int8_t)gmq__prng_below(&rng, 2), (int8_t)gmq__prng_below(&rng, 23),
                               (int8_t)gmq__prng_below(&rng, 23)};
        want.timeout_s = (int64_t)(gmq__prng_next(&rng) >> gmq__prng_below(&rng, 64));
        random_metadata(&rng, &want.metadata);
        gmq__bytes out = {0};
        gmq__request_encode(&out, &want);
        assert_int_equal(gmq__request_decode(gmq__bytes_span(&out), LIMIT, &got), GMQ_OK);
        assert_true(gmq__span_equal(got.message, want.message));
        assert_memory_equal(&got.options, &want.options, sizeof want.options);
        assert_true(got.timeout_s == want.timeout_s);
        expect_same_values(got.metadata, want.metadata);
        gmq_metadata_free(got.metadata);
        gmq_metadata_free(want.metadata);
        gmq__bytes_free(&out);
    }
}

static void unset_options_are_zero(void **state)
{
    (void)state;
    const gmq__request r = {.options = {-1, -1, -1}, .timeout_s = 1};
    gmq__bytes out = {0};
    gmq__request_encode(&out, &r);
    expect_hex(&out, "0a0012030000001802", "unset options");
}

static void tolerant_reading(void **state)
{
    (void)state;
    gmq__request r;
    assert_int_equal(decode("1205010203ff01180a", LIMIT, &r), GMQ_OK); /* extra options */
    assert_true(r.options.batched == 1 && r.options.server_level == 2 &&
                r.options.client_level == 3);
    assert_null(r.metadata);
    assert_int_equal(decode("12011712030000001805", LIMIT, &r),
                     GMQ_OK); /* only the last options count */
    assert_true(r.timeout_s == -3);
    assert_int_equal(decode("1203000000180aa00601", LIMIT, &r), GMQ_OK); /* unknown field 100 */
    assert_int_equal(decode("1203000000180a2200", LIMIT, &r), GMQ_OK);   /* an entry of nothing */
    assert_int_equal(gmq_metadata_count(r.metadata), 0);
    gmq_metadata_free(r.metadata);
}

static void refused(void **state)
{
    (void)state;
    const char *const bad[] = {
        "",                                 /* nothing */
        "1203000017180a",                   /* client level 23 */
        "120c008080808080808080800100180a", /* level 2^63 */
        "12030000ff180a",                   /* options cut off */
        "1203000000180a2001",               /* metadata as varint */
        "1203000000180a22020801",           /* key as varint */
        "1203000000180a22021001",           /* value as varint */
        "1203000000180a220312",             /* entry cut off */
        "1203000000180a2202120a",           /* value cut off */
    };
    gmq__request r;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (decode(bad[i], LIMIT, &r) != GMQ_E_PARSE)
            fail_msg("%s is taken", bad[i]);
        assert_null(r.metadata);
    }
    assert_int_equal(decode("1203001700180a", LIMIT, &r), GMQ_E_PARSE);
    assert_non_null(strstr(gmq_error_text(), "23"));
}

static void metadata_limit(void **state)
{
    (void)state;
    const char *hex = "1203000000180a22060a016b120176"; /* k: v, 34 by gRPC's measure */
    gmq__request r;
    assert_int_equal(decode(hex, 34, &r), GMQ_OK);
    gmq_metadata_free(r.metadata);
    assert_int_equal(decode(hex, 33, &r), GMQ_E_TOO_LARGE);
    assert_null(r.metadata);
}

static void seconds(void **state)
{
    (void)state;
    assert_int_equal(gmq__request_timeout_s(0), 1);
    assert_int_equal(gmq__request_timeout_s(1), 1);
    assert_int_equal(gmq__request_timeout_s(1000), 1);
    assert_int_equal(gmq__request_timeout_s(1001), 2);
    assert_int_equal(gmq__request_timeout_s(-1), -1);
    assert_int_equal(gmq__request_timeout_s(INT64_MIN), -1);
    assert_true(gmq__request_timeout_s(INT64_MAX) == INT64_MAX / 1000 + 1);
}

static void controls(void **state)
{
    (void)state;
    gmq__bytes out = {0};
    gmq__control_encode(&out, GMQ__CONTROL_ALIVE);
    expect_hex(&out, "0801", "alive");
    const struct {
        const char *hex;
        gmq_status status;
        int32_t value;
    } rows[] = {
        {"0802", GMQ_OK, 2},      {"08010802", GMQ_OK, 2},
        {"1001", GMQ_OK, 0},      {"08ffffffffffffffffff01", GMQ_OK, -1},
        {"0a00", GMQ_E_PARSE, 0}, {"08", GMQ_E_PARSE, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gmq__span bytes = hex_decode(rows[i].hex);
        int32_t value = 0;
        assert_int_equal(gmq__control_decode(bytes, &value), rows[i].status);
        assert_int_equal(value, rows[i].value);
        hex_free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),      cmocka_unit_test(unset_options_are_zero),
        cmocka_unit_test(tolerant_reading), cmocka_unit_test(refused),
        cmocka_unit_test(metadata_limit),   cmocka_unit_test(seconds),
        cmocka_unit_test(controls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
