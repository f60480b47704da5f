#include "wire/metadata.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/prng.h"
#include "cmocka_all.h"
#include "unit/wire/fixture_util.h"
#include "wire/pb.h"

static gmq_metadata *list(void)
{
    gmq_metadata *md = NULL;
    assert_int_equal(gmq_metadata_new(&md), GMQ_OK);
    return md;
}

static void raw(gmq_metadata *md, const char *key, const char *value)
{
    assert_int_equal(gmq__metadata_add_raw(md, gmq__span_str(key), gmq__span_str(value)), GMQ_OK);
}

/* "k=v k=v ..." of a list. */
static void expect_list(const gmq_metadata *md, const char *want)
{
    gmq__bytes out = {0};
    for (size_t i = 0; i < gmq_metadata_count(md); i++) {
        gmq__bytes_put_str(&out, i ? " " : "");
        gmq__bytes_put_str(&out, gmq_metadata_key(md, i));
        gmq__bytes_put_u8(&out, '=');
        gmq__bytes_put(&out, gmq__metadata_value(md, i).data, gmq__metadata_value(md, i).len);
    }
    gmq__bytes_put_u8(&out, 0);
    assert_string_equal((const char *)out.data, want);
    gmq__bytes_free(&out);
}

static void keeps_pairs_in_order(void **state)
{
    (void)state;
    gmq_metadata *md = list();
    size_t len = 99;
    assert_int_equal(gmq_metadata_count(md), 0);
    assert_int_equal(gmq_metadata_add(md, "b", "2", 1), GMQ_OK);
    assert_int_equal(gmq_metadata_add(md, "a-bin", "\0\xff\n", 3), GMQ_OK);
    assert_int_equal(gmq_metadata_add(md, "b", NULL, 0), GMQ_OK);
    assert_int_equal(gmq_metadata_count(md), 3);
    assert_string_equal(gmq_metadata_key(md, 0), "b");
    assert_string_equal(gmq_metadata_key(md, 1), "a-bin");
    assert_memory_equal(gmq_metadata_value(md, 1, &len), "\0\xff\n\0", 4);
    assert_int_equal(len, 3);
    assert_string_equal(gmq_metadata_value(md, 2, &len), "");
    assert_int_equal(len, 0);
    assert_null(gmq_metadata_key(md, 3));
    assert_null(gmq_metadata_value(md, 3, &len));
    assert_int_equal(gmq__metadata_size(md), (1 + 1 + 32) + (5 + 3 + 32) + (1 + 0 + 32));
    gmq_metadata_free(md);
}

static void null_is_an_empty_list(void **state)
{
    (void)state;
    assert_int_equal(gmq_metadata_count(NULL), 0);
    assert_int_equal(gmq__metadata_size(NULL), 0);
    assert_null(gmq_metadata_key(NULL, 0));
    assert_int_equal(gmq__metadata_sanitize(NULL), 0);
    gmq_metadata_free(NULL);
    gmq_metadata *copy = (gmq_metadata *)1;
    assert_int_equal(gmq__metadata_copy(&copy, NULL), GMQ_OK);
    assert_null(copy);
    gmq__bytes out = {0};
    gmq__metadata_encode(&out, 1, NULL);
    assert_int_equal(out.len, 0);
    assert_int_equal(gmq_metadata_new(NULL), GMQ_E_INVALID);
}

static void misuse(void **state)
{
    (void)state;
    gmq_metadata *md = list();
    assert_int_equal(gmq_metadata_add(NULL, "a", "", 0), GMQ_E_INVALID);
    assert_int_equal(gmq_metadata_add(md, NULL, "", 0), GMQ_E_INVALID);
    assert_int_equal(gmq_metadata_add(md, "a", NULL, 1), GMQ_E_INVALID);
    assert_int_equal(gmq_metadata_count(md), 0);
    gmq_metadata_free(md);
}

static void rules(void **state)
{
    (void)state;
    const struct {
        const char *key, *value;
        bool good;
    } rows[] = {
        {"a", "v", true},
        {"0-9_.z", " ~", true},
        {"x-bin", "\r\n\x01", true},
        {"-bin", "\xff", true},
        {"grpc", "v", true},
        {"", "v", false},
        {"A", "v", false},
        {"a b", "v", false},
        {"a:", "v", false},
        {":path", "v", false},
        {"\xc3\xa9", "v", false},
        {"grpc-x", "v", false},
        {"grpc-status-details-bin", "\x80", true},
        {"grpc-x-bin", "v", false},
        {"a", "\n", false},
        {"a", "\x7f", false},
        {"a", "\xc3\xa9", false},
        {"abin", "\x01", false},
    };
    gmq_metadata *md = list();
    size_t good = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gmq_status want = rows[i].good ? GMQ_OK : GMQ_E_INVALID;
        if (gmq_metadata_add(md, rows[i].key, rows[i].value, strlen(rows[i].value)) != want)
            fail_msg("key \"%s\" value \"%s\"", rows[i].key, rows[i].value);
        good += rows[i].good;
    }
    assert_int_equal(gmq_metadata_count(md), good);
    assert_int_equal(gmq_metadata_add(md, "Bad Key", "", 0), GMQ_E_INVALID);
    assert_non_null(strstr(gmq_error_text(), "\"Bad Key\""));
    assert_int_equal(gmq_metadata_add(md, "key", "a\r\nb", 4), GMQ_E_INVALID);
    assert_non_null(strstr(gmq_error_text(), "\"key\""));
    assert_non_null(strstr(gmq_error_text(), "a\\x0d\\x0ab"));
    gmq_metadata_free(md);
}

static void sanitizing(void **state)
{
    (void)state;
    gmq_metadata *md = list();
    raw(md, "a", "1");
    raw(md, "grpc-status", "0");
    raw(md, "B", "2");
    raw(md, "c", "x\r\ny");
    assert_int_equal(gmq__metadata_add_raw(md, gmq__span_of("d\0d", 3), gmq__span_str("3")),
                     GMQ_OK);
    raw(md, "e-bin", "\r\n");
    raw(md, "a", "4");
    assert_int_equal(gmq__metadata_sanitize(md), 4);
    expect_list(md, "a=1 e-bin=\r\n a=4");
    assert_int_equal(gmq__metadata_sanitize(md), 0);
    raw(md, "f", "5");
    expect_list(md, "a=1 e-bin=\r\n a=4 f=5");
    gmq_metadata_free(md);
}

static void legality(void **state)
{
    (void)state;
    assert_true(gmq__metadata_legal(NULL));
    gmq_metadata *md = list();
    raw(md, "a", "1");
    raw(md, "grpc-trace-bin", "\r\n");
    assert_true(gmq__metadata_legal(md)); /* the reserved prefix is gRPC's own affair */
    raw(md, "B", "2");
    assert_false(gmq__metadata_legal(md));
    gmq_metadata_free(md);
    md = list();
    raw(md, "c", "x\r\ny");
    assert_false(gmq__metadata_legal(md));
    gmq_metadata_free(md);
    md = list();
    raw(md, "", "1");
    assert_false(gmq__metadata_legal(md));
    gmq_metadata_free(md);
}

static void copies(void **state)
{
    (void)state;
    gmq_metadata *md = list(), *copy = NULL;
    raw(md, "b", "1");
    raw(md, "a", "2");
    assert_int_equal(gmq__metadata_copy(&copy, md), GMQ_OK);
    gmq_metadata_free(md);
    expect_list(copy, "b=1 a=2");
    gmq_metadata_free(copy);
}

/* A list may be given its own key and value: they move when it grows. */
static void adding_from_itself(void **state)
{
    (void)state;
    gmq_metadata *md = list();
    raw(md, "key", "some value");
    for (int i = 0; i < 200; i++) {
        size_t len;
        const void *value = gmq_metadata_value(md, (size_t)i, &len);
        assert_int_equal(gmq_metadata_add(md, gmq_metadata_key(md, (size_t)i), value, len), GMQ_OK);
    }
    for (size_t i = 0; i < 201; i++) {
        assert_string_equal(gmq_metadata_key(md, i), "key");
        assert_string_equal(gmq_metadata_value(md, i, &(size_t){0}), "some value");
    }
    gmq_metadata_free(md);
}

static gmq_status decode(const char *hex, size_t limit, gmq_metadata **out)
{
    gmq__span bytes = hex_decode(hex);
    gmq_status status = gmq__metadata_decode(bytes, limit, out);
    hex_free(bytes);
    return status;
}

static void reading(void **state)
{
    (void)state;
    const struct {
        const char *hex, *want;
    } rows[] = {
        {"", ""},
        {"0a060a016b120176", "k=v"},
        {"0a030a0164", ""},                                              /* no values */
        {"0a060a01621201310a060a0161120132", "a=2 b=1"},                 /* sorted */
        {"0a060a01611201310a060a01621201320a060a0161120133", "a=3 b=2"}, /* replaced */
        {"0a060a01611201310a030a0161", ""},                              /* replaced by nothing */
        {"0a091201310a0161120132", "a=1 a=2"},                           /* key in between */
        {"0a090a01780a0161120132", "a=2"},                               /* key twice: the last */
        {"0a03120131", "=1"},                                            /* no key */
        {"0a080a0161120132180112060a0162120133", "a=2"},                 /* unknown fields */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gmq_metadata *md = NULL;
        if (decode(rows[i].hex, 8192, &md) != GMQ_OK)
            fail_msg("%s: %s", rows[i].hex, gmq_error_text());
        assert_non_null(md);
        expect_list(md, rows[i].want);
        gmq_metadata_free(md);
    }
}

static void reading_a_field(void **state)
{
    (void)state;
    gmq_metadata *md = (gmq_metadata *)1;
    gmq__span bytes = hex_decode("0a0022060a016b120176");
    assert_int_equal(gmq__metadata_decode_field(bytes, 4, 100, &md), GMQ_OK);
    expect_list(md, "k=v");
    gmq_metadata_free(md);
    assert_int_equal(gmq__metadata_decode_field(bytes, 5, 100, &md), GMQ_OK);
    assert_null(md);
    hex_free(bytes);
}

static void limits(void **state)
{
    (void)state;
    gmq_metadata *md = NULL;
    assert_int_equal(decode("0a060a016b120176", 34, &md), GMQ_OK);
    gmq_metadata_free(md);
    md = NULL;
    assert_int_equal(decode("0a060a016b120176", 33, &md), GMQ_E_TOO_LARGE);
    assert_non_null(strstr(gmq_error_text(), "33"));
    assert_int_equal(decode("0a030a01640a030a0164", 65, &md),
                     GMQ_E_TOO_LARGE); /* empty ones count */
    assert_int_equal(decode("0a00", 0, &md), GMQ_E_TOO_LARGE);
    assert_null(md);
}

/* A peer that sends many keys, worst case unsorted, is refused by size or read in time proportional
 * to it. */
static void ten_thousand_keys(void **state)
{
    (void)state;
    gmq__bytes out = {0};
    gmq_metadata *md = NULL;
    for (int i = 10000; i-- > 0;) {
        char entry[32];
        int len = snprintf(entry, sizeof entry, "%c%ck%05d%c%cv", 0x0a, 6, i, 0x12, 1);
        gmq__pb_put_bytes(&out, 1, gmq__span_of(entry, (size_t)len));
    }
    assert_int_equal(gmq__metadata_decode(gmq__bytes_span(&out), 8192, &md), GMQ_E_TOO_LARGE);
    assert_int_equal(gmq__metadata_decode(gmq__bytes_span(&out), SIZE_MAX, &md), GMQ_OK);
    assert_int_equal(gmq_metadata_count(md), 10000);
    assert_string_equal(gmq_metadata_key(md, 0), "k00000");
    assert_string_equal(gmq_metadata_key(md, 9999), "k09999");
    gmq_metadata_free(md);
    gmq__bytes_free(&out);
}

static void random_pairs(gmq__prng *rng, gmq_metadata *md)
{
    for (size_t n = gmq__prng_below(rng, 40); n; n--) {
        char key[3], value[12];
        snprintf(key, sizeof key, "%c", (int)('a' + gmq__prng_below(rng, 8)));
        key[1] = gmq__prng_below(rng, 2) ? 'x' : '\0';
        key[2] = '\0';
        snprintf(value, sizeof value, "%u", (unsigned)gmq__prng_below(rng, 1000));
        raw(md, key, value);
    }
}

/* Bubble sort by key: slow, stable, and surely right. */
static gmq_metadata *sorted(const gmq_metadata *md)
{
    size_t n = gmq_metadata_count(md), order[64] = {0};
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t end = n; end > 1; end--)
        for (size_t i = 0; i + 1 < end; i++)
            if (strcmp(gmq_metadata_key(md, order[i]), gmq_metadata_key(md, order[i + 1])) > 0) {
                size_t swap = order[i];
                order[i] = order[i + 1];
                order[i + 1] = swap;
            }
    gmq_metadata *result = list();
    for (size_t i = 0; i < n; i++)
        raw(result, gmq_metadata_key(md, order[i]),
            (const char *)gmq__metadata_value(md, order[i]).data);
    return result;
}

static void round_trips_sort_stably(void **state)
{
    (void)state;
    gmq__prng rng = {3};
    for (int i = 0; i < 1000; i++) {
        gmq_metadata *md = list(), *got = NULL;
        random_pairs(&rng, md);
        gmq_metadata *want = sorted(md);
        gmq__bytes out = {0}, again = {0};
        gmq__metadata_encode(&out, 1, md);
        assert_int_equal(gmq__metadata_decode(gmq__bytes_span(&out), SIZE_MAX, &got), GMQ_OK);
        assert_int_equal(gmq_metadata_count(got), gmq_metadata_count(want));
        for (size_t k = 0; k < gmq_metadata_count(want); k++) {
            assert_string_equal(gmq_metadata_key(got, k), gmq_metadata_key(want, k));
            assert_string_equal(gmq__metadata_value(got, k).data,
                                gmq__metadata_value(want, k).data);
        }
        gmq__metadata_encode(&again, 1, got);
        assert_true(gmq__span_equal(gmq__bytes_span(&out), gmq__bytes_span(&again)));
        gmq__bytes_free(&out);
        gmq__bytes_free(&again);
        gmq_metadata_free(md);
        gmq_metadata_free(got);
        gmq_metadata_free(want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_pairs_in_order),
        cmocka_unit_test(null_is_an_empty_list),
        cmocka_unit_test(misuse),
        cmocka_unit_test(rules),
        cmocka_unit_test(sanitizing),
        cmocka_unit_test(legality),
        cmocka_unit_test(copies),
        cmocka_unit_test(adding_from_itself),
        cmocka_unit_test(reading),
        cmocka_unit_test(reading_a_field),
        cmocka_unit_test(limits),
        cmocka_unit_test(ten_thousand_keys),
        cmocka_unit_test(round_trips_sort_stably),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
