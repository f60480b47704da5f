/* Connections: what comes before the first, what is lost with one, what comes after. */
#include "unit/runtime/rig_util.h"

#define QUICK "?reconnect_max_ms=1"

static gmq__loopback_broker *broker_of(rig *r)
{
    gmq__loopback_broker *broker = gmq__loopback_broker_get(r->broker);
    assert_non_null(broker);
    return broker;
}

static void refuse(gmq__loopback_broker *broker, bool yes)
{
    gmq__loopback_faults faults = {.refuse = yes};
    gmq__loopback_broker_faults(broker, &faults);
}

/* A rig whose broker refuses connections. */
static gmq__loopback_broker *open_refused(rig *r, const char *query)
{
    memset(r, 0, sizeof *r);
    snprintf(r->broker, sizeof r->broker, "refusing-%p", (void *)r);
    gmq__loopback_broker *broker = broker_of(r);
    refuse(broker, true);
    rig_open_client(r, query);
    return broker;
}

/* Answers `calls` calls, however their events mix, and sees them end. */
static void serve(rig *r, size_t calls, const char *answer)
{
    for (size_t ended = 0; ended < calls;) {
        gmq_event *event = rig_next(r->server_queue);
        gmq_call *served = gmq_event_take_call(event);
        ended += gmq_event_type_of(event) == GMQ_EVENT_FINISHED;
        gmq_event_free(event);
        if (!served)
            continue;
        ok(gmq_call_send(served, answer, strlen(answer)));
        ok(gmq_call_finish(served, GMQ_CODE_OK, NULL, NULL));
        gmq_call_unref(served);
    }
}

/* Sees `calls` of start_unary() end well, and lets go of them. */
static void collect(rig *r, size_t calls)
{
    size_t messages = 0;
    for (size_t ended = 0; ended < calls;) {
        gmq_event *event = rig_next(r->client_queue);
        messages += gmq_event_type_of(event) == GMQ_EVENT_MESSAGE;
        if (gmq_event_type_of(event) == GMQ_EVENT_FINISHED) {
            assert_int_equal(gmq_event_code(event), GMQ_CODE_OK);
            gmq_call_unref(gmq_event_call(event));
            ended++;
        }
        gmq_event_free(event);
    }
    assert_int_equal(messages, calls);
}

static void start_unary(rig *r, int64_t timeout_ms, const gmq_options *options, uint64_t tag)
{
    gmq_call *call; /* let go of by end_unary() or collect() */
    ok(gmq_call_start_with(&call, r->client, UNARY, GMQ_RPC_UNARY, NULL, timeout_ms, options, tag,
                           "x", 1, 1));
}

/* FINISHED of start_unary(), and its handle. */
static void end_unary(rig *r, uint64_t tag, int32_t code, const char *details)
{
    gmq_event *event = rig_expect(r->client_queue, GMQ_EVENT_FINISHED);
    assert_int_equal(gmq_event_tag(event), tag);
    if (gmq_event_code(event) != code)
        print_error("%d: %s\n", gmq_event_code(event), gmq_event_text(event));
    assert_int_equal(gmq_event_code(event), code);
    assert_non_null(strstr(gmq_event_text(event), details));
    gmq_call_unref(gmq_event_call(event));
    gmq_event_free(event);
}

static void first_calls_wait_for_the_connection_test(void **state)
{
    (void)state;
    rig r = {0};
    rig_open_server(&r, "");
    rig_open_client(&r, "");
    for (int i = 0; i < 3; i++) /* started before anything can be connected */
        start_unary(&r, -1, NULL, 7);
    serve(&r, 3, "ok");
    collect(&r, 3);
    rig_close(&r);
}

static void refused_connection_fails_fast_test(void **state)
{
    (void)state;
    rig r;
    gmq__loopback_broker *broker = open_refused(&r, "");
    start_unary(&r, -1, NULL, 7); /* perhaps before the refusal, perhaps after it */
    end_unary(&r, 7, GMQ_CODE_UNAVAILABLE, r.broker);
    start_unary(&r, -1, NULL, 8);
    end_unary(&r, 8, GMQ_CODE_UNAVAILABLE, r.broker);
    rig_close(&r);
    gmq__loopback_broker_release(broker);
}

static void states_of_a_refused_connection_test(void **state)
{
    (void)state;
    rig r;
    gmq__loopback_broker *broker = open_refused(&r, QUICK);
    rig_until_state(r.client_queue, GMQ_STATE_CONNECTING);
    rig_until_state(r.client_queue, GMQ_STATE_TRANSIENT_FAILURE);
    rig_until_state(r.client_queue, GMQ_STATE_CONNECTING);
    rig_until_state(r.client_queue, GMQ_STATE_TRANSIENT_FAILURE);
    refuse(broker, false);
    rig_open_server(&r, QUICK); /* without one a client of the link dialect is not ready */
    rig_until_state(r.client_queue, GMQ_STATE_READY);
    assert_int_equal(gmq_client_state(r.client), GMQ_STATE_READY);
    rig_close(&r);
    gmq__loopback_broker_release(broker);
}

static void wait_for_ready_waits_test(void **state)
{
    (void)state;
    rig r;
    gmq_options *options;
    gmq__loopback_broker *broker = open_refused(&r, QUICK);
    rig_until_state(r.client_queue, GMQ_STATE_TRANSIENT_FAILURE);
    ok(gmq_options_new(&options));
    ok(gmq_options_set_bool(options, "wait_for_ready", 1));
    start_unary(&r, -1, options, 7);
    start_unary(&r, 10, options, 8);
    end_unary(&r, 8, GMQ_CODE_DEADLINE_EXCEEDED, "");
    refuse(broker, false);
    rig_open_server(&r, QUICK);
    serve(&r, 1, "late");
    collect(&r, 1);
    gmq_options_free(options);
    rig_close(&r);
    gmq__loopback_broker_release(broker);
}

static void nobody_serves_test(void **state)
{
    (void)state;
    rig r = {0};
    rig_open_client(&r, "");
    start_unary(&r, -1, NULL, 7);
    end_unary(&r, 7, GMQ_CODE_UNAVAILABLE, "");
    rig_close(&r);
}

static void lost_connection_ends_its_calls_and_comes_back_test(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, QUICK "&dialect=session", QUICK "&dialect=session");
    gmq__loopback_broker *broker = broker_of(&r);
    gmq_call *call = rig_start(&r, BIDI, GMQ_RPC_BIDI_STREAMING, 7);
    gmq_call *served = rig_accept(&r, BIDI, 8);
    gmq__loopback_broker_cut(broker);
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_UNAVAILABLE, "");
    rig_expect_finished(r.server_queue, 8, GMQ_CODE_UNAVAILABLE, "");
    assert_int_equal(gmq_call_send(served, "x", 1), GMQ_E_CLOSED);
    rig_until_state(r.server_queue, GMQ_STATE_READY);
    rig_until_state(r.client_queue, GMQ_STATE_READY);
    start_unary(&r, -1, NULL, 9);
    serve(&r, 1, "again");
    collect(&r, 1);
    gmq_call_unref(call);
    gmq_call_unref(served);
    gmq__loopback_broker_release(broker);
    rig_close(&r);
}

static void send_buffer_says_again_then_writable_test(void **state)
{
    (void)state;
    rig r;
    gmq__loopback_broker *broker = open_refused(&r, QUICK "&send_buffer=1000&wait_for_ready=1");
    char data[400] = {0};
    gmq_call *call = rig_start(&r, UPLOAD, GMQ_RPC_CLIENT_STREAMING, 7);
    for (int i = 0; i < 3; i++)
        ok(gmq_call_send(call, data, sizeof data)); /* 800 are below 1000, 1200 above */
    for (int i = 0; i < 2; i++)
        assert_int_equal(gmq_call_send(call, data, sizeof data), GMQ_E_AGAIN);
    assert_non_null(strstr(gmq_error_text(), "1200"));
    refuse(broker, false);
    rig_open_server(&r, QUICK);
    gmq_event *event = rig_expect(r.client_queue, GMQ_EVENT_WRITABLE); /* one for two refusals */
    assert_int_equal(gmq_event_tag(event), 7);
    gmq_event_free(event);
    ok(gmq_call_send(call, data, sizeof data));
    ok(gmq_call_half_close(call));
    gmq_call *served = rig_accept(&r, UPLOAD, 8);
    for (int i = 0; i < 4; i++)
        rig_skip(r.server_queue, GMQ_EVENT_MESSAGE);
    rig_skip(r.server_queue, GMQ_EVENT_HALF_CLOSED);
    ok(gmq_call_finish(served, GMQ_CODE_ABORTED, NULL, NULL));
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_ABORTED, "");
    gmq_call_unref(call);
    gmq_call_unref(served);
    rig_close(&r);
    gmq__loopback_broker_release(broker);
}

static void receive_maximum_of_one_test(void **state)
{
    (void)state;
    rig r = {.broker = "narrow"};
    gmq__loopback_broker *broker = broker_of(&r);
    gmq__loopback_faults faults = {.receive_max = 1};
    gmq__loopback_broker_faults(broker, &faults);
    rig_open_server(&r, "");
    rig_open_client(&r, "");
    for (uint64_t i = 0; i < 100; i++)
        start_unary(&r, -1, NULL, 7);
    serve(&r, 100, "ok");
    collect(&r, 100);
    rig_close(&r);
    gmq__loopback_broker_release(broker);
}

static void close_lets_calls_end_within_the_grace_test(void **state)
{
    (void)state;
    rig r;
    gmq_call *late = NULL;
    rig_open(&r, "", "");
    start_unary(&r, -1, NULL, 7);
    gmq_call *served = rig_accept(&r, UNARY, 8);
    gmq_client_close(r.client, -1);
    assert_int_equal(gmq_call_start(&late, r.client, UNARY, GMQ_RPC_UNARY, NULL, -1, NULL, 9),
                     GMQ_E_CLOSED);
    gmq_server_close(r.server, -1);
    ok(gmq_call_send(served, "bye", 3));
    ok(gmq_call_finish(served, GMQ_CODE_OK, NULL, NULL));
    rig_expect_message(r.client_queue, "bye");
    end_unary(&r, 7, GMQ_CODE_OK, "");
    gmq_call_unref(served);
    rig_close(&r);
}

static void draining_server_refuses_new_calls_test(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, "", "");
    gmq_call *call = rig_start(&r, BIDI, GMQ_RPC_BIDI_STREAMING, 7);
    gmq_call *served = rig_accept(&r, BIDI, 8);
    gmq_server_close(r.server, -1);
    start_unary(&r, -1, NULL, 9);
    end_unary(&r, 9, GMQ_CODE_UNAVAILABLE, "");
    gmq_server_close(r.server, 0); /* shortens */
    rig_skip_initial(r.client_queue);
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_UNAVAILABLE, "");
    gmq_call_unref(call);
    gmq_call_unref(served);
    rig_close(&r);
}

static void closed_is_the_last_event_test(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, "", "");
    gmq_call *call = rig_start(&r, BIDI, GMQ_RPC_BIDI_STREAMING, 7);
    gmq_call_unref(rig_accept(&r, BIDI, 8));
    gmq_client_close(r.client, 0);
    bool finished = false;
    for (bool more = true; more;) {
        gmq_event *event = rig_next(r.client_queue);
        more = gmq_event_type_of(event) != GMQ_EVENT_CLOSED;
        assert_false(finished && gmq_event_call(event));
        finished = finished || gmq_event_type_of(event) == GMQ_EVENT_FINISHED;
        gmq_event_free(event);
    }
    assert_true(finished);
    gmq_event *event;
    size_t count = 1;
    ok(gmq_queue_poll(r.client_queue, &event, 1, &count));
    assert_int_equal(count, 0); /* of no sort */
    assert_int_equal(gmq_client_state(r.client), GMQ_STATE_SHUTDOWN);
    assert_int_equal(gmq_call_send(call, "x", 1), GMQ_E_CLOSED);
    gmq_call_unref(call);
    gmq_client_unref(r.client);
    r.client = NULL;
    rig_close(&r);
}

static void dropped_client_ends_its_calls_test(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, "", "");
    gmq_call *call = rig_start(&r, BIDI, GMQ_RPC_BIDI_STREAMING, 7);
    gmq_call *served = rig_accept(&r, BIDI, 8);
    gmq_client_unref(r.client);
    r.client = NULL;
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_UNAVAILABLE, "");
    rig_skip(r.client_queue, GMQ_EVENT_CLOSED);
    rig_expect_finished(r.server_queue, 8, GMQ_CODE_CANCELLED, "");
    gmq_call_unref(call);
    gmq_call_unref(served);
    rig_close(&r);
}

int main(void)
{
    static const char *const dialects[] = {"session", "link", NULL};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_calls_wait_for_the_connection_test),
        cmocka_unit_test(refused_connection_fails_fast_test),
        cmocka_unit_test(states_of_a_refused_connection_test),
        cmocka_unit_test(wait_for_ready_waits_test),
        cmocka_unit_test(nobody_serves_test),
        cmocka_unit_test(lost_connection_ends_its_calls_and_comes_back_test),
        cmocka_unit_test(send_buffer_says_again_then_writable_test),
        cmocka_unit_test(receive_maximum_of_one_test),
        cmocka_unit_test(close_lets_calls_end_within_the_grace_test),
        cmocka_unit_test(draining_server_refuses_new_calls_test),
        cmocka_unit_test(closed_is_the_last_event_test),
        cmocka_unit_test(dropped_client_ends_its_calls_test),
    };
    int failed = 0;
    for (size_t at = 0; at < 3; at++) {
        rig_dialect = dialects[at];
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
