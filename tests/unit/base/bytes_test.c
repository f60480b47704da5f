#include "base/bytes.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/prng.h"
#include "cmocka_all.h"

static void spans(void **state)
{
    (void)state;
    const gmq__span none = {0}, abc = gmq__span_str("abc");
    assert_int_equal(abc.len, 3);
    assert_true(gmq__span_equal(abc, gmq__span_of("abcd", 3)));
    assert_false(gmq__span_equal(abc, gmq__span_of("abcd", 4)));
    assert_false(gmq__span_equal(abc, gmq__span_str("abd")));
    assert_true(gmq__span_equal(none, gmq__span_str("")));
    assert_true(gmq__span_equal_str(abc, "abc"));
    assert_false(gmq__span_equal_str(none, "a"));
}

static void grows_like_an_array(void **state)
{
    (void)state;
    static uint8_t model[100000];
    size_t len = 0;
    gmq__bytes b = {0};
    gmq__prng rng = {1};
    while (len + 600 < sizeof model) {
        uint8_t data[600];
        size_t n = gmq__prng_below(&rng, sizeof data);
        memset(data, (int)gmq__prng_next(&rng), sizeof data);
        if (gmq__prng_below(&rng, 3) == 0) {
            gmq__bytes_put_u8(&b, data[0]);
            n = 1;
        } else {
            gmq__bytes_put(&b, data, n);
        }
        memcpy(model + len, data, n);
        len += n;
        assert_true(b.len == len && b.len <= b.cap && !b.failed);
    }
    gmq__bytes_put_str(&b, "end");
    memcpy(model + len, "end", 3);
    assert_memory_equal(b.data, model, len + 3);
    gmq__bytes_free(&b);
    assert_true(!b.data && !b.len && !b.cap && !b.failed);
    gmq__bytes_free(&b);
}

static void putting_nothing(void **state)
{
    (void)state;
    gmq__bytes b = {0};
    gmq__bytes_put(&b, NULL, 0);
    gmq__bytes_put_str(&b, "");
    assert_true(!b.data && !b.len && !b.failed);
    assert_true(gmq__bytes_reserve(&b, 0));
    assert_int_equal(gmq__bytes_span(&b).len, 0);
}

static void reserving(void **state)
{
    (void)state;
    gmq__bytes b = {0};
    assert_true(gmq__bytes_reserve(&b, 1000));
    const uint8_t *data = b.data;
    for (int i = 0; i < 1000; i++)
        gmq__bytes_put_u8(&b, (uint8_t)i);
    assert_ptr_equal(b.data, data);
    gmq__bytes_clear(&b);
    assert_true(b.len == 0 && b.data == data && b.cap >= 1000);
    gmq__bytes_free(&b);
}

/* A failure sticks until clear, and loses nothing that was there. */
static void failing(void **state)
{
    (void)state;
    gmq__bytes b = {0};
    gmq__bytes_put_str(&b, "abc");
    assert_false(gmq__bytes_reserve(&b, SIZE_MAX));
    assert_true(b.failed);
    gmq__bytes_put_str(&b, "def");
    assert_true(gmq__span_equal_str(gmq__bytes_span(&b), "abc"));
    gmq__bytes_clear(&b);
    assert_false(b.failed);
    assert_false(gmq__bytes_reserve(&b, SIZE_MAX / 2 + 2));
    gmq__bytes_clear(&b);
    gmq__bytes_put_str(&b, "xyz");
    assert_true(gmq__span_equal_str(gmq__bytes_span(&b), "xyz"));
    gmq__bytes_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spans),           cmocka_unit_test(grows_like_an_array),
        cmocka_unit_test(putting_nothing), cmocka_unit_test(reserving),
        cmocka_unit_test(failing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
