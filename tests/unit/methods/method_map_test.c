#include "methods/method_map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "unit/methods/alloc_util.h"
#include "unit/methods/descriptor_util.h"

static gmq_method_map *new_map(void)
{
    gmq_method_map *map;
    assert_int_equal(gmq_method_map_new(&map), GMQ_OK);
    return map;
}

static void an_empty_map_knows_nothing(void **state)
{
    (void)state;
    gmq_method_map *map = new_map();
    const gmq_method_map *maps[] = {map, NULL};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(gmq_method_map_count(maps[i]), 0);
        assert_int_equal(gmq_method_map_find(maps[i], "/a.B/C"), -1);
        assert_null(gmq_method_map_path(maps[i], 0));
        assert_int_equal(gmq_method_map_kind(maps[i], 0), -1);
        assert_string_equal(gmq_method_map_input_type(maps[i], 0), "");
        assert_string_equal(gmq_method_map_output_type(maps[i], 0), "");
        assert_string_equal(gmq_method_map_target(maps[i], 0), "");
        assert_int_equal(gmq_method_map_batched_stream(maps[i], 0), -1);
        assert_int_equal(gmq_method_map_server_clevel(maps[i], 0), -1);
        assert_int_equal(gmq_method_map_client_clevel(maps[i], 0), -1);
    }
    gmq_method_map_free(map);
    gmq_method_map_free(NULL);
}

static void adds_single_methods(void **state)
{
    (void)state;
    gmq_method_map *map = new_map();
    assert_int_equal(gmq_method_map_add(map, "/a.B/C", GMQ_RPC_BIDI_STREAMING), GMQ_OK);
    assert_int_equal(gmq_method_map_add(map, "/a.B/A", GMQ_RPC_UNARY), GMQ_OK);
    assert_int_equal(gmq_method_map_find(map, "/a.B/C"), 0);
    assert_int_equal(gmq_method_map_find(map, "/a.B/A"), 1);
    assert_string_equal(gmq_method_map_path(map, 1), "/a.B/A");
    assert_int_equal(gmq_method_map_kind(map, 0), GMQ_RPC_BIDI_STREAMING);
    assert_string_equal(gmq_method_map_input_type(map, 0), "");
    assert_int_equal(gmq_method_map_batched_stream(map, 0), -1);
    gmq_method_map_free(map);
}

static void refuses_bad_additions_by_name(void **state)
{
    (void)state;
    gmq_method_map *map = new_map();
    assert_int_equal(gmq_method_map_add(map, "/a.B/C", GMQ_RPC_UNARY), GMQ_OK);
    assert_int_equal(gmq_method_map_add(map, "/a.B/C", GMQ_RPC_UNARY), GMQ_E_EXISTS);
    assert_string_equal(gmq_error_text(), "method \"/a.B/C\" is in the map already");
    assert_int_equal(gmq_method_map_add(map, "/a.B/D", (gmq_rpc_kind)4), GMQ_E_INVALID);
    assert_string_equal(gmq_error_text(), "kind 4 of method \"/a.B/D\" is not 0 to 3");
    assert_int_equal(gmq_method_map_add(map, "/a.B/D", (gmq_rpc_kind)-1), GMQ_E_INVALID);
    assert_int_equal(gmq_method_map_add(map, "a.B/D", GMQ_RPC_UNARY), GMQ_E_INVALID);
    assert_int_equal(gmq_method_map_count(map), 1);
    gmq_method_map_free(map);
}

static void binds_what_matches(void **state)
{
    (void)state;
    gmq_method_map *map = fixture_map("demo");
    size_t count = 99;
    assert_int_equal(gmq_method_map_bind(map, "/demo.v1.Demo/C*", "127.0.0.1:1", &count), GMQ_OK);
    assert_int_equal(count, 3);
    assert_string_equal(gmq_method_map_target(map, 0), "");
    assert_string_equal(gmq_method_map_target(map, 1), "127.0.0.1:1");
    assert_int_equal(gmq_method_map_bind(map, NULL, "unix:/run/x.sock", NULL), GMQ_OK);
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(gmq_method_map_target(map, i), "unix:/run/x.sock");
    assert_int_equal(gmq_method_map_bind(map, "/other.Svc/*", "127.0.0.1:1", &count), GMQ_OK);
    assert_int_equal(count, 0);
    gmq_method_map_free(map);
}

static void refuses_bad_bindings(void **state)
{
    (void)state;
    gmq_method_map *map = fixture_map("demo");
    size_t count = 99;
    assert_int_equal(gmq_method_map_bind(map, "*", "", &count), GMQ_E_INVALID);
    assert_int_equal(gmq_method_map_bind(map, NULL, NULL, &count), GMQ_E_INVALID);
    assert_string_equal(gmq_error_text(), "target of pattern \"*\" is empty");
    assert_int_equal(gmq_method_map_bind(map, "demo/*", "127.0.0.1:1", &count), GMQ_E_INVALID);
    assert_int_equal(count, 99);
    assert_string_equal(gmq_method_map_target(map, 0), "");
    gmq_method_map_free(map);
}

static void filters_and_keeps_the_order(void **state)
{
    (void)state;
    gmq_method_map *map = fixture_map("demo");
    assert_int_equal(gmq_method_map_filter(map, "demo"), GMQ_E_INVALID);
    assert_int_equal(gmq_method_map_filter(map, NULL), GMQ_OK);
    assert_int_equal(gmq_method_map_count(map), 4);
    assert_int_equal(gmq_method_map_filter(map, "*/C*"), GMQ_OK);
    assert_int_equal(gmq_method_map_count(map), 3);
    assert_int_equal(gmq_method_map_find(map, "/demo.v1.Demo/SayHello"), -1);
    assert_int_equal(gmq_method_map_find(map, "/demo.v1.Demo/Collect"), 0);
    assert_int_equal(gmq_method_map_find(map, "/demo.v1.Demo/Count"), 1);
    assert_int_equal(gmq_method_map_find(map, "/demo.v1.Demo/Chat"), 2);
    assert_int_equal(gmq_method_map_add(map, "/demo.v1.Demo/SayHello", GMQ_RPC_UNARY), GMQ_OK);
    assert_int_equal(gmq_method_map_find(map, "/demo.v1.Demo/SayHello"), 3);
    assert_int_equal(gmq_method_map_filter(map, "/none/*"), GMQ_OK);
    assert_int_equal(gmq_method_map_count(map), 0);
    gmq_method_map_free(map);
}

static void copies_are_independent(void **state)
{
    (void)state;
    gmq_method_map *map = fixture_map("demo"), *copy, *empty;
    assert_int_equal(gmq_method_map_bind(map, "*", "a:1", NULL), GMQ_OK);
    assert_int_equal(gmq__method_map_copy(&copy, map), GMQ_OK);
    assert_int_equal(gmq_method_map_bind(map, "*", "b:2", NULL), GMQ_OK);
    assert_string_equal(gmq_method_map_target(copy, 3), "a:1");
    gmq_method_map_free(map);
    assert_int_equal(gmq_method_map_count(copy), 4);
    assert_string_equal(gmq_method_map_input_type(copy, 0), "demo.v1.HelloRequest");
    gmq_method_map_free(copy);
    assert_int_equal(gmq__method_map_copy(&empty, NULL), GMQ_OK);
    assert_int_equal(gmq_method_map_count(empty), 0);
    gmq_method_map_free(empty);
}

static void looks_up_for_the_engine(void **state)
{
    (void)state;
    gmq_method_map *map = fixture_map("golden");
    gmq__rpc_method method;
    assert_true(
        gmq__method_map_lookup(map, gmq__span_str("/golden.v1.Golden/BatchZBidi"), &method));
    assert_int_equal(method.kind, GMQ_RPC_BIDI_STREAMING);
    assert_int_equal(method.options.batched, 1);
    assert_int_equal(method.options.server_level, 3);
    assert_int_equal(method.options.client_level, 5);
    assert_false(
        gmq__method_map_lookup(map, gmq__span_str("/golden.v1.Golden/BatchZBid"), &method));
    assert_false(
        gmq__method_map_lookup(map, gmq__span_of("/golden.v1.Golden/Echo\0", 23), &method));
    assert_false(gmq__method_map_lookup(NULL, gmq__span_str("/golden.v1.Golden/Echo"), &method));
    gmq_method_map_free(map);
}

static void finds_among_many(void **state)
{
    (void)state;
    gmq_method_map *map = new_map();
    char path[64];
    for (int i = 0; i < 5000; i++) {
        snprintf(path, sizeof path, "/pkg.Service%d/Method%d", i / 10, i);
        assert_int_equal(gmq_method_map_add(map, path, (gmq_rpc_kind)(i % 4)), GMQ_OK);
    }
    assert_int_equal(gmq_method_map_filter(map, "*7"), GMQ_OK);
    assert_int_equal(gmq_method_map_count(map), 500);
    for (int i = 7; i < 5000; i += 10) {
        snprintf(path, sizeof path, "/pkg.Service%d/Method%d", i / 10, i);
        assert_int_equal(gmq_method_map_find(map, path), i / 10);
        assert_int_equal(gmq_method_map_kind(map, (size_t)i / 10), i % 4);
    }
    gmq_method_map_free(map);
}

/* What `use` does with a fresh map of the demo's methods, repeated with the n-th allocation failing
 * until none does. */
static void survives(gmq_status (*use)(gmq_method_map *map))
{
    size_t failures = 0;
    alloc_watch();
    for (gmq_status status = GMQ_E_NOMEM; status; failures++) {
        alloc_fail_at(0);
        gmq_method_map *map = fixture_map("demo");
        assert_int_equal(gmq_method_map_bind(map, "*/Chat", "old:1", NULL), GMQ_OK);
        size_t before = alloc_live();
        alloc_fail_at(failures + 1);
        status = use(map);
        alloc_fail_at(0);
        if (status) {
            assert_int_equal(status, GMQ_E_NOMEM);
            assert_int_equal(alloc_live(), before);
            assert_int_equal(gmq_method_map_count(map), 4);
            assert_int_equal(gmq_method_map_find(map, "/demo.v1.Demo/Chat"), 3);
            assert_string_equal(gmq_method_map_target(map, 0), "");
            assert_string_equal(gmq_method_map_target(map, 3), "old:1");
        }
        gmq_method_map_free(map);
        assert_int_equal(alloc_live(), 0);
    }
    assert_true(failures > 1);
    alloc_unwatch();
}

static gmq_status use_add(gmq_method_map *map)
{
    return gmq_method_map_add(map, "/a.B/C", GMQ_RPC_UNARY);
}
static gmq_status use_bind(gmq_method_map *map)
{
    return gmq_method_map_bind(map, "*", "new:1", NULL);
}
static gmq_status use_file(gmq_method_map *map)
{
    return gmq_method_map_add_descriptor_file(map, fixture_path("options_file"));
}
static gmq_status use_merge(gmq_method_map *map)
{
    gmq_method_map *merged = NULL;
    gmq_status status = gmq_method_map_merge(&merged, map, map);
    if (status)
        assert_null(merged);
    gmq_method_map_free(merged);
    return status;
}
static gmq_status use_new(gmq_method_map *map)
{
    (void)map;
    gmq_method_map *other = NULL;
    gmq_status status = gmq_method_map_new(&other);
    gmq_method_map_free(other);
    return status;
}

static void survives_failed_allocations(void **state)
{
    (void)state;
    survives(use_add);
    survives(use_bind);
    survives(use_file);
    survives(use_merge);
    survives(use_new);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_map_knows_nothing),
        cmocka_unit_test(adds_single_methods),
        cmocka_unit_test(refuses_bad_additions_by_name),
        cmocka_unit_test(binds_what_matches),
        cmocka_unit_test(refuses_bad_bindings),
        cmocka_unit_test(filters_and_keeps_the_order),
        cmocka_unit_test(copies_are_independent),
        cmocka_unit_test(looks_up_for_the_engine),
        cmocka_unit_test(finds_among_many),
        cmocka_unit_test(survives_failed_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
