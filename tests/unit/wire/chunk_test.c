#include "wire/chunk.h"

#include "base/prng.h"
#include "cmocka_all.h"
#include "unit/wire/fixture_util.h"

static void round_trips(void **state)
{
    (void)state;
    gmq__prng rng = {5};
    for (int i = 0; i < 500; i++) {
        size_t n = gmq__prng_below(&rng, 20), lens[20];
        gmq__bytes elems = {0}, out = {0};
        static const uint8_t data[300];
        for (size_t k = 0; k < n; k++) {
            lens[k] = gmq__prng_below(&rng, sizeof data + 1);
            gmq__chunk_put_elem(&elems, gmq__span_of(data, lens[k]));
        }
        gmq__chunk_encode(&out, gmq__bytes_span(&elems));
        gmq__chunk chunk;
        gmq__span elem;
        assert_int_equal(gmq__chunk_decode(gmq__bytes_span(&out), &chunk), GMQ_OK);
        assert_int_equal(chunk.kind, GMQ__CHUNK_ELEMS);
        for (size_t k = 0; k < n; k++) {
            assert_true(gmq__chunk_next(&chunk, &elem));
            assert_int_equal(elem.len, lens[k]);
        }
        assert_false(gmq__chunk_next(&chunk, &elem));
        gmq__bytes_free(&elems);
        gmq__bytes_free(&out);
    }
}

static void ends(void **state)
{
    (void)state;
    const char *const hex[] = {"", "1801", "1a00"};
    for (size_t i = 0; i < sizeof hex / sizeof *hex; i++) {
        gmq__span bytes = hex_decode(hex[i]);
        gmq__chunk chunk;
        assert_int_equal(gmq__chunk_decode(bytes, &chunk), GMQ_OK);
        assert_int_equal(chunk.kind, GMQ__CHUNK_END);
        hex_free(bytes);
    }
}

static void errors(void **state)
{
    (void)state;
    gmq__span bytes = hex_decode("1205081b12016512021803");
    gmq__chunk chunk;
    assert_int_equal(gmq__chunk_decode(bytes, &chunk),
                     GMQ_OK); /* an error that stands twice is one */
    assert_int_equal(chunk.kind, GMQ__CHUNK_ERROR);
    assert_int_equal(chunk.error.type, GMQ__RERROR_MQTT_FAILURE);
    assert_true(gmq__span_equal_str(chunk.error.message, "e"));
    assert_true(chunk.error.has_status && chunk.error.status == 3);
    hex_free(bytes);
}

static void unknown_fields_are_skipped(void **state)
{
    (void)state;
    gmq__span bytes = hex_decode("1801"
                                 "0a081001"
                                 "0a0161"
                                 "0a0162"
                                 "1801"),
              elem;
    gmq__chunk chunk;
    assert_int_equal(gmq__chunk_decode(bytes, &chunk), GMQ_OK);
    assert_true(gmq__chunk_next(&chunk, &elem) && gmq__span_equal_str(elem, "a"));
    assert_true(gmq__chunk_next(&chunk, &elem) && gmq__span_equal_str(elem, "b"));
    assert_false(gmq__chunk_next(&chunk, &elem));
    hex_free(bytes);
}

/* As protobuf merges a message that stands twice. */
static void two_lists_are_one(void **state)
{
    (void)state;
    const char *const hex[] = {
        "0a030a01610a030a0162",
        "0a060a01610a0162",
        "0a000a030a01610a000a030a01620a00",
        "0a030a0161120208011801" /* what stands between counts for nothing */
        "0a050a01621001",
    };
    for (size_t i = 0; i < sizeof hex / sizeof *hex; i++) {
        gmq__span bytes = hex_decode(hex[i]), elem;
        gmq__chunk chunk;
        assert_int_equal(gmq__chunk_decode(bytes, &chunk), GMQ_OK);
        assert_true(gmq__chunk_next(&chunk, &elem) && gmq__span_equal_str(elem, "a"));
        assert_true(gmq__chunk_next(&chunk, &elem) && gmq__span_equal_str(elem, "b"));
        assert_false(gmq__chunk_next(&chunk, &elem));
        hex_free(bytes);
    }
}

static void refused(void **state)
{
    (void)state;
    const char *const bad[] = {
        "0801",                 /* elements as varint */
        "0a020801",             /* an element as varint */
        "0a030a0261",           /* an element cut off */
        "0a040a0161",           /* the list cut off */
        "0a030a01610aff",       /* rubbish after it */
        "0a030a01610a030a0262", /* likewise in a second list */
        "1001",                 /* error as varint */
        "12020a00",             /* its type as bytes */
        "120112",               /* its message cut off */
    };
    gmq__chunk chunk;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        gmq__span bytes = hex_decode(bad[i]);
        if (gmq__chunk_decode(bytes, &chunk) != GMQ_E_PARSE)
            fail_msg("%s is taken", bad[i]);
        hex_free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),
        cmocka_unit_test(ends),
        cmocka_unit_test(errors),
        cmocka_unit_test(unknown_fields_are_skipped),
        cmocka_unit_test(two_lists_are_one),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
