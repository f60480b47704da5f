/* Calls of methods that the server's map does not know, offered instead of refused. */
#include <string.h>

#include "cmocka_all.h"
#include "engine/sim_record.h"
#include "engine/sim_world.h"

static void open_world(world *w, bool offer)
{
    world_init(w, 1, NULL);
    w->knows_nothing = w->server_config.offer_unknown = offer;
    w->server_config.msg_size_limit = w->client_config.msg_size_limit = 300;
    world_open(w);
    sim_record_clear();
}

static void start(world *w, uint64_t id, gmq_rpc_kind kind, uint32_t n)
{
    assert_int_equal(world_start(w, id, kind, n, 700, 20 * SIM_S, 0, false), GMQ_OK);
}

static void close_world(world *w)
{
    world_check_quiet(w);
    world_free(w);
}

static void run_kind(gmq_rpc_kind kind, bool offer)
{
    world w;
    open_world(&w, offer);
    w.server->on_publish = sim_record;
    start(&w, 1, kind, kind == GMQ_RPC_UNARY ? 1 : 5);
    assert_true(sim_run_until(&w.sim, 10 * SIM_S, world_all_done, &w));
    world_check(&w);
    assert_int_equal(w.calls[1].code, GMQ_CODE_OK);
    assert_string_equal(w.calls[1].details, "that is it");
    close_world(&w);
}

/* What a resolved call publishes is what a call of a known method does, byte for byte. */
static void wire_is_that_of_a_known_method(void **state)
{
    static record known[RECORDS];
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        run_kind((gmq_rpc_kind)kind, false);
        size_t n = recorded.n;
        assert_true(n > 0);
        memcpy(known, recorded.records, sizeof known);
        memset(&recorded, 0, sizeof recorded);
        run_kind((gmq_rpc_kind)kind, true);
        assert_int_equal(recorded.n, n);
        for (size_t at = 0; at < n; at++) {
            const record *a = &known[at], *b = &recorded.records[at];
            assert_string_equal(a->sid, b->sid);
            assert_int_equal(a->i, b->i);
            assert_int_equal(a->payload.len, b->payload.len);
            assert_memory_equal(a->payload.data, b->payload.data, a->payload.len);
        }
        sim_record_clear();
        for (size_t at = 0; at < n; at++) {
            gmq__bytes_free(&known[at].payload);
            gmq__bytes_free(&known[at].message);
        }
    }
}

/* Everything has come, and waits, before the kind is said. */
static void late_resolve(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        world w;
        open_world(&w, true);
        w.mute_handlers = true;
        start(&w, 1, (gmq_rpc_kind)kind, kind == GMQ_RPC_UNARY ? 1 : 5);
        sim_run(&w.sim, SIM_S);
        assert_int_equal(w.nheld, 1);
        assert_int_equal(w.calls[1].handler_messages, 0);
        assert_true(world_stats(w.server).reassembly_bytes > 700);
        uint64_t id = w.held[0];
        assert_int_equal(gmq__engine_resolve(w.server->engine, id, (gmq_rpc_kind)kind, w.sim.now),
                         GMQ_OK);
        assert_int_equal(world_stats(w.server).reassembly_bytes, 0);
        assert_int_equal(gmq__engine_resolve(w.server->engine, id, (gmq_rpc_kind)kind, w.sim.now),
                         GMQ_E_STATE);
        world_serve(&w, id);
        assert_true(sim_run_until(&w.sim, 10 * SIM_S, world_all_done, &w));
        world_check(&w);
        assert_int_equal(w.calls[1].code, GMQ_CODE_OK);
        close_world(&w);
    }
}

static void credit_given_before_counts(void **state)
{
    (void)state;
    world w;
    open_world(&w, true);
    w.mute_handlers = true;
    start(&w, 1, GMQ_RPC_BIDI_STREAMING, 5);
    sim_run(&w.sim, SIM_S);
    uint64_t id = w.held[0];
    assert_int_equal(gmq__engine_read(w.server->engine, id, 2, w.sim.now), GMQ_OK);
    sim_settle(&w.sim);
    assert_int_equal(w.calls[1].handler_messages, 0);
    gmq__engine_resolve(w.server->engine, id, GMQ_RPC_BIDI_STREAMING, w.sim.now);
    assert_true(sim_run_until(&w.sim, 10 * SIM_S, world_all_done, &w));
    world_check(&w);
    close_world(&w);
}

static void known_methods_are_known(void **state)
{
    (void)state;
    world w;
    world_init(&w, 1, NULL);
    w.server_config.offer_unknown = true;
    w.mute_handlers = true;
    world_open(&w);
    start(&w, 1, GMQ_RPC_SERVER_STREAMING, 3);
    sim_run(&w.sim, SIM_S);
    assert_int_equal(gmq__engine_resolve(w.server->engine, w.held[0], GMQ_RPC_UNARY, w.sim.now),
                     GMQ_E_STATE);
    world_serve(&w, w.held[0]);
    assert_true(sim_run_until(&w.sim, 10 * SIM_S, world_all_done, &w));
    world_check(&w);
    close_world(&w);
}

static void only_refusals_before(void **state)
{
    (void)state;
    world w;
    open_world(&w, true);
    w.mute_handlers = true;
    start(&w, 1, GMQ_RPC_UNARY, 1);
    sim_run(&w.sim, SIM_S);
    gmq__engine *e = w.server->engine;
    gmq_buf *buf = gmq__buf_copy(gmq__span_str("x"));
    gmq__span none = gmq__span_str("");
    assert_int_equal(gmq__engine_send(e, w.held[0], buf, w.sim.now), GMQ_E_STATE);
    assert_int_equal(gmq__engine_send_initial(e, w.held[0], NULL, w.sim.now), GMQ_E_STATE);
    assert_int_equal(gmq__engine_finish(e, w.held[0], GMQ_CODE_OK, none, NULL, w.sim.now),
                     GMQ_E_STATE);
    assert_int_equal(gmq__engine_finish(e, w.held[0], GMQ_CODE_ABORTED, gmq__span_str("not today"),
                                        NULL, w.sim.now),
                     GMQ_OK);
    assert_int_equal(gmq__engine_resolve(e, w.held[0], GMQ_RPC_UNARY, w.sim.now), GMQ_E_STATE);
    gmq_buf_unref(buf);
    assert_true(sim_run_until(&w.sim, 10 * SIM_S, world_all_done, &w));
    assert_int_equal(w.calls[1].code, GMQ_CODE_ABORTED);
    assert_string_equal(w.calls[1].details, "not today");
    assert_int_equal(w.calls[1].handler_code, GMQ_CODE_ABORTED);
    close_world(&w);
}

/* A client of any kind, compressed or not, is told by the bytes that an unknown method is
 * answered with. */
static void refused_as_unknown(void **state)
{
    (void)state;
    for (int kind = 0; kind < 4; kind++)
        for (int offer = 0; offer < 2; offer++) {
            static gmq__bytes refusal;
            world w;
            sim_record_clear();
            world_init(&w, 1, NULL);
            w.knows_nothing = w.mute_handlers = true;
            w.server_config.offer_unknown = offer;
            w.client_config.options.server_level = 3;
            world_open(&w);
            w.server->on_publish = sim_record;
            start(&w, 1, (gmq_rpc_kind)kind, 1);
            sim_run(&w.sim, SIM_S);
            assert_int_equal(w.nheld, offer);
            if (offer)
                gmq__engine_finish(w.server->engine, w.held[0], GMQ_CODE_UNIMPLEMENTED,
                                   gmq__span_str(""), NULL, w.sim.now);
            assert_true(sim_run_until(&w.sim, 10 * SIM_S, world_all_done, &w));
            assert_int_equal(w.calls[1].code, GMQ_CODE_UNIMPLEMENTED);
            assert_memory_equal(w.calls[1].details, "/t.S/", 5);
            assert_int_equal(recorded.n, 1);
            if (!offer) {
                gmq__bytes_put(&refusal, recorded.records[0].payload.data,
                               recorded.records[0].payload.len);
            } else {
                assert_int_equal(recorded.records[0].payload.len, refusal.len);
                assert_memory_equal(recorded.records[0].payload.data, refusal.data, refusal.len);
                gmq__bytes_free(&refusal);
            }
            close_world(&w);
            sim_record_clear();
        }
}

static void ends_before(void **state)
{
    (void)state;
    world w;
    open_world(&w, true);
    w.mute_handlers = true;
    for (int kind = 0; kind < 4; kind++)
        assert_int_equal(
            world_start(&w, (uint64_t)kind + 1, (gmq_rpc_kind)kind, 1, 100, 2 * SIM_S, 0, false),
            GMQ_OK);
    start(&w, 5, GMQ_RPC_BIDI_STREAMING, 2);
    start(&w, 6, GMQ_RPC_BIDI_STREAMING, 2);
    sim_run(&w.sim, SIM_S);
    assert_int_equal(w.nheld, 6);
    gmq__engine_cancel(w.client->engine, 5, GMQ_CODE_CANCELLED, "", w.sim.now);
    gmq__engine_cancel(w.server->engine, w.held[5], GMQ_CODE_INTERNAL, "no", w.sim.now);
    assert_true(sim_run_until(&w.sim, 10 * SIM_S, world_all_done, &w));
    for (uint64_t id = 1; id <= 4; id++)
        assert_int_equal(w.calls[id].code, GMQ_CODE_DEADLINE_EXCEEDED);
    assert_int_equal(w.calls[6].code, GMQ_CODE_INTERNAL);
    sim_run(&w.sim, SIM_S);
    for (uint64_t id = 1; id <= 6; id++)
        assert_true(w.calls[id].handler_finished);
    close_world(&w);
}

static void connection_lost(void **state)
{
    (void)state;
    world w;
    open_world(&w, true);
    w.mute_handlers = true;
    start(&w, 1, GMQ_RPC_BIDI_STREAMING, 3);
    sim_run(&w.sim, SIM_S);
    sim_disconnect(w.server, GMQ_CODE_UNAVAILABLE, "gone");
    sim_settle(&w.sim);
    assert_true(w.calls[1].handler_finished);
    assert_int_equal(gmq__engine_resolve(w.server->engine, w.held[0], GMQ_RPC_UNARY, w.sim.now),
                     GMQ_E_CLOSED);
    sim_connect(w.server);
    assert_true(sim_run_until(&w.sim, 60 * SIM_S, world_all_done, &w));
    close_world(&w);
}

static void what_is_held_has_a_limit(void **state)
{
    (void)state;
    for (int of_connection = 0; of_connection < 2; of_connection++) {
        world w;
        world_init(&w, 1, NULL);
        w.knows_nothing = w.server_config.offer_unknown = w.mute_handlers = true;
        if (of_connection)
            w.server_config.reassembly_limit = 10000;
        else
            w.server_config.receive_buffer = 10000;
        world_open(&w);
        start(&w, 1, GMQ_RPC_BIDI_STREAMING, 5);
        sim_run(&w.sim, SIM_S);
        assert_false(w.calls[1].finished);
        start(&w, 2, GMQ_RPC_BIDI_STREAMING, 40);
        sim_run(&w.sim, SIM_S);
        assert_true(w.calls[2].finished);
        assert_int_equal(w.calls[2].code, GMQ_CODE_RESOURCE_EXHAUSTED);
        assert_false(w.calls[1].finished);
        gmq__engine_cancel(w.client->engine, 1, GMQ_CODE_CANCELLED, "", w.sim.now);
        close_world(&w);
    }
}

static void draining_and_full_servers_refuse(void **state)
{
    (void)state;
    world w;
    world_init(&w, 1, NULL);
    w.knows_nothing = w.server_config.offer_unknown = w.mute_handlers = true;
    w.server_config.max_calls = 1;
    world_open(&w);
    start(&w, 1, GMQ_RPC_UNARY, 1);
    sim_run(&w.sim, SIM_S);
    start(&w, 2, GMQ_RPC_SERVER_STREAMING, 1);
    sim_run(&w.sim, SIM_S);
    assert_int_equal(w.calls[2].code, GMQ_CODE_RESOURCE_EXHAUSTED);
    gmq__engine_drain(w.server->engine, w.sim.now);
    start(&w, 3, GMQ_RPC_BIDI_STREAMING, 1);
    sim_run(&w.sim, SIM_S);
    assert_int_equal(w.calls[3].code, GMQ_CODE_UNAVAILABLE);
    gmq__engine_resolve(w.server->engine, w.held[0], GMQ_RPC_UNARY, w.sim.now);
    world_serve(&w, w.held[0]);
    sim_run(&w.sim, SIM_S);
    assert_int_equal(w.calls[1].code, GMQ_CODE_OK);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wire_is_that_of_a_known_method),
        cmocka_unit_test(late_resolve),
        cmocka_unit_test(credit_given_before_counts),
        cmocka_unit_test(known_methods_are_known),
        cmocka_unit_test(only_refusals_before),
        cmocka_unit_test(refused_as_unknown),
        cmocka_unit_test(ends_before),
        cmocka_unit_test(connection_lost),
        cmocka_unit_test(what_is_held_has_a_limit),
        cmocka_unit_test(draining_and_full_servers_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
