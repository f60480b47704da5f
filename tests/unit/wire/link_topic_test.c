#include "wire/link_topic.h"

#include <string.h>

#include "cmocka_all.h"
#include "wire/topic.h"

static gmq__span str(const char *s) { return gmq__span_str(s); }

static void m1_names_are_one_plain_level(void **state)
{
    (void)state;
    char longest[66];
    memset(longest, 'x', sizeof longest);
    assert_true(gmq__link_name_valid(str("Az09_.-")));
    assert_true(gmq__link_name_valid(gmq__span_of(longest, 64)));
    assert_false(gmq__link_name_valid(gmq__span_of(longest, 65)));
    static const char *const bad[] = {"", "a/b", "+", "#", "a b", "\xc3\xa9", "a$"};
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++)
        assert_false(gmq__link_name_valid(str(bad[at])));
}

static void what_is_built_is_parsed(void **state)
{
    (void)state;
    gmq__bytes out = {0};
    gmq__span base = str("a/b");
    gmq__link_topic_pinned(&out, base, str("c1"), str("s1"));
    assert_true(gmq__span_equal_str(gmq__bytes_span(&out), "a/b/grpc/link/c1/s1"));
    gmq__link_topic t = gmq__link_topic_parse(base, gmq__bytes_span(&out));
    assert_int_equal(t.kind, GMQ__LINK_TOPIC_PINNED);
    assert_true(gmq__span_equal_str(t.client, "c1") && gmq__span_equal_str(t.server, "s1"));
    gmq__bytes_clear(&out);
    gmq__link_topic_presence(&out, base, str("s1"));
    assert_true(gmq__span_equal_str(gmq__bytes_span(&out), "a/b/grpc/server/s1"));
    t = gmq__link_topic_parse(base, gmq__bytes_span(&out));
    assert_int_equal(t.kind, GMQ__LINK_TOPIC_PRESENCE);
    assert_true(gmq__span_equal_str(t.server, "s1"));
    gmq__bytes_clear(&out);
    gmq__link_topic_gone(&out, base, str("c1"));
    assert_true(gmq__span_equal_str(gmq__bytes_span(&out), "a/b/grpc/gone/c1"));
    t = gmq__link_topic_parse(base, gmq__bytes_span(&out));
    assert_int_equal(t.kind, GMQ__LINK_TOPIC_GONE);
    gmq__bytes_clear(&out);
    gmq__link_topic_opening(&out, base, str("c1"));
    t = gmq__link_topic_parse(base, gmq__bytes_span(&out));
    assert_int_equal(t.kind, GMQ__LINK_TOPIC_OPENING);
    gmq__bytes_clear(&out);
    gmq__link_topic_inbox(&out, str("grpc/inbox"), str("c1"));
    assert_true(gmq__span_equal_str(gmq__bytes_span(&out), "grpc/inbox/c1"));
    gmq__bytes_free(&out);
}

static void filters(void **state)
{
    (void)state;
    gmq__bytes out = {0};
    gmq__link_topic_opening_filter(&out, str("a"), str(""));
    assert_true(gmq__span_equal_str(gmq__bytes_span(&out), "a/grpc/link/+"));
    assert_true(gmq__topic_matches(gmq__bytes_span(&out), str("a/grpc/link/c")));
    assert_false(gmq__topic_matches(gmq__bytes_span(&out), str("a/grpc/link/c/s")));
    gmq__bytes_clear(&out);
    gmq__link_topic_opening_filter(&out, str("a"), str("g"));
    assert_true(gmq__span_equal_str(gmq__bytes_span(&out), "$share/g/a/grpc/link/+"));
    gmq__bytes_free(&out);
}

static void strange_topics_are_none_of_ours(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "a",
        "a/grpc/link/",
        "a/grpc/link/c/",
        "a/grpc/link//s",
        "a/grpc/link/c/s/x",
        "a/grpc/server/",
        "a/grpc/server/s/t",
        "a/grpc/gone/+",
        "a/grpc/session/x",
        "ab/grpc/link/c",
    };
    for (size_t at = 0; at < sizeof bad / sizeof *bad; at++)
        assert_int_equal(gmq__link_topic_parse(str("a"), str(bad[at])).kind, GMQ__LINK_TOPIC_OTHER);
}

static void m2_an_inbox_is_allowed_by_pattern_and_name(void **state)
{
    (void)state;
    gmq__span pattern = str("grpc/inbox/+"), c = str("c1");
    assert_true(gmq__link_inbox_allowed(pattern, str("grpc/inbox/c1"), c));
    assert_false(gmq__link_inbox_allowed(pattern, str("grpc/inbox/c2"), c));
    assert_false(gmq__link_inbox_allowed(pattern, str("grpc/inboxx/c1"), c));
    assert_false(gmq__link_inbox_allowed(pattern, str("grpc/inbox/xc1"), c));
    assert_false(gmq__link_inbox_allowed(pattern, str("c1"), c));
    assert_false(gmq__link_inbox_allowed(str("#"), str("+/c1"), c));
    assert_false(gmq__link_inbox_allowed(str("#"), str("x/\xff/c1"), c));
    assert_false(gmq__link_inbox_allowed(str("#"), str("x/+"), str("+")));
    assert_true(gmq__link_inbox_allowed(str("own/#"), str("own/a/b/c1"), c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(m1_names_are_one_plain_level),
        cmocka_unit_test(what_is_built_is_parsed),
        cmocka_unit_test(filters),
        cmocka_unit_test(strange_topics_are_none_of_ours),
        cmocka_unit_test(m2_an_inbox_is_allowed_by_pattern_and_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
