#include "codegen/template.h"

#include <string.h>

#include "cmocka_all.h"

static const gmq__var vars[] = {{"a", "1"}, {"ab", "two"}, {"none", ""}, {NULL, NULL}};

static void expect(const char *text, const char *result)
{
    gmq__bytes out = {0};
    gmq__emit(&out, text, vars);
    assert_false(out.failed);
    assert_int_equal(out.len, strlen(result));
    if (out.len)
        assert_memory_equal(out.data, result, out.len);
    gmq__bytes_free(&out);
}

static void names_are_replaced_test(void **state)
{
    (void)state;
    expect("", "");
    expect("plain", "plain");
    expect("$a$", "1");
    expect("$a$$ab$ and $none$$a$.", "1two and 1.");
}

static void mistakes_show_test(void **state)
{
    static const char *const wrong[] = {"$b$", "$a", "x$", "$$", "$a$$a"};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        gmq__bytes out = {0};
        gmq__emit(&out, wrong[i], vars);
        assert_true(out.failed);
        gmq__bytes_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_replaced_test),
        cmocka_unit_test(mistakes_show_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
