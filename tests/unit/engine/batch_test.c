#include "engine/batch.h"

#include "cmocka_all.h"
#include "wire/chunk.h"

static void joins_below_the_limit(void **state)
{
    (void)state;
    gmq__batch batch = {0};
    assert_true(gmq__batch_fits(&batch, 1000, 64)); /* an empty one takes any */
    assert_true(gmq__batch_add(&batch, gmq__span_str("12345678901234567890123456789012"), 32, 5));
    assert_true(gmq__batch_fits(&batch, 31, 64)); /* 63 < 64 */
    assert_false(gmq__batch_fits(&batch, 32, 64));
    assert_true(gmq__batch_add(&batch, gmq__span_str(""), 0, 9));
    assert_int_equal(batch.since, 5);
    gmq__batch_free(&batch);
}

static void tiny_elements_are_bounded_too(void **state)
{
    (void)state;
    gmq__batch batch = {0};
    int n = 0;
    while (gmq__batch_fits(&batch, 0, 64) && n < 10000) {
        assert_true(gmq__batch_add(&batch, gmq__span_str(""), 0, 0));
        n++;
    }
    assert_true(n > 32 && n < 1000);
    assert_true(gmq__batch_full(&batch, 64));
    gmq__batch_free(&batch);
}

static void flush_gives_the_elements_in_order(void **state)
{
    (void)state;
    gmq__batch batch = {0};
    gmq__bytes out = {0};
    gmq__chunk chunk;
    gmq__span elem;
    gmq__batch_add(&batch, gmq__span_str("a"), 1, 0);
    gmq__batch_add(&batch, gmq__span_str(""), 0, 0);
    gmq__batch_add(&batch, gmq__span_str("packed"), 100, 0);
    assert_int_equal(gmq__batch_flush(&batch, &out), 101);
    assert_int_equal(batch.count, 0);
    assert_int_equal(gmq__chunk_decode(gmq__bytes_span(&out), &chunk), GMQ_OK);
    assert_true(gmq__chunk_next(&chunk, &elem) && gmq__span_equal_str(elem, "a"));
    assert_true(gmq__chunk_next(&chunk, &elem) && gmq__span_equal_str(elem, ""));
    assert_true(gmq__chunk_next(&chunk, &elem) && gmq__span_equal_str(elem, "packed"));
    assert_false(gmq__chunk_next(&chunk, &elem));
    gmq__bytes_free(&out);
    gmq__batch_free(&batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_below_the_limit),
        cmocka_unit_test(tiny_elements_are_bounded_too),
        cmocka_unit_test(flush_gives_the_elements_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
