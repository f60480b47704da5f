#include "engine/outbox.h"

#include <string.h>

#include "cmocka_all.h"
#include "wire/packet.h"

static void push(gmq__outbox *outbox, const char *text, size_t user, bool front)
{
    gmq__bytes data = {0};
    gmq__bytes_put_str(&data, text);
    assert_true(front ? gmq__outbox_push_front(outbox, &data, user)
                      : gmq__outbox_push(outbox, &data, user));
    assert_null(data.data); /* taken over */
}

static void expect(gmq__outbox *outbox, size_t slice, const char *text, uint32_t position,
                   uint32_t npackets, size_t user_done)
{
    gmq__bytes out = {0};
    gmq__packet packet;
    size_t user;
    gmq__outbox_packet(outbox, slice, &out, &user);
    assert_int_equal(gmq__packet_decode(gmq__bytes_span(&out), &packet), GMQ_OK);
    assert_true(gmq__span_equal_str(packet.payload, text));
    assert_int_equal(packet.position, position);
    assert_int_equal(packet.npackets, npackets);
    assert_int_equal(user, user_done);
    gmq__bytes_free(&out);
}

static void slices(void **state)
{
    (void)state;
    gmq__outbox outbox = {0};
    push(&outbox, "abcdefg", 5, false);
    push(&outbox, "", 0, false);
    push(&outbox, "xyz", 3, false);
    expect(&outbox, 3, "abc", 0, 3, 0);
    expect(&outbox, 100, "def", 1, 3, 0); /* a message keeps the slice length with which it began */
    expect(&outbox, 100, "g", 2, 3, 5);
    expect(&outbox, 3, "", 0, 1, 0);
    expect(&outbox, 3, "xyz", 0, 1, 3);
    assert_int_equal(outbox.len, 0);
    assert_int_equal(gmq__outbox_free(&outbox), 0);
}

static void front_and_growth(void **state)
{
    (void)state;
    gmq__outbox outbox = {0};
    char text[2] = "a";
    for (int at = 0; at < 20; at++, text[0]++)
        push(&outbox, text, 1, at % 2);
    text[0] = 't'; /* the odd ones, last one first */
    for (int at = 0; at < 10; at++, text[0] = (char)(text[0] - 2))
        expect(&outbox, 10, text, 0, 1, 1);
    text[0] = 'a';
    for (int at = 0; at < 10; at++, text[0] = (char)(text[0] + 2))
        expect(&outbox, 10, text, 0, 1, 1);
    gmq__outbox_free(&outbox);
}

static void dropping_keeps_what_has_begun(void **state)
{
    (void)state;
    gmq__outbox outbox = {0};
    push(&outbox, "abcdef", 6, false);
    push(&outbox, "second", 7, false);
    push(&outbox, "third", 8, false);
    expect(&outbox, 3, "abc", 0, 2, 0);
    assert_int_equal(gmq__outbox_drop_unbegun(&outbox), 15);
    expect(&outbox, 3, "def", 1, 2, 6);
    push(&outbox, "more", 4, false);
    assert_int_equal(gmq__outbox_drop_unbegun(&outbox), 4); /* it had not begun */
    push(&outbox, "abcdef", 6, false);
    expect(&outbox, 3, "abc", 0, 2, 0);
    assert_int_equal(gmq__outbox_drop_first(&outbox), 6);
    push(&outbox, "new", 3, false);
    expect(&outbox, 3, "new", 0, 1, 3); /* begins at its own position 0 */
    push(&outbox, "rest", 9, false);
    assert_int_equal(gmq__outbox_free(&outbox), 9);
}

static void failed_bytes_are_refused(void **state)
{
    (void)state;
    gmq__outbox outbox = {0};
    gmq__bytes data = {0};
    gmq__bytes_put_str(&data, "x");
    data.failed = true;
    assert_false(gmq__outbox_push(&outbox, &data, 1));
    assert_null(data.data);
    assert_int_equal(outbox.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slices),
        cmocka_unit_test(front_and_growth),
        cmocka_unit_test(dropping_keeps_what_has_begun),
        cmocka_unit_test(failed_bytes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
