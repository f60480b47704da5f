/* "Where the reference trips" of docs/design/session.md: one test a point, named for it. */
#include <stdio.h>
#include <string.h>

#include "cmocka_all.h"
#include "engine/sim_fixture.h"
#include "wire/chunk.h"
#include "wire/packet.h"
#include "wire/request.h"
#include "wire/zstd.h"

static const gmq__rpc_options plain = {0, 0, 0};

static void open_server_recorded(void)
{
    world_open(w);
    w->server->on_publish = sim_record;
    recorded.swallow = true;
}

static void inject_answer(gmq__span message, int64_t i)
{
    gmq__bytes out = {0};
    char topic[128];
    snprintf(topic, sizeof topic, "base/grpc/session/%s",
             sim_record_nth(GMQ__TOPIC_REQUEST, 0)->sid);
    gmq__packet_encode(&out, message, 0, 1);
    sim_inject(w->client, topic, out.data, out.len, i);
    gmq__bytes_free(&out);
}

static void open_client_recorded(gmq_rpc_kind kind, uint32_t n, int64_t timeout)
{
    world_open(w);
    w->client->on_publish = sim_record;
    recorded.swallow = true;
    assert_int_equal(world_start(w, 1, kind, n, 100, timeout, 0, false), GMQ_OK);
    sim_run(&w->sim, 50 * SIM_MS);
}

/* ---- A stream that fails before it began ---- */

static void stream_failing_early_gets_its_whole_sequence(void **state)
{
    (void)state;
    open_server_recorded();
    sim_request(w->server, "s", "Server", "x", 0, plain, 0); /* expires at once */
    assert_int_equal(sim_record_count(GMQ__TOPIC_SESSION), 3);
    assert_int_equal(sim_record_nth(GMQ__TOPIC_SESSION, 0)->message.len,
                     0); /* no initial metadata */
    assert_int_equal(sim_record_nth(GMQ__TOPIC_SESSION, 1)->message.len,
                     0); /* the end of the stream */
    assert_int_equal(sim_status(sim_record_nth(GMQ__TOPIC_SESSION, 2)), GMQ_CODE_DEADLINE_EXCEEDED);
    for (int i = 0; i < 3; i++)
        assert_int_equal(sim_record_nth(GMQ__TOPIC_SESSION, (size_t)i)->i, i);
}

/* ---- A status that meets the deadline ---- */

/* The handler finishes at the very deadline, with `unsent` messages that wait before its status;
 * what the client is told, in packet `last`. */
static int32_t told_at_the_deadline(const char *method, int unsent, int32_t code, size_t last)
{
    gmq_buf *message = gmq__buf_copy(gmq__span_str("m"));
    open_server_recorded();
    w->mute_handlers = true;
    sim_request(w->server, "s", method, "x", 1, plain, 0);
    assert_int_equal(w->nheld, 1);
    w->sim.now += SIM_S;
    for (int i = 0; i < unsent; i++)
        assert_int_equal(gmq__engine_send(w->server->engine, w->held[0], message, w->sim.now),
                         GMQ_OK);
    assert_int_equal(gmq__engine_finish(w->server->engine, w->held[0], code, gmq__span_str(""),
                                        NULL, w->sim.now),
                     GMQ_OK);
    gmq__engine_timer(w->server->engine, w->sim.now); /* before anything could leave */
    sim_run(&w->sim, SIM_S);
    gmq_buf_unref(message);
    assert_int_equal(sim_record_count(GMQ__TOPIC_SESSION), last + 1);
    assert_int_equal(sim_record_nth(GMQ__TOPIC_SESSION, last)->i, last);
    return sim_status(sim_record_nth(GMQ__TOPIC_SESSION, last));
}

static void unary_status_at_the_deadline_is_told(void **state)
{
    (void)state;
    assert_int_equal(told_at_the_deadline("Unary", 0, GMQ_CODE_DEADLINE_EXCEEDED, 0),
                     GMQ_CODE_DEADLINE_EXCEEDED);
    teardown(state);
    setup(state);
    assert_int_equal(told_at_the_deadline("Unary", 1, GMQ_CODE_OK, 0), GMQ_CODE_OK);
}

/* Messages that wait are dropped; initial metadata, end of the stream, status. */
static void stream_status_at_the_deadline_is_told(void **state)
{
    (void)state;
    assert_int_equal(told_at_the_deadline("Server", 5, GMQ_CODE_OK, 2), GMQ_CODE_DEADLINE_EXCEEDED);
}

static void error_in_place_of_initial_metadata_is_recognised(void **state)
{
    (void)state;
    gmq__bytes out = {0};
    gmq__remote_error error = {
        .type = 23, .message = gmq__span_str("down"), .has_status = true, .status = 14};
    open_client_recorded(GMQ_RPC_SERVER_STREAMING, 3, 5 * SIM_S);
    gmq__response_encode_error(&out, &error);
    inject_answer(gmq__bytes_span(&out), 0);
    gmq__bytes_free(&out);
    assert_true(w->calls[1].finished);
    assert_int_equal(w->calls[1].code, GMQ_CODE_UNAVAILABLE);
    assert_string_equal(w->calls[1].details, "down");
}

/* ---- A bidi client that waits for initial metadata ---- */

static void bidi_client_sends_before_initial_metadata_came(void **state)
{
    (void)state;
    open_client_recorded(GMQ_RPC_BIDI_STREAMING, 3, 5 * SIM_S);
    assert_int_equal(w->calls[1].initials, 0);
    assert_int_equal(sim_record_count(GMQ__TOPIC_REQUEST), 5); /* Request, three, end */
}

/* ---- The second packet of a request can open a second session ---- */

static void second_packet_waits_for_puback_of_the_first(void **state)
{
    (void)state;
    w->client_config.msg_size_limit = 64;
    world_open(w);
    w->client->on_publish = sim_record;
    w->client->hold_acks = true;
    sim_run(&w->sim, 20 * SIM_MS);
    world_start(w, 1, GMQ_RPC_UNARY, 1, 500, 5 * SIM_S, 0, false);
    sim_run(&w->sim, SIM_S);
    assert_int_equal(sim_record_count(GMQ__TOPIC_REQUEST), 1);
    assert_true(sim_record_nth(GMQ__TOPIC_REQUEST, 0)->npackets > 1);
    sim_run(&w->sim, 10 * SIM_S); /* never acknowledged: the deadline ends it, no Terminate for what
                                     may not be there */
    assert_int_equal(w->calls[1].code, GMQ_CODE_DEADLINE_EXCEEDED);
    assert_int_equal(sim_record_count(GMQ__TOPIC_REQUEST), 1);
}

/* ---- A session forgotten at its end ---- */

static void late_duplicate_does_not_run_the_handler_again(void **state)
{
    (void)state;
    open_server_recorded();
    w->mute_handlers = true;
    sim_request(w->server, "s", "Unary", "x", 10, plain, 0);
    assert_int_equal(w->calls[1].runs, 1);
    sim_request(w->server, "s", "Unary", "x", 10, plain, 0); /* while it runs */
    gmq__engine_finish(w->server->engine, w->held[0], 0, gmq__span_str(""), NULL, w->sim.now);
    sim_settle(&w->sim);
    sim_request(w->server, "s", "Unary", "x", 10, plain, 0);
    sim_run(&w->sim, 65 * SIM_S); /* timeout 10 s + 60 s have not passed */
    sim_request(w->server, "s", "Unary", "x", 10, plain, 0);
    assert_int_equal(w->calls[1].runs, 1);
    assert_int_equal(world_stats(w->server).duplicates, 3);
    assert_int_equal(world_stats(w->server).tombstones, 1);
    sim_run(&w->sim, 10 * SIM_S);
    assert_int_equal(world_stats(w->server).tombstones, 0);
}

static void gap_in_the_request_times_out(void **state)
{
    (void)state;
    open_server_recorded();
    sim_request(w->server, "s", "Unary", "x", 100, plain, 1); /* 0 never comes */
    sim_run(&w->sim, 4900 * SIM_MS);
    assert_int_equal(recorded.n, 0);
    sim_run(&w->sim, 200 * SIM_MS);
    assert_int_equal(sim_status(sim_record_nth(GMQ__TOPIC_SESSION, 0)), GMQ_CODE_UNAVAILABLE);
    assert_int_equal(world_stats(w->server).reassembly_bytes, 0);
}

static void gap_in_the_answer_times_out(void **state)
{
    (void)state;
    open_client_recorded(GMQ_RPC_SERVER_STREAMING, 3, 60 * SIM_S);
    inject_answer(gmq__span_str(""), 1);
    sim_run(&w->sim, 4900 * SIM_MS);
    assert_false(w->calls[1].finished);
    sim_run(&w->sim, 200 * SIM_MS);
    assert_int_equal(w->calls[1].code, GMQ_CODE_UNAVAILABLE);
    assert_true(sim_record_has_control(GMQ__CONTROL_TERMINATE));
}

/* ---- The heartbeat ---- */

static void heartbeat_from_the_first_packet_also_in_an_upload(void **state)
{
    (void)state;
    w->client_config.rate_limit = 50000; /* 1.5 MB take 30 s */
    w->client_config.msg_size_limit = 10000;
    w->server_config.watchdog_ns = 12 * SIM_S;
    world_open(w);
    w->client->on_publish = sim_record;
    world_start(w, 1, GMQ_RPC_UNARY, 1, 1500000, 300 * SIM_S, 0, false);
    sim_run(&w->sim, 25 * SIM_S);
    assert_false(w->calls[1].finished);
    assert_int_equal(sim_record_count(GMQ__TOPIC_CONTROL), 2); /* at 10 and 20 s */
    assert_true(sim_run_until(&w->sim, 100 * SIM_S, world_all_done, w));
    assert_int_equal(w->calls[1].code, GMQ_CODE_OK);
}

static void watchdog_does_not_fire_while_bytes_move(void **state)
{
    (void)state;
    w->client_config.heartbeat_ns = 1000 * SIM_S; /* none: the packets alone keep it alive */
    w->client_config.rate_limit = 20000;
    w->client_config.msg_size_limit = 10000;
    world_open(w);
    world_start(w, 1, GMQ_RPC_UNARY, 1, 1500000, 300 * SIM_S, 0, false);
    assert_true(sim_run_until(&w->sim, 200 * SIM_S, world_all_done, w));
    assert_int_equal(w->calls[1].code, GMQ_CODE_OK);
    assert_true(w->calls[1].ended_at - w->calls[1].started_at > 60 * SIM_S);
}

/* ---- Elements after an error ---- */

static void client_sends_nothing_more_after_the_status(void **state)
{
    (void)state;
    gmq__bytes out = {0};
    gmq__remote_error error = {
        .type = 5, .message = gmq__span_str("/t.S/X"), .has_status = true, .status = 12};
    w->client_config.rate_limit = 200;
    open_client_recorded(GMQ_RPC_CLIENT_STREAMING, 20, 50 * SIM_S);
    size_t before = recorded.n;
    assert_true(before < 10);
    gmq__response_encode_error(&out, &error);
    inject_answer(gmq__bytes_span(&out), 0);
    gmq__bytes_free(&out);
    assert_int_equal(w->calls[1].code, GMQ_CODE_UNIMPLEMENTED);
    sim_run(&w->sim, 60 * SIM_S);
    assert_int_equal(recorded.n, before); /* no element, no heartbeat, no Terminate */
}

static void late_chunks_open_no_zombie_session(void **state)
{
    (void)state;
    open_server_recorded();
    sim_request(w->server, "s", "Nope", "", 10, plain, 0);
    assert_int_equal(sim_status(sim_record_nth(GMQ__TOPIC_SESSION, 0)), GMQ_CODE_UNIMPLEMENTED);
    sim_packet(w->server, "s", "Nope", gmq__span_str(""), 0, 1, 1);
    sim_packet(w->server, "s", "Nope", gmq__span_str(""), 0, 1, 2);
    sim_run(&w->sim, 40 * SIM_S);
    assert_int_equal(recorded.n, 1);
    assert_int_equal(world_stats(w->server).duplicates, 2);
}

/* ---- A unary call in flight ---- */

static void terminate_cancels_a_unary_call_at_once(void **state)
{
    (void)state;
    open_server_recorded();
    w->mute_handlers = true;
    sim_request(w->server, "s", "Unary", "x", 100, plain, 0);
    sim_control(w->server, "s", GMQ__CONTROL_TERMINATE);
    assert_true(w->calls[1].handler_finished);
    assert_int_equal(w->calls[1].handler_code, GMQ_CODE_CANCELLED);
    assert_int_equal(
        gmq__engine_finish(w->server->engine, w->held[0], 0, gmq__span_str(""), NULL, w->sim.now),
        GMQ_E_CLOSED);
}

static void watchdog_cancels_a_unary_call(void **state)
{
    (void)state;
    open_server_recorded();
    w->mute_handlers = true;
    sim_request(w->server, "s", "Unary", "x", 100, plain, 0);
    sim_run(&w->sim, 20 * SIM_S);
    sim_control(w->server, "s", GMQ__CONTROL_ALIVE);
    sim_run(&w->sim, 29 * SIM_S);
    assert_false(w->calls[1].handler_finished);
    sim_run(&w->sim, 2 * SIM_S);
    assert_true(w->calls[1].handler_finished);
    assert_int_equal(w->calls[1].handler_code, GMQ_CODE_CANCELLED);
}

/* ---- Bidi: the server ends first ---- */

static void bidi_status_comes_without_the_clients_half_close(void **state)
{
    (void)state;
    open_server_recorded();
    w->mute_handlers = true;
    sim_request(w->server, "s", "Bidi", "", 100, plain, 0);
    gmq__engine_finish(w->server->engine, w->held[0], 10, gmq__span_str("enough"), NULL,
                       w->sim.now);
    sim_settle(&w->sim);
    assert_int_equal(sim_record_count(GMQ__TOPIC_SESSION), 3);
    assert_int_equal(sim_status(sim_record_nth(GMQ__TOPIC_SESSION, 2)), GMQ_CODE_ABORTED);
    assert_true(w->calls[1].handler_finished);
}

/* ---- Client compression level ---- */

static gmq_buf *last_message;

static void keep_message(sim_peer *peer, gmq__ev *ev)
{
    if (ev->kind == GMQ__EV_CALL)
        gmq__engine_read(peer->engine, ev->call, 1, peer->sim->now);
    if (ev->kind == GMQ__EV_MESSAGE)
        last_message = gmq_buf_ref(ev->message);
}

static void compressed_unary_request_reaches_the_handler_plain(void **state)
{
    (void)state;
    gmq__bytes packed = {0}, request_bytes = {0};
    gmq__rpc_options options = {0, 0, 5};
    open_server_recorded();
    w->server->on_event = keep_message;
    assert_int_equal(gmq__zstd_compress(&packed, gmq__span_str("hello hello hello"), 5), GMQ_OK);
    gmq__request request = {
        .message = gmq__bytes_span(&packed), .options = options, .timeout_s = 5};
    gmq__request_encode(&request_bytes, &request);
    sim_packet(w->server, "s", "Unary", gmq__bytes_span(&request_bytes), 0, 1, 0);
    assert_non_null(last_message);
    assert_true(gmq__span_equal_str(gmq__buf_span(last_message), "hello hello hello"));
    gmq_buf_unref(last_message);
    gmq__bytes_free(&packed);
    gmq__bytes_free(&request_bytes);
}

static void unary_request_is_not_compressed_for_the_remote(void **state)
{
    (void)state;
    gmq__request request = {0};
    gmq__call_args args = {
        .id = 1, .path = gmq__span_str("/t.S/Server"), .kind = GMQ_RPC_SERVER_STREAMING};
    args.deadline = INT64_MAX;
    args.options.client_level = args.options.server_level = 5;
    args.options.batched = 1;
    world_open(w);
    w->client->on_publish = sim_record;
    recorded.swallow = true;
    assert_int_equal(gmq__engine_start(w->client->engine, &args, w->sim.now), GMQ_OK);
    gmq_buf *buf =
        gmq__buf_copy(gmq__span_str("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    gmq__engine_send(w->client->engine, 1, buf, w->sim.now);
    sim_run(&w->sim, 50 * SIM_MS);
    const record *r = sim_record_nth(GMQ__TOPIC_REQUEST, 0);
    assert_int_equal(gmq__request_decode(gmq__bytes_span(&r->message), 8192, &request), GMQ_OK);
    assert_true(gmq__span_equal(request.message, gmq__buf_span(buf)));
    assert_int_equal(request.options.client_level, 5);
    assert_int_equal(request.options.server_level, 5);
    assert_int_equal(request.options.batched, 1);
    gmq_metadata_free(request.metadata);
    gmq_buf_unref(buf);
}

static gmq__rpc_options announced_with(gmq_rpc_kind kind, gmq__rpc_options own)
{
    gmq__request request = {0};
    gmq__call_args args = {.id = 2, .path = gmq__span_str("/t.S/M"), .kind = kind, .options = own};
    args.deadline = INT64_MAX;
    memset(&w->calls[2], 0, sizeof w->calls[2]);
    gmq_buf *buf = gmq__buf_copy(gmq__span_str("m"));
    assert_int_equal(gmq__engine_start(w->client->engine, &args, w->sim.now), GMQ_OK);
    gmq__engine_send(w->client->engine, 2, buf, w->sim.now);
    sim_run(&w->sim, 50 * SIM_MS);
    gmq__bytes *message = &recorded.records[0].message;
    assert_int_equal(gmq__request_decode(gmq__bytes_span(message), 8192, &request), GMQ_OK);
    gmq_metadata_free(request.metadata);
    gmq__engine_cancel(w->client->engine, 2, 1, NULL, w->sim.now);
    sim_run(&w->sim, 50 * SIM_MS);
    sim_record_clear();
    recorded.swallow = true;
    gmq_buf_unref(buf);
    return request.options;
}

static void unary_compression_is_asked_for_by_the_method_alone(void **state)
{
    (void)state;
    gmq__rpc_options none = {-1, -1, -1}, own = {0, 7, 8};
    w->client_config.options.server_level = 3;
    w->client_config.options.client_level = 4;
    world_open(w);
    w->client->on_publish = sim_record;
    recorded.swallow = true;
    gmq__rpc_options unary = announced_with(GMQ_RPC_UNARY, none);
    assert_int_equal(unary.server_level, 0);
    assert_int_equal(unary.client_level, 0);
    gmq__rpc_options unary_own = announced_with(GMQ_RPC_UNARY, own);
    assert_int_equal(unary_own.server_level, 7);
    assert_int_equal(unary_own.client_level, 8);
    gmq__rpc_options stream = announced_with(GMQ_RPC_BIDI_STREAMING, none);
    assert_int_equal(stream.server_level, 3);
    assert_int_equal(stream.client_level, 4);
}

/* ---- Its remote exits when the connection is lost ---- */

static void server_goes_on_after_a_lost_connection(void **state)
{
    (void)state;
    world_open(w);
    w->mute_handlers = true;
    world_start(w, 1, GMQ_RPC_UNARY, 1, 100, 20 * SIM_S, 0, false);
    sim_run(&w->sim, 50 * SIM_MS);
    sim_disconnect(w->server, GMQ_CODE_UNAVAILABLE, "gone");
    sim_settle(&w->sim);
    assert_int_equal(w->calls[1].handler_code, GMQ_CODE_UNAVAILABLE);
    w->mute_handlers = false;
    w->server_ready = false;
    sim_connect(w->server);
    sim_run(&w->sim, 50 * SIM_MS);
    assert_true(w->server_ready);
    world_start(w, 2, GMQ_RPC_UNARY, 1, 100, 5 * SIM_S, 0, false);
    assert_true(sim_run_until(&w->sim, 40 * SIM_S, world_all_done, w));
    assert_int_equal(w->calls[2].code, GMQ_CODE_OK);
}

/* ---- Timeouts ---- */

static void timeout_zero_expires_at_once(void **state)
{
    (void)state;
    open_server_recorded();
    sim_request(w->server, "s", "Unary", "x", 0, plain, 0);
    assert_int_equal(w->calls[1].runs, 0);
    assert_int_equal(sim_status(sim_record_nth(GMQ__TOPIC_SESSION, 0)), GMQ_CODE_DEADLINE_EXCEEDED);
}

static void timeout_negative_never_expires(void **state)
{
    (void)state;
    open_server_recorded();
    w->mute_handlers = true;
    sim_request(w->server, "s", "Unary", "x", -5, plain, 0);
    for (int beat = 0; beat < 1000; beat++) {
        sim_run(&w->sim, 20 * SIM_S);
        sim_control(w->server, "s", GMQ__CONTROL_ALIVE);
    }
    assert_int_equal(w->calls[1].runs, 1);
    assert_false(w->calls[1].handler_finished);
}

static int64_t timeout_on_the_wire(int64_t timeout)
{
    gmq__request request = {0};
    sim_record_clear();
    open_client_recorded(GMQ_RPC_UNARY, 1, timeout);
    const record *r = sim_record_nth(GMQ__TOPIC_REQUEST, 0);
    assert_int_equal(gmq__request_decode(gmq__bytes_span(&r->message), 8192, &request), GMQ_OK);
    gmq_metadata_free(request.metadata);
    return request.timeout_s;
}

static void timeout_of_200_ms_is_one_second_on_the_wire(void **state)
{
    (void)state;
    assert_int_equal(timeout_on_the_wire(200 * SIM_MS), 1);
}

static void timeout_is_rounded_up(void **state)
{
    (void)state;
    assert_int_equal(timeout_on_the_wire(5500 * SIM_MS), 6);
}

static void no_deadline_is_no_expired_one_for_the_reference(void **state)
{
    (void)state;
    assert_true(timeout_on_the_wire(-1) >=
                86400); /* it takes a negative timeout for one that has run out */
}

#define TRIP(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TRIP(stream_failing_early_gets_its_whole_sequence),
        TRIP(unary_status_at_the_deadline_is_told),
        TRIP(stream_status_at_the_deadline_is_told),
        TRIP(error_in_place_of_initial_metadata_is_recognised),
        TRIP(bidi_client_sends_before_initial_metadata_came),
        TRIP(second_packet_waits_for_puback_of_the_first),
        TRIP(late_duplicate_does_not_run_the_handler_again),
        TRIP(gap_in_the_request_times_out),
        TRIP(gap_in_the_answer_times_out),
        TRIP(heartbeat_from_the_first_packet_also_in_an_upload),
        TRIP(watchdog_does_not_fire_while_bytes_move),
        TRIP(client_sends_nothing_more_after_the_status),
        TRIP(late_chunks_open_no_zombie_session),
        TRIP(terminate_cancels_a_unary_call_at_once),
        TRIP(watchdog_cancels_a_unary_call),
        TRIP(bidi_status_comes_without_the_clients_half_close),
        TRIP(compressed_unary_request_reaches_the_handler_plain),
        TRIP(unary_request_is_not_compressed_for_the_remote),
        TRIP(unary_compression_is_asked_for_by_the_method_alone),
        TRIP(server_goes_on_after_a_lost_connection),
        TRIP(timeout_zero_expires_at_once),
        TRIP(timeout_negative_never_expires),
        TRIP(timeout_of_200_ms_is_one_second_on_the_wire),
        TRIP(timeout_is_rounded_up),
        TRIP(no_deadline_is_no_expired_one_for_the_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
