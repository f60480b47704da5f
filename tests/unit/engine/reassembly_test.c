#include "engine/reassembly.h"

#include <string.h>

#include "base/prng.h"
#include "cmocka_all.h"

static gmq__reassembly r;

static gmq__reassembly_verdict put(const char *text, uint32_t position, uint32_t npackets,
                                   size_t limit, gmq_buf **buf, gmq__span *message)
{
    gmq_buf *in = gmq__buf_copy(gmq__span_str(text));
    gmq__order_packet p = {in, gmq__buf_span(in), position, npackets};
    gmq__reassembly_verdict verdict = gmq__reassembly_put(&r, &p, limit, buf, message);
    gmq_buf_unref(in);
    return verdict;
}

static void one_packet_is_passed_on_without_a_copy(void **state)
{
    (void)state;
    gmq_buf *in = gmq__buf_copy(gmq__span_str("hello")), *buf;
    gmq__span message;
    for (uint32_t npackets = 0; npackets < 2;
         npackets++) { /* 0 counts as 1, the position does not matter */
        gmq__order_packet p = {in, gmq__buf_span(in), npackets * 5, npackets};
        assert_int_equal(gmq__reassembly_put(&r, &p, 100, &buf, &message), GMQ__REASSEMBLY_WHOLE);
        assert_ptr_equal(buf, in);
        assert_true(gmq__span_equal_str(message, "hello"));
        gmq_buf_unref(buf);
    }
    assert_int_equal(gmq__reassembly_bytes(&r), 0);
    gmq_buf_unref(in);
}

static void slices_in_any_order(void **state)
{
    (void)state;
    gmq__prng prng = {7};
    static const char *const slices[] = {"he", "ll", "o ", "wo", "rl", "d"};
    for (int round = 0; round < 500; round++) {
        uint32_t order[6] = {0, 1, 2, 3, 4, 5};
        gmq_buf *buf = NULL;
        gmq__span message;
        for (uint32_t at = 5; at; at--) {
            uint32_t other = (uint32_t)gmq__prng_below(&prng, at + 1), kept = order[at];
            order[at] = order[other];
            order[other] = kept;
        }
        for (int at = 0; at < 6; at++) {
            gmq__reassembly_verdict verdict =
                put(slices[order[at]], order[at], 6, 11, &buf, &message);
            assert_int_equal(verdict, at < 5 ? GMQ__REASSEMBLY_MORE : GMQ__REASSEMBLY_WHOLE);
        }
        assert_true(gmq__span_equal_str(message, "hello world"));
        gmq_buf_unref(buf);
        assert_int_equal(gmq__reassembly_bytes(&r), 0);
    }
}

static void repeated_positions_are_ignored(void **state)
{
    (void)state;
    gmq_buf *buf;
    gmq__span message;
    assert_int_equal(put("ab", 0, 3, 100, &buf, &message), GMQ__REASSEMBLY_MORE);
    assert_int_equal(put("XX", 0, 3, 100, &buf, &message), GMQ__REASSEMBLY_REPEATED);
    assert_int_equal(put("ef", 2, 3, 100, &buf, &message), GMQ__REASSEMBLY_MORE);
    assert_int_equal(put("YY", 2, 3, 100, &buf, &message),
                     GMQ__REASSEMBLY_MORE); /* noticed when its turn comes */
    assert_int_equal(put("cd", 1, 3, 100, &buf, &message), GMQ__REASSEMBLY_WHOLE);
    assert_int_equal(message.len, 6);
    assert_memory_equal(message.data, "abcd", 4);
    gmq_buf_unref(buf);
}

static void a_slice_may_be_empty(void **state)
{
    (void)state;
    gmq_buf *buf;
    gmq__span message;
    assert_int_equal(put("", 1, 4, 100, &buf, &message), GMQ__REASSEMBLY_MORE);
    assert_int_equal(put("", 1, 4, 100, &buf, &message), GMQ__REASSEMBLY_MORE);
    assert_int_equal(put("", 0, 4, 100, &buf, &message), GMQ__REASSEMBLY_MORE);
    assert_int_equal(put("", 0, 4, 100, &buf, &message), GMQ__REASSEMBLY_REPEATED);
    assert_int_equal(put("ab", 3, 4, 100, &buf, &message), GMQ__REASSEMBLY_MORE);
    assert_int_equal(put("", 2, 4, 100, &buf, &message), GMQ__REASSEMBLY_WHOLE);
    assert_true(gmq__span_equal_str(message, "ab"));
    gmq_buf_unref(buf);
    for (uint32_t at = 0; at < 3; at++)
        assert_int_equal(put("", at, 3, 100, &buf, &message),
                         at < 2 ? GMQ__REASSEMBLY_MORE : GMQ__REASSEMBLY_WHOLE);
    assert_int_equal(message.len, 0);
    gmq_buf_unref(buf);
    assert_int_equal(gmq__reassembly_bytes(&r), 0);
}

static void sense(void **state)
{
    (void)state;
    gmq_buf *buf;
    gmq__span message;
    assert_int_equal(put("ab", 3, 3, 100, &buf, &message), GMQ__REASSEMBLY_MALFORMED);
    assert_int_equal(put("ab", 0, UINT32_MAX, 100, &buf, &message), GMQ__REASSEMBLY_MALFORMED);
    assert_int_equal(put("ab", 0, 3, 100, &buf, &message), GMQ__REASSEMBLY_MORE);
    assert_int_equal(put("ab", 1, 4, 100, &buf, &message), GMQ__REASSEMBLY_MALFORMED);
    assert_int_equal(put("ab", 0, 1, 100, &buf, &message), GMQ__REASSEMBLY_MALFORMED);
    gmq__reassembly_free(&r);
}

static void limit(void **state)
{
    (void)state;
    gmq_buf *buf;
    gmq__span message;
    assert_int_equal(put("123456", 0, 1, 5, &buf, &message), GMQ__REASSEMBLY_TOO_LARGE);
    assert_int_equal(put("123", 0, 2, 5, &buf, &message), GMQ__REASSEMBLY_MORE);
    assert_int_equal(put("456", 1, 2, 5, &buf, &message), GMQ__REASSEMBLY_TOO_LARGE);
    gmq__reassembly_free(&r);
    assert_int_equal(put("456", 1, 2, 5, &buf, &message),
                     GMQ__REASSEMBLY_MORE); /* held back counts too */
    assert_int_equal(put("123", 0, 2, 5, &buf, &message), GMQ__REASSEMBLY_TOO_LARGE);
    gmq__reassembly_free(&r);
    assert_int_equal(gmq__reassembly_bytes(&r), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_packet_is_passed_on_without_a_copy),
        cmocka_unit_test(slices_in_any_order),
        cmocka_unit_test(repeated_positions_are_ignored),
        cmocka_unit_test(a_slice_may_be_empty),
        cmocka_unit_test(sense),
        cmocka_unit_test(limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
