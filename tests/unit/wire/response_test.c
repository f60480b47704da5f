#include "wire/response.h"

#include <string.h>

#include "base/prng.h"
#include "cmocka_all.h"
#include "unit/wire/fixture_util.h"

#define LIMIT 8192

static gmq_metadata *random_list(gmq__prng *rng)
{
    gmq_metadata *md = NULL;
    assert_int_equal(gmq_metadata_new(&md), GMQ_OK);
    for (size_t n = gmq__prng_below(rng, 4); n; n--)
        assert_int_equal(
            gmq__metadata_add_raw(md, gmq__span_str("key"), gmq__span_of("\0\1\2\3", n)), GMQ_OK);
    return md;
}

static void expect_same_list(const gmq_metadata *got, const gmq_metadata *want)
{
    assert_non_null(got);
    assert_int_equal(gmq_metadata_count(got), gmq_metadata_count(want));
    for (size_t i = 0; i < gmq_metadata_count(want); i++)
        assert_true(gmq__span_equal(gmq__metadata_value(got, i), gmq__metadata_value(want, i)));
}

static void expect_same(const gmq__response *got, const gmq__response *want,
                        gmq__response_shape shape)
{
    bool with_body = shape == GMQ__RESPONSE_WITH_BODY;
    assert_false(got->is_error || got->empty);
    assert_int_equal(got->has_body, with_body && want->has_body);
    if (got->has_body)
        assert_true(gmq__span_equal(got->body, want->body));
    if (with_body)
        expect_same_list(got->initial, want->initial);
    else
        assert_null(got->initial);
    expect_same_list(got->trailing, want->trailing);
    assert_int_equal(got->code, want->code);
    assert_true(gmq__span_equal(got->details, want->details));
}

static void round_trips(void **state)
{
    (void)state;
    static const uint8_t data[70000];
    gmq__prng rng = {13};
    for (int i = 0; i < 500; i++) {
        gmq__response want = {.has_body = gmq__prng_below(&rng, 4) != 0}, got;
        gmq__response_shape shape = (gmq__response_shape)gmq__prng_below(&rng, 2);
        want.body =
            gmq__span_of(data, gmq__prng_below(&rng, gmq__prng_below(&rng, 2) ? 10 : sizeof data));
        want.code = (int32_t)gmq__prng_below(&rng, 17) * (gmq__prng_below(&rng, 9) ? 1 : -1);
        want.details = gmq__span_of("gr\xc3\xbc\xc3\x9f", gmq__prng_below(&rng, 2) ? 6 : 0);
        want.initial = random_list(&rng);
        want.trailing = random_list(&rng);
        gmq__bytes out = {0};
        gmq__response_encode(&out, &want, shape);
        assert_int_equal(gmq__response_decode(gmq__bytes_span(&out), LIMIT, &got), GMQ_OK);
        expect_same(&got, &want, shape);
        gmq__response_clear(&got);
        gmq__response_clear(&want);
        gmq__bytes_free(&out);
    }
}

static void appends(void **state)
{
    (void)state;
    gmq__bytes out = {0};
    gmq__bytes_put_str(&out, "x");
    const gmq__response r = {.has_body = true, .body = gmq__span_str("hi")};
    gmq__response_encode(&out, &r, GMQ__RESPONSE_WITH_BODY);
    const gmq__remote_error e = {.type = GMQ__RERROR_TIMEOUT};
    gmq__response_encode_error(&out, &e);
    expect_hex(&out, "780a0a0a040a02686912001a0012020814", "two behind a byte");
}

static gmq_status decode(const char *hex, gmq__response *out)
{
    gmq__span bytes = hex_decode(hex);
    gmq_status status = gmq__response_decode(bytes, LIMIT, out);
    hex_free(bytes);
    return status;
}

static void submessages_merge(void **state)
{
    (void)state;
    /* Two responses: body of the first, code of the second, both of their trailing entries. */
    gmq__span bytes = hex_decode("0a12"
                                 "0a040a026869"
                                 "1a080a060a0161120130"
                                 "2002"
                                 "0a0c"
                                 "1a080a060a0162120131"
                                 "2003");
    gmq__response r;
    assert_int_equal(gmq__response_decode(bytes, LIMIT, &r), GMQ_OK);
    assert_true(r.has_body && gmq__span_equal_str(r.body, "hi"));
    assert_int_equal(r.code, 3);
    assert_null(r.initial);
    assert_int_equal(gmq_metadata_count(r.trailing), 2);
    assert_string_equal(gmq_metadata_key(r.trailing, 0), "a");
    assert_string_equal(gmq_metadata_key(r.trailing, 1), "b");
    gmq__response_clear(&r);
    gmq__response_clear(&r);
    hex_free(bytes);
}

static void unknown_fields_are_skipped(void **state)
{
    (void)state;
    gmq__span bytes = hex_decode("0a0c"
                                 "3001"
                                 "0a060a0268691801"
                                 "2007"
                                 "1801");
    gmq__response r;
    assert_int_equal(gmq__response_decode(bytes, LIMIT, &r), GMQ_OK);
    assert_true(r.has_body && gmq__span_equal_str(r.body, "hi"));
    assert_int_equal(r.code, 7);
    hex_free(bytes);
}

static void which_of_the_two(void **state)
{
    (void)state;
    gmq__response r;
    assert_int_equal(decode("", &r), GMQ_OK);
    assert_true(r.empty && !r.is_error);
    assert_int_equal(decode("1801", &r), GMQ_OK);
    assert_true(r.empty);
    assert_int_equal(decode("1200", &r), GMQ_OK);
    assert_true(r.is_error && r.error.type == GMQ__RERROR_UNKNOWN);
    assert_int_equal(decode("1202ffff0a00", &r),
                     GMQ_OK); /* the response wins, the error is not looked at */
    assert_false(r.is_error || r.empty);
    assert_int_equal(decode("10010a00", &r), GMQ_OK);
    assert_int_equal(decode("0a0620e3fefefe0f", &r), GMQ_OK);
}

static void refused(void **state)
{
    (void)state;
    const char *const bad[] = {
        "ff",           "0801",         "0a01ff",
        "0a020801", /* response, body as varint */
        "0a021001",     "0a021801",     "0a022200",
        "0a022801",                                   /* maps, code, details of another type */
        "0a040a020801", "0a0412020801", "0a031a01ff", /* inside body and maps */
        "1001",         "12021001",     "12021a00",
        "1203220101",
    };
    gmq__response r;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (decode(bad[i], &r) != GMQ_E_PARSE)
            fail_msg("%s is taken", bad[i]);
        assert_true(!r.initial && !r.trailing);
    }
}

static void metadata_limit(void **state)
{
    (void)state;
    gmq__span bytes = hex_decode("0a12"
                                 "12080a060a016b120176"
                                 "1a060a040a016b12"
                                 "00");
    gmq__span good = hex_decode("0a14"
                                "12080a060a016b120176"
                                "1a080a060a016b120176");
    gmq__response r;
    assert_int_equal(gmq__response_decode(bytes, 34, &r), GMQ_E_PARSE);
    assert_true(!r.initial && !r.trailing);
    assert_int_equal(gmq__response_decode(good, 34, &r), GMQ_OK);
    gmq__response_clear(&r);
    assert_int_equal(gmq__response_decode(good, 33, &r), GMQ_E_TOO_LARGE);
    assert_true(!r.initial && !r.trailing);
    hex_free(bytes);
    hex_free(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),       cmocka_unit_test(appends),
        cmocka_unit_test(submessages_merge), cmocka_unit_test(unknown_fields_are_skipped),
        cmocka_unit_test(which_of_the_two),  cmocka_unit_test(refused),
        cmocka_unit_test(metadata_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
