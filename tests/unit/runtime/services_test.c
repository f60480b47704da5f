/* Which services a server announces. */
#include "runtime/services.h"

#include <string.h>

#include "base/mem.h"
#include "cmocka_all.h"

#define ok(expression) assert_int_equal((expression), GMQ_OK)

static void check(const gmq_method_map *map, const char *more, const char *const *expected)
{
    char **names = gmq__services_of(map, more);
    assert_non_null(names);
    size_t at = 0;
    for (; expected[at]; at++) {
        assert_non_null(names[at]);
        assert_string_equal(names[at], expected[at]);
    }
    assert_null(names[at]);
    gmq__free(names);
}

static void each_once_test(void **state)
{
    static const char *const of_map[] = {"a.A", "b.B", NULL};
    static const char *const of_both[] = {"a.A", "b.B", "c.C", "d.D", NULL};
    static const char *const of_text[] = {"x", NULL};
    static const char *const none[] = {NULL};
    gmq_method_map *map, *empty;
    (void)state;
    ok(gmq_method_map_new(&map));
    ok(gmq_method_map_new(&empty));
    ok(gmq_method_map_add(map, "/a.A/One", GMQ_RPC_UNARY));
    ok(gmq_method_map_add(map, "/b.B/One", GMQ_RPC_UNARY));
    ok(gmq_method_map_add(map, "/a.A/Two", GMQ_RPC_UNARY));
    check(map, NULL, of_map);
    check(map, "", of_map);
    check(map, "c.C,,a.A,d.D,", of_both);
    check(empty, "x", of_text);
    check(empty, "x,x,x,x,x,x,x,x", of_text);
    check(empty, ",,,", none);
    check(empty, NULL, none);
    gmq_method_map_free(map);
    gmq_method_map_free(empty);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_once_test)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
