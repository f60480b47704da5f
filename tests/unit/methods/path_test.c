#include "methods/path.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/prng.h"

static void accepts_paths(void **state)
{
    (void)state;
    const char *good[] = {"/demo.v1.Demo/SayHello", "/Svc/M", "/a.b.c.d_1/x_Y9", "/pkg.Svc/a.b",
                          "/pkg.Svc/a-b"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(gmq__path_check(good[i]), GMQ_OK);
}

static void refuses_paths_and_names_them(void **state)
{
    (void)state;
    static const struct {
        const char *path, *says;
    } bad[] = {
        {"", "is not of the form"},
        {"demo.v1.Demo/SayHello", "demo.v1.Demo/SayHello"},
        {"/demo.v1.Demo", "is not of the form"},
        {"//M", "the service is empty"},
        {"/S/", "the method is empty"},
        {"/S/M/x", "the method contains '/'"},
        {"/S+/M", "the service contains '+'"},
        {"/S/M#", "the method contains '#'"},
        {"/S/M+", "the method contains '+'"},
        {"/my-Svc/M", "the service contains '-'"},
        {"/S\n/M", "the service contains a control character"},
        {"/S/M\x7f", "the method contains a control character"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(gmq__path_check(bad[i].path), GMQ_E_INVALID);
        if (!strstr(gmq_error_text(), bad[i].says))
            fail_msg("\"%s\" should say \"%s\"", gmq_error_text(), bad[i].says);
    }
    assert_int_equal(gmq__path_check(NULL), GMQ_E_INVALID);
}

static void limits_the_length(void **state)
{
    (void)state;
    char path[GMQ__PATH_MAX + 2];
    memset(path, 'x', sizeof path);
    memcpy(path, "/S/", 3);
    path[GMQ__PATH_MAX] = '\0';
    assert_int_equal(gmq__path_check(path), GMQ_OK);
    path[GMQ__PATH_MAX] = 'x';
    path[GMQ__PATH_MAX + 1] = '\0';
    assert_int_equal(gmq__path_check(path), GMQ_E_INVALID);
    assert_non_null(strstr(gmq_error_text(), "longer than 4096"));
}

static void checks_patterns(void **state)
{
    (void)state;
    assert_int_equal(gmq__path_check_pattern(NULL), GMQ_OK);
    assert_int_equal(gmq__path_check_pattern("*"), GMQ_OK);
    assert_int_equal(gmq__path_check_pattern("/demo.v1.Demo/*"), GMQ_OK);
    assert_int_equal(gmq__path_check_pattern("demo.v1.Demo/*"), GMQ_E_INVALID);
    assert_non_null(strstr(gmq_error_text(), "\"demo.v1.Demo/*\""));
    assert_int_equal(gmq__path_check_pattern(""), GMQ_E_INVALID);
}

static void matches_patterns(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *path;
        bool matches;
    } cases[] = {
        {NULL, "/a.B/C", true},          {"*", "/a.B/C", true},
        {"/a.B/C", "/a.B/C", true},      {"/a.B/C", "/a.B/CD", false},
        {"/a.B/CD", "/a.B/C", false},    {"/a.B/*", "/a.B/C", true},
        {"/a.B/*", "/a.BB/C", false},    {"/a.*", "/a.B/C", true},
        {"*/C", "/a.B/C", true},         {"*/C", "/a.B/CC", false},
        {"*C", "/a.B/CC", true},         {"/*B/*", "/a.B/C", true},
        {"/a.B/C*", "/a.B/C", true},     {"**", "/a.B/C", true},
        {"*a*b*c*", "/xaxbxcx/y", true}, {"*a*b*c*", "/xaxcxbx/y", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (gmq__path_matches(cases[i].pattern, cases[i].path) != cases[i].matches)
            fail_msg("pattern %s, path %s", cases[i].pattern, cases[i].path);
}

static bool slow_match(const char *pattern, const char *path)
{
    if (!*pattern)
        return !*path;
    if (*pattern == '*')
        return slow_match(pattern + 1, path) || (*path && slow_match(pattern, path + 1));
    return *path == *pattern && slow_match(pattern + 1, path + 1);
}

static void random_string(gmq__prng *prng, char *out, size_t max, const char *alphabet)
{
    size_t len = (size_t)gmq__prng_below(prng, max + 1);
    for (size_t i = 0; i < len; i++)
        out[i] = alphabet[gmq__prng_below(prng, strlen(alphabet))];
    out[len] = '\0';
}

static void agrees_with_the_definition(void **state)
{
    (void)state;
    gmq__prng prng = {20261122};
    size_t matched = 0;
    for (int i = 0; i < 20000; i++) {
        char pattern[8], path[12];
        random_string(&prng, pattern, sizeof pattern - 1, "ab**");
        random_string(&prng, path, sizeof path - 1, "ab");
        bool expected = slow_match(pattern, path);
        matched += expected;
        if (gmq__path_matches(pattern, path) != expected)
            fail_msg("pattern \"%s\", path \"%s\": should be %d", pattern, path, expected);
    }
    assert_in_range(matched, 1000, 19000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_paths),     cmocka_unit_test(refuses_paths_and_names_them),
        cmocka_unit_test(limits_the_length), cmocka_unit_test(checks_patterns),
        cmocka_unit_test(matches_patterns),  cmocka_unit_test(agrees_with_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
