#include "engine/link/resend.h"

#include "cmocka_all.h"

#define MS INT64_C(1000000)

static void add(gmq__resend *r, int n, int64_t now)
{
    while (n--)
        assert_int_not_equal(gmq__resend_add(r, gmq__span_str("frames"), now), 0);
}

static size_t due(gmq__resend *r, int64_t now, uint64_t *first)
{
    uint64_t seq;
    gmq__span frames;
    size_t n = 0;
    while (gmq__resend_next(r, now, &seq, &frames)) {
        assert_true(gmq__span_equal_str(frames, "frames"));
        if (!n++)
            *first = seq;
    }
    return n;
}

static void acknowledged_ones_are_dropped_and_measured(void **state)
{
    (void)state;
    gmq__resend r = {0};
    bool news;
    add(&r, 3, 0);
    assert_int_equal(r.bytes, 18);
    assert_true(gmq__resend_acked(&r, 2, NULL, 0, 10 * MS, &news));
    assert_true(news);
    assert_int_equal(r.rtt, 10 * MS);
    assert_int_equal(r.bytes, 6);
    assert_true(gmq__resend_acked(&r, 1, NULL, 0, 10 * MS, &news)); /* an old one */
    assert_false(news);
    assert_false(gmq__resend_acked(&r, 4, NULL, 0, 10 * MS, &news)); /* never sent */
    assert_true(gmq__resend_acked(&r, 3, NULL, 0, 10 * MS, &news));
    assert_null(r.ring);
    assert_int_equal(gmq__resend_deadline(&r), INT64_MAX);
    gmq__resend_free(&r);
}

static void m17_a_gap_is_resent_once_a_round_trip(void **state)
{
    (void)state;
    gmq__resend r = {0};
    gmq__link_gap gaps[] = {{0, 1}, {2, 1}};
    bool news;
    uint64_t first = 0;
    add(&r, 6, 0);
    gmq__resend_acked(&r, 1, NULL, 0, 10 * MS, &news);
    assert_true(gmq__resend_acked(&r, 1, gaps, 2, 10 * MS, &news));
    assert_true(news); /* 3 and 4 are known to have come */
    assert_int_equal(due(&r, 10 * MS, &first), 2);
    assert_int_equal(first, 2);
    gmq__resend_acked(&r, 1, gaps, 2, 15 * MS, &news);
    assert_int_equal(due(&r, 15 * MS, &first), 0); /* too soon */
    gmq__resend_acked(&r, 1, gaps, 2, 20 * MS, &news);
    assert_int_equal(due(&r, 20 * MS, &first), 2);
    gmq__resend_all(&r); /* after a reconnect: 2, 5, 6 */
    assert_int_equal(due(&r, 30 * MS, &first), 3);
    gmq__link_gap beyond = {3, 9};
    assert_false(gmq__resend_acked(&r, 1, &beyond, 1, 30 * MS, &news));
    gmq__resend_free(&r);
}

static void m17_the_oldest_is_resent_by_time(void **state)
{
    (void)state;
    gmq__resend r = {0};
    bool news;
    uint64_t first = 0;
    add(&r, 3, 0);
    gmq__resend_acked(&r, 1, NULL, 0, 2 * MS, &news);
    int64_t now = gmq__resend_deadline(&r), wait = 100 * MS;
    assert_int_equal(now, 100 * MS);
    for (int n = 0; n < 8; n++) {
        gmq__resend_timer(&r, now - 1);
        assert_int_equal(due(&r, now, &first), 0);
        gmq__resend_timer(&r, now);
        assert_int_equal(gmq__resend_deadline(&r), INT64_MAX); /* it is due already */
        assert_int_equal(due(&r, now, &first), 1);
        assert_int_equal(first, 2);
        wait = wait * 2 < 2000 * MS ? wait * 2 : 2000 * MS;
        assert_int_equal(gmq__resend_deadline(&r) - now, wait);
        now = gmq__resend_deadline(&r);
    }
    int64_t rtt = r.rtt;
    gmq__resend_acked(&r, 2, NULL, 0, now, &news);
    assert_int_equal(r.rtt, rtt); /* a packet that was sent again measures nothing */
    assert_int_equal(r.timeouts, 0);
    gmq__resend_free(&r);
}

static void m17_the_window_is_bounded(void **state)
{
    (void)state;
    gmq__resend r = {0};
    add(&r, GMQ__LINK_WINDOW - 1, 0);
    assert_true(gmq__resend_room(&r, 1 << 20));
    assert_false(gmq__resend_room(&r, 1000));
    add(&r, 1, 0);
    assert_false(gmq__resend_room(&r, 1 << 20));
    gmq__resend_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(acknowledged_ones_are_dropped_and_measured),
        cmocka_unit_test(m17_a_gap_is_resent_once_a_round_trip),
        cmocka_unit_test(m17_the_oldest_is_resent_by_time),
        cmocka_unit_test(m17_the_window_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
