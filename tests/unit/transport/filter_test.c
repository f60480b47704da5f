#include "transport/filter.h"

#include "cmocka_all.h"

static bool match(const char *filter, const char *topic)
{
    return gmq__filter_match(gmq__span_str(filter), gmq__span_str(topic));
}

static void test_match(void **state)
{
    (void)state;
    static const struct {
        const char *filter, *topic;
        bool expected;
    } cases[] = {
        {"a/b", "a/b", true},       {"a/b", "a/bc", false},     {"a/b", "a", false},
        {"a", "a/b", false},        {"+", "a", true},           {"+", "a/b", false},
        {"+/+", "/a", true},        {"/+", "/a", true},         {"+", "/a", false},
        {"a/+/c", "a//c", true},    {"#", "a/b/c", true},       {"a/#", "a", true},
        {"a/#", "a/b/c", true},     {"a/#", "ab", false},       {"a/+/#", "a", false},
        {"a/+/#", "a/b", true},     {"#", "$SYS/x", false},     {"+/x", "$SYS/x", false},
        {"$SYS/#", "$SYS/x", true}, {"$SYS/+", "$SYS/x", true}, {"a/$x/#", "a/$x/y", true},
        {"a/b/", "a/b", false},     {"a/b", "a/b/", false},     {"a/+", "a/", true},
        {"/", "/", true},           {"a/b/c/#", "a/b", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if (match(cases[i].filter, cases[i].topic) != cases[i].expected)
            fail_msg("\"%s\" and \"%s\"", cases[i].filter, cases[i].topic);
}

static void test_valid_filters(void **state)
{
    (void)state;
    static const char *const good[] = {"a",          "/",          "+",      "#",        "a/+/b/#",
                                       "$share/g/a", "$share/g/#", "$share", "$sharex/a"};
    static const char *const bad[] = {"",         "a#",        "#/a",       "a/#/b",      "+a",
                                      "$share/g", "$share/g/", "$share//a", "$share/+/a", "a/b+/c"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!gmq__filter_ok(gmq__span_str(good[i])))
            fail_msg("\"%s\" is refused", good[i]);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (gmq__filter_ok(gmq__span_str(bad[i])))
            fail_msg("\"%s\" is accepted", bad[i]);
    assert_false(gmq__filter_ok(gmq__span_of("a\0b", 3)));
}

static void test_valid_topics(void **state)
{
    (void)state;
    static char huge[65537];
    for (size_t i = 0; i < sizeof huge; i++)
        huge[i] = 'a';
    assert_true(gmq__filter_topic_ok(gmq__span_str("a/b")));
    assert_true(gmq__filter_topic_ok(gmq__span_of(huge, 65535)));
    assert_false(gmq__filter_topic_ok(gmq__span_of(huge, 65536)));
    assert_false(gmq__filter_topic_ok(gmq__span_str("")));
    assert_false(gmq__filter_topic_ok(gmq__span_str("a/+")));
    assert_false(gmq__filter_topic_ok(gmq__span_str("#")));
}

static void test_shared(void **state)
{
    (void)state;
    gmq__span group, rest;
    assert_true(gmq__filter_shared(gmq__span_str("$share/workers/a/+/b"), &group, &rest));
    assert_true(gmq__span_equal_str(group, "workers"));
    assert_true(gmq__span_equal_str(rest, "a/+/b"));
    assert_false(gmq__filter_shared(gmq__span_str("share/workers/a"), &group, &rest));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_match),
        cmocka_unit_test(test_valid_filters),
        cmocka_unit_test(test_valid_topics),
        cmocka_unit_test(test_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
