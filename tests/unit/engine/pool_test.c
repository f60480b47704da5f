#include "engine/pool.h"

#include <string.h>

#include "base/prng.h"
#include "cmocka_all.h"

#define S INT64_C(1000000000)

static gmq__prng prng = {1};
static gmq__pool pool;
static char sids[GMQ__POOL_BATCH][GMQ__SID_LEN + 1];
static int owner;

static void random_bytes(void *ctx, void *out, size_t len)
{
    for (size_t at = 0; at < len; at++)
        ((uint8_t *)out)[at] = (uint8_t)gmq__prng_next(ctx);
}

static void open_pool(size_t cap)
{
    gmq__pool_init(&pool, cap, 30 * S, random_bytes, &prng);
    gmq__pool_connected(&pool, 0);
}

/* Pulls and grants all there is to subscribe; returns the number of topics. */
static size_t fill(size_t waiting, int64_t now)
{
    size_t n, all = 0;
    uint32_t batch;
    while (gmq__pool_pull(&pool, waiting, now, sids, &n, &batch) == GMQ__POOL_SUBSCRIBE) {
        all += n;
        assert_true(gmq__pool_granted(&pool, batch, true, now));
    }
    return all;
}

static void subscribed_ahead_of_need(void **state)
{
    (void)state;
    open_pool(40);
    assert_null(gmq__pool_take(&pool, &owner, 0));
    assert_int_equal(fill(0, 0), 8);
    gmq__pool_topic *topic = gmq__pool_take(&pool, &owner, 0);
    assert_non_null(topic);
    assert_ptr_equal(gmq__pool_owner(&pool, gmq__span_str(topic->sid)), &owner);
    assert_null(gmq__pool_owner(&pool, gmq__span_str("AAAAAAAAAAAAAAAAAAAAAAAA")));
    char sid[GMQ__SID_LEN + 1];
    memcpy(sid, topic->sid, sizeof sid);
    gmq__pool_release(&pool, topic, 0);
    assert_null(gmq__pool_owner(&pool, gmq__span_str(sid)));
    gmq__pool_free(&pool);
}

static void a_topic_is_used_once_and_leaves_in_batches(void **state)
{
    (void)state;
    size_t n, left = 0;
    uint32_t batch;
    open_pool(40);
    for (int call = 0; call < 7; call++) {
        fill(0, 0);
        gmq__pool_release(&pool, gmq__pool_take(&pool, &owner, 0), 0);
    }
    fill(0, 0);
    assert_int_equal(pool.nleaving, 7);
    assert_int_equal(gmq__pool_pull(&pool, 0, 0, sids, &n, &batch),
                     GMQ__POOL_NOTHING); /* waits for an eighth */
    int64_t at = gmq__pool_deadline(&pool);
    assert_true(at > 0 && at < S);
    assert_int_equal(gmq__pool_pull(&pool, 0, at, sids, &n, &batch), GMQ__POOL_UNSUBSCRIBE);
    left += n;
    assert_int_equal(left, 7);
    gmq__pool_free(&pool);
}

static void grows_with_demand_up_to_its_cap(void **state)
{
    (void)state;
    size_t taken = 0, n;
    uint32_t batch;
    open_pool(20);
    fill(0, 0);
    while (gmq__pool_take(&pool, &owner, 0)) {
        taken++;
        fill(0, 0);
        assert_true(gmq__pool_subscribed(&pool) <= 20);
    }
    assert_int_equal(taken, 20);
    assert_int_equal(gmq__pool_pull(&pool, 5, 0, sids, &n, &batch), GMQ__POOL_NOTHING);
    gmq__pool_free(&pool);
}

static void a_waiting_call_hurries_those_that_leave(void **state)
{
    (void)state;
    size_t n;
    uint32_t batch;
    open_pool(1);
    assert_int_equal(fill(1, 0), 1);
    gmq__pool_release(&pool, gmq__pool_take(&pool, &owner, 0), 0);
    assert_int_equal(gmq__pool_pull(&pool, 1, 0, sids, &n, &batch), GMQ__POOL_UNSUBSCRIBE);
    assert_int_equal(fill(1, 0), 1);
    gmq__pool_free(&pool);
}

static void spare_topics_go_when_it_is_idle(void **state)
{
    (void)state;
    size_t n;
    uint32_t batch;
    open_pool(40);
    fill(0, 0);
    assert_int_equal(gmq__pool_deadline(&pool), 30 * S);
    assert_int_equal(gmq__pool_pull(&pool, 0, 30 * S, sids, &n, &batch), GMQ__POOL_UNSUBSCRIBE);
    assert_int_equal(n, 8);
    assert_int_equal(gmq__pool_pull(&pool, 0, 30 * S, sids, &n, &batch), GMQ__POOL_NOTHING);
    assert_int_equal(gmq__pool_subscribed(&pool), 0);
    assert_int_equal(gmq__pool_deadline(&pool), INT64_MAX);
    assert_true(fill(1, 31 * S) > 0); /* a call brings it back */
    gmq__pool_free(&pool);
}

static void refused(void **state)
{
    (void)state;
    size_t n;
    uint32_t batch;
    open_pool(40);
    assert_int_equal(gmq__pool_pull(&pool, 0, 0, sids, &n, &batch), GMQ__POOL_SUBSCRIBE);
    assert_false(gmq__pool_granted(&pool, batch, false, 0)); /* none at all */
    assert_int_equal(gmq__pool_pull(&pool, 0, 0, sids, &n, &batch),
                     GMQ__POOL_UNSUBSCRIBE); /* some may be granted */
    assert_int_equal(gmq__pool_pull(&pool, 0, 0, sids, &n, &batch),
                     GMQ__POOL_NOTHING); /* not again unasked */
    assert_int_equal(fill(1, 0), 9);     /* for the one that waits, and the spare ones again */
    for (int at = 0; at < 9; at++)
        assert_non_null(gmq__pool_take(&pool, &owner, 0));
    assert_int_equal(gmq__pool_pull(&pool, 1, 0, sids, &n, &batch), GMQ__POOL_SUBSCRIBE);
    assert_true(
        gmq__pool_granted(&pool, batch, false, 0)); /* the broker takes no more than these */
    assert_int_equal(pool.cap, 9);
    gmq__pool_disconnected(&pool);
    assert_int_equal(gmq__pool_subscribed(&pool), 0);
    gmq__pool_connected(&pool, 0);
    assert_int_equal(pool.cap, 40);
    gmq__pool_free(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscribed_ahead_of_need),
        cmocka_unit_test(a_topic_is_used_once_and_leaves_in_batches),
        cmocka_unit_test(grows_with_demand_up_to_its_cap),
        cmocka_unit_test(a_waiting_call_hurries_those_that_leave),
        cmocka_unit_test(spare_topics_go_when_it_is_idle),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
