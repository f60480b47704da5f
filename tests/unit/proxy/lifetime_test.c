/* A proxy in this process, over the loopback broker, between a server of ours and clients on the
 * gRPC core: its errors, its end, its calls when either side goes. */
#include "cmocka_all.h"

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc_mqtt/proxy.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "/test.relay.v1.Relay/"

enum { PROXY_TAG = 7, SERVER_TAG = 8, WAIT_S = 60, CALLS = 4 };

/* A call of the gRPC core's, kept open. */
typedef struct client_call {
    grpc_call *call;
    grpc_metadata_array initial, trailing;
    grpc_byte_buffer *sent;
    grpc_status_code status;
    grpc_slice details;
} client_call;

typedef struct rig {
    char broker[64], url[96];
    gmq_method_map *map;
    gmq_queue *queue, *server_queue;
    gmq_proxy_config *config;
    gmq_proxy *proxy;
    gmq_server *server;
    gmq_call *served[CALLS];
    grpc_channel *channel;
    grpc_completion_queue *completions;
    client_call calls[CALLS];
} rig;

#define ok(expression) assert_int_equal((expression), GMQ_OK)

static gmq_event *next(gmq_queue *queue)
{
    gmq_event *event = NULL;
    size_t count = 0;
    ok(gmq_queue_wait(queue, WAIT_S * 1000, &event, 1, &count));
    if (count == 0)
        fail_msg("no event came");
    return event;
}

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

/* CLOSED is the last event. */
static void expect_closed(rig *r)
{
    gmq_event *event = NULL;
    size_t count = 0;
    for (bool closed = false; !closed;) {
        event = next(r->queue);
        assert_int_equal(gmq_event_tag(event), PROXY_TAG);
        closed = gmq_event_type_of(event) == GMQ_EVENT_CLOSED;
        gmq_event_free(event);
    }
    ok(gmq_queue_poll(r->queue, &event, 1, &count));
    assert_int_equal(count, 0);
}

/* ---- The gRPC client ---- */

static gpr_timespec soon(void)
{
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_seconds(WAIT_S, GPR_TIMESPAN));
}

static void connect_client(rig *r)
{
    char target[32];
    snprintf(target, sizeof target, "127.0.0.1:%d", gmq_proxy_port(r->proxy, 0));
    grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
    r->channel = grpc_channel_create(target, credentials, NULL);
    grpc_channel_credentials_release(credentials);
}

/* Of each kind one: sends its message where it has one, and waits for its status. */
static void start_call(rig *r, int index, const char *path)
{
    client_call *c = &r->calls[index];
    grpc_slice method = grpc_slice_from_static_string(path);
    c->call = grpc_channel_create_call(r->channel, NULL, GRPC_PROPAGATE_DEFAULTS, r->completions,
                                       method, NULL, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
    grpc_metadata_array_init(&c->initial);
    grpc_metadata_array_init(&c->trailing);
    c->details = grpc_empty_slice();
    grpc_slice bytes = grpc_slice_from_static_string("x");
    c->sent = grpc_raw_byte_buffer_create(&bytes, 1);
    grpc_op ops[4] = {{.op = GRPC_OP_SEND_INITIAL_METADATA}, {.op = GRPC_OP_SEND_MESSAGE}};
    ops[1].data.send_message.send_message = c->sent;
    ops[2].op = GRPC_OP_RECV_INITIAL_METADATA;
    ops[2].data.recv_initial_metadata.recv_initial_metadata = &c->initial;
    ops[3].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
    ops[3].data.recv_status_on_client.trailing_metadata = &c->trailing;
    ops[3].data.recv_status_on_client.status = &c->status;
    ops[3].data.recv_status_on_client.status_details = &c->details;
    assert_int_equal(grpc_call_start_batch(c->call, ops, 4, c, NULL), GRPC_CALL_OK);
}

static void start_all(rig *r)
{
    static const char *const paths[CALLS] = {PREFIX "Hang", PREFIX "Join", PREFIX "HangStream",
                                             PREFIX "HangChat"};
    connect_client(r);
    for (int i = 0; i < CALLS; i++)
        start_call(r, i, paths[i]);
    for (int i = 0; i < CALLS;) {
        gmq_event *event = next(r->server_queue);
        if (gmq_event_type_of(event) == GMQ_EVENT_CALL)
            r->served[i++] = gmq_event_take_call(event);
        gmq_event_free(event);
    }
}

static void drop_calls(rig *r)
{
    for (int i = 0; i < CALLS; i++) {
        client_call *c = &r->calls[i];
        gmq_call_unref(r->served[i]);
        r->served[i] = NULL;
        if (!c->call)
            continue;
        grpc_metadata_array_destroy(&c->initial);
        grpc_metadata_array_destroy(&c->trailing);
        grpc_byte_buffer_destroy(c->sent);
        grpc_slice_unref(c->details);
        grpc_call_unref(c->call);
        c->call = NULL;
    }
}

static void expect_statuses(rig *r, grpc_status_code status)
{
    for (int i = 0; i < CALLS; i++) {
        grpc_event event = grpc_completion_queue_next(r->completions, soon(), NULL);
        assert_int_equal(event.type, GRPC_OP_COMPLETE);
        assert_int_equal(((client_call *)event.tag)->status, status);
    }
}

static void expect_server_side_over(rig *r)
{
    for (int i = 0; i < CALLS; i++)
        until(r->server_queue, GMQ_EVENT_FINISHED);
}

/* ---- Rig ---- */

static int set_up(void **state)
{
    static rig r;
    static int number;
    memset(&r, 0, sizeof r);
    grpc_init();
    r.completions = grpc_completion_queue_create_for_next(NULL);
    snprintf(r.broker, sizeof r.broker, "loopback://proxy%d", number++);
    snprintf(r.url, sizeof r.url, "%s/base", r.broker);
    ok(gmq_method_map_new(&r.map));
    ok(gmq_method_map_add_descriptor_file(r.map, GMQ_BUILD_DIR "/fixtures/relay.protoset"));
    ok(gmq_queue_new(&r.queue));
    ok(gmq_queue_new(&r.server_queue));
    ok(gmq_proxy_config_new(&r.config));
    ok(gmq_proxy_config_methods(r.config, r.map));
    ok(gmq_proxy_config_listen(r.config, "127.0.0.1:0", NULL, NULL, NULL));
    *state = &r;
    return 0;
}

static gmq_status open_proxy(rig *r, const char *url)
{
    return gmq_proxy_new(&r->proxy, url, NULL, r->config, r->queue, PROXY_TAG);
}

static void open_both(rig *r)
{
    ok(gmq_server_new(&r->server, r->url, NULL, r->map, r->server_queue, SERVER_TAG));
    until_ready(r->server_queue);
    ok(open_proxy(r, r->url));
    until_ready(r->queue);
}

static int tear_down(void **state)
{
    rig *r = *state;
    if (r->proxy) {
        gmq_proxy_unref(r->proxy);
        expect_closed(r);
    }
    drop_calls(r);
    if (r->channel)
        grpc_channel_destroy(r->channel);
    if (r->server) {
        gmq_server_close(r->server, 0);
        until(r->server_queue, GMQ_EVENT_CLOSED);
        gmq_server_unref(r->server);
    }
    grpc_completion_queue_shutdown(r->completions);
    while (grpc_completion_queue_next(r->completions, soon(), NULL).type != GRPC_QUEUE_SHUTDOWN)
        ;
    grpc_completion_queue_destroy(r->completions);
    grpc_shutdown();
    gmq_proxy_config_free(r->config);
    gmq_method_map_free(r->map);
    gmq_queue_unref(r->queue);
    gmq_queue_unref(r->server_queue);
    return 0;
}

static void forget(rig *r)
{
    gmq_proxy_unref(r->proxy);
    r->proxy = NULL;
}

/* ---- Errors ---- */

static void nothing_to_listen_on(void **state)
{
    rig *r = *state;
    gmq_proxy_config *empty = NULL;
    ok(gmq_proxy_config_new(&empty));
    assert_int_equal(gmq_proxy_new(&r->proxy, r->url, NULL, empty, r->queue, 0), GMQ_E_INVALID);
    assert_non_null(strstr(gmq_error_text(), "listen"));
    gmq_proxy_config_free(empty);
    assert_null(r->proxy);
}

static void port_in_use(void **state)
{
    rig *r = *state;
    char address[32];
    gmq_proxy *second = NULL;
    ok(open_proxy(r, r->url));
    snprintf(address, sizeof address, "127.0.0.1:%d", gmq_proxy_port(r->proxy, 0));
    ok(gmq_proxy_config_listen(r->config, address, NULL, NULL, NULL));
    assert_int_equal(gmq_proxy_new(&second, r->url, NULL, r->config, r->queue, 0), GMQ_E_IO);
    assert_non_null(strstr(gmq_error_text(), address));
    assert_non_null(strstr(gmq_error_text(), "in use"));
    assert_int_equal(gmq_proxy_port(r->proxy, 1), 0);
}

static void wrong_url_and_option(void **state)
{
    rig *r = *state;
    gmq_options *options = NULL;
    assert_int_equal(open_proxy(r, "nonsense"), GMQ_E_URL);
    assert_int_equal(open_proxy(r, "loopback://x/a//b"), GMQ_E_INVALID);
    ok(gmq_options_new(&options));
    ok(gmq_options_set_int(options, "watchdog_ms", 1000)); /* of a server */
    assert_int_equal(gmq_proxy_new(&r->proxy, r->url, options, r->config, r->queue, 0),
                     GMQ_E_OPTION);
    assert_non_null(strstr(gmq_error_text(), "watchdog_ms"));
    gmq_options_free(options);
    assert_int_equal(gmq_proxy_new(NULL, r->url, NULL, r->config, r->queue, 0), GMQ_E_INVALID);
    assert_int_equal(gmq_proxy_configure(NULL, r->config), GMQ_E_INVALID);
}

/* ---- The end ---- */

static void close_without_calls(void **state)
{
    rig *r = *state;
    open_both(r);
    gmq_proxy_close(r->proxy, 10000);
    expect_closed(r);
    gmq_proxy_close(r->proxy, 0); /* once more is no harm */
    forget(r);
}

static void close_ends_open_calls(void **state)
{
    rig *r = *state;
    open_both(r);
    start_all(r);
    gmq_proxy_close(r->proxy, 60000);
    gmq_proxy_close(r->proxy, 0); /* shorter */
    expect_closed(r);
    expect_statuses(r, GRPC_STATUS_UNAVAILABLE);
    expect_server_side_over(r);
    forget(r);
}

static void close_waits_for_open_calls(void **state)
{
    rig *r = *state;
    open_both(r);
    start_all(r);
    gmq_proxy_close(r->proxy, -1);
    for (int i = 0; i < CALLS; i++)
        ok(gmq_call_finish(r->served[i], GMQ_CODE_ABORTED, "as wished", NULL));
    expect_statuses(r, GRPC_STATUS_ABORTED);
    expect_closed(r);
    forget(r);
}

static void unref_alone_ends_everything(void **state)
{
    rig *r = *state;
    open_both(r);
    start_all(r);
    forget(r);
    expect_statuses(r, GRPC_STATUS_UNAVAILABLE);
    expect_server_side_over(r);
    expect_closed(r);
}

static void unref_before_it_is_connected(void **state)
{
    rig *r = *state;
    ok(open_proxy(r, r->url));
    forget(r);
    expect_closed(r);
}

static void unref_of_one_without_a_base(void **state)
{
    rig *r = *state;
    ok(open_proxy(r, r->broker));
    until_ready(r->queue);
    forget(r);
    expect_closed(r);
}

static void a_queue_that_is_shut_down_does_not_hold_it(void **state)
{
    rig *r = *state;
    open_both(r);
    start_all(r);
    gmq_queue_shutdown(r->queue);
    forget(r);
    expect_statuses(r, GRPC_STATUS_UNAVAILABLE);
    expect_server_side_over(r);
}

static void the_server_goes_first(void **state)
{
    rig *r = *state;
    open_both(r);
    start_all(r);
    gmq_server_close(r->server, 0);
    expect_statuses(r, GRPC_STATUS_UNAVAILABLE);
    until(r->server_queue, GMQ_EVENT_CLOSED);
    gmq_server_unref(r->server);
    r->server = NULL;
}

/* A client that goes has not said all that it wanted to: its stream must not look finished. */
static void expect_over_without_half_close(rig *r)
{
    for (int over = 0; over < CALLS;) {
        gmq_event *event = next(r->server_queue);
        int32_t type = gmq_event_type_of(event);
        gmq_call *call = gmq_event_call(event);
        if (type == GMQ_EVENT_HALF_CLOSED)
            assert_false(gmq_call_kind(call) & GMQ_RPC_CLIENT_STREAMING);
        over += type == GMQ_EVENT_FINISHED;
        gmq_event_free(event);
    }
}

static void the_clients_go_first(void **state)
{
    rig *r = *state;
    open_both(r);
    start_all(r);
    for (int i = 0; i < CALLS; i++)
        grpc_call_cancel(r->calls[i].call, NULL);
    expect_statuses(r, GRPC_STATUS_CANCELLED);
    expect_over_without_half_close(r);
}

static void new_rules_while_calls_are_open(void **state)
{
    rig *r = *state;
    open_both(r);
    start_all(r);
    ok(gmq_proxy_config_methods(r->config, NULL));
    ok(gmq_proxy_config_limits(r->config, 1, 1, 0));
    for (int i = 0; i < 10; i++)
        ok(gmq_proxy_configure(r->proxy, r->config));
    for (int i = 0; i < CALLS; i++)
        ok(gmq_call_finish(r->served[i], GMQ_CODE_ABORTED, NULL, NULL));
    expect_statuses(r, GRPC_STATUS_ABORTED);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(nothing_to_listen_on),           CASE(port_in_use),
        CASE(wrong_url_and_option),           CASE(close_without_calls),
        CASE(close_ends_open_calls),          CASE(close_waits_for_open_calls),
        CASE(unref_alone_ends_everything),    CASE(unref_before_it_is_connected),
        CASE(unref_of_one_without_a_base),    CASE(a_queue_that_is_shut_down_does_not_hold_it),
        CASE(the_server_goes_first),          CASE(the_clients_go_first),
        CASE(new_rules_while_calls_are_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
