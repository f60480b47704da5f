#include "engine/link/sendq.h"

#include <string.h>

#include "cmocka_all.h"

static gmq_buf *filled(size_t len)
{
    uint8_t *data;
    gmq_buf *buf = gmq__buf_alloc(len, &data);
    for (size_t at = 0; at < len; at++)
        data[at] = (uint8_t)at;
    return buf;
}

static gmq__link_frame only(const gmq__bytes *out)
{
    gmq__link_frame f, none;
    gmq__span in = gmq__bytes_span(out);
    assert_int_equal(gmq__link_frame_next(&in, &f), 1);
    assert_int_equal(gmq__link_frame_next(&in, &none), 0);
    return f;
}

static void fragments_make_the_message(void **state)
{
    (void)state;
    gmq__sendq q = {0};
    gmq__sendq_taken taken;
    gmq__bytes out = {0};
    gmq_buf *message = filled(5000);
    size_t got = 0, n = 0;
    assert_true(gmq__sendq_push(&q, GMQ__LINK_MESSAGE, 0, gmq_buf_ref(message), 5000));
    assert_true(gmq__sendq_half_close(&q));
    assert_int_equal(q.len, 1); /* a flag, no frame */
    for (; q.len; n++) {
        gmq__bytes_clear(&out);
        assert_int_equal(gmq__sendq_take(&q, 9, 4000, 1500, 100000, &out, &taken),
                         GMQ__SENDQ_TAKEN);
        gmq__link_frame f = only(&out);
        assert_int_equal(f.call, 9);
        assert_int_equal(taken.cost, f.body.len + 16);
        assert_true(f.body.len <= 1500);
        assert_memory_equal(f.body.data, (const uint8_t *)gmq_buf_data(message) + got, f.body.len);
        got += f.body.len;
        assert_int_equal(taken.user, got == 5000 ? 5000 : 0);
        assert_int_equal(f.flags, got == 5000 ? GMQ__LINK_ENDS : GMQ__LINK_MORE);
    }
    assert_int_equal(got, 5000);
    assert_int_equal(n, 4);
    assert_int_equal(q.bytes, 0);
    gmq__bytes_free(&out);
    gmq_buf_unref(message);
    gmq__sendq_free(&q);
}

static void never_more_than_the_room(void **state)
{
    (void)state;
    for (size_t room = 0; room < 300; room++) {
        gmq__sendq q = {0};
        gmq__sendq_taken taken;
        gmq__bytes out = {0};
        gmq__sendq_push(&q, GMQ__LINK_MESSAGE, 0, filled(200), 200);
        gmq__sendq_verdict v = gmq__sendq_take(&q, 1, room, SIZE_MAX, 9999, &out, &taken);
        assert_true(out.len <= room);
        assert_int_equal(v, room < 205 ? GMQ__SENDQ_NO_ROOM : GMQ__SENDQ_TAKEN);
        gmq__bytes_clear(&out);
        v = gmq__sendq_take(&q, 1, room, 20, 9999, &out, &taken); /* small packets: small pieces */
        assert_true(out.len <= room);
        gmq__bytes_free(&out);
        gmq__sendq_free(&q);
    }
}

static void m22_windows_hold_messages_only(void **state)
{
    (void)state;
    gmq__sendq q = {0};
    gmq__sendq_taken taken;
    gmq__bytes out = {0};
    gmq__sendq_push(&q, GMQ__LINK_HEADERS, 0, filled(10), 0);
    gmq__sendq_push(&q, GMQ__LINK_MESSAGE, 0, NULL, 0);
    gmq__sendq_push(&q, GMQ__LINK_STATUS, 0, filled(10), 0);
    assert_int_equal(gmq__sendq_take(&q, 1, 100, 100, SIZE_MAX, &out, &taken), GMQ__SENDQ_TAKEN);
    assert_int_equal(taken.cost, 0);
    assert_int_equal(gmq__sendq_take(&q, 1, 100, 100, SIZE_MAX, &out, &taken),
                     GMQ__SENDQ_NO_CREDIT);
    assert_int_equal(gmq__sendq_take(&q, 1, 100, 100, 0, &out, &taken), GMQ__SENDQ_TAKEN);
    assert_int_equal(taken.cost, 16);
    assert_int_equal(gmq__sendq_take(&q, 1, 13, 100, 0, &out, &taken), GMQ__SENDQ_NO_ROOM);
    assert_int_equal(gmq__sendq_take(&q, 1, 14, 100, SIZE_MAX, &out, &taken), GMQ__SENDQ_TAKEN);
    assert_int_equal(gmq__sendq_take(&q, 1, 100, 100, 0, &out, &taken), GMQ__SENDQ_EMPTY);
    gmq__bytes_free(&out);
    gmq__sendq_free(&q);
}

static void a_half_close_of_its_own(void **state)
{
    (void)state;
    gmq__sendq q = {0};
    gmq__sendq_taken taken;
    gmq__bytes out = {0};
    gmq__sendq_half_close(&q);
    assert_int_equal(gmq__sendq_take(&q, 1, 100, 100, SIZE_MAX, &out, &taken), GMQ__SENDQ_TAKEN);
    assert_int_equal(only(&out).type, GMQ__LINK_HALF_CLOSE);
    gmq__bytes_free(&out);
    gmq__sendq_free(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fragments_make_the_message),
        cmocka_unit_test(never_more_than_the_room),
        cmocka_unit_test(m22_windows_hold_messages_only),
        cmocka_unit_test(a_half_close_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
