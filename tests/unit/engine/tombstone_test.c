#include "engine/tombstone.h"

#include <stdio.h>

#include "cmocka_all.h"

static void stays_until_its_time(void **state)
{
    (void)state;
    gmq__tombstones t = {0};
    uint64_t next_i = 0;
    assert_int_equal(gmq__tombstones_deadline(&t), INT64_MAX);
    assert_true(gmq__tombstones_add(&t, gmq__span_str("b"), 200, 3));
    assert_true(gmq__tombstones_add(&t, gmq__span_str("a"), 100, 5));
    assert_int_equal(gmq__tombstones_deadline(&t), 100);
    assert_true(gmq__tombstones_find(&t, gmq__span_str("a"), &next_i));
    assert_int_equal(next_i, 5);
    assert_false(gmq__tombstones_find(&t, gmq__span_str("ab"), NULL));
    gmq__tombstones_expire(&t, 99);
    assert_true(gmq__tombstones_find(&t, gmq__span_str("a"), NULL));
    gmq__tombstones_expire(&t, 100);
    assert_false(gmq__tombstones_find(&t, gmq__span_str("a"), NULL));
    assert_true(gmq__tombstones_find(&t, gmq__span_str("b"), NULL));
    gmq__tombstones_free(&t);
}

static void added_twice_keeps_the_later_time(void **state)
{
    (void)state;
    gmq__tombstones t = {0};
    uint64_t next_i;
    gmq__tombstones_add(&t, gmq__span_str("a"), 100, 2);
    gmq__tombstones_add(&t, gmq__span_str("a"), 300, 1);
    gmq__tombstones_add(&t, gmq__span_str("a"), 200, 4);
    assert_int_equal(gmq__tombstones_deadline(&t), 300);
    assert_true(gmq__tombstones_find(&t, gmq__span_str("a"), &next_i));
    assert_int_equal(next_i, 4);
    gmq__tombstones_free(&t);
}

static void their_number_is_bounded(void **state)
{
    (void)state;
    gmq__tombstones t = {0};
    char sid[32];
    for (int at = 0; at < GMQ__TOMBSTONES_MAX + 10; at++) {
        int len = snprintf(sid, sizeof sid, "sid%d", at);
        assert_true(gmq__tombstones_add(&t, gmq__span_of(sid, (size_t)len), 1000 + at, 0));
    }
    assert_int_equal(gmq__map_count(&t.by_sid), GMQ__TOMBSTONES_MAX);
    assert_false(
        gmq__tombstones_find(&t, gmq__span_str("sid9"), NULL)); /* those that would go first went */
    assert_true(gmq__tombstones_find(&t, gmq__span_str("sid10"), NULL));
    gmq__tombstones_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stays_until_its_time),
        cmocka_unit_test(added_twice_keeps_the_later_time),
        cmocka_unit_test(their_number_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
