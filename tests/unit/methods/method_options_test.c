#include "methods/method_options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "unit/methods/descriptor_util.h"

typedef struct row {
    const char *fixture, *path;
    int batched, server, client;
} row;

static void assert_options(const gmq_method_map *map, const row *r)
{
    int64_t found = gmq_method_map_find(map, r->path);
    if (found < 0)
        fail_msg("%s is not in %s", r->path, r->fixture);
    size_t i = (size_t)found;
    int batched = gmq_method_map_batched_stream(map, i),
        server = gmq_method_map_server_clevel(map, i);
    int client = gmq_method_map_client_clevel(map, i);
    if (batched != r->batched || server != r->server || client != r->client)
        fail_msg("%s has %d %d %d, not %d %d %d", r->path, batched, server, client, r->batched,
                 r->server, r->client);
}

static void method_over_service_over_file(void **state)
{
    (void)state;
    static const row rows[] = {
        {"options_none", "/options.none.Plain/Nothing", -1, -1, -1},
        {"options_none", "/options.none.Plain/Batched", 1, -1, -1},
        {"options_none", "/options.none.Plain/Unbatched", 0, -1, -1},
        {"options_none", "/options.none.Plain/Levels", -1, 22, 1},
        {"options_none", "/options.none.Plain/Disabled", -1, 0, 0},
        {"options_service", "/options.service.On/Inherits", 1, 7, 8},
        {"options_service", "/options.service.On/Unbatched", 0, 7, 8},
        {"options_service", "/options.service.On/ServerLevel", 1, 2, 8},
        {"options_service", "/options.service.On/Disabled", 1, 0, 0},
        {"options_service", "/options.service.Other/Nothing", -1, -1, -1},
        {"options_file", "/options.file.Inherits/Nothing", 1, 10, 11},
        {"options_file", "/options.file.Inherits/Unbatched", 0, 10, 11},
        {"options_file", "/options.file.Inherits/ClientLevel", 1, 10, 12},
        {"options_file", "/options.file.Overrides/Nothing", 0, 13, 11},
        {"options_file", "/options.file.Overrides/Batched", 1, 13, 11},
        {"options_file", "/options.file.Overrides/All", 1, 14, 15},
        {"options_other_name", "/options.other.File/Inherits", 1, -1, -1},
        {"options_other_name", "/options.other.File/Method", 0, -1, -1},
        {"options_other_name", "/options.other.File/First", 0, -1, -1},
        {"options_other_name", "/options.other.File/BothOff", 0, -1, -1},
        {"options_other_name", "/options.other.File/BothOn", 1, -1, -1},
        {"options_other_name", "/options.other.Service/Inherits", 0, -1, -1},
        {"options_other_name", "/options.other.Service/Method", 1, -1, -1},
        {"options_other_name", "/options.other.Both/Inherits", 1, -1, -1},
        {"options_other_name", "/options.other.Both/Method", 0, -1, -1},
        {"golden", "/golden.v1.Golden/Echo", -1, -1, -1},
        {"golden", "/golden.v1.Golden/EchoZ", -1, 3, 5},
        {"golden", "/golden.v1.Golden/EchoZS", -1, 3, -1},
        {"golden", "/golden.v1.Golden/EchoZC", -1, -1, 5},
        {"golden", "/golden.v1.Golden/BatchBidi", 1, -1, -1},
        {"golden", "/golden.v1.Golden/BatchZBidi", 1, 3, 5},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gmq_method_map *map = fixture_map(rows[i].fixture);
        assert_options(map, &rows[i]);
        gmq_method_map_free(map);
    }
}

/* Whatever `method`'s options hold, of one method in a set without other options. */
static gmq_status with_options(gmq__bytes *options, gmq_method_map **out)
{
    gmq__bytes set = {0};
    gmq_method_map *map;
    assert_int_equal(gmq_method_map_new(&map), GMQ_OK);
    one_method_set(&set, &(one_method){.package = "p",
                                       .service = "S",
                                       .method = "M",
                                       .method_options = gmq__bytes_span(options)});
    gmq_status status = gmq_method_map_add_descriptors(map, set.data, set.len);
    gmq__bytes_free(&set);
    gmq__bytes_free(options);
    if (status)
        gmq_method_map_free(map);
    else
        *out = map;
    return status;
}

static void assert_read(gmq__bytes *options, int batched, int server, int client)
{
    gmq_method_map *map;
    row expected = {"options", "/p.S/M", batched, server, client};
    if (with_options(options, &map))
        fail_msg("%s", gmq_error_text());
    assert_options(map, &expected);
    gmq_method_map_free(map);
}

static void the_last_one_wins(void **state)
{
    (void)state;
    gmq__bytes options = {0};
    pb_uint(&options, 50001, 1);
    pb_uint(&options, 50002, 4);
    pb_uint(&options, 50003, 5);
    pb_uint(&options, 50001, 0);
    pb_uint(&options, 50003, 6);
    assert_read(&options, 0, 4, 6);
}

static void other_fields_are_left_alone(void **state)
{
    (void)state;
    gmq__bytes options = {0};
    pb_uint(&options, 33, 1);              /* deprecated */
    pb_str(&options, 50001, "not a bool"); /* somebody else's option of this number */
    pb_str(&options, 50002, "\x05");
    pb_uint(&options, 50004, 5);
    pb_uint(&options, 50012, 5);
    pb_str(&options, 72295728, "http");
    assert_read(&options, -1, -1, -1);
}

static void a_bool_is_anything_but_zero(void **state)
{
    (void)state;
    gmq__bytes options = {0};
    pb_uint(&options, 50001, UINT64_MAX);
    assert_read(&options, 1, -1, -1);
    pb_uint(&options, 50001, UINT64_C(1) << 32);
    assert_read(&options, 1, -1, -1);
    pb_varint(&options, 50011 << 3);
    gmq__bytes_put(&options, "\x80\x80\x00", 3); /* zero, written long */
    assert_read(&options, 0, -1, -1);
}

static void levels_out_of_range_are_named(void **state)
{
    (void)state;
    gmq__bytes options = {0};
    gmq_method_map *map;
    for (uint64_t level = 0; level <= 22; level++) {
        pb_uint(&options, 50002, level);
        assert_read(&options, -1, (int)level, -1);
    }
    pb_uint(&options, 50002, 23);
    assert_int_equal(with_options(&options, &map), GMQ_E_PARSE);
    assert_string_equal(gmq_error_text(),
                        "option server_clevel (50002) of method \"M\" is 23, not 0 to 22");
    pb_uint(&options, 50003, UINT64_MAX);
    assert_int_equal(with_options(&options, &map), GMQ_E_PARSE);
    assert_string_equal(gmq_error_text(),
                        "option client_clevel (50003) of method \"M\" is -1, not 0 to 22");
}

static void at_each_level_by_bytes(void **state)
{
    (void)state;
    for (int at = 0; at < 3; at++) {
        gmq__bytes options = {0}, set = {0};
        pb_uint(&options, 50002, 99);
        gmq__span bytes = gmq__bytes_span(&options), none = {0};
        one_method_set(&set, &(one_method){"p", "S", "M", 0, at == 0 ? bytes : none,
                                           at == 1 ? bytes : none, at == 2 ? bytes : none});
        gmq_method_map *map;
        assert_int_equal(gmq_method_map_new(&map), GMQ_OK);
        assert_int_equal(gmq_method_map_add_descriptors(map, set.data, set.len), GMQ_E_PARSE);
        static const char *const names[] = {"file \"t.proto\"", "service \"S\"", "method \"M\""};
        assert_non_null(strstr(gmq_error_text(), names[at]));
        gmq_method_map_free(map);
        gmq__bytes_free(&options);
        gmq__bytes_free(&set);
    }
}

static void the_narrow_one_over_the_wide_one(void **state)
{
    (void)state;
    gmq__rpc_options all = {1, 2, 3}, none = GMQ__OPTIONS_NONE, some = {0, -1, 0};
    gmq__rpc_options a = gmq__method_options_over(none, all),
                     b = gmq__method_options_over(some, all);
    assert_true(a.batched == 1 && a.server_level == 2 && a.client_level == 3);
    assert_true(b.batched == 0 && b.server_level == 2 && b.client_level == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(method_over_service_over_file),
        cmocka_unit_test(the_last_one_wins),
        cmocka_unit_test(other_fields_are_left_alone),
        cmocka_unit_test(a_bool_is_anything_but_zero),
        cmocka_unit_test(levels_out_of_range_are_named),
        cmocka_unit_test(at_each_level_by_bytes),
        cmocka_unit_test(the_narrow_one_over_the_wide_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
