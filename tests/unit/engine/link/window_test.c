#include "engine/link/window.h"

#include "base/prng.h"
#include "cmocka_all.h"

static gmq_buf *some(void) { return gmq__buf_copy(gmq__span_str("abc")); }

static gmq__window_verdict put(gmq__window *w, uint64_t seq, gmq_buf *buf)
{
    return gmq__window_put(w, seq, buf, gmq__buf_span(buf), 1000000);
}

static void in_order_nothing_is_kept(void **state)
{
    (void)state;
    gmq__window w = {0};
    gmq__window_packet out;
    gmq_buf *buf = some();
    for (uint64_t seq = 1; seq < 5000; seq++) {
        assert_int_equal(put(&w, seq, buf), GMQ__WINDOW_NOW);
        assert_false(gmq__window_take(&w, &out));
        assert_int_equal(w.done, seq);
    }
    assert_null(w.ring);
    gmq_buf_unref(buf);
}

static void m6_early_ones_wait_copies_and_far_ones_are_dropped(void **state)
{
    (void)state;
    gmq__window w = {0};
    gmq__window_packet out;
    gmq__link_gap gaps[32];
    gmq_buf *buf = some();
    assert_int_equal(put(&w, 3, buf), GMQ__WINDOW_HELD);
    assert_int_equal(put(&w, 3, buf), GMQ__WINDOW_DUPLICATE);
    assert_int_equal(put(&w, GMQ__LINK_WINDOW, buf), GMQ__WINDOW_HELD);
    assert_int_equal(put(&w, GMQ__LINK_WINDOW + 1, buf), GMQ__WINDOW_BEYOND);
    assert_int_equal(gmq__window_put(&w, 5, buf, gmq__buf_span(buf), 8), GMQ__WINDOW_BEYOND);
    assert_int_equal(gmq__window_gaps(&w, gaps, 32), 2);
    assert_int_equal(gaps[0].skip, 0);
    assert_int_equal(gaps[0].count, 2);
    assert_int_equal(gaps[1].skip, 1);
    assert_int_equal(gaps[1].count, GMQ__LINK_WINDOW - 4);
    assert_int_equal(gmq__window_gaps(&w, gaps, 1), 1);
    assert_int_equal(put(&w, 1, buf), GMQ__WINDOW_NOW);
    assert_false(gmq__window_take(&w, &out));
    assert_int_equal(put(&w, 2, buf), GMQ__WINDOW_NOW);
    assert_true(gmq__window_take(&w, &out));
    gmq_buf_unref(out.buf);
    assert_int_equal(w.done, 3);
    assert_int_equal(put(&w, 2, buf), GMQ__WINDOW_DUPLICATE);
    assert_int_equal(w.bytes, 3);
    gmq__window_free(&w);
    gmq_buf_unref(buf);
}

/* Any order within the window comes out as 1, 2, 3, ... */
static void a_shuffled_stream(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        gmq__prng p = {seed};
        gmq__window w = {0};
        gmq__window_packet out;
        gmq_buf *buf = some();
        uint64_t spread = 1 + gmq__prng_below(&p, 900);
        for (unsigned n = 0; n < 20000 && w.done < 3000; n++) {
            put(&w, w.done + 1 + gmq__prng_below(&p, spread), buf);
            while (gmq__window_take(&w, &out))
                gmq_buf_unref(out.buf);
            gmq__link_gap gaps[GMQ__LINK_GAPS_MAX];
            size_t ngaps = gmq__window_gaps(&w, gaps, GMQ__LINK_GAPS_MAX);
            assert_true(w.held ? ngaps && !gaps[0].skip && gaps[0].count : !ngaps);
        }
        assert_true(w.done > 20);
        gmq__window_free(&w);
        gmq_buf_unref(buf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order_nothing_is_kept),
        cmocka_unit_test(m6_early_ones_wait_copies_and_far_ones_are_dropped),
        cmocka_unit_test(a_shuffled_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
