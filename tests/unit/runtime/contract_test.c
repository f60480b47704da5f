/* The event contract of grpc_mqtt/queue.h and call.h, point by point. */
#include "unit/runtime/rig_util.h"

static rig r;

static int open_rig(void **state)
{
    (void)state;
    rig_open(&r, "", "");
    return 0;
}

static int close_rig(void **state)
{
    (void)state;
    rig_close(&r);
    return 0;
}

/* A bidi call that both sides have: tags 7 (client) and 8 (server). */
static void open_bidi(gmq_call **call, gmq_call **served)
{
    *call = rig_start(&r, BIDI, GMQ_RPC_BIDI_STREAMING, 7);
    *served = rig_accept(&r, BIDI, 8);
    ok(gmq_call_send_initial_metadata(*served, NULL));
    rig_skip(r.client_queue, GMQ_EVENT_INITIAL_METADATA);
}

static void failed_start_yields_no_event_test(void **state)
{
    (void)state;
    gmq_call *call = NULL;
    static const char *const paths[] = {"",        "/",      "/a",  "a/b", "/a/b/c",
                                        "/a.B/c+", "/a.B/#", "//b", "/a/"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_int_equal(
            gmq_call_start(&call, r.client, paths[i], GMQ_RPC_UNARY, NULL, -1, NULL, 1),
            GMQ_E_INVALID);
    assert_int_equal(gmq_call_start(&call, r.client, UNARY, (gmq_rpc_kind)4, NULL, -1, NULL, 1),
                     GMQ_E_INVALID);
    assert_non_null(strstr(gmq_error_text(), "4"));
    assert_null(call);
    rig_expect_nothing(r.client_queue);
}

static void metadata_above_the_limit_test(void **state)
{
    (void)state;
    gmq_call *call = NULL;
    gmq_metadata *md;
    char value[8192];
    memset(value, 'x', sizeof value);
    ok(gmq_metadata_new(&md));
    ok(gmq_metadata_add(md, "k", value, 8192 - 33));
    ok(gmq_call_start(&call, r.client, UNARY, GMQ_RPC_UNARY, md, -1, NULL,
                      7)); /* exactly the limit */
    gmq_call_unref(call);
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_CANCELLED, "");
    ok(gmq_metadata_add(md, "k", NULL, 0));
    assert_int_equal(gmq_call_start(&call, r.client, UNARY, GMQ_RPC_UNARY, md, -1, NULL, 7),
                     GMQ_E_TOO_LARGE);
    assert_non_null(strstr(gmq_error_text(), "8192"));
    gmq_metadata_free(md);
    rig_expect_nothing(r.client_queue);
}

static void cancel_ends_both_sides_once_test(void **state)
{
    (void)state;
    gmq_call *call, *served;
    open_bidi(&call, &served);
    gmq_call_cancel(call);
    gmq_call_cancel(call);
    gmq_call_cancel_with(call, GMQ_CODE_ABORTED, "too late to say");
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_CANCELLED, "");
    rig_expect_finished(r.server_queue, 8, GMQ_CODE_CANCELLED, "");
    gmq_call_cancel(call);
    gmq_call_unref(call);
    gmq_call_unref(served);
    rig_expect_nothing(r.client_queue);
}

static void cancel_with_a_status_of_ones_own_test(void **state)
{
    (void)state;
    gmq_call *call, *served;
    open_bidi(&call, &served);
    gmq_call_cancel_with(call, GMQ_CODE_INTERNAL, "cannot parse that");
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_INTERNAL, "cannot parse that");
    rig_expect_finished(r.server_queue, 8, GMQ_CODE_CANCELLED, "");
    gmq_call_unref(call);
    gmq_call_unref(served);
}

static void last_handle_cancels_test(void **state)
{
    (void)state;
    gmq_call *call, *served;
    open_bidi(&call, &served);
    assert_ptr_equal(gmq_call_ref(call), call);
    gmq_call_unref(call);
    ok(gmq_call_send(call, "still here", 10));
    rig_expect_message(r.server_queue, "still here");
    gmq_call_unref(call);
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_CANCELLED, "");
    rig_expect_finished(r.server_queue, 8, GMQ_CODE_CANCELLED, "");
    gmq_call_unref(served);
}

static void dropped_server_call_is_cancelled_test(void **state)
{
    (void)state;
    gmq_call *call, *served;
    open_bidi(&call, &served);
    gmq_call_unref(served);
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_CANCELLED, "");
    rig_skip(r.server_queue, GMQ_EVENT_FINISHED);
    gmq_call_unref(call);
}

static void finished_server_call_may_be_dropped_at_once_test(void **state)
{
    (void)state;
    gmq_call *call, *served;
    open_bidi(&call, &served);
    ok(gmq_call_finish(served, GMQ_CODE_OK, NULL, NULL));
    gmq_call_unref(served);
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_OK, "");
    rig_skip(r.server_queue, GMQ_EVENT_FINISHED);
    gmq_call_unref(call);
}

static void call_event_freed_untaken_is_cancelled_test(void **state)
{
    (void)state;
    gmq_call *call = rig_start(&r, BIDI, GMQ_RPC_BIDI_STREAMING, 7);
    rig_skip(r.server_queue, GMQ_EVENT_CALL);
    gmq_event *event = rig_next(r.client_queue);
    if (gmq_event_type_of(event) == GMQ_EVENT_INITIAL_METADATA) {
        gmq_event_free(event);
        event = rig_next(r.client_queue);
    }
    assert_int_equal(gmq_event_type_of(event), GMQ_EVENT_FINISHED);
    assert_int_equal(gmq_event_code(event), GMQ_CODE_CANCELLED);
    gmq_event_free(event);
    rig_skip(r.server_queue, GMQ_EVENT_FINISHED);
    gmq_call_unref(call);
}

static void tag_is_read_when_the_event_is_taken_test(void **state)
{
    (void)state;
    gmq_call *call, *served;
    gmq_event *events[2];
    size_t count;
    open_bidi(&call, &served);
    gmq_call_cancel(served); /* its FINISHED comes after that of the client has been asked for */
    rig_skip(r.server_queue, GMQ_EVENT_FINISHED);
    gmq_queue *queue = r.client_queue;
    assert_int_equal(gmq_call_owner_tag(call), CLIENT_TAG);
    assert_int_equal(gmq_call_owner_tag(served), SERVER_TAG);
    gmq_call_set_tag(call, 70);
    ok(gmq_queue_wait(queue, 60000, events, 1, &count));
    assert_int_equal(gmq_event_tag(events[0]), 70);
    gmq_call_set_tag(call, 71); /* too late for this one */
    assert_int_equal(gmq_event_tag(events[0]), 70);
    gmq_event_free(events[0]);
    gmq_call_unref(call);
    gmq_call_unref(served);
}

static void no_message_without_credit_test(void **state)
{
    (void)state;
    gmq_call *call, *served;
    open_bidi(&call, &served);
    for (int i = 0; i < 3; i++)
        ok(gmq_call_send(served, "m", 1));
    ok(gmq_call_send(call, "sync", 4)); /* when it is back, the three have been there for long */
    rig_expect_message(r.server_queue, "sync");
    rig_expect_nothing(r.client_queue);
    ok(gmq_call_read(call, 2));
    rig_expect_message(r.client_queue, "m");
    rig_expect_message(r.client_queue, "m");
    rig_expect_nothing(r.client_queue);
    ok(gmq_call_read(call, 0));
    ok(gmq_call_read(call, 1));
    rig_expect_message(r.client_queue, "m");
    gmq_call_unref(call);
    gmq_call_unref(served);
    rig_skip(r.client_queue, GMQ_EVENT_FINISHED);
    rig_skip(r.server_queue, GMQ_EVENT_FINISHED);
}

static void client_misuse_test(void **state)
{
    (void)state;
    gmq_call *call = rig_start(&r, BIDI, GMQ_RPC_BIDI_STREAMING, 7);
    assert_int_equal(gmq_call_send(call, NULL, 1), GMQ_E_INVALID);
    assert_int_equal(gmq_call_send(call, "", (size_t)1 << 31), GMQ_E_TOO_LARGE);
    assert_int_equal(gmq_call_finish(call, 0, NULL, NULL), GMQ_E_STATE);
    assert_int_equal(gmq_call_send_initial_metadata(call, NULL), GMQ_E_STATE);
    ok(gmq_call_half_close(call));
    ok(gmq_call_half_close(call));
    assert_int_equal(gmq_call_send(call, "x", 1), GMQ_E_STATE);
    gmq_call_cancel(call);
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_CANCELLED, "");
    assert_int_equal(gmq_call_send(call, "x", 1), GMQ_E_CLOSED);
    assert_int_equal(gmq_call_read(call, 1), GMQ_E_CLOSED);
    ok(gmq_call_half_close(call));
    gmq_call_unref(call);
    call = rig_start(&r, UNARY, GMQ_RPC_UNARY, 7);
    ok(gmq_call_send(call, "x", 1));
    assert_int_equal(gmq_call_send(call, "x", 1), GMQ_E_STATE);
    gmq_call_unref(call);
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_CANCELLED, "");
    assert_int_equal(gmq_call_start_with(&call, r.client, BIDI, GMQ_RPC_BIDI_STREAMING, NULL, -1,
                                         NULL, 1, "", 0, 1),
                     GMQ_E_INVALID);
}

static void server_misuse_test(void **state)
{
    (void)state;
    gmq_call *call;
    ok(gmq_call_start_with(&call, r.client, UNARY, GMQ_RPC_UNARY, NULL, -1, NULL, 7, "x", 1, 1));
    gmq_call *served = rig_accept(&r, UNARY, 8);
    assert_int_equal(gmq_call_half_close(served), GMQ_E_STATE);
    assert_int_equal(gmq_call_finish(served, 17, NULL, NULL), GMQ_E_INVALID);
    assert_int_equal(gmq_call_finish(served, -1, NULL, NULL), GMQ_E_INVALID);
    ok(gmq_call_send_initial_metadata(served, NULL));
    assert_int_equal(gmq_call_send_initial_metadata(served, NULL), GMQ_E_STATE);
    ok(gmq_call_send(served, "y", 1));
    assert_int_equal(gmq_call_send(served, "z", 1), GMQ_E_STATE);
    ok(gmq_call_finish(served, 0, NULL, NULL));
    assert_int_equal(gmq_call_finish(served, 0, NULL, NULL), GMQ_E_STATE);
    rig_expect_message(r.client_queue, "y");
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_OK, "");
    rig_expect_message(r.server_queue, "x");
    rig_skip(r.server_queue, GMQ_EVENT_HALF_CLOSED);
    rig_expect_finished(r.server_queue, 8, GMQ_CODE_OK, "");
    gmq_call_unref(call);
    gmq_call_unref(served);
}

static void null_arguments_test(void **state)
{
    (void)state;
    gmq_call *call = NULL;
    gmq_client *client = NULL;
    gmq_server *server = NULL;
    gmq_call_unref(NULL);
    gmq_client_unref(NULL);
    gmq_server_unref(NULL);
    gmq_client_close(NULL, 0);
    gmq_server_close(NULL, 0);
    assert_int_equal(gmq_call_start(NULL, r.client, UNARY, GMQ_RPC_UNARY, NULL, -1, NULL, 1),
                     GMQ_E_INVALID);
    assert_int_equal(gmq_call_start(&call, NULL, UNARY, GMQ_RPC_UNARY, NULL, -1, NULL, 1),
                     GMQ_E_INVALID);
    assert_int_equal(gmq_call_start(&call, r.client, NULL, GMQ_RPC_UNARY, NULL, -1, NULL, 1),
                     GMQ_E_INVALID);
    assert_int_equal(gmq_call_send(NULL, "", 0), GMQ_E_INVALID);
    assert_int_equal(gmq_client_new(NULL, "loopback://x/y", NULL, NULL, r.client_queue, 1),
                     GMQ_E_INVALID);
    assert_int_equal(gmq_client_new(&client, NULL, NULL, NULL, r.client_queue, 1), GMQ_E_INVALID);
    assert_int_equal(gmq_client_new(&client, "loopback://x/y", NULL, NULL, NULL, 1), GMQ_E_INVALID);
    assert_int_equal(gmq_server_new(&server, "loopback://x/y", NULL, NULL, NULL, 1), GMQ_E_INVALID);
    assert_null(client);
    assert_null(server);
}

static void deadline_test(void **state)
{
    (void)state;
    gmq_call *call;
    ok(gmq_call_start_with(&call, r.client, UNARY, GMQ_RPC_UNARY, NULL, 0, NULL, 7, "x", 1, 1));
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_DEADLINE_EXCEEDED, "");
    assert_int_equal(gmq_call_time_remaining_ms(call), 0);
    gmq_call_unref(call);
    ok(gmq_call_start_with(&call, r.client, STREAM, GMQ_RPC_SERVER_STREAMING, NULL, 50, NULL, 9,
                           "x", 1, 1));
    rig_expect_finished(r.client_queue, 9, GMQ_CODE_DEADLINE_EXCEEDED, "");
    gmq_call_unref(call);
    call = rig_start(&r, UNARY, GMQ_RPC_UNARY, 10);
    assert_int_equal(gmq_call_time_remaining_ms(call), -1);
    gmq_call_unref(call);
}

static void options_of_a_call_test(void **state)
{
    (void)state;
    gmq_call *call = NULL;
    gmq_options *options;
    ok(gmq_options_new(&options));
    ok(gmq_options_set_int(options, "server_clevel", 22));
    ok(gmq_options_set_bool(options, "batched_stream", 1));
    ok(gmq_call_start(&call, r.client, BIDI, GMQ_RPC_BIDI_STREAMING, NULL, -1, options, 7));
    gmq_call_unref(call);
    ok(gmq_options_set_int(options, "server_clevel", 23));
    assert_int_equal(
        gmq_call_start(&call, r.client, BIDI, GMQ_RPC_BIDI_STREAMING, NULL, -1, options, 7),
        GMQ_E_OPTION);
    assert_non_null(strstr(gmq_error_text(), "23"));
    ok(gmq_options_set_int(options, "server_clevel", 1));
    ok(gmq_options_set_int(options, "keep_alive_s", 5));
    assert_int_equal(
        gmq_call_start(&call, r.client, BIDI, GMQ_RPC_BIDI_STREAMING, NULL, -1, options, 7),
        GMQ_E_OPTION);
    assert_non_null(strstr(gmq_error_text(), "keep_alive_s"));
    gmq_options_free(options);
}

static void methods_can_be_replaced_test(void **state)
{
    (void)state;
    gmq_call *call;
    gmq_method_map *map;
    ok(gmq_method_map_new(&map));
    ok(gmq_method_map_add(map, "/demo.v1.Demo/New", GMQ_RPC_UNARY));
    ok(gmq_server_set_methods(r.server, map));
    gmq_method_map_free(map);
    ok(gmq_call_start_with(&call, r.client, "/demo.v1.Demo/New", GMQ_RPC_UNARY, NULL, -1, NULL, 7,
                           "", 0, 1));
    gmq_call *served = rig_accept(&r, "/demo.v1.Demo/New", 8);
    ok(gmq_call_finish(served, GMQ_CODE_NOT_FOUND, "gone", NULL));
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_NOT_FOUND, "gone");
    gmq_call_unref(call);
    ok(gmq_call_start_with(&call, r.client, UNARY, GMQ_RPC_UNARY, NULL, -1, NULL, 7, "", 0, 1));
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_UNIMPLEMENTED, UNARY);
    gmq_call_unref(call);
    gmq_call_unref(served);
}

static void peer_test(void **state)
{
    (void)state;
    char peer[128];
    if (rig_outside())
        skip();
    gmq_call *call = rig_start(&r, UNARY, GMQ_RPC_UNARY, 10);
    snprintf(peer, sizeof peer, "loopback:%s/test/base", r.broker);
    assert_string_equal(gmq_call_peer(call), peer);
    gmq_call_unref(call);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_rig, close_rig)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(failed_start_yields_no_event_test),
        TEST(metadata_above_the_limit_test),
        TEST(cancel_ends_both_sides_once_test),
        TEST(cancel_with_a_status_of_ones_own_test),
        TEST(last_handle_cancels_test),
        TEST(dropped_server_call_is_cancelled_test),
        TEST(finished_server_call_may_be_dropped_at_once_test),
        TEST(call_event_freed_untaken_is_cancelled_test),
        TEST(tag_is_read_when_the_event_is_taken_test),
        TEST(no_message_without_credit_test),
        TEST(client_misuse_test),
        TEST(server_misuse_test),
        TEST(null_arguments_test),
        TEST(deadline_test),
        TEST(options_of_a_call_test),
        TEST(methods_can_be_replaced_test),
        TEST(peer_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
