#include "engine/link/credit.h"

#include "cmocka_all.h"

static void a_budget_is_the_smaller_of_two(void **state)
{
    (void)state;
    gmq__budget call = {116}, link = {50};
    assert_int_equal(gmq__budget_body(&call, &link), 34);
    link.left = 16;
    assert_int_equal(gmq__budget_body(&call, &link), 0);
    link.left = -5;
    assert_int_equal(gmq__budget_body(&call, &link), SIZE_MAX);
    gmq__budget_add(&link, UINT64_MAX);
    gmq__budget_add(&link, UINT64_MAX);
    assert_int_equal(gmq__budget_body(&call, &link), 100);
}

static void m21_credit_is_announced_in_lumps(void **state)
{
    (void)state;
    gmq__grant g;
    gmq__grant_init(&g, 1000);
    assert_true(gmq__grant_use(&g, 600));
    assert_false(gmq__grant_use(&g, 401));
    assert_int_equal(gmq__grant_announce(&g), 0);
    gmq__grant_back(&g, 249);
    assert_int_equal(gmq__grant_announce(&g), 0);
    gmq__grant_back(&g, 1);
    assert_int_equal(gmq__grant_announce(&g), 250);
    assert_int_equal(g.open, 650);
    gmq__grant_back(&g, 9999); /* never more than was used */
    assert_int_equal(gmq__grant_announce(&g), 350);
    assert_int_equal(g.open, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_budget_is_the_smaller_of_two),
        cmocka_unit_test(m21_credit_is_announced_in_lumps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
