/* The link dialect without faults: all kinds, what they cost, and the call interface's promises. */
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "engine/sim_world.h"

static world *opened(void)
{
    world *w = calloc(1, sizeof *w);
    world_init(w, 1, NULL);
    world_speak_link(w);
    world_open(w);
    sim_run(&w->sim, 10 * SIM_MS);
    assert_true(w->server_ready);
    return w;
}

static void closed(world *w)
{
    assert_true(sim_run_until(&w->sim, 100 * SIM_S, world_all_done, w));
    world_check(w);
    world_check_quiet(w);
    world_free(w);
    free(w);
}

static void all_kinds(void **state)
{
    (void)state;
    world *w = opened();
    uint64_t id = 1;
    for (int kind = 0; kind < 4; kind++)
        for (uint32_t n = 0; n < 8; n++, id++)
            assert_int_equal(world_start(w, id, (gmq_rpc_kind)kind, kind ? n : 1, 1 + 700 * n,
                                         60 * SIM_S, n % 3 ? 0 : 9, false),
                             GMQ_OK);
    assert_true(sim_run_until(&w->sim, 2 * SIM_S, world_all_done, w));
    for (uint64_t at = 1; at < id; at++) {
        const world_call *c = &w->calls[at];
        assert_int_equal(c->code, c->answer_code);
        assert_string_equal(c->details, "that is it");
        assert_int_equal(c->trailing, 1);
        assert_int_equal(c->initials, 1);
        assert_int_equal(c->messages, c->expect);
        assert_true(c->handler_finished);
    }
    closed(w);
}

/* Requirement 1: the request rides on the opening packet. */
static void a_first_call_costs_one_round_trip(void **state)
{
    (void)state;
    world *w = opened();
    uint64_t before = w->client->publishes, server = w->server->publishes;
    int64_t begun = w->sim.now;
    world_start(w, 1, GMQ_RPC_UNARY, 1, 100, 60 * SIM_S, 0, false);
    assert_true(sim_run_until(&w->sim, SIM_S, world_all_done, w));
    assert_int_equal(w->calls[1].code, 0);
    assert_int_equal(w->calls[1].ended_at - begun, 2 * w->sim.faults.latency_ns);
    /* once a link: ACCEPT may leave before the answer, and two packets are acknowledged at once */
    assert_true(w->client->publishes - before <= 2);
    assert_true(w->server->publishes - server <= 2);
    sim_run(&w->sim, 100 * SIM_MS);
    begun = w->sim.now;
    before = w->client->publishes;
    world_start(w, 2, GMQ_RPC_UNARY, 1, 100, 60 * SIM_S, 0, false);
    assert_true(sim_run_until(&w->sim, SIM_S, world_all_done, w));
    assert_int_equal(w->calls[2].ended_at - begun, 2 * w->sim.faults.latency_ns);
    assert_int_equal(w->client->publishes - before, 1);
    assert_int_equal(w->client->subscribes, 2);
    closed(w);
}

/* Requirement 2, M23: at load a call costs a fraction of a publish. */
static void many_calls_share_a_publish(void **state)
{
    (void)state;
    world *w = opened();
    world_start(w, 500, GMQ_RPC_UNARY, 1, 100, 60 * SIM_S, 0, false);
    sim_run(&w->sim, 10 * SIM_MS);
    uint64_t before = w->client->publishes + w->server->publishes;
    for (uint64_t id = 1; id <= 128; id++)
        world_start(w, id, GMQ_RPC_UNARY, 1, 100, 60 * SIM_S, 0, false);
    assert_true(sim_run_until(&w->sim, SIM_S, world_all_done, w));
    assert_true(w->client->publishes + w->server->publishes - before < 32);
    closed(w);
}

/* M25, requirement 15. */
static void m25_an_idle_link_costs_nothing_and_is_closed(void **state)
{
    (void)state;
    world *w = opened();
    world_start(w, 1, GMQ_RPC_UNARY, 1, 100, 60 * SIM_S, 0, false);
    sim_run(&w->sim, SIM_S);
    uint64_t before = w->client->publishes + w->server->publishes;
    sim_run(&w->sim, 58 * SIM_S);
    assert_int_equal(w->client->publishes + w->server->publishes, before);
    sim_run(&w->sim, 5 * SIM_S);
    assert_int_equal(w->client->publishes + w->server->publishes, before + 1); /* CLOSE */
    assert_int_equal(world_stats(w->server).tombstones, 1);
    closed(w);
}

/* M19 and M18: a call that is open without traffic is kept. */
static void m19_an_open_call_is_kept_alive_by_pings(void **state)
{
    (void)state;
    world *w = opened();
    w->mute_handlers = true;
    world_start(w, 1, GMQ_RPC_BIDI_STREAMING, 1, 100, -1, 0, false);
    sim_run(&w->sim, 300 * SIM_S);
    assert_false(w->calls[1].finished);
    assert_true(w->client->publishes < 120);
    gmq__engine_finish(w->server->engine, w->held[0], 0, gmq__span_of(NULL, 0), NULL, w->sim.now);
    assert_true(sim_run_until(&w->sim, SIM_S, world_all_done, w));
    assert_int_equal(w->calls[1].code, 0);
    world_free(w);
    free(w);
}

/* Requirement 6: M20, M21. */
static void m21_a_slow_reader_stalls_its_own_call_alone(void **state)
{
    (void)state;
    world *w = opened();
    w->no_reading = true;
    world_start(w, 1, GMQ_RPC_SERVER_STREAMING, 400, 10000, 60 * SIM_S, 0, false);
    sim_run(&w->sim, SIM_S);
    gmq__engine_stats stats = world_stats(w->client);
    assert_true(stats.unread_bytes > 200000);
    assert_true(stats.unread_bytes <= 256 * 1024 + 64 * 30);
    w->no_reading = false;
    world_start(w, 2, GMQ_RPC_SERVER_STREAMING, 400, 10000, 60 * SIM_S, 0, false);
    sim_run(&w->sim, SIM_S);
    assert_true(w->calls[2].finished);
    assert_int_equal(w->calls[2].code, 0);
    assert_false(w->calls[1].finished);
    gmq__engine_read(w->client->engine, 1, 1, w->sim.now);
    closed(w);
    /* it went on when it was read */
}

/* Together they hold more than the link's window. */
static void m21_many_slow_readers_stall_nobody_else(void **state)
{
    (void)state;
    world *w = opened();
    w->no_reading = true;
    for (uint64_t id = 1; id <= 40; id++)
        world_start(w, id, GMQ_RPC_SERVER_STREAMING, 400, 10000, 60 * SIM_S, 0, false);
    sim_run(&w->sim, SIM_S);
    assert_true(world_stats(w->client).unread_bytes > 40 * 200000);
    assert_true(world_stats(w->client).unread_bytes <= 40 * (256 * 1024 + 64 * 30));
    w->no_reading = false;
    world_start(w, 50, GMQ_RPC_SERVER_STREAMING, 400, 10000, 60 * SIM_S, 0, false);
    sim_run(&w->sim, SIM_S);
    assert_true(w->calls[50].finished);
    assert_int_equal(w->calls[50].code, 0);
    for (uint64_t id = 1; id <= 40; id++)
        assert_false(w->calls[id].finished);
    for (uint64_t id = 1; id <= 40; id++)
        gmq__engine_read(w->client->engine, id, 1000, w->sim.now);
    assert_true(sim_run_until(&w->sim, 10 * SIM_S, world_all_done, w));
    closed(w);
}

/* However many: what is held of all of them is bounded. */
static void m21_slow_readers_hold_no_more_than_the_limit(void **state)
{
    (void)state;
    world *w = calloc(1, sizeof *w);
    world_init(w, 1, NULL);
    world_speak_link(w);
    w->client_config.reassembly_limit = 5 << 20;
    world_open(w);
    w->no_reading = true;
    for (uint64_t id = 1; id <= 100; id++)
        world_start(w, id, GMQ_RPC_SERVER_STREAMING, 50, 10000, 60 * SIM_S, 0, false);
    sim_run(&w->sim, SIM_S);
    assert_in_range(world_stats(w->client).unread_bytes, 3 << 20, (5 << 20) + 100 * 64 * 30);
    for (uint64_t id = 1; id <= 100; id++)
        gmq__engine_read(w->client->engine, id, 1000, w->sim.now);
    assert_true(sim_run_until(&w->sim, 10 * SIM_S, world_all_done, w));
    for (uint64_t id = 1; id <= 100; id++)
        assert_int_equal(w->calls[id].code, 0);
    closed(w);
}

/* M10, requirement 7: larger than every window, between small ones. */
static void m10_a_large_message_lets_others_pass(void **state)
{
    (void)state;
    world *w = opened();
    world_start(w, 1, GMQ_RPC_UNARY, 1, 100, 60 * SIM_S, 0, false);
    sim_run(&w->sim, 100 * SIM_MS);
    w->sim.faults.receive_max = 2;
    world_start(w, 2, GMQ_RPC_UNARY, 1, 4000000, 60 * SIM_S, 0, false);
    for (uint64_t id = 3; id < 20; id++)
        world_start(w, id, GMQ_RPC_UNARY, 1, 100, 60 * SIM_S, 0, false);
    assert_true(sim_run_until(&w->sim, 10 * SIM_S, world_all_done, w));
    for (uint64_t id = 2; id < 20; id++) {
        assert_int_equal(w->calls[id].code, 0);
        assert_true(w->calls[id].ended_at <= w->calls[2].ended_at);
    }
    closed(w);
}

static void m10_a_message_above_the_limit_ends_its_call(void **state)
{
    (void)state;
    world *w = opened();
    world_start(w, 1, GMQ_RPC_UNARY, 1, 4200000, 60 * SIM_S, 0, false);
    world_start(w, 2, GMQ_RPC_UNARY, 1, 100, 60 * SIM_S, 0, false);
    assert_true(sim_run_until(&w->sim, 10 * SIM_S, world_all_done, w));
    assert_int_equal(w->calls[1].code, GMQ_CODE_RESOURCE_EXHAUSTED);
    assert_int_equal(w->calls[2].code, 0);
    closed(w);
}

/* The server's map holds, or, of a method that it does not know, what its program says. */
static void a_client_that_knows_no_kinds(void **state)
{
    (void)state;
    for (int offered = 0; offered < 2; offered++) {
        world *w = calloc(1, sizeof *w);
        world_init(w, 1, NULL);
        world_speak_link(w);
        w->any_kind = true;
        w->knows_nothing = w->server_config.offer_unknown = offered;
        world_open(w);
        for (int kind = 0; kind < 4; kind++)
            world_start(w, 1 + (uint64_t)kind, (gmq_rpc_kind)kind, kind ? 5 : 1, 700, 60 * SIM_S,
                        kind == 2 ? 9 : 0, false);
        assert_true(sim_run_until(&w->sim, 2 * SIM_S, world_all_done, w));
        for (uint64_t id = 1; id <= 4; id++) {
            assert_int_equal(w->calls[id].code, w->calls[id].answer_code);
            assert_int_equal(w->calls[id].messages, w->calls[id].expect);
        }
        closed(w);
    }
}

static void a_client_that_knows_no_kinds_in_the_session_dialect(void **state)
{
    (void)state;
    world *w = calloc(1, sizeof *w);
    world_init(w, 1, NULL);
    w->any_kind = true;
    world_open(w);
    world_start(w, 1, GMQ_RPC_BIDI_STREAMING, 1, 100, 60 * SIM_S, 0, false);
    assert_true(sim_run_until(&w->sim, 2 * SIM_S, world_all_done, w));
    assert_int_equal(w->calls[1].code, GMQ_CODE_UNIMPLEMENTED);
    assert_int_equal(w->calls[1].runs, 0);
    closed(w);
}

static void compressed_and_batched(void **state)
{
    (void)state;
    world *w = calloc(1, sizeof *w);
    world_init(w, 1, NULL);
    world_speak_link(w);
    w->client_config.options.batched = 1;
    w->client_config.options.server_level = w->client_config.options.client_level = 3;
    world_open(w);
    for (int kind = 0; kind < 4; kind++)
        world_start(w, 1 + (uint64_t)kind, (gmq_rpc_kind)kind, kind ? 20 : 1, 50000, 60 * SIM_S, 0,
                    false);
    assert_true(sim_run_until(&w->sim, 2 * SIM_S, world_all_done, w));
    for (uint64_t id = 1; id <= 4; id++)
        assert_int_equal(w->calls[id].code, 0);
    assert_true(world_stats(w->client).bytes_out < 100000); /* of 2.1 MB */
    closed(w);
}

static void deadlines_and_cancels(void **state)
{
    (void)state;
    world *w = opened();
    w->mute_handlers = true;
    world_start(w, 1, GMQ_RPC_UNARY, 1, 100, 250 * SIM_MS, 0, false);
    world_start(w, 2, GMQ_RPC_BIDI_STREAMING, 1, 100, 60 * SIM_S, 0, false);
    sim_run(&w->sim, 100 * SIM_MS);
    gmq__engine_cancel(w->client->engine, 2, GMQ_CODE_CANCELLED, "no more", w->sim.now);
    sim_run(&w->sim, 100 * SIM_MS);
    assert_int_equal(w->calls[2].handler_code, GMQ_CODE_CANCELLED);
    assert_false(w->calls[1].finished);
    sim_run(&w->sim, 60 * SIM_MS);
    assert_int_equal(w->calls[1].code, GMQ_CODE_DEADLINE_EXCEEDED); /* to the millisecond */
    assert_true(w->calls[1].handler_finished);
    closed(w);
}

static void both_dialects_at_one_server(void **state)
{
    (void)state;
    world *w = calloc(1, sizeof *w);
    world_init(w, 1, NULL);
    world_speak_link(w);
    w->client_config.speak = GMQ__SPEAK_SESSION;
    world_open(w);
    for (int kind = 0; kind < 4; kind++)
        world_start(w, 1 + (uint64_t)kind, (gmq_rpc_kind)kind, kind ? 3 : 1, 500, 60 * SIM_S, 0,
                    false);
    assert_true(sim_run_until(&w->sim, 2 * SIM_S, world_all_done, w));
    for (uint64_t id = 1; id <= 4; id++)
        assert_int_equal(w->calls[id].code, 0);
    closed(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_kinds),
        cmocka_unit_test(a_first_call_costs_one_round_trip),
        cmocka_unit_test(many_calls_share_a_publish),
        cmocka_unit_test(m25_an_idle_link_costs_nothing_and_is_closed),
        cmocka_unit_test(m19_an_open_call_is_kept_alive_by_pings),
        cmocka_unit_test(m21_a_slow_reader_stalls_its_own_call_alone),
        cmocka_unit_test(m21_many_slow_readers_stall_nobody_else),
        cmocka_unit_test(m21_slow_readers_hold_no_more_than_the_limit),
        cmocka_unit_test(m10_a_large_message_lets_others_pass),
        cmocka_unit_test(m10_a_message_above_the_limit_ends_its_call),
        cmocka_unit_test(a_client_that_knows_no_kinds),
        cmocka_unit_test(a_client_that_knows_no_kinds_in_the_session_dialect),
        cmocka_unit_test(compressed_and_batched),
        cmocka_unit_test(deadlines_and_cancels),
        cmocka_unit_test(both_dialects_at_one_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
