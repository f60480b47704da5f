/* Names in C against those that protoc-c 1.4.1 makes. */
#include "codegen/names.h"

#include "cmocka_all.h"

typedef const char *name_fn(gmq__scratch *scratch, const char *name);

static void expect(name_fn *name, const char *from, const char *to)
{
    gmq__scratch scratch = {0};
    assert_string_equal(name(&scratch, from), to);
    assert_false(scratch.failed);
    gmq__scratch_free(&scratch);
}

static void types_test(void **state)
{
    (void)state;
    expect(gmq__name_type, "demo.v1.HelloRequest", "Demo__V1__HelloRequest");
    expect(gmq__name_type, "int.new.Class.HTTPRequest2_foo", "Int__New__Class__HTTPRequest2Foo");
    expect(gmq__name_type, "snake_case", "SnakeCase");
    expect(gmq__name_type, "a_b._c.d__e", "AB__C__DE");
    expect(gmq__name_type, "..a..B.", "A__B");
    expect(gmq__name_type, "", "");
}

static void lower_test(void **state)
{
    (void)state;
    expect(gmq__name_lower, "demo.v1.HelloRequest", "demo__v1__hello_request");
    expect(gmq__name_lower, "int.new.Class.HTTPRequest2_foo", "int__new__class__httprequest2_foo");
    expect(gmq__name_lower, "ABCDef", "abcdef");
    expect(gmq__name_lower, "Abc_def", "abc_def");
    expect(gmq__name_lower, "x1Y", "x1_y");
    expect(gmq__name_lower, "snake_Case", "snake__case");
    expect(gmq__name_lower, ".a..b.", "a__b");
}

static void members_test(void **state)
{
    (void)state;
    expect(gmq__name_member, "say_hello", "say_hello");
    expect(gmq__name_member, "new", "new_");
    expect(gmq__name_member, "default", "default_");
    expect(gmq__name_member, "alignas", "alignas_");
    expect(gmq__name_member, "xor_eq", "xor_eq_");
    expect(gmq__name_member, "news", "news");
}

static void files_test(void **state)
{
    (void)state;
    expect(gmq__name_file, "dir/my-file.v1.proto", "dir_2fmy_2dfile_2ev1_2eproto");
    expect(gmq__name_file, "a_b", "a_5fb");
    expect(gmq__name_file, "\xc3\xa9", "_c3_a9");
    expect(gmq__name_stem, "dir/x.proto", "dir/x");
    expect(gmq__name_stem, "x.protodevel", "x");
    expect(gmq__name_stem, "x.proto.txt", "x.proto.txt");
    expect(gmq__name_stem, "proto", "proto");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_test),
        cmocka_unit_test(lower_test),
        cmocka_unit_test(members_test),
        cmocka_unit_test(files_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
