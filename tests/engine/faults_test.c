/* The table of docs/design/faults.md, rows 7 to 22, and 23 as far as an engine sees it: what must
 * hold, one test a fault. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "engine/sim_fixture.h"
#include "wire/packet.h"
#include "wire/request.h"
#include "wire/zstd.h"

static const gmq__rpc_options plain = {0, 0, 0};

static void start_all_kinds(uint64_t calls, uint32_t n, uint32_t size, int64_t timeout)
{
    for (uint64_t id = 1; id <= calls; id++)
        assert_int_equal(
            world_start(w, id, (gmq_rpc_kind)(id % 4), id % 4 ? n : 1, size, timeout, 0, false),
            GMQ_OK);
}

static void all_ok(uint64_t calls)
{
    assert_true(sim_run_until(&w->sim, 300 * SIM_S, world_all_done, w));
    world_check(w);
    for (uint64_t id = 1; id <= calls; id++) {
        assert_int_equal(w->calls[id].code, GMQ_CODE_OK);
        assert_int_equal(w->calls[id].runs, 1);
    }
}

/* ---- Row 7: the server killed, and back before the next heartbeat ---- */

static void row_7_a_restarted_server_knows_no_call(void **state)
{
    (void)state;
    for (int slices = 0; slices < 2; slices++) {
        setup(NULL);
        w->mute_handlers = true;
        if (slices)
            w->client_config.msg_size_limit = w->server_config.msg_size_limit = 64;
        world_open(w);
        for (uint64_t id = 1; id <= 4; id++)
            world_start(w, id, (gmq_rpc_kind)(id % 4), 1, 100, -1, 0, false);
        sim_run(&w->sim, 2 * SIM_S);
        sim_restart(w->server, &w->server_config);
        sim_connect(w->server);
        assert_false(sim_run_until(&w->sim, 7 * SIM_S, world_all_done, w));
        assert_true(sim_run_until(&w->sim, 2 * SIM_S, world_all_done, w)); /* a heartbeat */
        for (uint64_t id = 1; id <= 4; id++) {
            assert_int_equal(w->calls[id].code, GMQ_CODE_UNAVAILABLE);
            assert_string_equal(w->calls[id].details, "the server does not know the call");
        }
        world_check_quiet(w);
        teardown(NULL);
    }
    setup(NULL);
}

static void row_10_every_publish_doubled(void **state)
{
    (void)state;
    w->sim.faults.double_ppm = 1000000;
    w->client_config.msg_size_limit = w->server_config.msg_size_limit = 100;
    world_open(w);
    start_all_kinds(40, 6, 300, 60 * SIM_S);
    all_ok(40);
    assert_true(world_stats(w->server).duplicates > 100);
    world_check_quiet(w);
}

static void row_12_reordered_within_256(void **state)
{
    (void)state;
    w->sim.faults.reorder_ppm = 900000;
    w->sim.faults.reorder_ns = 128 * SIM_MS;
    w->client_config.msg_size_limit = w->server_config.msg_size_limit = 64;
    world_open(w);
    start_all_kinds(20, 20, 300, 60 * SIM_S);
    all_ok(20);
    world_check_quiet(w);
}

/* ---- Row 13: one publish dropped ---- */

static uint64_t seen, drop_at;

static bool drop_one(sim_peer *peer, const gmq__mqtt_message *message)
{
    (void)peer;
    (void)message;
    return seen++ != drop_at;
}

static void drop_nth(gmq_rpc_kind kind, bool of_client, uint64_t nth, int64_t timeout)
{
    setup(NULL);
    seen = 0;
    drop_at = nth;
    w->client_config.msg_size_limit = w->server_config.msg_size_limit = 64;
    world_open(w);
    (of_client ? w->client : w->server)->on_publish = drop_one;
    assert_int_equal(world_start(w, 1, kind, 3, 100, timeout, 0, false), GMQ_OK);
    assert_true(sim_run_until(&w->sim, 60 * SIM_S, world_all_done, w));
    world_check(w);
    int32_t code = w->calls[1].code;
    assert_true(code == GMQ_CODE_OK || code == GMQ_CODE_UNAVAILABLE ||
                code == GMQ_CODE_DEADLINE_EXCEEDED);
    world_check_quiet(w);
    teardown(NULL);
}

static void row_13_one_publish_dropped_never_hangs(void **state)
{
    for (int kind = 0; kind < 4; kind++)
        for (uint64_t nth = 0; nth < 14; nth++) {
            drop_nth((gmq_rpc_kind)kind, true, nth, 30 * SIM_S);
            drop_nth((gmq_rpc_kind)kind, false, nth, 30 * SIM_S);
        }
    setup(state);
}

static void row_13_lost_end_of_an_answer_without_deadline(void **state)
{
    seen = 0;
    drop_at = 0; /* a unary answer has one packet: no later one shows the hole */
    world_open(w);
    w->server->on_publish = drop_one;
    world_start(w, 1, GMQ_RPC_UNARY, 1, 100, -1, 0, false);
    assert_true(sim_run_until(&w->sim, 20 * SIM_S, world_all_done, w));
    assert_int_equal(w->calls[1].code, GMQ_CODE_UNAVAILABLE);
    (void)state;
}

/* ---- Row 14: the application reads slowly ---- */

static void row_14_slow_reader_stalls_alone(void **state)
{
    (void)state;
    w->client_config.receive_buffer = 100000;
    world_open(w);
    w->no_reading = true;
    world_start(w, 1, GMQ_RPC_SERVER_STREAMING, 100, 5000, 60 * SIM_S, 0, false);
    w->no_reading = false;
    world_start(w, 2, GMQ_RPC_SERVER_STREAMING, 100, 5000, 60 * SIM_S, 0, false);
    assert_true(sim_run_until(&w->sim, 90 * SIM_S, world_all_done, w));
    assert_int_equal(w->calls[1].code, GMQ_CODE_RESOURCE_EXHAUSTED);
    assert_int_equal(w->calls[2].code, GMQ_CODE_OK);
    assert_int_equal(w->calls[2].messages, 100);
    assert_int_equal(world_stats(w->client).unread_bytes, 0);
}

static void row_14_no_message_without_credit(void **state)
{
    (void)state;
    world_open(w);
    w->no_reading = true;
    world_start(w, 1, GMQ_RPC_SERVER_STREAMING, 3, 100, 60 * SIM_S, 0, false);
    sim_run(&w->sim, SIM_S);
    assert_int_equal(w->calls[1].messages, 0);
    assert_false(w->calls[1].finished); /* the status waits behind what is unread */
    assert_int_equal(world_stats(w->client).open_calls, 1);
    gmq__engine_read(w->client->engine, 1, 1, w->sim.now);
    assert_true(
        sim_run_until(&w->sim, SIM_S, world_all_done, w)); /* each message gives one more credit */
    assert_int_equal(w->calls[1].messages, 3);
    world_check(w);
}

/* ---- Row 15: small windows ---- */

static void window(uint32_t receive_max)
{
    setup(NULL);
    w->sim.faults.receive_max = receive_max;
    world_open(w);
    start_all_kinds(500, 3, 200, 200 * SIM_S);
    all_ok(500);
    assert_true(w->client->most_in_flight <= receive_max);
    assert_true(w->server->most_in_flight <= receive_max);
    assert_true(world_stats(w->client).subscriptions <= 40);
    world_check_quiet(w);
    teardown(NULL);
}

static void row_15_receive_maximum_with_500_calls(void **state)
{
    window(1);
    window(10);
    window(20);
    setup(state);
}

static size_t most_filters;

static bool watch_filters(sim_peer *peer, const gmq__mqtt_message *message)
{
    (void)message;
    if (peer->nfilters > most_filters)
        most_filters = peer->nfilters;
    return true;
}

static void subscriptions_stay_below_their_cap(void **state)
{
    (void)state;
    most_filters = 0;
    w->client_config.subscriptions = 5;
    world_open(w);
    w->client->on_publish = watch_filters;
    start_all_kinds(200, 3, 100, 200 * SIM_S);
    all_ok(200);
    assert_true(most_filters > 0 && most_filters <= 5);
    world_check_quiet(w);
}

static void a_call_waits_for_no_suback(void **state)
{
    (void)state;
    world_open(w);
    w->client->on_publish = sim_record;
    for (uint64_t id = 1; id <= 100; id++) {
        sim_run(&w->sim, 50 * SIM_MS);
        world_start(w, id, GMQ_RPC_UNARY, 1, 10, 5 * SIM_S, 0, false);
        sim_settle(&w->sim);
        assert_int_equal(sim_record_count(GMQ__TOPIC_REQUEST), id); /* left in the same instant */
    }
    assert_true(w->client->subscribes <= 30); /* by the batch */
    assert_true(w->client->unsubscribes <= 60);
}

/* ---- Row 17: sizes around the limits ---- */

static void row_17_sizes_around_the_message_size_limit(void **state)
{
    (void)state;
    w->client_config.msg_size_limit = w->server_config.msg_size_limit = 300;
    world_open(w);
    uint64_t id = 0;
    for (uint32_t size = 240; size < 310; size++)
        world_start(w, ++id, GMQ_RPC_UNARY, 1, size, 60 * SIM_S, 0, false);
    all_ok(id);
}

static void row_17_packets_fill_the_brokers_maximum_exactly(void **state)
{
    (void)state;
    size_t most = 0;
    for (size_t packet_max = 180; packet_max < 340; packet_max += 7) {
        setup(NULL);
        w->sim.faults.packet_max = packet_max; /* the simulator asserts that no publish is larger */
        world_open(w);
        world_start(w, 1, GMQ_RPC_UNARY, 1, 20000, 60 * SIM_S, 0, false);
        world_start(w, 2, GMQ_RPC_BIDI_STREAMING, 3, 3000, 60 * SIM_S, 0, false);
        all_ok(2);
        most = packet_max;
        teardown(NULL);
    }
    assert_true(most > 0);
    setup(NULL);
}

static void row_17_brokers_maximum_too_small_for_anything(void **state)
{
    (void)state;
    w->sim.faults.packet_max = 70;
    world_open(w);
    world_start(w, 1, GMQ_RPC_UNARY, 1, 100, 60 * SIM_S, 0, false);
    assert_true(sim_run_until(&w->sim, SIM_S, world_all_done, w));
    assert_int_equal(w->calls[1].code, GMQ_CODE_RESOURCE_EXHAUSTED);
}

static void row_17_message_above_the_receive_limit(void **state)
{
    (void)state;
    w->client_config.receive_limit = 50000;
    world_open(w);
    world_start(w, 1, GMQ_RPC_UNARY, 1, 50000, 60 * SIM_S, 0, false);
    world_start(w, 2, GMQ_RPC_UNARY, 1, 50001, 60 * SIM_S, 0, false);
    assert_true(sim_run_until(&w->sim, SIM_S, world_all_done, w));
    assert_int_equal(w->calls[1].code, GMQ_CODE_OK);
    assert_int_equal(w->calls[2].code, GMQ_CODE_RESOURCE_EXHAUSTED);
}

/* ---- Rows 18 and 19: reassembly ---- */

static void open_server_recorded(void)
{
    world_open(w);
    w->mute_handlers = true;
    w->server->on_publish = sim_record;
    recorded.swallow = true;
}

static void two_packets(const char *sid, uint32_t position1, uint32_t npackets1, uint32_t position2,
                        uint32_t npackets2)
{
    size_t before = sim_record_count(GMQ__TOPIC_SESSION);
    sim_packet(w->server, sid, "Unary", gmq__span_str("abc"), position1, npackets1, 0);
    if (sim_record_count(GMQ__TOPIC_SESSION) == before)
        sim_packet(w->server, sid, "Unary", gmq__span_str("abc"), position2, npackets2, 1);
    assert_int_equal(sim_record_count(GMQ__TOPIC_SESSION), before + 1);
    assert_int_equal(sim_status(sim_record_nth(GMQ__TOPIC_SESSION, before)), GMQ_CODE_INTERNAL);
    assert_int_equal(world_stats(w->server).reassembly_bytes, 0);
}

static void row_18_packets_that_make_no_sense(void **state)
{
    (void)state;
    open_server_recorded();
    two_packets("huge", 0, UINT32_MAX, 1, 1);
    two_packets("changing", 0, 3, 1, 4);
    two_packets("out-of-range", 0, 3, 3, 3);
    two_packets("far-out", 0, 3, UINT32_MAX, 3);
    two_packets("becomes-whole", 0, 3, 0, 0);
    assert_int_equal(w->nof_server, 0);
}

static void row_19_reassemblies_never_finished(void **state)
{
    (void)state;
    char sid[32], filler[1000] = "x";
    open_server_recorded();
    for (int at = 0; at < 4000; at++) {
        snprintf(sid, sizeof sid, "never%d", at);
        sim_packet(w->server, sid, "Unary", gmq__span_of(filler, sizeof filler), 0, 2, 0);
    }
    assert_true(world_stats(w->server).reassembly_bytes >= 4000u * 1000);
    sim_run(&w->sim, 40 * SIM_S);
    assert_int_equal(world_stats(w->server).reassembly_bytes, 0);
    assert_int_equal(w->nof_server, 0);
}

static void row_19_under_a_total_cap(void **state)
{
    (void)state;
    char sid[32], filler[1000] = "x";
    w->server_config.reassembly_limit = 200000;
    open_server_recorded();
    for (int at = 0; at < 1000; at++) {
        snprintf(sid, sizeof sid, "never%d", at);
        sim_packet(w->server, sid, "Unary", gmq__span_of(filler, sizeof filler), 0, 2, 0);
        assert_true(world_stats(w->server).reassembly_bytes <= 200000);
    }
    assert_int_equal(sim_status(sim_record_nth(GMQ__TOPIC_SESSION, 0)),
                     GMQ_CODE_RESOURCE_EXHAUSTED);
}

/* A message that is above the limit is given up before it is whole. */
static void row_19_one_that_grows_too_large(void **state)
{
    (void)state;
    static char filler[100000] = "x";
    w->server_config.receive_limit = 1000000;
    open_server_recorded();
    for (uint32_t at = 0; at < 50 && !recorded.n; at++) {
        sim_packet(w->server, "grows", "Unary", gmq__span_of(filler, sizeof filler), at + 1, 1000,
                   at);
        assert_in_range(world_stats(w->server).reassembly_bytes, 0, 1300000);
    }
    assert_int_equal(sim_status(sim_record_nth(GMQ__TOPIC_SESSION, 0)),
                     GMQ_CODE_RESOURCE_EXHAUSTED);
    assert_int_equal(world_stats(w->server).reassembly_bytes, 0);
}

/* ---- Row 20: zstd ---- */

static void compressed_request(const char *sid, gmq__span message, int32_t code)
{
    gmq__bytes wire = {0};
    gmq__request request = {.message = message, .options = {0, 0, 5}, .timeout_s = 5};
    size_t before = recorded.n;
    gmq__request_encode(&wire, &request);
    sim_packet(w->server, sid, "Unary", gmq__bytes_span(&wire), 0, 1, 0);
    gmq__bytes_free(&wire);
    assert_int_equal(recorded.n, before + 1);
    assert_int_equal(sim_status(sim_record_nth(GMQ__TOPIC_SESSION, before)), code);
}

static int events_of_call;

static void ignore_call(sim_peer *peer, gmq__ev *ev)
{
    (void)peer;
    events_of_call += ev->kind == GMQ__EV_MESSAGE;
}

static void row_20_zstd_bomb_and_broken_frames(void **state)
{
    (void)state;
    gmq__bytes bomb = {0};
    uint8_t *zeros = calloc(1, (size_t)8 << 20);
    open_server_recorded();
    w->server->on_event = ignore_call;
    assert_int_equal(gmq__zstd_compress(&bomb, gmq__span_of(zeros, (size_t)8 << 20), 19), GMQ_OK);
    free(zeros);
    assert_true(bomb.len < 10000);
    compressed_request("bomb", gmq__bytes_span(&bomb), GMQ_CODE_RESOURCE_EXHAUSTED);
    gmq__bytes_free(&bomb);
    assert_int_equal(gmq__zstd_compress(&bomb, gmq__span_str("hello hello hello hello"), 3),
                     GMQ_OK);
    compressed_request("truncated", gmq__span_of(bomb.data, bomb.len - 3), GMQ_CODE_INTERNAL);
    bomb.data[5] ^= 0x40; /* the size that the frame announces */
    compressed_request("lying", gmq__bytes_span(&bomb), GMQ_CODE_INTERNAL);
    gmq__bytes_free(&bomb);
    assert_int_equal(events_of_call, 0);
}

/* ---- Row 22: ids guessed or replayed ---- */

static void row_22_strangers_have_no_effect(void **state)
{
    (void)state;
    gmq__bytes packet = {0};
    world_open(w);
    w->mute_handlers = true;
    world_start(w, 1, GMQ_RPC_UNARY, 1, 100, 20 * SIM_S, 0, false);
    sim_run(&w->sim, 50 * SIM_MS);
    gmq__packet_encode(&packet, gmq__span_str("\x0a\x00"), 0, 1);
    sim_inject(w->client, "base/grpc/session/AAAAAAAAAAAAAAAAAAAAAAAA", packet.data, packet.len, 0);
    sim_control(w->server, "AAAAAAAAAAAAAAAAAAAAAAAA", GMQ__CONTROL_TERMINATE);
    sim_control(w->server, "AAAAAAAAAAAAAAAAAAAAAAAA", GMQ__CONTROL_ALIVE);
    gmq__bytes_free(&packet);
    assert_int_equal(world_stats(w->client).ignored, 1);
    assert_int_equal(world_stats(w->server).ignored, 2);
    assert_false(w->calls[1].finished);
    assert_false(w->calls[1].handler_finished);
}

/* ---- Row 23, and nobody at the other end ---- */

static int32_t code_when_publishes_get(int reason, bool wait_for_ready)
{
    w->client->refuse_publish = reason;
    world_start(w, 1, GMQ_RPC_UNARY, 1, 100, 20 * SIM_S, 0, wait_for_ready);
    sim_run_until(&w->sim, 50 * SIM_MS, world_all_done, w);
    return w->calls[1].finished ? w->calls[1].code : -1;
}

static void row_23_request_denied(void **state)
{
    (void)state;
    world_open(w);
    assert_int_equal(code_when_publishes_get(GMQ__MQTT_NOT_AUTHORIZED, false),
                     GMQ_CODE_PERMISSION_DENIED);
}

static void row_23_quota_exceeded(void **state)
{
    (void)state;
    world_open(w);
    assert_int_equal(code_when_publishes_get(GMQ__MQTT_QUOTA_EXCEEDED, false),
                     GMQ_CODE_RESOURCE_EXHAUSTED);
}

static void row_23_subscription_denied(void **state)
{
    (void)state;
    world_open(w);
    sim_disconnect(w->client, GMQ_CODE_UNAVAILABLE, "again");
    sim_settle(&w->sim);
    w->client->refuse_subscribe = true;
    sim_connect(w->client);
    world_start(w, 1, GMQ_RPC_UNARY, 1, 100, 20 * SIM_S, 0, false);
    sim_run(&w->sim, 100 * SIM_MS);
    assert_int_equal(w->calls[1].code, GMQ_CODE_PERMISSION_DENIED);
    assert_true(w->client->subscribes < 5); /* no storm */
    w->client->refuse_subscribe = false;
    world_start(w, 2, GMQ_RPC_UNARY, 1, 100, 20 * SIM_S, 0, false);
    assert_true(sim_run_until(&w->sim, SIM_S, world_all_done, w));
    assert_int_equal(w->calls[2].code, GMQ_CODE_OK);
}

static void row_23_servers_filters_denied(void **state)
{
    (void)state;
    world_open(w);
    sim_disconnect(w->server, GMQ_CODE_UNAVAILABLE, "again");
    w->server->refuse_subscribe = true;
    sim_connect(w->server);
    sim_run(&w->sim, 50 * SIM_MS);
    assert_true(w->server_failed);
}

static void nobody_listens_is_unavailable_at_once(void **state)
{
    (void)state;
    world_open(w);
    sim_disconnect(w->server, GMQ_CODE_UNAVAILABLE, "gone");
    world_start(w, 1, GMQ_RPC_UNARY, 1, 100, 20 * SIM_S, 0, false);
    assert_true(sim_run_until(&w->sim, 50 * SIM_MS, world_all_done, w));
    assert_int_equal(w->calls[1].code, GMQ_CODE_UNAVAILABLE);
}

static void wait_for_ready_waits_for_a_server(void **state)
{
    (void)state;
    world_open(w);
    sim_disconnect(w->server, GMQ_CODE_UNAVAILABLE, "gone");
    for (int kind = 0; kind < 4; kind++)
        world_start(w, (uint64_t)kind + 1, (gmq_rpc_kind)kind, 3, 200, 60 * SIM_S, 0, true);
    w->calls[1].answers = 1;
    sim_run(&w->sim, 10 * SIM_S);
    assert_int_equal(w->ended, 0);
    sim_connect(w->server);
    assert_true(sim_run_until(&w->sim, 30 * SIM_S, world_all_done, w));
    world_check(w);
    for (int id = 1; id <= 4; id++)
        assert_int_equal(w->calls[id].code, GMQ_CODE_OK);
    world_check_quiet(w);
}

static void wait_for_ready_ends_at_its_deadline(void **state)
{
    (void)state;
    world_open(w);
    sim_disconnect(w->client, GMQ_CODE_UNAVAILABLE, "gone");
    world_start(w, 1, GMQ_RPC_UNARY, 1, 100, 3 * SIM_S, 0, true);
    world_start(w, 2, GMQ_RPC_UNARY, 1, 100, 3 * SIM_S, 0, false);
    sim_settle(&w->sim);
    assert_true(w->calls[2].finished);
    assert_int_equal(w->calls[2].code, GMQ_CODE_UNAVAILABLE);
    sim_run(&w->sim, 4 * SIM_S);
    assert_int_equal(w->calls[1].code, GMQ_CODE_DEADLINE_EXCEEDED);
    world_check_quiet(w);
}

static void a_lost_connection_ends_all_calls_once(void **state)
{
    (void)state;
    world_open(w);
    w->mute_handlers = true;
    start_all_kinds(20, 3, 100, 20 * SIM_S);
    sim_run(&w->sim, 50 * SIM_MS);
    sim_disconnect(w->client, GMQ_CODE_UNAUTHENTICATED, "bad credentials");
    sim_settle(&w->sim);
    for (int id = 1; id <= 20; id++) {
        assert_true(w->calls[id].finished);
        assert_int_equal(w->calls[id].code, GMQ_CODE_UNAUTHENTICATED);
        assert_string_equal(w->calls[id].details, "bad credentials");
    }
    sim_connect(w->client);
    world_check_quiet(w);
}

/* ---- Limits of calls, draining, rate, batches ---- */

static void calls_above_the_limit_are_refused(void **state)
{
    (void)state;
    w->client_config.max_calls = 3;
    w->server_config.max_calls = 2;
    world_open(w);
    w->mute_handlers = true;
    for (uint64_t id = 1; id <= 4; id++)
        world_start(w, id, GMQ_RPC_UNARY, 1, 100, 20 * SIM_S, 0, false);
    sim_run(&w->sim, SIM_S);
    assert_int_equal(w->nheld, 2);
    assert_int_equal(w->calls[3].code, GMQ_CODE_RESOURCE_EXHAUSTED); /* by the server */
    assert_int_equal(w->calls[4].code, GMQ_CODE_RESOURCE_EXHAUSTED); /* here */
    assert_false(w->calls[1].finished);
}

/* Refusals pile up no further than their bound, and calls that are welcome are taken all the same.
 */
static void a_flood_of_strangers_does_no_harm(void **state)
{
    (void)state;
    char sid[32];
    world_open(w);
    w->mute_handlers = true;
    w->sim.faults.receive_max = 1;
    w->server->hold_acks = true; /* the transport takes one packet, then no more */
    for (int at = 0; at < 5000; at++) {
        snprintf(sid, sizeof sid, "stranger%d", at);
        sim_packet(w->server, sid, "Nope", gmq__span_str("x"), 0, 1, 0);
    }
    assert_true(world_stats(w->server).ignored >= 3900);
    sim_request(w->server, "friend", "Unary", "x", 10, plain, 0);
    assert_int_equal(w->nheld, 1);
}

static void draining_refuses_new_calls_and_ends_old_ones(void **state)
{
    (void)state;
    world_open(w);
    w->mute_handlers = true;
    world_start(w, 1, GMQ_RPC_UNARY, 1, 100, 20 * SIM_S, 0, false);
    sim_run(&w->sim, 50 * SIM_MS);
    gmq__engine_drain(w->server->engine, w->sim.now);
    world_start(w, 2, GMQ_RPC_SERVER_STREAMING, 1, 100, 20 * SIM_S, 0, false);
    sim_run(&w->sim, 50 * SIM_MS);
    assert_int_equal(w->calls[2].code, GMQ_CODE_UNAVAILABLE);
    assert_string_equal(w->calls[2].details, "server is shutting down");
    gmq__engine_finish(w->server->engine, w->held[0], 5, gmq__span_str("old"), NULL, w->sim.now);
    sim_run(&w->sim, 50 * SIM_MS);
    assert_int_equal(w->calls[1].code, 5);
}

static void rate_limit_holds_for_everything(void **state)
{
    (void)state;
    w->client_config.rate_limit = 100000;
    world_open(w);
    int64_t start = w->sim.now;
    for (uint64_t id = 1; id <= 100; id++)
        world_start(w, id, GMQ_RPC_UNARY, 1, 5000, 60 * SIM_S, 0, false); /* 500 kB: 5 s */
    all_ok(100);
    assert_true(w->sim.now - start >= 4900 * SIM_MS);
    assert_true(w->sim.now - start <= 5500 * SIM_MS);
}

static void batch_of(int64_t linger, int64_t pause, size_t chunks)
{
    setup(NULL);
    w->client_config.linger_ns = linger;
    w->client_config.options.batched = 1;
    world_open(w);
    w->client->on_publish = sim_record;
    recorded.swallow = true;
    gmq__call_args args = {
        .id = 1, .path = gmq__span_str("/t.S/Client"), .kind = GMQ_RPC_CLIENT_STREAMING};
    args.deadline = INT64_MAX;
    args.options.batched = args.options.server_level = args.options.client_level = -1;
    gmq__engine_start(w->client->engine, &args, w->sim.now);
    sim_run(&w->sim, 100 * SIM_MS);
    for (int at = 0; at < 4; at++) {
        gmq_buf *buf = gmq__buf_copy(gmq__span_str("elem"));
        gmq__engine_send(w->client->engine, 1, buf, w->sim.now);
        gmq_buf_unref(buf);
        sim_run(&w->sim, pause);
    }
    sim_run(&w->sim, 50 * SIM_MS);
    assert_int_equal(sim_record_count(GMQ__TOPIC_REQUEST), 1 + chunks);
    sim_record_clear();
    teardown(NULL);
}

static void batches_leave_after_their_linger(void **state)
{
    (void)state;
    batch_of(5 * SIM_MS, 0, 1);
    batch_of(5 * SIM_MS, 1 * SIM_MS, 1);
    batch_of(5 * SIM_MS, 3 * SIM_MS, 2);
    batch_of(5 * SIM_MS, 20 * SIM_MS, 4);
    batch_of(0, 1 * SIM_MS, 4); /* only what is ready */
    setup(NULL);
}

static void misuse_is_refused(void **state)
{
    (void)state;
    world_open(w);
    gmq_buf *buf = gmq__buf_copy(gmq__span_str("m"));
    gmq__engine *client = w->client->engine;
    assert_int_equal(gmq__engine_send(client, 99, buf, w->sim.now), GMQ_E_CLOSED);
    assert_int_equal(gmq__engine_read(client, 99, 1, w->sim.now), GMQ_E_CLOSED);
    assert_int_equal(gmq__engine_cancel(client, 99, 1, NULL, w->sim.now), GMQ_E_CLOSED);
    w->mute_handlers = true;
    world_start(w, 1, GMQ_RPC_UNARY, 1, 100, 20 * SIM_S, 0, false);
    assert_int_equal(gmq__engine_send(client, 1, buf, w->sim.now), GMQ_E_STATE);
    world_start(w, 2, GMQ_RPC_BIDI_STREAMING, 0, 100, 20 * SIM_S, 0, false);
    assert_int_equal(gmq__engine_send(client, 2, buf, w->sim.now), GMQ_E_STATE);
    assert_int_equal(gmq__engine_half_close(client, 2, w->sim.now), GMQ_OK);
    assert_int_equal(gmq__engine_finish(client, 2, 0, gmq__span_str(""), NULL, w->sim.now),
                     GMQ_E_STATE);
    sim_run(&w->sim, 50 * SIM_MS);
    gmq__engine *server = w->server->engine;
    assert_int_equal(gmq__engine_send_initial(server, w->held[0], NULL, w->sim.now), GMQ_OK);
    assert_int_equal(gmq__engine_send_initial(server, w->held[0], NULL, w->sim.now), GMQ_E_STATE);
    assert_int_equal(gmq__engine_send(server, w->held[0], buf, w->sim.now), GMQ_OK);
    assert_int_equal(gmq__engine_send(server, w->held[0], buf, w->sim.now), GMQ_E_STATE);
    assert_int_equal(gmq__engine_finish(server, w->held[0], 0, gmq__span_str(""), NULL, w->sim.now),
                     GMQ_OK);
    assert_int_equal(gmq__engine_finish(server, w->held[0], 0, gmq__span_str(""), NULL, w->sim.now),
                     GMQ_E_STATE);
    gmq_buf_unref(buf);
}

#define FAULT(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(row_7_a_restarted_server_knows_no_call, teardown),
        FAULT(row_10_every_publish_doubled),
        FAULT(row_12_reordered_within_256),
        cmocka_unit_test_teardown(row_13_one_publish_dropped_never_hangs, teardown),
        FAULT(row_13_lost_end_of_an_answer_without_deadline),
        FAULT(row_14_slow_reader_stalls_alone),
        FAULT(row_14_no_message_without_credit),
        cmocka_unit_test_teardown(row_15_receive_maximum_with_500_calls, teardown),
        FAULT(subscriptions_stay_below_their_cap),
        FAULT(a_call_waits_for_no_suback),
        FAULT(row_17_sizes_around_the_message_size_limit),
        cmocka_unit_test_teardown(row_17_packets_fill_the_brokers_maximum_exactly, teardown),
        FAULT(row_17_brokers_maximum_too_small_for_anything),
        FAULT(row_17_message_above_the_receive_limit),
        FAULT(row_18_packets_that_make_no_sense),
        FAULT(row_19_reassemblies_never_finished),
        FAULT(row_19_under_a_total_cap),
        FAULT(row_19_one_that_grows_too_large),
        FAULT(row_20_zstd_bomb_and_broken_frames),
        FAULT(row_22_strangers_have_no_effect),
        FAULT(row_23_request_denied),
        FAULT(row_23_quota_exceeded),
        FAULT(row_23_subscription_denied),
        FAULT(row_23_servers_filters_denied),
        FAULT(nobody_listens_is_unavailable_at_once),
        FAULT(wait_for_ready_waits_for_a_server),
        FAULT(wait_for_ready_ends_at_its_deadline),
        FAULT(a_lost_connection_ends_all_calls_once),
        FAULT(calls_above_the_limit_are_refused),
        FAULT(a_flood_of_strangers_does_no_harm),
        FAULT(draining_refuses_new_calls_and_ends_old_ones),
        FAULT(rate_limit_holds_for_everything),
        cmocka_unit_test_teardown(batches_leave_after_their_linger, teardown),
        FAULT(misuse_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
