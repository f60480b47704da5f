#include "methods/descriptor_set.h"
#include "methods/descriptor_unpack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "methods/descriptor_scan.h"
#include "unit/methods/descriptor_util.h"

/* Adds `set` (freed) to a new map; the map is freed unless `out` wants it. */
static gmq_status add(gmq__bytes *set, gmq_method_map **out)
{
    gmq_method_map *map;
    assert_int_equal(gmq_method_map_new(&map), GMQ_OK);
    gmq_status status = gmq_method_map_add_descriptors(map, set->data, set->len);
    gmq__bytes_free(set);
    if (status)
        assert_int_equal(gmq_method_map_count(map), 0);
    if (out && !status)
        *out = map;
    else
        gmq_method_map_free(map);
    return status;
}

static void assert_fails(gmq__bytes *set, gmq_status status, const char *says)
{
    assert_int_equal(add(set, NULL), status);
    if (!strstr(gmq_error_text(), says))
        fail_msg("\"%s\" should say \"%s\"", gmq_error_text(), says);
}

static void reads_kinds_and_types(void **state)
{
    (void)state;
    static const struct {
        const char *path, *input, *output;
        gmq_rpc_kind kind;
    } methods[] = {
        {"/demo.v1.Demo/SayHello", "demo.v1.HelloRequest", "demo.v1.HelloReply", GMQ_RPC_UNARY},
        {"/demo.v1.Demo/Collect", "demo.v1.CollectRequest", "demo.v1.CollectReply",
         GMQ_RPC_CLIENT_STREAMING},
        {"/demo.v1.Demo/Count", "demo.v1.CountRequest", "demo.v1.CountReply",
         GMQ_RPC_SERVER_STREAMING},
        {"/demo.v1.Demo/Chat", "demo.v1.ChatMessage", "demo.v1.ChatMessage",
         GMQ_RPC_BIDI_STREAMING},
    };
    gmq_method_map *map = fixture_map("demo");
    assert_int_equal(gmq_method_map_count(map), 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(gmq_method_map_path(map, i), methods[i].path);
        assert_string_equal(gmq_method_map_input_type(map, i), methods[i].input);
        assert_string_equal(gmq_method_map_output_type(map, i), methods[i].output);
        assert_int_equal(gmq_method_map_kind(map, i), methods[i].kind);
        assert_string_equal(gmq_method_map_target(map, i), "");
    }
    gmq_method_map_free(map);
}

static void a_service_without_package(void **state)
{
    (void)state;
    gmq__bytes set = {0};
    gmq_method_map *map;
    one_method_set(&set, &(one_method){.package = "", .service = "Svc", .method = "M"});
    assert_int_equal(add(&set, &map), GMQ_OK);
    assert_string_equal(gmq_method_map_path(map, 0), "/Svc/M");
    gmq_method_map_free(map);
}

static void concatenated_sets_merge(void **state)
{
    (void)state;
    gmq__bytes set = {0};
    gmq_method_map *map;
    fixture_bytes(&set, "demo");
    fixture_bytes(&set, "golden");
    fixture_bytes(&set, "demo");
    assert_int_equal(add(&set, &map), GMQ_OK);
    gmq_method_map *golden = fixture_map("golden");
    assert_int_equal(gmq_method_map_count(map), 4 + gmq_method_map_count(golden));
    assert_int_equal(gmq_method_map_find(map, "/demo.v1.Demo/Chat"), 3);
    assert_int_equal(gmq_method_map_find(map, "/golden.v1.Golden/Echo"), 4);
    gmq_method_map_free(golden);
    gmq_method_map_free(map);
}

static void of_a_method_that_stands_twice_the_first_counts(void **state)
{
    (void)state;
    gmq__bytes first = {0}, second = {0}, set = {0};
    gmq_method_map *map;
    pb_uint(&first, 50002, 1);
    pb_uint(&second, 50002, 2);
    pb_uint(&second, 50003, 2);
    one_method_set(&set, &(one_method){.package = "p",
                                       .service = "S",
                                       .method = "M",
                                       .method_options = gmq__bytes_span(&first)});
    one_method_set(&set, &(one_method){.package = "p",
                                       .service = "S",
                                       .method = "M",
                                       .method_options = gmq__bytes_span(&second)});
    assert_int_equal(add(&set, &map), GMQ_OK);
    assert_int_equal(gmq_method_map_count(map), 1);
    assert_int_equal(gmq_method_map_server_clevel(map, 0), 1);
    assert_int_equal(gmq_method_map_client_clevel(map, 0), -1);
    gmq_method_map_free(map);
    gmq__bytes_free(&first);
    gmq__bytes_free(&second);
}

static void an_empty_set_adds_nothing(void **state)
{
    (void)state;
    gmq_method_map *map = fixture_map("demo");
    assert_int_equal(gmq_method_map_add_descriptors(map, NULL, 0), GMQ_OK);
    assert_int_equal(gmq_method_map_count(map), 4);
    gmq_method_map_free(map);
}

static void files_that_cannot_be_read(void **state)
{
    (void)state;
    gmq_method_map *map = fixture_map("demo");
    assert_int_equal(gmq_method_map_add_descriptor_file(map, "/no/such/file.protoset"), GMQ_E_IO);
    assert_string_equal(
        gmq_error_text(),
        "cannot open descriptor set \"/no/such/file.protoset\": No such file or directory");
    assert_int_equal(gmq_method_map_add_descriptor_file(map, GMQ_SOURCE_DIR), GMQ_E_IO);
    assert_non_null(strstr(gmq_error_text(), GMQ_SOURCE_DIR));
    const char *proto =
        GMQ_SOURCE_DIR "/docs/examples/proto/demo.proto"; /* the source instead of the set */
    assert_int_equal(gmq_method_map_add_descriptor_file(map, proto), GMQ_E_PARSE);
    assert_non_null(strstr(gmq_error_text(), "demo.proto\": not a serialized FileDescriptorSet"));
    assert_int_equal(gmq_method_map_add_descriptor_file(map, "/dev/zero"), GMQ_E_TOO_LARGE);
    assert_non_null(strstr(gmq_error_text(), "/dev/zero"));
    assert_int_equal(gmq_method_map_count(map), 4);
    gmq_method_map_free(map);
}

static void names_that_could_not_be_topics(void **state)
{
    (void)state;
    static const struct {
        one_method names;
        const char *says;
    } bad[] = {
        {{"p", "S", "M/N", 0, {0}, {0}, {0}}, "\"M/N\" of a method contains '/'"},
        {{"p", "S", "M+", 0, {0}, {0}, {0}}, "contains '+'"},
        {{"p", "S", "#", 0, {0}, {0}, {0}}, "contains '#'"},
        {{"p", "S", "M\0N", 3, {0}, {0}, {0}}, "contains NUL"},
        {{"p", "S", "", 0, {0}, {0}, {0}}, "is empty"},
        {{"p", "S", "M\n", 0, {0}, {0}, {0}}, "control character"},
        {{"p", "S/T", "M", 0, {0}, {0}, {0}}, "\"p.S/T\" of a service contains '/'"},
        {{"p", "", "M", 0, {0}, {0}, {0}}, "of a service is empty"},
        {{"p", "S-T", "M", 0, {0}, {0}, {0}}, "contains '-'"},
        {{"p/q", "S", "M", 0, {0}, {0}, {0}}, "\"p/q.S\" of a service contains '/'"},
        {{"+", "S", "M", 0, {0}, {0}, {0}}, "contains '+'"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        gmq__bytes set = {0};
        one_method_set(&set, &bad[i].names);
        assert_fails(&set, GMQ_E_PARSE, bad[i].says);
    }
}

static void one_bad_method_spoils_the_set(void **state)
{
    (void)state;
    gmq__bytes set = {0};
    gmq_method_map *map = fixture_map("demo");
    fixture_bytes(&set, "golden");
    one_method_set(&set, &(one_method){.package = "p", .service = "S", .method = "a/b"});
    assert_int_equal(gmq_method_map_add_descriptors(map, set.data, set.len), GMQ_E_PARSE);
    assert_int_equal(gmq_method_map_count(map), 4);
    assert_int_equal(gmq_method_map_find(map, "/golden.v1.Golden/Echo"), -1);
    assert_int_equal(gmq_method_map_find(map, "/demo.v1.Demo/Chat"), 3);
    gmq__bytes_free(&set);
    gmq_method_map_free(map);
}

static void a_path_has_a_longest_length(void **state)
{
    (void)state;
    char name[4097];
    memset(name, 'x', sizeof name);
    gmq__bytes set = {0};
    name[4096 - 5] = '\0'; /* "/p.S/" before it */
    one_method_set(&set, &(one_method){.package = "p", .service = "S", .method = name});
    assert_int_equal(add(&set, NULL), GMQ_OK);
    name[4096 - 5] = 'x';
    name[4096 - 4] = '\0';
    one_method_set(&set, &(one_method){.package = "p", .service = "S", .method = name});
    assert_fails(&set, GMQ_E_PARSE, "longer than 4096");
}

static void every_cut_and_every_changed_byte(void **state)
{
    (void)state;
    gmq__bytes set = {0};
    fixture_bytes(&set, "demo");
    size_t refused = 0;
    for (size_t i = 0; i < set.len; i++) {
        gmq__bytes cut = {0}, changed = {0};
        gmq__bytes_put(&cut, set.data, i);
        refused += add(&cut, NULL) != GMQ_OK;
        gmq__bytes_put(&changed, set.data, set.len);
        changed.data[i] ^= 0x83;
        refused += add(&changed, NULL) != GMQ_OK;
    }
    assert_true(refused > set.len / 2);
    gmq__bytes_free(&set);
}

/* A file with messages inside messages, `depth` of them. */
static void nested_set(gmq__bytes *set, size_t depth)
{
    gmq__bytes inner = {0};
    for (size_t i = 0; i < depth; i++) {
        gmq__bytes outer = {0};
        pb_sub(&outer, i + 1 < depth ? 3 : 4, &inner);
        inner = outer;
    }
    pb_sub(set, 1, &inner);
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    gmq__bytes set = {0};
    nested_set(&set, GMQ__DESCRIPTOR_DEPTH_MAX);
    assert_int_equal(add(&set, NULL), GMQ_OK);
    nested_set(&set, GMQ__DESCRIPTOR_DEPTH_MAX + 2);
    assert_fails(&set, GMQ_E_PARSE, "nested deeper than 100");
    nested_set(&set, 20000);
    assert_fails(&set, GMQ_E_PARSE, "nested deeper than 100");
}

static void memory_is_bounded(void **state)
{
    (void)state;
    gmq__bytes set = {0};
    for (int i = 0; i < 200000;
         i++) /* empty files: two bytes each, a struct of a hundred times the size */
        pb_bytes(&set, 1, "", 0);
    assert_fails(&set, GMQ_E_TOO_LARGE, "takes more than");
}

/* A few bytes a method, but each path repeats the long name of the service. */
static void rows_count_towards_the_bound(void **state)
{
    (void)state;
    gmq__bytes service = {0}, file = {0}, set = {0};
    char name[4001];
    memset(name, 'x', sizeof name - 1);
    name[4000] = '\0';
    pb_str(&service, 1, name);
    for (int i = 0; i < 2000; i++) {
        gmq__bytes method = {0};
        char method_name[16];
        snprintf(method_name, sizeof method_name, "m%d", i);
        pb_str(&method, 1, method_name);
        pb_sub(&service, 2, &method);
    }
    pb_sub(&file, 6, &service);
    pb_sub(&set, 1, &file);
    assert_fails(&set, GMQ_E_TOO_LARGE, "takes more than");
}

static void many_methods(gmq__bytes *set, int n)
{
    gmq__bytes service = {0}, file = {0};
    pb_str(&service, 1, "S");
    for (int i = 0; i < n; i++) {
        gmq__bytes method = {0};
        char name[32];
        snprintf(name, sizeof name, "Method%d", i);
        pb_str(&method, 1, name);
        pb_str(&method, 2, ".some.package.Request");
        pb_sub(&service, 2, &method);
    }
    pb_sub(&file, 6, &service);
    pb_sub(set, 1, &file);
}

static void size_and_number_are_bounded(void **state)
{
    (void)state;
    gmq__bytes set = {0};
    gmq_method_map *map;
    many_methods(&set, GMQ__DESCRIPTOR_METHODS_MAX);
    assert_int_equal(add(&set, &map), GMQ_OK);
    assert_int_equal(gmq_method_map_count(map), GMQ__DESCRIPTOR_METHODS_MAX);
    assert_int_equal(gmq_method_map_find(map, "/S/Method65535"), 65535);
    uint8_t byte = 0;
    assert_int_equal(gmq_method_map_add_descriptors(map, &byte, GMQ__DESCRIPTOR_SET_MAX + 1),
                     GMQ_E_TOO_LARGE);
    assert_string_equal(gmq_error_text(),
                        "descriptor set of 67108865 bytes is above the limit of 67108864");
    gmq_method_map_free(map);
    many_methods(&set, GMQ__DESCRIPTOR_METHODS_MAX + 1);
    assert_fails(&set, GMQ_E_TOO_LARGE, "more than 65536 methods");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_kinds_and_types),
        cmocka_unit_test(a_service_without_package),
        cmocka_unit_test(concatenated_sets_merge),
        cmocka_unit_test(of_a_method_that_stands_twice_the_first_counts),
        cmocka_unit_test(an_empty_set_adds_nothing),
        cmocka_unit_test(files_that_cannot_be_read),
        cmocka_unit_test(names_that_could_not_be_topics),
        cmocka_unit_test(one_bad_method_spoils_the_set),
        cmocka_unit_test(a_path_has_a_longest_length),
        cmocka_unit_test(every_cut_and_every_changed_byte),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(rows_count_towards_the_bound),
        cmocka_unit_test(size_and_number_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
