/* drive=caller: the connection works inside poll and wait, on no thread of its own. */
#include "unit/runtime/rig_util.h"

#include <poll.h>

#define CALLER "?drive=caller"

/* Both ends on one queue, driven by this thread alone. */
typedef struct both {
    rig r;
    gmq_queue *queue;
} both;

static void open_both(both *b)
{
    char url[256];
    memset(b, 0, sizeof *b);
    snprintf(b->r.broker, sizeof b->r.broker, "caller-%p", (void *)b);
    rig_url(&b->r, CALLER, url);
    b->r.map = rig_map();
    ok(gmq_queue_new(&b->queue));
    ok(gmq_server_new(&b->r.server, url, NULL, b->r.map, b->queue, SERVER_TAG));
    rig_until_state(b->queue, GMQ_STATE_READY);
    ok(gmq_client_new(&b->r.client, url, NULL, NULL, b->queue, CLIENT_TAG));
    rig_until_state(b->queue, GMQ_STATE_READY);
}

static void until_closed(gmq_queue *queue)
{
    for (bool more = true; more;) {
        gmq_event *event = rig_next(queue);
        more = gmq_event_type_of(event) != GMQ_EVENT_CLOSED;
        gmq_event_free(event);
    }
}

static void close_both(both *b)
{
    gmq_client_close(b->r.client, 0);
    until_closed(b->queue);
    gmq_server_close(b->r.server, 0);
    until_closed(b->queue);
    gmq_client_unref(b->r.client);
    gmq_server_unref(b->r.server);
    gmq_method_map_free(b->r.map);
    gmq_queue_unref(b->queue);
}

/* Takes one event as an event loop does: sleeps on the descriptor for as long as the queue says. */
static gmq_event *next_by_descriptor(gmq_queue *queue)
{
    for (int tries = 0; tries < 100000; tries++) {
        gmq_event *event = NULL;
        size_t count = 0;
        struct pollfd fd = {.fd = gmq_queue_fd(queue), .events = POLLIN};
        int64_t timeout = gmq_queue_timeout_ms(queue);
        assert_true(poll(&fd, 1, timeout < 0 || timeout > 60000 ? 60000 : (int)timeout) >= 0);
        ok(gmq_queue_poll(queue, &event, 1, &count));
        if (count)
            return event;
    }
    fail_msg("no event");
    return NULL;
}

static void unary(both *b, gmq_event *(*next)(gmq_queue *))
{
    gmq_call *call = NULL, *served = NULL;
    ok(gmq_call_start_with(&call, b->r.client, UNARY, GMQ_RPC_UNARY, NULL, 20000, NULL, 7, "x", 1,
                           1));
    for (bool client = false, server = false; !client || !server;) {
        gmq_event *event = next(b->queue);
        int32_t type = gmq_event_type_of(event);
        if (type == GMQ_EVENT_CALL) {
            served = gmq_event_take_call(event);
            gmq_call_set_tag(served, 8);
            ok(gmq_call_send(served, "y", 1));
            ok(gmq_call_finish(served, 0, NULL, NULL));
        }
        if (type == GMQ_EVENT_FINISHED) {
            assert_int_equal(gmq_event_code(event), GMQ_CODE_OK);
            client = client || gmq_event_tag(event) == 7;
            server = server || gmq_event_tag(event) == 8;
        }
        gmq_event_free(event);
    }
    gmq_call_unref(call);
    gmq_call_unref(served);
}

static void unary_on_one_thread_test(void **state)
{
    (void)state;
    both b;
    open_both(&b);
    for (int i = 0; i < 20; i++)
        unary(&b, rig_next);
    close_both(&b);
}

static void unary_by_descriptor_test(void **state)
{
    (void)state;
    both b;
    open_both(&b);
    for (int i = 0; i < 20; i++)
        unary(&b, next_by_descriptor);
    close_both(&b);
}

static void descriptor_shows_work_test(void **state)
{
    (void)state;
    both b;
    gmq_call *call;
    gmq_event *event;
    size_t count = 1;
    open_both(&b);
    struct pollfd fd = {.fd = gmq_queue_fd(b.queue), .events = POLLIN};
    while (count) { /* what is left of the start */
        ok(gmq_queue_poll(b.queue, &event, 1, &count));
        if (count)
            gmq_event_free(event);
    }
    ok(gmq_call_start(&call, b.r.client, BIDI, GMQ_RPC_BIDI_STREAMING, NULL, -1, NULL, 7));
    assert_int_equal(poll(&fd, 1, 0), 1);
    assert_int_equal(gmq_queue_timeout_ms(b.queue), 0);
    gmq_call_unref(call);
    close_both(&b);
}

static void deadline_without_descriptor_test(void **state)
{
    (void)state;
    both b;
    gmq_call *call;
    open_both(&b);
    ok(gmq_call_start(&call, b.r.client, UNARY, GMQ_RPC_UNARY, NULL, 20, NULL, 7));
    rig_expect_finished(b.queue, 7, GMQ_CODE_DEADLINE_EXCEEDED, ""); /* the wait wakes by itself */
    gmq_call_unref(call);
    close_both(&b);
}

static void last_queue_handle_ends_everything_test(void **state)
{
    (void)state;
    both b;
    gmq_call *call;
    open_both(&b);
    ok(gmq_call_start(&call, b.r.client, BIDI, GMQ_RPC_BIDI_STREAMING, NULL, -1, NULL, 7));
    rig_skip(b.queue, GMQ_EVENT_CALL);
    gmq_queue_unref(b.queue); /* nobody can pump any more */
    assert_int_equal(gmq_call_send(call, "x", 1), GMQ_E_CLOSED);
    assert_int_equal(gmq_client_state(b.r.client), GMQ_STATE_SHUTDOWN);
    gmq_call_unref(call);
    gmq_client_unref(b.r.client);
    gmq_server_unref(b.r.server);
    gmq_method_map_free(b.r.map);
}

static void caller_against_thread_test(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, "", CALLER);
    for (int i = 0; i < 20; i++) {
        gmq_call *call;
        ok(gmq_call_start_with(&call, r.client, UNARY, GMQ_RPC_UNARY, NULL, -1, NULL, 7, "x", 1,
                               1));
        gmq_event *event = rig_pumped_call(&r);
        gmq_call *served = gmq_event_take_call(event);
        gmq_event_free(event);
        ok(gmq_call_read(served, 1));
        ok(gmq_call_send(served, "y", 1));
        ok(gmq_call_finish(served, GMQ_CODE_OK, NULL, NULL));
        rig_expect_message(r.client_queue, "y");
        rig_expect_finished(r.client_queue, 7, GMQ_CODE_OK, "");
        rig_expect_message(r.server_queue, "x");
        rig_skip(r.server_queue, GMQ_EVENT_HALF_CLOSED);
        rig_skip(r.server_queue, GMQ_EVENT_FINISHED);
        gmq_call_unref(call);
        gmq_call_unref(served);
    }
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unary_on_one_thread_test),
        cmocka_unit_test(unary_by_descriptor_test),
        cmocka_unit_test(descriptor_shows_work_test),
        cmocka_unit_test(deadline_without_descriptor_test),
        cmocka_unit_test(last_queue_handle_ends_everything_test),
        cmocka_unit_test(caller_against_thread_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
