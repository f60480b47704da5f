#include "wire/topic.h"

#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"

#define SPAN(literal) gmq__span_of(literal, sizeof(literal) - 1)

static void good_bases(void **state)
{
    (void)state;
    const char *const good[] = {"a",    "fleet/device42", "a/b/c/d/e/f", "caf\xc3\xa9/\xe2\x82\xac",
                                "$x/y", "with space",     "a.b-c"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (gmq__topic_check_base(gmq__span_str(good[i])) != GMQ_OK)
            fail_msg("%s", gmq_error_text());
}

static void bad_bases(void **state)
{
    (void)state;
    const gmq__span bad[] = {
        SPAN(""),     SPAN("/"),      SPAN("/a"),     SPAN("a/"),
        SPAN("a//b"), SPAN("a/+"),    SPAN("#"),      SPAN("a+b"),
        SPAN("a\0b"), SPAN("a/\xff"), SPAN("a/\xc3"), SPAN("\xed\xa0\x80"),
        SPAN("a/b#"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (gmq__topic_check_base(bad[i]) != GMQ_E_INVALID)
            fail_msg("base %zu is taken", i);
    assert_int_equal(gmq__topic_check_base(SPAN("x//\xff\n")), GMQ_E_INVALID);
    assert_non_null(strstr(gmq_error_text(), "\"x//\\xff\\x0a\""));
}

static void longest_base(void **state)
{
    (void)state;
    char *base = malloc(65024);
    assert_non_null(base);
    memset(base, 'a', 65024);
    assert_int_equal(gmq__topic_check_base(gmq__span_of(base, 65535 - 512)), GMQ_OK);
    assert_int_equal(gmq__topic_check_base(gmq__span_of(base, 65535 - 511)), GMQ_E_INVALID);
    free(base);
}

static void good_paths(void **state)
{
    (void)state;
    const char *const good[] = {"/pkg.Svc/Method", "/S/m", "/a.b.c.D/Do-It", "/S_1/m.n"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (gmq__topic_check_path(gmq__span_str(good[i])) != GMQ_OK)
            fail_msg("%s", gmq_error_text());
}

static void bad_paths(void **state)
{
    (void)state;
    const gmq__span bad[] = {
        SPAN(""),         SPAN("/"),       SPAN("//"),     SPAN("/a"),     SPAN("/a/"),
        SPAN("//m"),      SPAN("a/b"),     SPAN("/a/b/c"), SPAN("/a/b/"),  SPAN("/a/+"),
        SPAN("/a#/b"),    SPAN("/a/b\0"),  SPAN("/a/b\n"), SPAN("/a-b/c"), SPAN("/a/\xff"),
        SPAN("/a/b\x7f"), SPAN("/\xc3/b"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (gmq__topic_check_path(bad[i]) != GMQ_E_INVALID)
            fail_msg("path %zu is taken", i);
    assert_int_equal(gmq__topic_check_path(SPAN("/a/b#")), GMQ_E_INVALID);
    assert_non_null(strstr(gmq_error_text(), "\"/a/b#\""));
}

/* The longest base and the longest path make a topic that MQTT still carries. */
static void longest_topic(void **state)
{
    (void)state;
    char base[65535 - 512], path[475];
    memset(base, 'a', sizeof base);
    memset(path, 'p', sizeof path);
    path[0] = path[10] = '/';
    assert_int_equal(gmq__topic_check_path(gmq__span_of(path, 474)), GMQ_OK);
    assert_int_equal(gmq__topic_check_path(gmq__span_of(path, 475)), GMQ_E_INVALID);
    gmq__bytes out = {0};
    gmq__topic_request(&out, gmq__span_of(base, sizeof base), SPAN("123456789012345678901234"),
                       gmq__span_of(path, 474));
    assert_false(out.failed);
    assert_int_equal(out.len, 65535);
    gmq__bytes_free(&out);
}

static void session_ids(void **state)
{
    (void)state;
    char sid[GMQ__SID_LEN + 1];
    uint8_t random[18];
    for (size_t i = 0; i < sizeof random; i++)
        random[i] = (uint8_t)(i * 7 + 1);
    gmq__sid_encode(random, sid);
    assert_string_equal(sid, "AQgPFh0kKzI5QEdOVVxjanF4");
    memset(random, 0xff, sizeof random);
    gmq__sid_encode(random, sid);
    assert_string_equal(sid, "________________________");
    memset(random, 0xfb, sizeof random);
    gmq__sid_encode(random, sid);
    assert_string_equal(sid, "-_v7-_v7-_v7-_v7-_v7-_v7");
}

static void expect(gmq__bytes *out, const char *want)
{
    gmq__bytes_put_u8(out, 0);
    assert_false(out->failed);
    assert_string_equal((const char *)out->data, want);
    gmq__bytes_free(out);
}

static void building(void **state)
{
    (void)state;
    gmq__span base = SPAN("fleet/d"), sid = SPAN("SID");
    gmq__bytes out = {0};
    gmq__topic_request(&out, base, sid, SPAN("/pkg.sub.Svc/Do.It"));
    expect(&out, "fleet/d/grpc/request/SID/pkg-sub-Svc/Do.It");
    gmq__topic_session(&out, base, sid);
    expect(&out, "fleet/d/grpc/session/SID");
    gmq__topic_control(&out, base, sid);
    expect(&out, "fleet/d/grpc/session/SID/control");
    gmq__topic_request_filter(&out, base);
    expect(&out, "fleet/d/grpc/request/+/+/+");
    gmq__topic_control_filter(&out, base);
    expect(&out, "fleet/d/grpc/session/+/control");
}

static void parsing(void **state)
{
    (void)state;
    gmq__span base = SPAN("a/b");
    gmq__topic_parts p = gmq__topic_parse(base, SPAN("a/b/grpc/request/S/pkg-Svc/Rpc"));
    assert_int_equal(p.kind, GMQ__TOPIC_REQUEST);
    assert_true(gmq__span_equal_str(p.sid, "S") && gmq__span_equal_str(p.service, "pkg-Svc"));
    gmq__bytes out = {0};
    gmq__topic_path(&out, &p);
    expect(&out, "/pkg.Svc/Rpc");
    p = gmq__topic_parse(base, SPAN("a/b/grpc/request/S/pkg.Svc/R-pc"));
    gmq__topic_path(&out, &p);
    expect(&out, "/pkg.Svc/R-pc");
    p = gmq__topic_parse(base, SPAN("a/b/grpc/session/S"));
    assert_true(p.kind == GMQ__TOPIC_SESSION && gmq__span_equal_str(p.sid, "S"));
    p = gmq__topic_parse(base, SPAN("a/b/grpc/session/S/control"));
    assert_true(p.kind == GMQ__TOPIC_CONTROL && gmq__span_equal_str(p.sid, "S"));
}

static void parsing_others(void **state)
{
    (void)state;
    const gmq__span others[] = {
        SPAN(""),
        SPAN("a"),
        SPAN("a/b"),
        SPAN("a/b/grpc"),
        SPAN("a/b/grpc/request"),
        SPAN("a/b/grpc/request/"),
        SPAN("a/b/grpc/request/S"),
        SPAN("a/b/grpc/request/S/svc"),
        SPAN("a/b/grpc/request/S/svc/"),
        SPAN("a/b/grpc/request/S/svc/m/"),
        SPAN("a/b/grpc/request/S/svc/m/x"),
        SPAN("a/b/grpc/request//svc/m"),
        SPAN("a/b/grpc/request/S//m"),
        SPAN("a/b/grpc/session/"),
        SPAN("a/b/grpc/session/S/"),
        SPAN("a/b/grpc/session//control"),
        SPAN("a/b/grpc/session/S/controls"),
        SPAN("a/b/grpc/session/S/control/"),
        SPAN("a/bb/grpc/session/S"),
        SPAN("a/c/grpc/session/S"),
        SPAN("x/a/b/grpc/session/S"),
        SPAN("a/b/grpc/other/S"),
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        gmq__topic_parts p = gmq__topic_parse(SPAN("a/b"), others[i]);
        if (p.kind != GMQ__TOPIC_OTHER || p.sid.len || p.service.len || p.rpc.len)
            fail_msg("%.*s is taken", (int)others[i].len, (const char *)others[i].data);
    }
}

/* Spans without an address. */
static void nothing_at_all(void **state)
{
    (void)state;
    const gmq__span none = {0};
    gmq__bytes out = {0};
    assert_int_equal(gmq__topic_check_base(none), GMQ_E_INVALID);
    assert_int_equal(gmq__topic_check_path(none), GMQ_E_INVALID);
    assert_int_equal(gmq__topic_parse(none, none).kind, GMQ__TOPIC_OTHER);
    assert_true(gmq__topic_matches(none, none));
    assert_true(gmq__topic_matches(SPAN("#"), none));
    assert_false(gmq__topic_matches(none, SPAN("a")));
    gmq__topic_request(&out, none, none, none);
    expect(&out, "/grpc/request/");
}

static void matching(void **state)
{
    (void)state;
    const struct {
        const char *filter, *topic;
        bool matches;
    } rows[] = {
        {"a/b", "a/b", true},
        {"a/b", "a/c", false},
        {"a/b", "a/b/c", false},
        {"a/b/c", "a/b", false},
        {"a/+", "a/b", true},
        {"a/+", "a/", true},
        {"a/+", "a", false},
        {"a/+", "a/b/c", false},
        {"+/b", "a/b", true},
        {"+", "a", true},
        {"+", "a/b", false},
        {"+/+", "/a", true},
        {"#", "a/b/c", true},
        {"#", "", true},
        {"a/#", "a/b/c", true},
        {"a/#", "a", true},
        {"a/#", "b", false},
        {"a/#", "ab", false},
        {"a/+/#", "a/b", true},
        {"a/+/#", "a", false},
        {"#", "$SYS/x", false},
        {"+/x", "$SYS/x", false},
        {"$SYS/#", "$SYS/x", true},
        {"$SYS/+", "$SYS/x", true},
        {"a//b", "a//b", true},
        {"a/+/b", "a//b", true},
        {"/a", "a", false},
        {"a", "a/", false},
        {"b/grpc/session/+/control", "b/grpc/session/S/control", true},
        {"b/grpc/session/+/control", "b/grpc/session/S", false},
        {"b/grpc/request/+/+/+", "b/grpc/request/S/v/m", true},
        {"b/grpc/request/+/+/+", "b/grpc/request/S/v", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (gmq__topic_matches(gmq__span_str(rows[i].filter), gmq__span_str(rows[i].topic)) !=
            rows[i].matches)
            fail_msg("%s against %s", rows[i].filter, rows[i].topic);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_bases),     cmocka_unit_test(bad_bases),
        cmocka_unit_test(longest_base),   cmocka_unit_test(good_paths),
        cmocka_unit_test(bad_paths),      cmocka_unit_test(longest_topic),
        cmocka_unit_test(session_ids),    cmocka_unit_test(building),
        cmocka_unit_test(parsing),        cmocka_unit_test(parsing_others),
        cmocka_unit_test(nothing_at_all), cmocka_unit_test(matching),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
