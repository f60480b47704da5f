#include "methods/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "unit/methods/alloc_util.h"
#include "unit/methods/descriptor_util.h"
#include "unit/methods/schema_util.h"

static void tells_types_and_fields(void **state)
{
    (void)state;
    gmq_schema *schema = fixture_schema("message3");
    const gmq_type *type = type_of(schema, ".message3.Choice");
    assert_string_equal(gmq_type_name(type), "message3.Choice");
    assert_ptr_equal(gmq_type_schema(type), schema);
    assert_int_equal(gmq_type_field_count(type), 10);
    assert_int_equal(gmq_type_oneof_count(type), 2);
    assert_string_equal(gmq_type_oneof_name(type, 1), "other");
    assert_null(gmq_type_oneof_name(type, 2));
    const gmq_field *field = field_of(type, "scalars");
    assert_ptr_equal(field, gmq_type_field(type, 2));
    assert_ptr_equal(field, gmq_type_find_number(type, 3));
    assert_ptr_equal(gmq_field_owner(field), type);
    assert_int_equal(gmq_field_type_of(field), GMQ_FIELD_MESSAGE);
    assert_int_equal(gmq_field_oneof(field), 0);
    assert_ptr_equal(gmq_field_message(field), type_of(schema, "message3.Scalars"));
    assert_ptr_equal(field_of(type, "maybeNumber"), gmq_type_find_number(type, 8));
    assert_int_equal(gmq_field_oneof(field_of(type, "maybe_number")), -1);
    assert_true(gmq_field_has_presence(field_of(type, "maybe_number")));
    assert_string_equal(gmq_field_json_name(field_of(type_of(schema, "message3.Tree"), "other")),
                        "other");
    assert_null(gmq_type_field(type, 10));
    assert_null(gmq_type_find_number(type, 11));
    assert_null(gmq_type_find_number(type, -1));
    assert_null(gmq_type_find_field(type, "Number"));
    assert_null(gmq_schema_find_type(schema, "message3.Color"));
    assert_null(gmq_schema_find_type(schema, ""));
    assert_null(gmq_schema_type(schema, gmq_schema_type_count(schema)));
    gmq_schema_unref(schema);
}

static void tells_lists_and_maps(void **state)
{
    (void)state;
    gmq_schema *schema = fixture_schema("message3");
    const gmq_type *lists = type_of(schema, "message3.Lists"),
                   *maps = type_of(schema, "message3.Maps");
    const gmq_field *field = field_of(lists, "f_int32"), *map = field_of(maps, "by_truth");
    assert_int_equal(gmq_field_label(field), GMQ_LABEL_REPEATED);
    assert_true(gmq_field_is_packed(field));
    assert_false(gmq_field_is_packed(field_of(lists, "unpacked")));
    assert_false(gmq_field_is_packed(field_of(lists, "f_string")));
    assert_false(gmq_field_is_map(field));
    assert_false(gmq_field_has_presence(field));
    assert_true(gmq_field_is_map(map));
    const gmq_type *entry = gmq_field_message(map);
    assert_true(gmq_type_is_map_entry(entry));
    assert_false(gmq_type_is_map_entry(maps));
    assert_int_equal(gmq_field_type_of(field_of(entry, "key")), GMQ_FIELD_BOOL);
    assert_int_equal(gmq_field_number(field_of(entry, "value")), 2);
    gmq_schema_unref(schema);
}

static void tells_enums(void **state)
{
    (void)state;
    gmq_schema *schema = fixture_schema("message3"), *other = fixture_schema("message2");
    const gmq_enum *open = gmq_schema_find_enum(schema, "message3.Color");
    const gmq_enum *closed = gmq_schema_find_enum(other, "message2.Closed");
    assert_string_equal(gmq_enum_name(open), "message3.Color");
    assert_false(gmq_enum_is_closed(open));
    assert_true(gmq_enum_is_closed(closed));
    assert_int_equal(gmq_enum_value_count(open), 4);
    assert_string_equal(gmq_enum_value_name(open, 2), "BLUE");
    assert_int_equal(gmq_enum_value_number(open, 2), 5);
    assert_int_equal(gmq_enum_find(open, "NEGATIVE"), 3);
    assert_int_equal(gmq_enum_find(open, "GREEN"), -1);
    assert_int_equal(gmq_enum_find_number(open, -2), 3);
    assert_int_equal(gmq_enum_find_number(open, 2), -1);
    assert_null(gmq_enum_value_name(open, 4));
    assert_ptr_equal(gmq_schema_enum(schema, 0), open);
    assert_non_null(gmq_schema_find_enum(other, "message2.Nested.Deeper.Inside"));
    gmq_schema_unref(schema);
    gmq_schema_unref(other);
}

static void tells_services(void **state)
{
    (void)state;
    gmq_schema *schema = fixture_schema("message3");
    const gmq_service *service = gmq_schema_find_service(schema, "message3.Greeter");
    assert_ptr_equal(service, gmq_schema_service(schema, 0));
    assert_null(gmq_schema_service(schema, 1));
    assert_string_equal(gmq_service_name(service), "message3.Greeter");
    assert_int_equal(gmq_service_method_count(service), 4);
    const gmq_method *upload = gmq_service_find_method(service, "Upload");
    assert_ptr_equal(upload, gmq_service_method(service, 1));
    assert_ptr_equal(upload, gmq_schema_find_method(schema, "/message3.Greeter/Upload"));
    assert_ptr_equal(gmq_method_service(upload), service);
    assert_string_equal(gmq_method_name(upload), "Upload");
    assert_int_equal(gmq_method_kind(upload), GMQ_RPC_CLIENT_STREAMING);
    assert_string_equal(gmq_type_name(gmq_method_input(upload)), "message3.Tree");
    assert_string_equal(gmq_type_name(gmq_method_output(upload)), "message3.Empty");
    assert_null(gmq_service_find_method(service, "upload"));
    assert_null(gmq_schema_find_method(schema, "/message3.Greeter/"));
    gmq_schema_unref(schema);
}

static void an_empty_set_is_an_empty_schema(void **state)
{
    (void)state;
    gmq_schema *schema;
    assert_int_equal(gmq_schema_new(&schema, NULL, 0), GMQ_OK);
    assert_int_equal(gmq_schema_type_count(schema), 0);
    assert_null(gmq_schema_find_type(schema, "a.B"));
    assert_ptr_equal(gmq_schema_ref(schema), schema);
    gmq_schema_unref(schema);
    gmq_schema_unref(schema);
    gmq_schema_unref(NULL);
}

static void the_first_of_two_files_counts(void **state)
{
    (void)state;
    static const field_row one = {.name = "one", .number = 1, .label = 1, .type = 5};
    static const field_row two = {.name = "two", .number = 1, .label = 1, .type = 5};
    gmq__bytes set = {0};
    gmq_schema *schema;
    message_set(&set, "proto3", &one, 1);
    message_set(&set, "proto3", &two, 1);
    assert_int_equal(gmq_schema_new(&schema, set.data, set.len), GMQ_OK);
    assert_non_null(field_of(type_of(schema, "t.M"), "one"));
    gmq_schema_unref(schema);
    gmq__bytes_free(&set);
}

/* Names without a leading dot are looked for from the inside out, and without a type. */
static void finds_relative_names(void **state)
{
    (void)state;
    static const field_row rows[] = {
        {.name = "a", .number = 1, .label = 1, .type_name = "M"},
        {.name = "b", .number = 2, .label = 1, .type_name = "t.M"},
        {.name = "long_name_1x", .number = 3, .label = 1, .type_name = "E"},
    };
    gmq__bytes set = {0};
    gmq_schema *schema;
    message_set(&set, "proto3", rows, 3);
    assert_int_equal(gmq_schema_new(&schema, set.data, set.len), GMQ_OK);
    const gmq_type *type = type_of(schema, "t.M");
    assert_ptr_equal(gmq_field_message(field_of(type, "a")), type);
    assert_ptr_equal(gmq_field_message(field_of(type, "b")), type);
    assert_int_equal(gmq_field_type_of(field_of(type, "longName1x")), GMQ_FIELD_ENUM);
    gmq_schema_unref(schema);
    gmq__bytes_free(&set);
}

/* ---- What is refused */

static void assert_refused(gmq__bytes *set, gmq_status status, const char *says)
{
    gmq_schema *schema;
    assert_int_equal(gmq_schema_new(&schema, set->data, set->len), status);
    gmq__bytes_free(set);
    if (!strstr(gmq_error_text(), says))
        fail_msg("\"%s\" does not say \"%s\"", gmq_error_text(), says);
}

static const struct {
    const char *syntax;
    field_row row;
    const char *says;
} refused[] = {
    {NULL,
     {.name = "a", .label = 1, .type = 5},
     "t.M.a has a number that is not 1 to 18999 or 20000"},
    {NULL, {.name = "a", .number = 536870912, .label = 1, .type = 5}, "536870912"},
    {NULL, {.name = "a", .number = 19500, .label = 1, .type = 5}, "19500"},
    {NULL, {.name = "a", .number = UINT64_MAX, .label = 1, .type = 5}, ": -1"},
    {NULL, {.name = "a", .number = 1, .label = 9, .type = 5}, "has an unknown label: 9"},
    {NULL, {.name = "a", .number = 1, .label = 1, .type = 19}, "has an unknown type: 19"},
    {NULL, {.name = "a", .number = 1, .label = 1}, "has no type"},
    {NULL, {.name = "a", .number = 1, .label = 1, .type = 11}, "has no type"},
    {NULL,
     {.name = "a", .number = 1, .label = 1, .type = 5, .type_name = ".t.M"},
     "is a scalar and has a type name: \".t.M\""},
    {NULL,
     {.name = "a", .number = 1, .label = 1, .type = 11, .type_name = ".t.N"},
     "does not define (protoc --include_imports?): \".t.N\""},
    {NULL,
     {.name = "a", .number = 1, .label = 1, .type = 11, .type_name = ".t.E"},
     "should be a message, and this is an enum: \".t.E\""},
    {NULL,
     {.name = "a", .number = 1, .label = 1, .type = 14, .type_name = ".t.M"},
     "should be an enum, and this is a message"},
    {NULL, {.name = "a b", .number = 1, .label = 1, .type = 5}, "t.M.a b has no valid name"},
    {NULL, {.number = 1, .label = 1, .type = 5}, "has no valid name"},
    {NULL, {.name = "9", .number = 1, .label = 1, .type = 5}, "has no valid name"},
    {"proto3", {.name = "a", .number = 1, .label = 2, .type = 5}, "is required, in \"proto3\""},
    {"proto3",
     {.name = "a", .number = 1, .label = 1, .type = 5, .default_value = "1"},
     "has a default, which proto3 does not know: \"1\""},
    {NULL,
     {.name = "a", .number = 1, .label = 3, .type = 5, .default_value = "1"},
     "can have no default"},
    {NULL,
     {.name = "a", .number = 1, .label = 1, .type = 11, .type_name = ".t.M", .default_value = "1"},
     "can have no default"},
    {NULL,
     {.name = "a", .number = 1, .label = 1, .type = 5, .default_value = "1x"},
     "has a default that is no value of its type: \"1x\""},
    {NULL,
     {.name = "a", .number = 1, .label = 1, .type = 5, .default_value = "2147483648"},
     "no value of its type"},
    {NULL,
     {.name = "a", .number = 1, .label = 1, .type = 13, .default_value = "-1"},
     "no value of its type"},
    {NULL,
     {.name = "a", .number = 1, .label = 1, .type = 4, .default_value = "18446744073709551616"},
     "no value of its type"},
    {NULL,
     {.name = "a", .number = 1, .label = 1, .type = 3, .default_value = ""},
     "no value of its type"},
    {NULL,
     {.name = "a", .number = 1, .label = 1, .type = 1, .default_value = "one"},
     "no value of its type"},
    {NULL,
     {.name = "a", .number = 1, .label = 1, .type = 8, .default_value = "yes"},
     "no value of its type"},
    {NULL,
     {.name = "a", .number = 1, .label = 1, .type = 12, .default_value = "\\"},
     "no value of its type"},
    {NULL,
     {.name = "a", .number = 1, .label = 1, .type = 12, .default_value = "\\777"},
     "no value of its type"},
    {NULL,
     {.name = "a", .number = 1, .label = 1, .type = 12, .default_value = "\\xg"},
     "no value of its type"},
    {NULL,
     {.name = "a", .number = 1, .label = 1, .type = 14, .type_name = ".t.E", .default_value = "C"},
     "no value of its type"},
    {NULL,
     {.name = "a", .number = 1, .label = 1, .type = 11, .type_name = ".t.Entry"},
     "is not repeated but of a map's entry type"},
    {NULL,
     {.name = "a", .number = 1, .label = 1, .type = 5, .oneof = 3},
     "is of a oneof that there is not: 2"},
    {NULL,
     {.name = "a", .number = 1, .label = 1, .type = 5, .oneof = -1},
     "is of a oneof that there is not: -2"},
    {NULL,
     {.name = "a", .number = 1, .label = 3, .type = 5, .oneof = 1},
     "is required or repeated in oneof \"o1\""},
    {NULL, {.name = "a", .number = 1, .label = 3, .type = 9, .packed = 1}, "cannot be packed"},
    {NULL, {.name = "a", .number = 1, .label = 1, .type = 5, .packed = 1}, "cannot be packed"},
};

static void refuses_fields(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        gmq__bytes set = {0};
        message_set(&set, refused[i].syntax, &refused[i].row, 1);
        assert_refused(&set, GMQ_E_PARSE, refused[i].says);
        assert_non_null(strstr(gmq_error_text(), "file \"t.proto\""));
    }
}

static void refuses_pairs(void **state)
{
    (void)state;
    static const struct {
        field_row rows[2];
        const char *says;
    } table[] = {
        {{{.name = "a", .number = 1, .label = 1, .type = 5},
          {.name = "b", .number = 1, .label = 1, .type = 5}},
         "has the number of field"},
        {{{.name = "a", .number = 1, .label = 1, .type = 5},
          {.name = "a", .number = 2, .label = 1, .type = 5}},
         "t.M.a stands twice"},
        {{{.name = "a", .number = 1, .label = 1, .type = 5, .oneof = 1},
          {.name = "b", .number = 2, .label = 1, .type = 5, .oneof = 1, .optional = 1}},
         "shares a oneof"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        gmq__bytes set = {0};
        message_set(&set, "proto3", table[i].rows, 2);
        assert_refused(&set, GMQ_E_PARSE, table[i].says);
    }
}

static void put_named(gmq__bytes *file, uint32_t number, const char *name)
{
    gmq__bytes message = {0};
    pb_str(&message, 1, name);
    pb_sub(file, number, &message);
}

static void put_value(gmq__bytes *type, const char *name, uint64_t number)
{
    gmq__bytes value = {0};
    pb_str(&value, 1, name);
    pb_uint(&value, 2, number);
    pb_sub(type, 2, &value);
}

static void refuses_files(void **state)
{
    (void)state;
    gmq__bytes set = {0}, content = {0}, type = {0}, options = {0};
    file_set(&set, "editions", &content);
    assert_refused(&set, GMQ_E_UNSUPPORTED, "is written in an edition");
    file_set(&set, "proto4", &content);
    assert_refused(&set, GMQ_E_PARSE, "syntax \"proto4\" is neither proto2 nor proto3");
    put_named(&content, 4, "M");
    put_named(&content, 4, "M");
    file_set(&set, NULL, &content);
    assert_refused(&set, GMQ_E_PARSE, "message \"t.M\" is defined twice");
    put_named(&content, 5, "E");
    file_set(&set, NULL, &content);
    assert_refused(&set, GMQ_E_PARSE, "enum \"t.E\" has no values");
    put_named(&content, 6, "");
    file_set(&set, NULL, &content);
    assert_refused(&set, GMQ_E_PARSE, "service \"\" is not a valid name");
    pb_str(&type, 1, "E");
    put_value(&type, "A", 1);
    pb_sub(&content, 5, &type);
    file_set(&set, "proto3", &content);
    assert_refused(&set, GMQ_E_PARSE, "does not begin with the value 0");
    pb_str(&type, 1, "E");
    put_value(&type, "A", 0);
    put_value(&type, "A", 1);
    pb_sub(&content, 5, &type);
    file_set(&set, "proto3", &content);
    assert_refused(&set, GMQ_E_PARSE, "has two values \"A\"");
    pb_str(&type, 1, "Entry");
    pb_uint(&options, 7, 1);
    pb_sub(&type, 7, &options);
    pb_sub(&content, 4, &type);
    file_set(&set, "proto3", &content);
    assert_refused(&set, GMQ_E_PARSE, "\"t.Entry\" has the option map_entry, but not the form");
    pb_str(&set, 1, "\xff");
    assert_refused(&set, GMQ_E_PARSE, "not a serialized FileDescriptorSet");
    assert_int_equal(gmq_schema_new(NULL, NULL, 0), GMQ_E_INVALID);
}

static void put_service(gmq__bytes *file, const char *input, const char *output)
{
    gmq__bytes service = {0}, method = {0};
    pb_str(&service, 1, "S");
    pb_str(&method, 1, "Do");
    pb_str(&method, 2, input);
    pb_str(&method, 3, output);
    pb_sub(&service, 2, &method);
    pb_sub(file, 6, &service);
}

static void refuses_services(void **state)
{
    (void)state;
    gmq__bytes set = {0}, content = {0};
    put_named(&content, 4, "M");
    put_service(&content, ".t.M", ".u.M");
    file_set(&set, NULL, &content);
    assert_refused(&set, GMQ_E_PARSE,
                   "method /t.S/Do has a message that the set does not define "
                   "(protoc --include_imports?): \".u.M\"");
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    gmq_schema *schema;
    assert_int_equal(gmq_schema_open(&schema, "/no/such.protoset"), GMQ_E_IO);
    assert_non_null(strstr(gmq_error_text(), "/no/such.protoset"));
    assert_int_equal(gmq_schema_open(&schema, NULL), GMQ_E_INVALID);
}

/* A small set cannot become a large schema: an empty message takes four bytes of it. */
static void memory_is_bounded(void **state)
{
    (void)state;
    gmq__bytes set = {0}, content = {0};
    for (int i = 0; i < 200000; i++)
        gmq__bytes_put(&content, "\x22\x00", 2);
    file_set(&set, NULL, &content);
    assert_refused(&set, GMQ_E_TOO_LARGE, "bytes of memory");
}

/* A name without a leading dot is looked for in every scope: many of them in a deep one are given
 * up. */
static void work_is_bounded(void **state)
{
    (void)state;
    gmq__bytes set = {0}, content = {0}, message = {0}, package = {0};
    for (int i = 0; i < 10000; i++)
        gmq__bytes_put(&package, "a.", 2);
    gmq__bytes_put(&package, "a", 2);
    message_set(&set, NULL, NULL, 0);
    pb_str(&message, 1, "N");
    for (unsigned i = 1; i < 1000; i++) {
        char name[16];
        gmq__bytes field = {0};
        snprintf(name, sizeof name, "f%u", i);
        pb_str(&field, 1, name);
        pb_uint(&field, 3, i);
        pb_str(&field, 6, "t.M");
        pb_sub(&message, 2, &field);
    }
    pb_sub(&content, 4, &message);
    pb_str(&content, 1, "other.proto"); /* the last one counts */
    pb_str(&content, 2, (const char *)package.data);
    gmq__bytes_free(&package);
    file_set(&set, NULL, &content);
    assert_refused(&set, GMQ_E_TOO_LARGE, "take too long to find");
}

static void survives_failed_allocations(void **state)
{
    (void)state;
    static const char *const names[] = {"message2", "message3"};
    for (int i = 0; i < 2; i++) {
        gmq__bytes set = {0};
        fixture_bytes(&set, names[i]);
        alloc_watch();
        size_t failures = 0;
        for (gmq_status status = GMQ_E_NOMEM; status; failures++) {
            gmq_schema *schema;
            alloc_fail_at(failures + 1);
            status = gmq_schema_new(&schema, set.data, set.len);
            alloc_fail_at(0);
            if (status)
                assert_int_equal(status, GMQ_E_NOMEM);
            else
                gmq_schema_unref(schema);
            assert_int_equal(alloc_live(), 0);
        }
        assert_true(failures > 10);
        alloc_unwatch();
        gmq__bytes_free(&set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_types_and_fields),
        cmocka_unit_test(tells_lists_and_maps),
        cmocka_unit_test(tells_enums),
        cmocka_unit_test(tells_services),
        cmocka_unit_test(an_empty_set_is_an_empty_schema),
        cmocka_unit_test(the_first_of_two_files_counts),
        cmocka_unit_test(finds_relative_names),
        cmocka_unit_test(refuses_fields),
        cmocka_unit_test(refuses_pairs),
        cmocka_unit_test(refuses_files),
        cmocka_unit_test(refuses_services),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(work_is_bounded),
        cmocka_unit_test(survives_failed_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
