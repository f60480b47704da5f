#include "base/error.h"

#include <pthread.h>
#include <string.h>

#include "base/text.h"
#include "cmocka_all.h"

static void keeps_status_and_text(void **state)
{
    (void)state;
    assert_int_equal(gmq__fail(GMQ_E_OPTION, "option %s is %d", "x", 3), GMQ_E_OPTION);
    assert_string_equal(gmq_error_text(), "option x is 3");
    assert_int_equal(gmq__fail_nomem(), GMQ_E_NOMEM);
    assert_string_equal(gmq_error_text(), "out of memory");
    assert_int_equal(gmq_error_set(GMQ_E_URL, "100%s"), GMQ_E_URL); /* no format */
    assert_string_equal(gmq_error_text(), "100%s");
}

static void control_characters_and_bad_bytes(void **state)
{
    (void)state;
    gmq__fail(GMQ_E_INVALID, "a\nb\x7f\x01 \xff\xc3 %s", "\xc3\xbc\xe2\x82\xac");
    assert_string_equal(gmq_error_text(), "a?b?? ?? \xc3\xbc\xe2\x82\xac");
}

static void wraps_the_text_of_before(void **state)
{
    (void)state;
    gmq__fail(GMQ_E_PARSE, "inner");
    gmq__fail(GMQ_E_IO, "outer: %s", gmq_error_text());
    assert_string_equal(gmq_error_text(), "outer: inner");
}

static void long_texts_are_cut_to_valid_ones(void **state)
{
    (void)state;
    char text[2048];
    for (size_t shift = 0; shift < 3; shift++) {
        memset(text, 'a', shift);
        for (size_t i = shift; i + 3 < sizeof text; i += 3)
            memcpy(text + i, "\xe2\x82\xac", 4);
        gmq__fail(GMQ_E_INVALID, "%s", text);
        assert_int_equal(strlen(gmq_error_text()), 511);
        assert_true(gmq__utf8_valid(gmq__span_str(gmq_error_text())));
    }
}

static void *other_thread(void *arg)
{
    assert_string_equal(gmq_error_text(), "");
    gmq__fail(GMQ_E_IO, "there");
    return arg;
}

static void each_thread_has_its_own(void **state)
{
    (void)state;
    pthread_t thread;
    gmq__fail(GMQ_E_IO, "here");
    assert_int_equal(pthread_create(&thread, NULL, other_thread, NULL), 0);
    pthread_join(thread, NULL);
    assert_string_equal(gmq_error_text(), "here");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_status_and_text),
        cmocka_unit_test(control_characters_and_bad_bytes),
        cmocka_unit_test(wraps_the_text_of_before),
        cmocka_unit_test(long_texts_are_cut_to_valid_ones),
        cmocka_unit_test(each_thread_has_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
