#include "methods/message.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "unit/methods/alloc_util.h"
#include "unit/methods/descriptor_util.h"
#include "unit/methods/schema_util.h"

static gmq_schema *schema2, *schema3;

static int open_schemas(void **state)
{
    (void)state;
    schema2 = fixture_schema("message2");
    schema3 = fixture_schema("message3");
    return 0;
}

static int close_schemas(void **state)
{
    (void)state;
    gmq_schema_unref(schema2);
    gmq_schema_unref(schema3);
    return 0;
}

static gmq_message *new_message(const char *name)
{
    gmq_message *message;
    const gmq_schema *schema = strncmp(name, "message2.", 9) == 0 ? schema2 : schema3;
    assert_int_equal(gmq_message_new(&message, type_of(schema, name)), GMQ_OK);
    return message;
}

static const gmq_field *of(const gmq_message *message, const char *name)
{
    return field_of(gmq_message_type_of(message), name);
}

static gmq_message *child_of(gmq_message *message, const char *name, size_t index)
{
    gmq_message *child;
    assert_int_equal(gmq_message_make_message(message, of(message, name), index, &child), GMQ_OK);
    return child;
}

static void assert_encodes(const gmq_message *message, const void *bytes, size_t len)
{
    gmq_buf *buf;
    if (gmq_message_encode(message, &buf))
        fail_msg("%s", gmq_error_text());
    assert_int_equal(gmq_buf_len(buf), len);
    assert_memory_equal(gmq_buf_data(buf), bytes, len);
    gmq_buf_unref(buf);
}

static void assert_says(gmq_status status, gmq_status wanted, const char *text)
{
    assert_int_equal(status, wanted);
    if (!strstr(gmq_error_text(), text))
        fail_msg("\"%s\" does not say \"%s\"", gmq_error_text(), text);
}

static int64_t int_of(const gmq_message *message, const char *name, size_t index)
{
    int64_t value;
    assert_int_equal(gmq_message_get_int64(message, of(message, name), index, &value), GMQ_OK);
    return value;
}

static void assert_text(const gmq_message *message, const char *name, const char *wanted, size_t n)
{
    const void *data;
    size_t len;
    assert_int_equal(gmq_message_get_bytes(message, of(message, name), 0, &data, &len), GMQ_OK);
    assert_int_equal(len, n);
    assert_memory_equal(data, wanted, n);
}

/* ---- Scalars */

static void integers_have_ranges(void **state)
{
    (void)state;
    static const struct {
        const char *field;
        int64_t min;
        uint64_t max;
    } rows[] = {
        {"f_int32", INT32_MIN, INT32_MAX},    {"f_sint32", INT32_MIN, INT32_MAX},
        {"f_sfixed32", INT32_MIN, INT32_MAX}, {"f_enum", INT32_MIN, INT32_MAX},
        {"f_uint32", 0, UINT32_MAX},          {"f_fixed32", 0, UINT32_MAX},
        {"f_int64", INT64_MIN, INT64_MAX},    {"f_sint64", INT64_MIN, INT64_MAX},
        {"f_sfixed64", INT64_MIN, INT64_MAX}, {"f_uint64", 0, UINT64_MAX},
        {"f_fixed64", 0, UINT64_MAX},
    };
    gmq_message *m = new_message("message3.Scalars");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const gmq_field *f = of(m, rows[i].field);
        uint64_t value;
        assert_int_equal(gmq_message_set_int64(m, f, 0, rows[i].min), GMQ_OK);
        assert_int_equal(int_of(m, rows[i].field, 0), rows[i].min);
        assert_int_equal(gmq_message_set_uint64(m, f, 0, rows[i].max), GMQ_OK);
        assert_int_equal(gmq_message_get_uint64(m, f, 0, &value), GMQ_OK);
        assert_int_equal(value, rows[i].max);
        if (rows[i].max < UINT64_MAX)
            assert_says(gmq_message_set_uint64(m, f, 0, rows[i].max + 1), GMQ_E_INVALID,
                        "which is out of its range");
        if (rows[i].min > INT64_MIN)
            assert_says(gmq_message_set_int64(m, f, 0, rows[i].min - 1), GMQ_E_INVALID,
                        "which is out of its range");
        assert_int_equal(gmq_message_get_uint64(m, f, 0, &value), GMQ_OK);
        assert_int_equal(value, rows[i].max);
    }
    assert_says(gmq_message_set_int64(m, of(m, "f_int32"), 0, 3000000000), GMQ_E_INVALID,
                "field message3.Scalars.f_int32 (int32) cannot be set to 3000000000, which is");
    gmq_message_unref(m);
}

static void integers_are_asked_for_by_sign(void **state)
{
    (void)state;
    gmq_message *m = new_message("message3.Scalars");
    const gmq_field *u64 = of(m, "f_uint64"), *i32 = of(m, "f_int32");
    int64_t s = 5;
    uint64_t u = 5;
    assert_int_equal(gmq_message_set_uint64(m, u64, 0, UINT64_MAX), GMQ_OK);
    assert_says(gmq_message_get_int64(m, u64, 0, &s), GMQ_E_INVALID, "ask for uint64");
    assert_int_equal(gmq_message_set_int64(m, i32, 0, -1), GMQ_OK);
    assert_says(gmq_message_get_uint64(m, i32, 0, &u), GMQ_E_INVALID, "is negative: ask for int64");
    assert_int_equal(s, 5);
    assert_int_equal(u, 5);
    gmq_message_unref(m);
}

static void floats_are_rounded_within_their_range(void **state)
{
    (void)state;
    gmq_message *m = new_message("message3.Scalars");
    const gmq_field *f = of(m, "f_float"), *d = of(m, "f_double");
    double value;
    assert_int_equal(gmq_message_set_double(m, f, 0, 0.1), GMQ_OK);
    assert_int_equal(gmq_message_get_double(m, f, 0, &value), GMQ_OK);
    assert_true(value == (double)0.1f);
    assert_says(gmq_message_set_double(m, f, 0, 1e300), GMQ_E_INVALID, "cannot be set to 1e+300");
    assert_int_equal(gmq_message_set_double(m, f, 0, 3.4028235e38), GMQ_OK); /* as it is written */
    assert_int_equal(gmq_message_get_double(m, f, 0, &value), GMQ_OK);
    assert_true(value == (double)FLT_MAX);
    assert_says(gmq_message_set_double(m, f, 0, 0x1.ffffffp127), GMQ_E_INVALID, "out of its range");
    assert_says(gmq_message_set_double(m, f, 0, -0x1.ffffffp127), GMQ_E_INVALID, "3.40282e+38");
    assert_int_equal(gmq_message_set_double(m, f, 0, INFINITY), GMQ_OK);
    assert_int_equal(gmq_message_set_double(m, d, 0, 1e300), GMQ_OK);
    assert_int_equal(gmq_message_get_double(m, d, 0, &value), GMQ_OK);
    assert_true(value == 1e300);
    assert_int_equal(gmq_message_set_double(m, d, 0, -0.0), GMQ_OK);
    assert_int_equal(gmq_message_clear(m, f), GMQ_OK);
    assert_true(gmq_message_has(m, d));
    assert_encodes(m, "\x09\0\0\0\0\0\0\0\x80", 9);
    gmq_message_unref(m);
}

static void strings_are_utf8_and_bytes_are_not(void **state)
{
    (void)state;
    gmq_message *m = new_message("message3.Scalars");
    const gmq_field *s = of(m, "f_string"), *b = of(m, "f_bytes");
    assert_int_equal(gmq_message_set_bytes(m, s, 0, "a\0b", 3), GMQ_OK);
    assert_text(m, "f_string", "a\0b", 3);
    assert_says(gmq_message_set_bytes(m, s, 0, "a\xff", 2), GMQ_E_INVALID,
                "f_string (string) cannot be set to \"a\\xff\", which is no UTF-8");
    assert_text(m, "f_string", "a\0b", 3);
    assert_int_equal(gmq_message_set_bytes(m, b, 0, "\xff\0", 2), GMQ_OK);
    assert_text(m, "f_bytes", "\xff\0", 2);
    assert_int_equal(gmq_message_set_bytes(m, b, 0, NULL, 0), GMQ_OK);
    assert_text(m, "f_bytes", "", 0);
    assert_false(gmq_message_has(m, b));
    assert_says(gmq_message_set_bytes(m, b, 0, NULL, 1), GMQ_E_INVALID, "data is NULL");
    assert_encodes(m,
                   "\x4a\x03"
                   "a\0b",
                   5);
    gmq_message_unref(m);
}

static void closed_enums_take_their_own_values(void **state)
{
    (void)state;
    gmq_message *open = new_message("message3.Scalars"), *closed = new_message("message2.Defaults");
    const gmq_field *f = of(closed, "f_enum");
    assert_int_equal(gmq_message_set_int64(open, of(open, "f_enum"), 0, 1234), GMQ_OK);
    assert_int_equal(gmq_message_set_int64(closed, f, 0, -1), GMQ_OK);
    assert_says(gmq_message_set_int64(closed, f, 0, 2), GMQ_E_INVALID,
                "f_enum (enum) cannot be set to 2, which is no value of its enum");
    assert_int_equal(int_of(closed, "f_enum", 0), -1);
    gmq_message_unref(open);
    gmq_message_unref(closed);
}

static void unset_fields_have_their_defaults(void **state)
{
    (void)state;
    gmq_message *m = new_message("message2.Defaults");
    double value;
    uint64_t u;
    int truth = 0;
    assert_int_equal(gmq_message_get_double(m, of(m, "f_double"), 0, &value), GMQ_OK);
    assert_true(value == -1.5);
    assert_int_equal(gmq_message_get_double(m, of(m, "f_float"), 0, &value), GMQ_OK);
    assert_true(value == INFINITY);
    assert_int_equal(gmq_message_get_double(m, of(m, "f_nan"), 0, &value), GMQ_OK);
    assert_true(isnan(value));
    assert_int_equal(int_of(m, "f_int64", 0), INT64_MIN);
    assert_int_equal(gmq_message_get_uint64(m, of(m, "f_uint64"), 0, &u), GMQ_OK);
    assert_int_equal(u, UINT64_MAX);
    assert_int_equal(int_of(m, "f_int32", 0), -7);
    assert_int_equal(gmq_message_get_bool(m, of(m, "f_bool"), 0, &truth), GMQ_OK);
    assert_true(truth);
    assert_text(m, "f_string", "gr\xc3\xbc\xc3\x9f \"dich\"", 13);
    assert_text(m, "f_bytes", "\1\xff\\n\n", 5);
    assert_int_equal(int_of(m, "f_uint32", 0), UINT32_MAX);
    assert_int_equal(int_of(m, "f_enum", 0), 1);
    assert_int_equal(int_of(m, "first", 0), 7);
    assert_false(gmq_message_has(m, of(m, "f_int32")));
    assert_string_equal(gmq_field_default_text(of(m, "f_enum")), "ONE");
    assert_null(gmq_field_default_text(of(m, "first")));
    assert_encodes(m, "", 0);
    assert_int_equal(gmq_message_set_int64(m, of(m, "f_int32"), 0, -7), GMQ_OK);
    assert_true(gmq_message_has(m, of(m, "f_int32")));
    gmq_message_unref(m);
}

/* ---- Misuse */

static void refuses_the_wrong_kind(void **state)
{
    (void)state;
    gmq_message *m = new_message("message3.Scalars"), *child;
    int64_t value;
    assert_says(gmq_message_set_bool(m, of(m, "f_int32"), 0, 1), GMQ_E_INVALID,
                "field message3.Scalars.f_int32 (int32) holds no bool");
    assert_says(gmq_message_set_int64(m, of(m, "f_bool"), 0, 1), GMQ_E_INVALID, "holds no integer");
    assert_says(gmq_message_set_double(m, of(m, "f_int32"), 0, 1), GMQ_E_INVALID,
                "holds no floating-point number");
    assert_says(gmq_message_set_bytes(m, of(m, "f_int32"), 0, "1", 1), GMQ_E_INVALID,
                "holds neither string nor bytes");
    assert_says(gmq_message_make_message(m, of(m, "f_int32"), 0, &child), GMQ_E_INVALID,
                "holds no message");
    assert_says(gmq_message_get_int64(m, of(m, "f_int32"), 1, &value), GMQ_E_NOT_FOUND,
                "is not repeated: index 1 is not 0");
    assert_says(gmq_message_set_int64(m, of(m, "f_int32"), 1, 0), GMQ_E_NOT_FOUND, "index 1");
    assert_says(gmq_message_remove(m, of(m, "f_int32"), 0), GMQ_E_INVALID, "is not repeated");
    assert_says(gmq_message_set_int64(m, NULL, 0, 0), GMQ_E_INVALID,
                "field of message message3.Scalars is NULL");
    const gmq_field *foreign = field_of(type_of(schema3, "message3.Tree"), "name");
    assert_says(gmq_message_set_bytes(m, foreign, 0, "", 0), GMQ_E_INVALID,
                "field message3.Tree.name is not one of message message3.Scalars");
    assert_says(gmq_message_clear(m, foreign), GMQ_E_INVALID, "is not one of message");
    assert_false(gmq_message_has(m, foreign));
    assert_int_equal(gmq_message_count(m, foreign), 0);
    gmq_message_unref(m);
    gmq_message_unref(NULL);
}

static void groups_are_left_alone(void **state)
{
    (void)state;
    gmq_message *m = new_message("message2.Outer"), *child;
    const gmq_field *group = of(m, "group");
    assert_int_equal(gmq_field_type_of(group), GMQ_FIELD_GROUP);
    assert_says(gmq_message_make_message(m, group, 0, &child), GMQ_E_UNSUPPORTED, "is a group");
    assert_false(gmq_message_has(m, group));
    assert_int_equal(gmq_message_count(m, group), 0);
    assert_int_equal(gmq_message_clear(m, group), GMQ_OK);
    gmq_message_unref(m);
}

/* ---- Repeated fields, oneofs */

static void repeated_fields_grow_and_shrink(void **state)
{
    (void)state;
    gmq_message *m = new_message("message3.Lists");
    const gmq_field *f = of(m, "f_int32"), *s = of(m, "f_string");
    for (int i = 0; i < 20; i++)
        assert_int_equal(gmq_message_set_int64(m, f, (size_t)i, i), GMQ_OK);
    assert_says(gmq_message_set_int64(m, f, 21, 0), GMQ_E_NOT_FOUND,
                "f_int32 has 20 elements: there is no index 21");
    assert_int_equal(gmq_message_set_int64(m, f, 3, 33), GMQ_OK);
    for (int i = 0; i < 17; i++)
        assert_int_equal(gmq_message_remove(m, f, 0), GMQ_OK);
    assert_int_equal(gmq_message_count(m, f), 3);
    assert_int_equal(int_of(m, "f_int32", 2), 19);
    assert_int_equal(gmq_message_remove(m, f, 3), GMQ_E_NOT_FOUND);
    assert_int_equal(gmq_message_set_bytes(m, s, 0, "a", 1), GMQ_OK);
    assert_int_equal(gmq_message_set_bytes(m, s, 1, "", 0), GMQ_OK);
    assert_int_equal(gmq_message_set_bytes(m, s, 0, "bc", 2), GMQ_OK);
    assert_encodes(m, "\x2a\3\x11\x12\x13\x4a\2bc\x4a\0", 11);
    assert_int_equal(gmq_message_clear(m, f), GMQ_OK);
    assert_int_equal(gmq_message_remove(m, s, 0), GMQ_OK);
    assert_encodes(m, "\x4a\0", 2);
    assert_int_equal(gmq_message_clear(m, NULL), GMQ_OK);
    assert_encodes(m, "", 0);
    gmq_message_unref(m);
}

static void a_oneof_has_one_member(void **state)
{
    (void)state;
    gmq_message *m = new_message("message3.Choice");
    assert_null(gmq_message_which(m, 0));
    assert_null(gmq_message_which(m, 2));
    assert_int_equal(gmq_message_set_bytes(m, of(m, "text"), 0, "abc", 3), GMQ_OK);
    assert_int_equal(gmq_message_set_int64(m, of(m, "number"), 0, 0), GMQ_OK);
    assert_ptr_equal(gmq_message_which(m, 0), of(m, "number"));
    assert_false(gmq_message_has(m, of(m, "text")));
    assert_text(m, "text", "", 0);
    gmq_message *tree = child_of(m, "tree", 0);
    assert_ptr_equal(gmq_message_which(m, 0), of(m, "tree"));
    assert_int_equal(gmq_message_set_bytes(tree, of(tree, "name"), 0, "x", 1), GMQ_OK);
    assert_int_equal(gmq_message_set_bytes(m, of(m, "text"), 0, "y", 1), GMQ_OK);
    assert_text(tree, "name", "x", 1);
    assert_int_equal(gmq_message_set_bytes(m, of(m, "blob"), 0, "", 0), GMQ_OK);
    assert_encodes(m, "\x12\1y\x32\0", 5);
    assert_int_equal(gmq_message_clear(m, of(m, "number")), GMQ_OK); /* not the one that is set */
    assert_true(gmq_message_has(m, of(m, "text")));
    assert_int_equal(gmq_message_clear(m, of(m, "text")), GMQ_OK);
    assert_null(gmq_message_which(m, 0));
    gmq_message_unref(tree);
    gmq_message_unref(m);
}

static void presence_is_kept(void **state)
{
    (void)state;
    gmq_message *m = new_message("message3.Choice");
    assert_int_equal(gmq_message_set_int64(m, of(m, "maybe_number"), 0, 0), GMQ_OK);
    assert_int_equal(gmq_message_set_bytes(m, of(m, "maybe_text"), 0, "", 0), GMQ_OK);
    assert_true(gmq_message_has(m, of(m, "maybe_number")));
    assert_int_equal(gmq_message_count(m, of(m, "maybe_text")), 1);
    assert_encodes(m, "\x40\0\x4a\0", 4);
    gmq_message_unref(m);
}

/* ---- Messages inside */

static void there_is_one_handle_for_a_message(void **state)
{
    (void)state;
    gmq_message *m = new_message("message3.Tree"), *again;
    gmq_message *left = child_of(m, "left", 0);
    assert_int_equal(gmq_message_get_message(m, of(m, "left"), 0, &again), GMQ_OK);
    assert_ptr_equal(again, left);
    gmq_message_unref(again);
    assert_int_equal(gmq_message_get_message(left, of(left, "left"), 0, &again), GMQ_E_NOT_FOUND);
    assert_int_equal(gmq_message_get_message(m, of(m, "children"), 0, &again), GMQ_E_NOT_FOUND);
    assert_int_equal(gmq_message_make_message(m, of(m, "children"), 1, &again), GMQ_E_NOT_FOUND);
    assert_int_equal(gmq_message_make_message(m, of(m, "left"), 1, &again), GMQ_E_NOT_FOUND);
    gmq_message_unref(left);
    gmq_message_unref(m);
}

/* The schema and the parents go first; then siblings of any order. */
static void handles_go_in_any_order(void **state)
{
    (void)state;
    gmq_schema *schema = fixture_schema("message3");
    gmq_message *m;
    assert_int_equal(gmq_message_new(&m, type_of(schema, "message3.Tree")), GMQ_OK);
    gmq_schema_unref(schema);
    gmq_message *first = child_of(m, "children", 0), *second = child_of(m, "children", 1);
    gmq_message *deep = child_of(first, "left", 0);
    gmq_message_unref(m);
    gmq_message_unref(first);
    assert_int_equal(gmq_message_set_bytes(deep, of(deep, "name"), 0, "d", 1), GMQ_OK);
    gmq_message_unref(second);
    assert_encodes(deep, "\x0a\1d", 3);
    gmq_message_unref(deep);
}

static void what_leaves_the_tree_lives_on(void **state)
{
    (void)state;
    gmq_message *m = new_message("message3.Tree");
    gmq_message *first = child_of(m, "children", 0), *second = child_of(m, "children", 1);
    gmq_message *deep = child_of(second, "left", 0), *left = child_of(m, "left", 0);
    assert_int_equal(gmq_message_set_bytes(deep, of(deep, "name"), 0, "d", 1), GMQ_OK);
    assert_int_equal(gmq_message_remove(m, of(m, "children"), 0), GMQ_OK);
    assert_encodes(m, "\x12\x05\x1a\3\x0a\1d\x1a\0", 9);
    assert_int_equal(gmq_message_clear(m, NULL), GMQ_OK);
    assert_encodes(m, "", 0);
    assert_encodes(first, "", 0);
    assert_encodes(second, "\x1a\3\x0a\1d", 5);
    gmq_message_unref(m);
    assert_int_equal(gmq_message_set_bytes(left, of(left, "name"), 0, "l", 1), GMQ_OK);
    gmq_message_unref(second);
    assert_encodes(deep, "\x0a\1d", 3);
    gmq_message_unref(deep);
    gmq_message_unref(left);
    gmq_message_unref(first);
}

static void depth_is_bounded(void **state)
{
    (void)state;
    gmq_message *m = gmq_message_ref(new_message("message3.Tree")), *top = m, *child;
    for (int i = 0; i < 100; i++) {
        child = child_of(m, "left", 0);
        gmq_message_unref(m);
        m = child;
    }
    assert_says(gmq_message_make_message(m, of(m, "left"), 0, &child), GMQ_E_TOO_LARGE,
                "messages are nested deeper than 100");
    gmq_message_unref(m);
    gmq_buf *buf;
    assert_int_equal(gmq_message_encode(top, &buf), GMQ_OK);
    assert_int_equal(gmq_message_decode(&child, gmq_message_type_of(top), gmq_buf_data(buf),
                                        gmq_buf_len(buf), 0),
                     GMQ_OK);
    gmq_buf_unref(buf);
    gmq_message_unref(child);
    gmq_message_unref(top);
}

static void required_fields_are_named(void **state)
{
    (void)state;
    gmq_message *m = new_message("message2.Outer");
    gmq_buf *buf;
    assert_says(gmq_message_encode(m, &buf), GMQ_E_STATE,
                "message2.Outer: id is required and missing");
    assert_int_equal(gmq_message_set_int64(m, of(m, "id"), 0, 1), GMQ_OK);
    gmq_message *first = child_of(m, "inner", 0), *second = child_of(m, "inner", 1);
    assert_int_equal(gmq_message_set_bytes(first, of(first, "name"), 0, "", 0), GMQ_OK);
    assert_says(gmq_message_encode(m, &buf), GMQ_E_STATE,
                "message2.Outer: inner[1].name is required and missing");
    assert_int_equal(gmq_message_set_bytes(second, of(second, "name"), 0, "", 0), GMQ_OK);
    assert_encodes(m, "\x08\1\x12\2\x0a\0\x12\2\x0a\0", 10);
    gmq_message_unref(first);
    gmq_message_unref(second);
    gmq_message_unref(m);
}

static void maps_are_entries(void **state)
{
    (void)state;
    gmq_message *m = new_message("message3.Maps");
    gmq_message *entry = child_of(m, "by_name", 0);
    assert_encodes(m, "\x0a\4\x0a\0\x10\0", 6);
    assert_int_equal(gmq_message_set_bytes(entry, of(entry, "key"), 0, "k", 1), GMQ_OK);
    assert_int_equal(gmq_message_set_int64(entry, of(entry, "value"), 0, 5), GMQ_OK);
    assert_encodes(m, "\x0a\5\x0a\1k\x10\5", 7);
    assert_int_equal(gmq_message_count(m, of(m, "by_name")), 1);
    gmq_message_unref(entry);
    gmq_message_unref(m);
}

/* ---- Memory */

static gmq_status build(gmq_message **out)
{
    gmq_message *m = NULL, *child = NULL;
    gmq_status status = gmq_message_new(&m, type_of(schema3, "message3.Tree"));
    if (!status)
        status = gmq_message_make_message(m, of(m, "children"), 0, &child);
    if (!status)
        status = gmq_message_set_bytes(child, of(child, "name"), 0, "name", 4);
    gmq_message_unref(child);
    child = NULL;
    if (!status)
        status = gmq_message_make_message(m, of(m, "left"), 0, &child);
    gmq_message_unref(child);
    if (status)
        gmq_message_unref(m);
    else
        *out = m;
    return status;
}

static gmq_status travel(void)
{
    gmq_message *m = NULL, *again = NULL;
    gmq_buf *buf = NULL;
    gmq_status status = build(&m);
    if (status)
        return status;
    status = gmq_message_encode(m, &buf);
    if (!status)
        status = gmq_message_decode(&again, gmq_message_type_of(m), gmq_buf_data(buf),
                                    gmq_buf_len(buf), 0);
    gmq_buf_unref(buf);
    gmq_message_unref(again);
    gmq_message_unref(m);
    return status;
}

/* A map with a key twice, an unknown group, a oneof, all of which take memory of their own. */
static gmq_status read_odd(void)
{
    static const char bytes[] = "\x08\1\x32\5\x0a\1k\x10\2\x32\5\x0a\1k\x10\0\x9b\x06\x08\1\x9c\x06"
                                "\x4a\3\x0a\1m\x4a\2\x10\1\x2a\2\7\3";
    gmq_message *m = NULL;
    gmq_status status =
        gmq_message_decode(&m, type_of(schema2, "message2.Outer"), bytes, sizeof bytes - 1, 0);
    gmq_message_unref(m);
    return status;
}

static void survives_failed_allocations(void **state)
{
    (void)state;
    gmq_status (*const uses[])(void) = {travel, read_odd};
    for (int i = 0; i < 2; i++) {
        alloc_watch();
        size_t failures = 0;
        for (gmq_status status = GMQ_E_NOMEM; status; failures++) {
            alloc_fail_at(failures + 1);
            status = uses[i]();
            alloc_fail_at(0);
            if (status)
                assert_int_equal(status, GMQ_E_NOMEM);
            assert_int_equal(alloc_live(), 0);
        }
        assert_true(failures > 5);
        alloc_unwatch();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers_have_ranges),
        cmocka_unit_test(integers_are_asked_for_by_sign),
        cmocka_unit_test(floats_are_rounded_within_their_range),
        cmocka_unit_test(strings_are_utf8_and_bytes_are_not),
        cmocka_unit_test(closed_enums_take_their_own_values),
        cmocka_unit_test(unset_fields_have_their_defaults),
        cmocka_unit_test(refuses_the_wrong_kind),
        cmocka_unit_test(groups_are_left_alone),
        cmocka_unit_test(repeated_fields_grow_and_shrink),
        cmocka_unit_test(a_oneof_has_one_member),
        cmocka_unit_test(presence_is_kept),
        cmocka_unit_test(there_is_one_handle_for_a_message),
        cmocka_unit_test(handles_go_in_any_order),
        cmocka_unit_test(what_leaves_the_tree_lives_on),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(required_fields_are_named),
        cmocka_unit_test(maps_are_entries),
        cmocka_unit_test(survives_failed_allocations),
    };
    return cmocka_run_group_tests(tests, open_schemas, close_schemas);
}
