/* A gateway in this process, over the loopback broker: its errors, its end, its calls when either
 * goes. Its gRPC server is a socket that listens and never says a word: calls there stay open until
 * somebody ends them. */
#include "cmocka_all.h"

#include <grpc/grpc.h>
#include <grpc_mqtt/gateway.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PREFIX "/test.relay.v1.Relay/"

enum { GATEWAY_TAG = 7, CLIENT_TAG = 8, FIRST_CALL = 100, WAIT_MS = 60000 };

typedef struct rig {
    int listener;
    char target[64], url[64];
    gmq_method_map *map;
    gmq_queue *queue, *client_queue;
    gmq_gateway *gateway;
    gmq_client *client;
} rig;

#define ok(expression) assert_int_equal((expression), GMQ_OK)

static void listen_silently(rig *r)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof address;
    r->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(r->listener >= 0);
    assert_int_equal(bind(r->listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(r->listener, 64), 0);
    assert_int_equal(getsockname(r->listener, (struct sockaddr *)&address, &len), 0);
    snprintf(r->target, sizeof r->target, "127.0.0.1:%d", ntohs(address.sin_port));
}

static gmq_method_map *relay_map(void)
{
    gmq_method_map *map = NULL;
    ok(gmq_method_map_new(&map));
    ok(gmq_method_map_add_descriptor_file(map, GMQ_BUILD_DIR "/fixtures/relay.protoset"));
    return map;
}

static gmq_event *next(gmq_queue *queue)
{
    gmq_event *event = NULL;
    size_t count = 0;
    ok(gmq_queue_wait(queue, WAIT_MS, &event, 1, &count));
    if (count == 0)
        fail_msg("no event came");
    return event;
}

/* Takes events until one of `type`; its code. */
static int32_t until(gmq_queue *queue, int32_t type)
{
    for (;;) {
        gmq_event *event = next(queue);
        bool found = gmq_event_type_of(event) == type;
        int32_t code = gmq_event_code(event);
        gmq_event_free(event);
        if (found)
            return code;
    }
}

static void until_ready(gmq_queue *queue)
{
    while (until(queue, GMQ_EVENT_STATE) != GMQ_STATE_READY)
        ;
}

static int set_up(void **state)
{
    static rig r;
    static int number;
    memset(&r, 0, sizeof r);
    snprintf(r.url, sizeof r.url, "loopback://gateway%d/base", number++);
    listen_silently(&r);
    r.map = relay_map();
    ok(gmq_queue_new(&r.queue));
    ok(gmq_queue_new(&r.client_queue));
    *state = &r;
    return 0;
}

static void open_both(rig *r)
{
    ok(gmq_gateway_new(&r->gateway, r->url, NULL, r->map, r->queue, GATEWAY_TAG));
    until_ready(r->queue);
    ok(gmq_client_new(&r->client, r->url, NULL, r->map, r->client_queue, CLIENT_TAG));
    until_ready(r->client_queue);
}

static void open_bound(rig *r)
{
    ok(gmq_method_map_bind(r->map, NULL, r->target, NULL));
    open_both(r);
}

/* Until gRPC is shut down. After the last grpc_shutdown() attempts to connect still hold it, until
 * their time is over. */
static void expect_grpc_shut_down(rig *r)
{
    for (int i = 0; i < WAIT_MS / 5 && grpc_is_initialized(); i++) {
        gmq_event *event = NULL;
        size_t count = 0;
        ok(gmq_queue_wait(r->client_queue, 5, &event, 1, &count));
        gmq_event_free(event);
    }
    assert_false(grpc_is_initialized());
}

/* CLOSED has the gateway's tag and is its last event; then gRPC is shut down too. */
static void expect_closed(rig *r)
{
    gmq_event *event = NULL;
    size_t count = 0;
    for (bool closed = false; !closed;) {
        event = next(r->queue);
        assert_int_equal(gmq_event_tag(event), GATEWAY_TAG);
        closed = gmq_event_type_of(event) == GMQ_EVENT_CLOSED;
        gmq_event_free(event);
    }
    ok(gmq_queue_poll(r->queue, &event, 1, &count));
    assert_int_equal(count, 0);
}

static int tear_down(void **state)
{
    rig *r = *state;
    if (r->client) {
        gmq_client_close(r->client, 0);
        until(r->client_queue, GMQ_EVENT_CLOSED);
        gmq_client_unref(r->client);
    }
    if (r->gateway) {
        gmq_gateway_unref(r->gateway);
        expect_closed(r);
    }
    expect_grpc_shut_down(r);
    gmq_method_map_free(r->map);
    gmq_queue_unref(r->queue);
    gmq_queue_unref(r->client_queue);
    close(r->listener);
    return 0;
}

static gmq_call *start(rig *r, const char *path, gmq_rpc_kind kind, uint64_t tag)
{
    gmq_call *call = NULL;
    if (kind & GMQ_RPC_CLIENT_STREAMING) {
        ok(gmq_call_start(&call, r->client, path, kind, NULL, -1, NULL, tag));
        ok(gmq_call_read(call, 8));
    } else { /* in one: it may be over before another function is called */
        ok(gmq_call_start_with(&call, r->client, path, kind, NULL, -1, NULL, tag, "x", 1, 8));
    }
    return call;
}

/* One open call of each kind; the bidi one is known to have reached the gateway, and so have those
 * before it. */
static void start_all(rig *r, gmq_call *calls[4])
{
    calls[0] = start(r, PREFIX "Hang", GMQ_RPC_UNARY, FIRST_CALL);
    calls[1] = start(r, PREFIX "Join", GMQ_RPC_CLIENT_STREAMING, FIRST_CALL + 1);
    calls[2] = start(r, PREFIX "HangStream", GMQ_RPC_SERVER_STREAMING, FIRST_CALL + 2);
    calls[3] = start(r, PREFIX "HangChat", GMQ_RPC_BIDI_STREAMING, FIRST_CALL + 3);
    until(r->client_queue, GMQ_EVENT_INITIAL_METADATA);
}

static void expect_all_finished(rig *r, gmq_call *calls[4], int32_t code)
{
    for (int i = 0; i < 4; i++)
        assert_int_equal(until(r->client_queue, GMQ_EVENT_FINISHED), code);
    for (int i = 0; i < 4; i++)
        gmq_call_unref(calls[i]);
}

/* ---- Errors ---- */

static void no_method_bound(void **state)
{
    rig *r = *state;
    assert_int_equal(gmq_gateway_new(&r->gateway, r->url, NULL, r->map, r->queue, 0),
                     GMQ_E_INVALID);
    assert_non_null(strstr(gmq_error_text(), "target"));
    assert_null(r->gateway);
    assert_false(grpc_is_initialized());
}

static void wrong_option(void **state)
{
    rig *r = *state;
    gmq_options *options = NULL;
    ok(gmq_method_map_bind(r->map, NULL, r->target, NULL));
    ok(gmq_options_new(&options));
    ok(gmq_options_set_int(options, "initial_metadata_wait_ms", -2));
    assert_int_equal(gmq_gateway_new(&r->gateway, r->url, options, r->map, r->queue, 0),
                     GMQ_E_OPTION);
    assert_non_null(strstr(gmq_error_text(), "initial_metadata_wait_ms"));
    gmq_options_free(options);
}

static void wrong_url(void **state)
{
    rig *r = *state;
    ok(gmq_method_map_bind(r->map, NULL, r->target, NULL));
    assert_int_equal(gmq_gateway_new(&r->gateway, "loopback://x", NULL, r->map, r->queue, 0),
                     GMQ_E_URL);
    assert_false(grpc_is_initialized());
}

static void methods_without_a_target_are_left_out(void **state)
{
    rig *r = *state;
    ok(gmq_method_map_bind(r->map, PREFIX "H*", r->target, NULL));
    open_both(r);
    gmq_call *call = start(r, PREFIX "Echo", GMQ_RPC_UNARY, FIRST_CALL);
    assert_int_equal(until(r->client_queue, GMQ_EVENT_FINISHED), GMQ_CODE_UNIMPLEMENTED);
    gmq_call_unref(call);
}

/* ---- Other methods ---- */

static void configure_leaves_open_calls_alone(void **state)
{
    rig *r = *state;
    gmq_call *calls[4];
    open_bound(r);
    start_all(r, calls);
    gmq_method_map *less = relay_map();
    assert_int_equal(gmq_gateway_configure(r->gateway, less), GMQ_E_INVALID); /* none is bound */
    ok(gmq_method_map_bind(less, PREFIX "Hang", "127.0.0.1:1", NULL));
    ok(gmq_gateway_configure(r->gateway, less));
    gmq_method_map_free(less);
    gmq_call *gone = start(r, PREFIX "Echo", GMQ_RPC_UNARY, FIRST_CALL + 4);
    gmq_call *moved = start(r, PREFIX "Hang", GMQ_RPC_UNARY, FIRST_CALL + 5);
    for (int i = 0; i < 2; i++) { /* no other call ends */
        int32_t code = until(r->client_queue, GMQ_EVENT_FINISHED);
        assert_true(code == GMQ_CODE_UNIMPLEMENTED || code == GMQ_CODE_UNAVAILABLE);
    }
    gmq_call_unref(gone);
    gmq_call_unref(moved);
    ok(gmq_gateway_configure(r->gateway, r->map));
    for (int i = 0; i < 4; i++)
        gmq_call_cancel(calls[i]);
    expect_all_finished(r, calls, GMQ_CODE_CANCELLED);
}

static void configure_after_the_end(void **state)
{
    rig *r = *state;
    open_bound(r);
    gmq_gateway_close(r->gateway, 0);
    expect_closed(r);
    assert_int_equal(gmq_gateway_configure(r->gateway, r->map), GMQ_E_CLOSED);
    gmq_gateway_unref(r->gateway);
    r->gateway = NULL;
}

/* ---- The end ---- */

static void close_without_calls(void **state)
{
    rig *r = *state;
    open_bound(r);
    gmq_gateway_close(r->gateway, 10000);
    expect_closed(r);
    gmq_gateway_unref(r->gateway);
    r->gateway = NULL;
}

static void close_ends_open_calls(void **state)
{
    rig *r = *state;
    gmq_call *calls[4];
    open_bound(r);
    start_all(r, calls);
    gmq_gateway_close(r->gateway, 0);
    expect_closed(r);
    expect_all_finished(r, calls, GMQ_CODE_UNAVAILABLE);
    gmq_gateway_close(r->gateway, 0); /* once more is no harm */
    gmq_gateway_unref(r->gateway);
    r->gateway = NULL;
}

static void unref_alone_ends_everything(void **state)
{
    rig *r = *state;
    gmq_call *calls[4];
    open_bound(r);
    start_all(r, calls);
    gmq_gateway_unref(r->gateway);
    r->gateway = NULL;
    expect_all_finished(r, calls, GMQ_CODE_UNAVAILABLE);
    expect_closed(r);
}

static void unref_before_it_is_connected(void **state)
{
    rig *r = *state;
    ok(gmq_method_map_bind(r->map, NULL, r->target, NULL));
    ok(gmq_gateway_new(&r->gateway, r->url, NULL, r->map, r->queue, GATEWAY_TAG));
    gmq_gateway_unref(r->gateway);
    r->gateway = NULL;
    expect_closed(r);
}

static void the_queue_may_go_first(void **state)
{
    rig *r = *state;
    gmq_queue *kept = gmq_queue_ref(r->queue);
    open_bound(r);
    gmq_queue_unref(r->queue);
    gmq_gateway_unref(r->gateway);
    r->gateway = NULL;
    r->queue = kept;
    expect_closed(r);
}

static void a_queue_that_is_shut_down_does_not_hold_it(void **state)
{
    rig *r = *state;
    gmq_call *calls[4];
    open_bound(r);
    start_all(r, calls);
    gmq_queue_shutdown(r->queue);
    gmq_gateway_unref(r->gateway);
    r->gateway = NULL;
    expect_all_finished(r, calls, GMQ_CODE_UNAVAILABLE);
    expect_grpc_shut_down(r); /* nobody tells of the end any more */
}

/* ---- Calls that come and go ---- */

static void cancelled_calls_leave_nothing(void **state)
{
    enum { ROUNDS = 50 };
    static const char *const paths[] = {PREFIX "Hang", PREFIX "Join", PREFIX "HangStream",
                                        PREFIX "HangChat"};
    rig *r = *state;
    open_bound(r);
    for (int i = 0; i < ROUNDS; i++) {
        gmq_call *calls[4];
        for (int kind = 0; kind < 4; kind++)
            calls[kind] = start(r, paths[kind], (gmq_rpc_kind)kind, FIRST_CALL);
        for (int kind = 0; kind < 4; kind++)
            gmq_call_cancel(calls[kind]);
        expect_all_finished(r, calls, GMQ_CODE_CANCELLED);
    }
    gmq_gateway_close(r->gateway,
                      WAIT_MS); /* comes to its end by itself: Terminate has ended them all */
    expect_closed(r);
    gmq_gateway_unref(r->gateway);
    r->gateway = NULL;
}

static void a_target_that_is_down(void **state)
{
    static const char *const paths[] = {PREFIX "Echo", PREFIX "Join", PREFIX "Repeat",
                                        PREFIX "Chat"};
    rig *r = *state;
    gmq_call *calls[4];
    close(r->listener);
    r->listener = socket(AF_INET, SOCK_STREAM, 0);
    open_bound(r);
    for (int kind = 0; kind < 4; kind++)
        calls[kind] = start(r, paths[kind], (gmq_rpc_kind)kind, FIRST_CALL);
    expect_all_finished(r, calls, GMQ_CODE_UNAVAILABLE);
}

static void two_gateways_in_one_process(void **state)
{
    rig *r = *state;
    gmq_gateway *other = NULL;
    gmq_queue *queue = NULL;
    open_bound(r);
    ok(gmq_queue_new(&queue));
    ok(gmq_gateway_new(&other, "loopback://gateway-other/base", NULL, r->map, queue, 1));
    until_ready(queue);
    gmq_gateway_unref(other);
    until(queue, GMQ_EVENT_CLOSED);
    gmq_queue_unref(queue);
    assert_true(grpc_is_initialized()); /* the first still needs it */
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(no_method_bound),
        TEST(wrong_option),
        TEST(wrong_url),
        TEST(methods_without_a_target_are_left_out),
        TEST(configure_leaves_open_calls_alone),
        TEST(configure_after_the_end),
        TEST(close_without_calls),
        TEST(close_ends_open_calls),
        TEST(unref_alone_ends_everything),
        TEST(unref_before_it_is_connected),
        TEST(the_queue_may_go_first),
        TEST(a_queue_that_is_shut_down_does_not_hold_it),
        TEST(cancelled_calls_leave_nothing),
        TEST(a_target_that_is_down),
        TEST(two_gateways_in_one_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
