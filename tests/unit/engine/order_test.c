#include "engine/order.h"

#include "base/prng.h"
#include "cmocka_all.h"

static gmq__order_packet packet(gmq_buf *buf, uint32_t position)
{
    gmq__order_packet p = {buf, gmq__buf_span(buf), position, 1};
    return p;
}

static void in_order_needs_no_memory(void **state)
{
    (void)state;
    gmq__order order = {0};
    gmq_buf *buf = gmq__buf_copy(gmq__span_str("abc"));
    gmq__order_packet p = packet(buf, 0), out;
    for (uint64_t i = 0; i < 100; i++) {
        assert_int_equal(gmq__order_put(&order, i, &p, 0), GMQ__ORDER_NOW);
        assert_false(gmq__order_take(&order, &out, 0));
    }
    assert_int_equal(gmq__order_bytes(&order), 0);
    gmq__order_free(&order);
    gmq_buf_unref(buf);
}

static void early_ones_wait_and_doubles_are_dropped(void **state)
{
    (void)state;
    gmq__order order = {0};
    gmq_buf *buf = gmq__buf_copy(gmq__span_str("abc"));
    gmq__order_packet p = packet(buf, 7), out;
    assert_int_equal(gmq__order_put(&order, 2, &p, 100), GMQ__ORDER_HELD);
    assert_int_equal(gmq__order_put(&order, 1, &p, 150), GMQ__ORDER_HELD);
    assert_int_equal(gmq__order_put(&order, 1, &p, 150),
                     GMQ__ORDER_HELD); /* found when it is released */
    assert_true(gmq__order_bytes(&order) >= 9);
    assert_int_equal(order.gap_since, 100);
    assert_false(gmq__order_take(&order, &out, 160));
    assert_int_equal(gmq__order_put(&order, 0, &p, 200), GMQ__ORDER_NOW);
    for (int n = 0; n < 2; n++) {
        assert_true(gmq__order_take(&order, &out, 200));
        assert_ptr_equal(out.buf, buf);
        assert_int_equal(out.position, 7);
        gmq_buf_unref(out.buf);
    }
    assert_false(gmq__order_take(&order, &out, 200));
    assert_int_equal(order.duplicates, 1);
    assert_int_equal(order.held, 0);
    assert_int_equal(gmq__order_put(&order, 2, &p, 300), GMQ__ORDER_DUPLICATE);
    assert_int_equal(gmq__order_put(&order, 3 + GMQ__ORDER_WINDOW, &p, 300), GMQ__ORDER_BEYOND);
    assert_int_equal(gmq__order_bytes(&order), 0);
    gmq__order_free(&order);
    gmq_buf_unref(buf);
}

static void the_age_of_a_hole_begins_anew_with_the_next_hole(void **state)
{
    (void)state;
    gmq__order order = {0};
    gmq_buf *buf = gmq__buf_copy(gmq__span_str("abc"));
    gmq__order_packet p = packet(buf, 0), out;
    gmq__order_put(&order, 1, &p, 100);
    gmq__order_put(&order, 3, &p, 110);
    gmq__order_put(&order, 0, &p, 500);
    assert_true(gmq__order_take(&order, &out, 500));
    gmq_buf_unref(out.buf);
    assert_int_equal(order.held, 1);
    assert_int_equal(order.gap_since, 500);
    gmq__order_free(&order); /* what is held goes with it */
    gmq_buf_unref(buf);
}

/* Any shuffle with doubles comes out as 0, 1, 2, ... */
static void shuffled(void **state)
{
    (void)state;
    gmq__prng prng = {42};
    for (int round = 0; round < 200; round++) {
        gmq__order order = {0};
        uint32_t seen = 0, numbers[300];
        gmq_buf *buf = gmq__buf_copy(gmq__span_str("abc"));
        for (uint32_t at = 0; at < 300; at++)
            numbers[at] = at / 2; /* each twice */
        for (uint32_t at = 299; at; at--) {
            uint32_t other = (uint32_t)gmq__prng_below(&prng, at + 1), kept = numbers[at];
            numbers[at] = numbers[other];
            numbers[other] = kept;
        }
        for (uint32_t at = 0; at < 300; at++) {
            gmq__order_packet p = packet(buf, numbers[at]), out;
            if (gmq__order_put(&order, numbers[at], &p, at) != GMQ__ORDER_NOW)
                continue;
            assert_int_equal(numbers[at], seen++);
            while (gmq__order_take(&order, &out, at)) {
                assert_int_equal(out.position, seen++);
                gmq_buf_unref(out.buf);
            }
        }
        assert_int_equal(seen, 150);
        gmq__order_free(&order);
        gmq_buf_unref(buf);
    }
}

static void numbers_of_the_property(void **state)
{
    (void)state;
    uint64_t i = 99;
    assert_true(gmq__order_parse(gmq__span_str("0"), &i));
    assert_int_equal(i, 0);
    assert_true(gmq__order_parse(gmq__span_str("4294967296"), &i));
    assert_int_equal(i, 4294967296u);
    static const char *const bad[] = {"",    "-1",  "+1",  "1 ",
                                      "0x1", "1.0", "abc", "9999999999999999999"};
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++)
        assert_false(gmq__order_parse(gmq__span_str(bad[at]), &i));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_needs_no_memory),
        cmocka_unit_test(early_ones_wait_and_doubles_are_dropped),
        cmocka_unit_test(the_age_of_a_hole_begins_anew_with_the_next_hole),
        cmocka_unit_test(shuffled),
        cmocka_unit_test(numbers_of_the_property),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
