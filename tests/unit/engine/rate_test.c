#include "engine/rate.h"

#include "cmocka_all.h"

#define S INT64_C(1000000000)

static void no_limit(void **state)
{
    (void)state;
    gmq__rate rate = {0};
    gmq__rate_take(&rate, SIZE_MAX, 5 * S);
    assert_true(gmq__rate_ready_at(&rate) < 0);
}

static void bytes_a_second(void **state)
{
    (void)state;
    gmq__rate rate = {.limit = 1000};
    int64_t now = 100 * S;
    for (int n = 0; n < 50; n++) { /* as fast as it lets */
        if (gmq__rate_ready_at(&rate) > now)
            now = gmq__rate_ready_at(&rate);
        gmq__rate_take(&rate, 100, now);
    }
    assert_true(now >= 104800 * S / 1000 && now <= 105 * S); /* 5000 bytes */
}

static void a_pause_saves_up_no_more_than_the_burst(void **state)
{
    (void)state;
    gmq__rate rate = {.limit = 1000};
    gmq__rate_take(&rate, 100, 100 * S);
    gmq__rate_take(&rate, 100, 200 * S);
    assert_int_equal(gmq__rate_ready_at(&rate), 200 * S - S / 100 + S / 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_limit),
        cmocka_unit_test(bytes_a_second),
        cmocka_unit_test(a_pause_saves_up_no_more_than_the_burst),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
