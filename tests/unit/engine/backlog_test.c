#include "engine/backlog.h"

#include "cmocka_all.h"

static void keeps_parts_in_order(void **state)
{
    (void)state;
    gmq__backlog backlog = {0};
    for (int i = 0; i < 20; i++) {
        char text[] = "xmessage?x";
        text[8] = (char)('a' + i);
        gmq_buf *buf = gmq__buf_copy(gmq__span_str(text));
        gmq__span whole = gmq__buf_span(buf);
        size_t expected = gmq__backlog_with(&backlog, 8);
        assert_true(gmq__backlog_add(&backlog, buf, gmq__span_of(whole.data + 1, 8)));
        assert_int_equal(backlog.bytes, expected);
        gmq_buf_unref(buf);
    }
    assert_int_equal(backlog.count, 20);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(gmq_buf_len(backlog.rows[i]), 8);
        assert_memory_equal(gmq_buf_data(backlog.rows[i]), "message", 7);
        assert_int_equal(((const char *)gmq_buf_data(backlog.rows[i]))[7], 'a' + i);
    }
    gmq__backlog_free(&backlog);
    assert_int_equal(backlog.count + backlog.bytes, 0);
}

static void empty_messages_cost_something(void **state)
{
    (void)state;
    gmq__backlog backlog = {0};
    gmq_buf *buf = gmq__buf_copy(gmq__span_str("x"));
    assert_true(gmq__backlog_add(&backlog, buf, gmq__span_of(NULL, 0)));
    assert_true(backlog.bytes > 0);
    assert_int_equal(gmq_buf_len(backlog.rows[0]), 0);
    gmq_buf_unref(buf);
    gmq__backlog_free(&backlog);
    gmq__backlog_free(&backlog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_parts_in_order),
        cmocka_unit_test(empty_messages_cost_something),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
