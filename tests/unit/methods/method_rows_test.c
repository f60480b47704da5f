#include "methods/method_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void push(gmq_method_map *map, const char *path, const char *input)
{
    gmq__rpc_method method = {GMQ_RPC_UNARY, {-1, -1, -1}};
    gmq__row *row =
        gmq__row_new(gmq__span_str(path), gmq__span_str(input), gmq__span_str(""), method);
    assert_non_null(row);
    assert_true(gmq__rows_push(map, row));
}

static void assert_rows(const gmq_method_map *map, const char *const *paths, const char *inputs)
{
    assert_int_equal(map->len, strlen(inputs));
    for (size_t i = 0; i < map->len; i++) {
        assert_string_equal(map->rows[i]->path, paths[i]);
        assert_int_equal(map->rows[i]->input[0], inputs[i]);
        assert_int_equal(map->rows[i]->index, i);
        assert_ptr_equal(gmq__rows_find(map, gmq__span_str(paths[i])), map->rows[i]);
    }
    assert_int_equal(gmq__map_count(&map->index), map->len);
}

static void absorbing_moves_what_is_new(void **state)
{
    (void)state;
    gmq_method_map map, from;
    gmq__rows_init(&map);
    gmq__rows_init(&from);
    push(&map, "/b", "1");
    push(&map, "/d", "2");
    push(&from, "/a", "3");
    push(&from, "/b", "4");
    push(&from, "/c", "5");
    push(&from, "/d", "6");
    push(&from, "/e", "7");
    assert_true(gmq__rows_absorb(&map, &from));
    assert_rows(&map, (const char *const[]){"/b", "/d", "/a", "/c", "/e"}, "12357");
    assert_rows(&from, (const char *const[]){"/b", "/d"}, "46");
    gmq__rows_keep(&map, "*a");
    assert_rows(&map, (const char *const[]){"/a"}, "3");
    gmq__rows_free(&map);
    gmq__rows_free(&from);
}

static void a_copy_has_everything(void **state)
{
    (void)state;
    gmq__rpc_method method = {GMQ_RPC_BIDI_STREAMING, {1, 2, 3}};
    gmq__row *row =
        gmq__row_new(gmq__span_str("/a.B/C"), gmq__span_str("in"), gmq__span_str("out"), method);
    gmq__row *copy = gmq__row_copy(row);
    gmq__row_free(row);
    assert_string_equal(copy->path, "/a.B/C");
    assert_string_equal(copy->input, "in");
    assert_string_equal(copy->output, "out");
    assert_int_equal(copy->method.kind, GMQ_RPC_BIDI_STREAMING);
    assert_int_equal(copy->method.options.client_level, 3);
    assert_null(copy->target);
    gmq__row_free(copy);
    gmq__row_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absorbing_moves_what_is_new),
        cmocka_unit_test(a_copy_has_everything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
