/* Each kind of RPC, client to server and back, over loopback. */
#include "unit/runtime/rig_util.h"

static void expect_metadata(const gmq_event *event, const char *key, const char *value)
{
    const gmq_metadata *md = gmq_event_metadata(event);
    for (size_t i = 0; i < gmq_metadata_count(md); i++) {
        size_t len;
        const char *found = gmq_metadata_value(md, i, &len);
        if (strcmp(gmq_metadata_key(md, i), key) == 0) {
            assert_string_equal(found, value);
            return;
        }
    }
    fail_msg("no metadata \"%s\"", key);
}

static gmq_metadata *metadata(const char *key, const char *value)
{
    gmq_metadata *md;
    ok(gmq_metadata_new(&md));
    ok(gmq_metadata_add(md, key, value, strlen(value)));
    return md;
}

static void unary(rig *r, gmq_rpc_kind kind)
{
    gmq_call *call = NULL;
    gmq_metadata *ask = metadata("x-ask", "1"), *initial = metadata("x-initial", "2"),
                 *trailing = metadata("x-end", "3");
    ok(gmq_call_start_with(&call, r->client, UNARY, kind, ask, 20000, NULL, 7, "hello", 5, 1));
    gmq_event *event = rig_expect(r->server_queue, GMQ_EVENT_CALL);
    expect_metadata(event, "x-ask", "1");
    gmq_call *served = gmq_event_take_call(event);
    gmq_event_free(event);
    assert_string_equal(gmq_call_path(served), UNARY);
    assert_int_equal(gmq_call_kind(served), GMQ_RPC_UNARY);
    assert_in_range(gmq_call_time_remaining_ms(served), 1, 20000);
    gmq_call_set_tag(served, 8);
    ok(gmq_call_read(served, 1));
    rig_expect_message(r->server_queue, "hello");
    rig_skip(r->server_queue, GMQ_EVENT_HALF_CLOSED);
    ok(gmq_call_send_initial_metadata(served, initial));
    ok(gmq_call_send(served, "world", 5));
    ok(gmq_call_finish(served, GMQ_CODE_OK, NULL, trailing));
    event = rig_expect(r->client_queue, GMQ_EVENT_INITIAL_METADATA);
    expect_metadata(event, "x-initial", "2");
    gmq_event_free(event);
    rig_expect_message(r->client_queue, "world");
    event = rig_expect(r->client_queue, GMQ_EVENT_FINISHED);
    assert_int_equal(gmq_event_code(event), GMQ_CODE_OK);
    assert_int_equal(gmq_event_tag(event), 7);
    assert_ptr_equal(gmq_event_call(event), call);
    expect_metadata(event, "x-end", "3");
    gmq_event_free(event);
    rig_expect_finished(r->server_queue, 8, GMQ_CODE_OK, "");
    gmq_metadata_free(ask);
    gmq_metadata_free(initial);
    gmq_metadata_free(trailing);
    gmq_call_unref(call);
    gmq_call_unref(served);
}

static void unary_test(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, "", "");
    for (int i = 0; i < 20; i++)
        unary(&r, GMQ_RPC_UNARY);
    rig_close(&r);
}

static void client_streaming_test(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, "", "");
    gmq_call *call = rig_start(&r, UPLOAD, GMQ_RPC_CLIENT_STREAMING, 7);
    ok(gmq_call_read(call, 1));
    gmq_call *served = rig_accept(&r, UPLOAD, 8);
    ok(gmq_call_send(call, "a", 1));
    rig_expect_message(r.server_queue, "a");
    ok(gmq_call_send(call, NULL, 0));
    rig_expect_message(r.server_queue, "");
    ok(gmq_call_send(call, "c", 1));
    ok(gmq_call_half_close(call));
    rig_expect_message(r.server_queue, "c");
    rig_skip(r.server_queue, GMQ_EVENT_HALF_CLOSED);
    ok(gmq_call_send(served, "abc", 3));
    ok(gmq_call_finish(served, GMQ_CODE_OK, "fine", NULL));
    rig_expect_message(r.client_queue, "abc");
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_OK, "");
    rig_expect_finished(r.server_queue, 8, GMQ_CODE_OK, "");
    gmq_call_unref(call);
    gmq_call_unref(served);
    rig_close(&r);
}

static void server_streaming_test(void **state)
{
    (void)state;
    rig r;
    rig_open(&r, "", "");
    gmq_call *call = rig_start(&r, STREAM, GMQ_RPC_SERVER_STREAMING, 7);
    ok(gmq_call_send(call, "3", 1));
    ok(gmq_call_half_close(call));
    ok(gmq_call_read(call, 10));
    gmq_call *served = rig_accept(&r, STREAM, 8);
    rig_expect_message(r.server_queue, "3");
    rig_skip(r.server_queue, GMQ_EVENT_HALF_CLOSED);
    ok(gmq_call_send_initial_metadata(served, NULL));
    rig_skip(r.client_queue, GMQ_EVENT_INITIAL_METADATA);
    for (int i = 1; i <= 3; i++) {
        char digit[2] = {(char)('0' + i), 0};
        ok(gmq_call_send(served, digit, 1));
        rig_expect_message(r.client_queue, digit);
    }
    ok(gmq_call_finish(served, GMQ_CODE_OUT_OF_RANGE, "that was all", NULL));
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_OUT_OF_RANGE, "that was all");
    rig_skip(r.server_queue, GMQ_EVENT_FINISHED);
    gmq_call_unref(call);
    gmq_call_unref(served);
    rig_close(&r);
}

static void bidi(const char *query)
{
    rig r;
    rig_open(&r, query, query);
    gmq_call *call = rig_start(&r, BIDI, GMQ_RPC_BIDI_STREAMING, 7);
    ok(gmq_call_read(call, 1000));
    gmq_call *served = rig_accept(&r, BIDI, 8);
    ok(gmq_call_send_initial_metadata(served, NULL));
    rig_skip(r.client_queue, GMQ_EVENT_INITIAL_METADATA);
    for (int i = 0; i < 20; i++) {
        char text[32];
        snprintf(text, sizeof text, "ping %d", i);
        ok(gmq_call_send(call, text, strlen(text)));
        rig_expect_message(r.server_queue, text);
        ok(gmq_call_send(served, text, strlen(text)));
        rig_expect_message(r.client_queue, text);
    }
    ok(gmq_call_half_close(call));
    rig_skip(r.server_queue, GMQ_EVENT_HALF_CLOSED);
    ok(gmq_call_finish(served, GMQ_CODE_OK, NULL, NULL));
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_OK, "");
    rig_skip(r.server_queue, GMQ_EVENT_FINISHED);
    gmq_call_unref(call);
    gmq_call_unref(served);
    rig_close(&r);
}

static void bidi_test(void **state)
{
    (void)state;
    bidi("");
}

static void bidi_batched_and_compressed_test(void **state)
{
    (void)state;
    bidi("?batched_stream=yes&server_clevel=3&client_clevel=3&linger_ms=1");
}

static void unknown_method_test(void **state)
{
    (void)state;
    rig r;
    gmq_call *call;
    rig_open(&r, "", "");
    ok(gmq_call_start_with(&call, r.client, "/demo.v1.Demo/Nothing", GMQ_RPC_UNARY, NULL, -1, NULL,
                           7, "", 0, 1));
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_UNIMPLEMENTED, "/demo.v1.Demo/Nothing");
    gmq_call_unref(call);
    rig_close(&r);
}

static gmq_call *offered(rig *r, uint64_t tag)
{
    gmq_event *event = rig_expect(r->server_queue, GMQ_EVENT_CALL);
    assert_string_equal(gmq_event_text(event), "/demo.v1.Demo/Nothing");
    gmq_call *served = gmq_event_take_call(event);
    gmq_event_free(event);
    gmq_call_set_tag(served, tag);
    return served;
}

static void offered_method_test(void **state)
{
    (void)state;
    rig r;
    gmq_call *call;
    rig_open(&r, "?unknown_methods=offer&dialect=session", "?dialect=session");
    ok(gmq_call_start_with(&call, r.client, "/demo.v1.Demo/Nothing", GMQ_RPC_SERVER_STREAMING, NULL,
                           -1, NULL, 7, "ask", 3, 9));
    gmq_call *served = offered(&r, 8);
    assert_int_equal(gmq_call_kind(served), -1);
    ok(gmq_call_read(served, 1));
    assert_int_equal(gmq_call_send(served, "x", 1), GMQ_E_STATE);
    assert_int_equal(gmq_call_send_initial_metadata(served, NULL), GMQ_E_STATE);
    assert_int_equal(gmq_call_finish(served, GMQ_CODE_OK, NULL, NULL), GMQ_E_STATE);
    assert_int_equal(gmq_call_resolve(served, (gmq_rpc_kind)4), GMQ_E_INVALID);
    rig_expect_nothing(r.server_queue);
    ok(gmq_call_resolve(served, GMQ_RPC_SERVER_STREAMING));
    assert_int_equal(gmq_call_kind(served), GMQ_RPC_SERVER_STREAMING);
    assert_int_equal(gmq_call_resolve(served, GMQ_RPC_SERVER_STREAMING), GMQ_E_STATE);
    rig_expect_message(r.server_queue, "ask");
    rig_skip(r.server_queue, GMQ_EVENT_HALF_CLOSED);
    ok(gmq_call_send(served, "one", 3));
    ok(gmq_call_send(served, "two", 3));
    ok(gmq_call_finish(served, GMQ_CODE_OK, NULL, NULL));
    assert_int_equal(gmq_call_resolve(served, GMQ_RPC_SERVER_STREAMING), GMQ_E_STATE);
    rig_skip(r.client_queue, GMQ_EVENT_INITIAL_METADATA);
    rig_expect_message(r.client_queue, "one");
    rig_expect_message(r.client_queue, "two");
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_OK, "");
    rig_expect_finished(r.server_queue, 8, GMQ_CODE_OK, "");
    assert_int_equal(gmq_call_resolve(call, GMQ_RPC_UNARY), GMQ_E_STATE); /* a client's */
    gmq_call_unref(call);
    gmq_call_unref(served);
    rig_close(&r);
}

/* In the link dialect a call says of what kind it is. */
static void offered_with_its_kind_test(void **state)
{
    (void)state;
    rig r;
    gmq_call *call;
    rig_open(&r, "?unknown_methods=offer&dialect=link", "?dialect=link");
    ok(gmq_call_start_with(&call, r.client, "/demo.v1.Demo/Nothing", GMQ_RPC_SERVER_STREAMING, NULL,
                           -1, NULL, 7, "ask", 3, 9));
    gmq_call *served = offered(&r, 8);
    assert_int_equal(gmq_call_kind(served), GMQ_RPC_SERVER_STREAMING);
    assert_int_equal(gmq_call_resolve(served, GMQ_RPC_SERVER_STREAMING), GMQ_E_STATE);
    ok(gmq_call_read(served, 1));
    rig_expect_message(r.server_queue, "ask");
    rig_skip(r.server_queue, GMQ_EVENT_HALF_CLOSED);
    ok(gmq_call_send(served, "one", 3));
    ok(gmq_call_finish(served, GMQ_CODE_OK, NULL, NULL));
    rig_skip(r.client_queue, GMQ_EVENT_INITIAL_METADATA);
    rig_expect_message(r.client_queue, "one");
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_OK, "");
    rig_expect_finished(r.server_queue, 8, GMQ_CODE_OK, "");
    gmq_call_unref(call);
    gmq_call_unref(served);
    rig_close(&r);
}

static void offered_and_refused_test(void **state)
{
    (void)state;
    rig r;
    gmq_call *call;
    rig_open(&r, "?unknown_methods=offer", "");
    call = rig_start(&r, "/demo.v1.Demo/Nothing", GMQ_RPC_BIDI_STREAMING, 7);
    gmq_call *served = offered(&r, 8);
    ok(gmq_call_finish(served, GMQ_CODE_UNIMPLEMENTED, "/demo.v1.Demo/Nothing", NULL));
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_UNIMPLEMENTED, "/demo.v1.Demo/Nothing");
    rig_expect_finished(r.server_queue, 8, GMQ_CODE_UNIMPLEMENTED, "");
    gmq_call_unref(call);
    gmq_call_unref(served);
    call = rig_start(&r, "/demo.v1.Demo/Nothing", GMQ_RPC_BIDI_STREAMING, 7);
    gmq_call_unref(offered(&r, 8)); /* dropped */
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_CANCELLED, "");
    rig_expect_finished(r.server_queue, 8, GMQ_CODE_CANCELLED, "");
    gmq_call_unref(call);
    rig_close(&r);
}

int main(void)
{
    static const char *const dialects[] = {"session", "link", NULL};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unary_test),
        cmocka_unit_test(client_streaming_test),
        cmocka_unit_test(server_streaming_test),
        cmocka_unit_test(bidi_test),
        cmocka_unit_test(bidi_batched_and_compressed_test),
        cmocka_unit_test(unknown_method_test),
        cmocka_unit_test(offered_method_test),
        cmocka_unit_test(offered_with_its_kind_test),
        cmocka_unit_test(offered_and_refused_test),
    };
    int failed = 0;
    for (size_t at = 0; at < 3; at++) {
        rig_dialect = dialects[at];
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
