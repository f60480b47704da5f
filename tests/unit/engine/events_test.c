#include "engine/events.h"

#include <stdlib.h>

#include "base/mem.h"
#include "cmocka_all.h"

static bool failing;

static void *failing_realloc(void *old, size_t size) { return failing ? NULL : realloc(old, size); }
static void plain_free(void *p) { free(p); }
static const gmq__mem_hooks hooks = {failing_realloc, plain_free};

static void in_order(void **state)
{
    (void)state;
    gmq__events events = {0};
    gmq__ev ev;
    uint64_t next_in = 0, next_out = 0;
    for (int round = 0; round < 50; round++) {
        for (int n = 0; n < 40 + round; n++) {
            gmq__ev in = {.kind = GMQ__EV_MESSAGE, .call = next_in++};
            assert_true(gmq__events_push(&events, &in, false));
        }
        for (int n = 0; n < 40; n++) {
            assert_true(gmq__events_pop(&events, &ev));
            assert_int_equal(ev.call, next_out++);
        }
    }
    while (gmq__events_pop(&events, &ev))
        assert_int_equal(ev.call, next_out++);
    assert_int_equal(next_out, next_in);
    gmq__events_free(&events);
}

static void a_reserved_place_needs_no_memory(void **state)
{
    (void)state;
    gmq__events events = {0};
    gmq__ev ev;
    gmq__mem_set_hooks(&hooks);
    for (int n = 0; n < 200; n++)
        assert_true(gmq__events_reserve(&events));
    failing = true;
    int others = 0;
    for (bool ok = true; ok; others += ok) {
        gmq__ev in = {.kind = GMQ__EV_MESSAGE};
        ok = gmq__events_push(&events, &in, false);
    }
    for (int n = 0; n < 200; n++) {
        gmq__ev in = {.kind = GMQ__EV_FINISHED, .call = (uint64_t)n};
        assert_true(gmq__events_push(&events, &in, true));
    }
    for (int n = 0; n < others; n++)
        assert_true(gmq__events_pop(&events, &ev));
    for (int n = 0; n < 200; n++) {
        assert_true(gmq__events_pop(&events, &ev));
        assert_int_equal(ev.kind, GMQ__EV_FINISHED);
        assert_int_equal(ev.call, n);
    }
    assert_false(gmq__events_pop(&events, &ev));
    failing = false;
    gmq__events_free(&events);
    gmq__mem_set_hooks(NULL);
}

static void sent_bytes_of_one_call_add_up(void **state)
{
    (void)state;
    gmq__events events = {0};
    gmq__ev ev;
    gmq__events_sent(&events, 1, 10);
    gmq__events_sent(&events, 1, 20);
    gmq__events_sent(&events, 2, 5);
    gmq__events_sent(&events, 1, 1);
    assert_true(gmq__events_pop(&events, &ev) && ev.call == 1 && ev.size == 30);
    assert_true(gmq__events_pop(&events, &ev) && ev.call == 2 && ev.size == 5);
    assert_true(gmq__events_pop(&events, &ev) && ev.call == 1 && ev.size == 1);
    gmq__events_free(&events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order),
        cmocka_unit_test(a_reserved_place_needs_no_memory),
        cmocka_unit_test(sent_bytes_of_one_call_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
