#include "base/text.h"

#include <string.h>

#include "base/prng.h"
#include "cmocka_all.h"

/* Encodes every code point by the book: exactly the ones outside the surrogates are characters. */
static void every_code_point(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x110400; c++) {
        uint8_t b[4] = {(uint8_t)c, 0, 0, 0};
        size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
        for (size_t i = len; len > 1 && i-- > 0;)
            b[i] = (uint8_t)(i ? 0x80 | (c >> 6 * (len - 1 - i) & 0x3f)
                               : lead[len] | c >> 6 * (len - 1));
        bool good = c < 0xd800 || (c > 0xdfff && c < 0x110000);
        if (gmq__utf8_char(gmq__span_of(b, len)) != (good ? len : 0))
            fail_msg("U+%04X", (unsigned)c);
        if (len > 1 && gmq__utf8_char(gmq__span_of(b, len - 1)) != 0)
            fail_msg("U+%04X cut", (unsigned)c);
    }
}

static void no_characters(void **state)
{
    (void)state;
    const char *const bad[] = {"\x80",
                               "\xbf",
                               "\xc0\x80",
                               "\xc1\xbf",
                               "\xe0\x9f\xbf",
                               "\xf0\x8f\xbf\xbf",
                               "\xf5\x80\x80\x80",
                               "\xff",
                               "\xc3z",
                               "\xe2\x82z",
                               "\xf0\x9f\x98z"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(gmq__utf8_char(gmq__span_str(bad[i])), 0);
    assert_int_equal(gmq__utf8_char(gmq__span_of(NULL, 0)), 0);
}

static void whole_texts(void **state)
{
    (void)state;
    assert_true(gmq__utf8_valid(gmq__span_of(NULL, 0)));
    assert_true(gmq__utf8_valid(gmq__span_of("a\0\xc3\xbc", 4)));
    assert_false(gmq__utf8_valid(gmq__span_str("abc\xc3")));
    assert_false(gmq__utf8_valid(gmq__span_str("\xff"
                                               "abc")));
}

static void showing(void **state)
{
    (void)state;
    assert_string_equal(gmq__show(gmq__span_of(NULL, 0)).text, "");
    assert_string_equal(gmq__show(gmq__span_of("a\0b\n\x7f\xff\xc3\xbc", 8)).text,
                        "a\\x00b\\x0a\\x7f\\xff\xc3\xbc");
    char many[300];
    memset(many, 'a', sizeof many);
    gmq__shown shown = gmq__show(gmq__span_of(many, sizeof many));
    assert_int_equal(strlen(shown.text), sizeof shown.text - 1);
    assert_string_equal(shown.text + strlen(shown.text) - 4, "a...");
    gmq__prng rng = {2};
    for (int i = 0; i < 2000; i++) {
        for (size_t k = 0; k < sizeof many; k++)
            many[k] = (char)gmq__prng_next(&rng);
        shown = gmq__show(gmq__span_of(many, gmq__prng_below(&rng, sizeof many)));
        assert_true(strlen(shown.text) < sizeof shown.text);
        assert_true(gmq__utf8_valid(gmq__span_str(shown.text)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_point),
        cmocka_unit_test(no_characters),
        cmocka_unit_test(whole_texts),
        cmocka_unit_test(showing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
