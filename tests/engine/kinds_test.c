/* All four kinds of RPC between two engines, without faults. */
#include <string.h>

#include "cmocka_all.h"
#include "engine/sim_world.h"

static void run_kind(gmq_rpc_kind kind, uint32_t n, uint32_t size, int32_t code)
{
    world w;
    world_init(&w, 1, NULL);
    world_open(&w);
    assert_int_equal(world_start(&w, 1, kind, n, size, 5 * SIM_S, code, false), GMQ_OK);
    assert_true(sim_run_until(&w.sim, 10 * SIM_S, world_all_done, &w));
    world_check(&w);
    assert_int_equal(w.calls[1].code, code);
    assert_int_equal(w.calls[1].runs, 1);
    assert_true(w.calls[1].handler_finished);
    assert_int_equal(w.calls[1].handler_code, code);
    assert_int_equal(w.calls[1].trailing, 1);
    if (kind == GMQ_RPC_UNARY)
        assert_int_equal(w.calls[1].initials, 1);
    assert_string_equal(w.calls[1].details, "that is it");
    world_check_quiet(&w);
    world_free(&w);
}

static void unary(void **state)
{
    (void)state;
    run_kind(GMQ_RPC_UNARY, 1, 100, 0);
}
static void unary_error(void **state)
{
    (void)state;
    run_kind(GMQ_RPC_UNARY, 1, 100, 5);
}
static void unary_large(void **state)
{
    (void)state;
    run_kind(GMQ_RPC_UNARY, 1, 1000000, 0);
}
static void client_streaming(void **state)
{
    (void)state;
    run_kind(GMQ_RPC_CLIENT_STREAMING, 10, 100, 0);
}
static void client_streaming_error(void **state)
{
    (void)state;
    run_kind(GMQ_RPC_CLIENT_STREAMING, 10, 100, 7);
}
static void client_streaming_none(void **state)
{
    (void)state;
    run_kind(GMQ_RPC_CLIENT_STREAMING, 0, 100, 0);
}
static void server_streaming(void **state)
{
    (void)state;
    run_kind(GMQ_RPC_SERVER_STREAMING, 10, 100, 0);
}
static void server_streaming_error(void **state)
{
    (void)state;
    run_kind(GMQ_RPC_SERVER_STREAMING, 3, 100, 9);
}
static void server_streaming_none(void **state)
{
    (void)state;
    run_kind(GMQ_RPC_SERVER_STREAMING, 0, 100, 0);
}
static void bidi(void **state)
{
    (void)state;
    run_kind(GMQ_RPC_BIDI_STREAMING, 10, 100, 0);
}
static void bidi_large(void **state)
{
    (void)state;
    run_kind(GMQ_RPC_BIDI_STREAMING, 4, 500000, 0);
}

/* MQTT 3.1.1: no user properties, first in first out. */
static void all_kinds_without_properties(void **state)
{
    (void)state;
    world w;
    world_init(&w, 1, NULL);
    w.sim.faults.no_properties = true;
    w.client_config.msg_size_limit = w.server_config.msg_size_limit = 200;
    world_open(&w);
    for (uint64_t id = 1; id <= 40; id++)
        assert_int_equal(
            world_start(&w, id, (gmq_rpc_kind)(id % 4), id % 4 ? 5 : 1, 700, 20 * SIM_S, 0, false),
            GMQ_OK);
    assert_true(sim_run_until(&w.sim, 20 * SIM_S, world_all_done, &w));
    world_check(&w);
    for (uint64_t id = 1; id <= 40; id++)
        assert_int_equal(w.calls[id].code, GMQ_CODE_OK);
    world_check_quiet(&w);
    world_free(&w);
}

static void all_kinds_compressed_and_batched(void **state)
{
    (void)state;
    world w;
    world_init(&w, 1, NULL);
    w.client_config.options.batched = 1;
    w.client_config.options.server_level = 3;
    w.client_config.options.client_level = 22;
    world_open(&w);
    for (uint64_t id = 1; id <= 40; id++)
        assert_int_equal(
            world_start(&w, id, (gmq_rpc_kind)(id % 4), id % 4 ? 20 : 1, 700, 20 * SIM_S, 0, false),
            GMQ_OK);
    assert_true(sim_run_until(&w.sim, 20 * SIM_S, world_all_done, &w));
    world_check(&w);
    for (uint64_t id = 1; id <= 40; id++)
        assert_int_equal(w.calls[id].code, GMQ_CODE_OK);
    /* 20 elements of 700 bytes went in a few packets, and small ones */
    assert_true(w.client->publishes < 40 * 5);
    assert_true(world_stats(w.client).bytes_out < 40u * 20 * 700 / 4);
    world_check_quiet(&w);
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unary),
        cmocka_unit_test(unary_error),
        cmocka_unit_test(unary_large),
        cmocka_unit_test(client_streaming),
        cmocka_unit_test(client_streaming_error),
        cmocka_unit_test(client_streaming_none),
        cmocka_unit_test(server_streaming),
        cmocka_unit_test(server_streaming_error),
        cmocka_unit_test(server_streaming_none),
        cmocka_unit_test(bidi),
        cmocka_unit_test(bidi_large),
        cmocka_unit_test(all_kinds_without_properties),
        cmocka_unit_test(all_kinds_compressed_and_batched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
