/* Fault 29: the n-th allocation fails, for every n, through whole calls on both engines. No crash,
 * no leak, and each call that was started ends once. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmocka_all.h"
#include "engine/sim_world.h"

static size_t live, made, fail_at, fail_run;
static bool over_links;

static void *failing_realloc(void *old, size_t size)
{
    made++;
    if (made >= fail_at && made < fail_at + fail_run)
        return NULL;
    void *p = realloc(old, size);
    live += !old && p;
    return p;
}

static void counting_free(void *p)
{
    live--;
    free(p);
}

static const gmq__mem_hooks hooks = {failing_realloc, counting_free};

/* false: all went through without a failure, there is no n-th allocation. */
static bool run(gmq_rpc_kind kind, size_t nth, size_t in_a_row)
{
    static world w;
    made = live = 0;
    fail_at = SIZE_MAX;
    fail_run = in_a_row;
    gmq__mem_set_hooks(&hooks);
    world_init(&w, 7, NULL);
    w.client_config.options.batched = 1;
    w.client_config.options.server_level = w.client_config.options.client_level = 3;
    w.client_config.msg_size_limit = w.server_config.msg_size_limit = 128;
    w.sim.faults.reorder_ppm = 300000;
    w.sim.faults.reorder_ns = 5 * SIM_MS;
    if (over_links)
        world_speak_link(&w);
    world_open(&w);
    made = 0;
    fail_at = nth;
    gmq_status status = world_start(&w, 1, kind, 5, 200, 60 * SIM_S, 0, true);
    bool done = sim_run_until(&w.sim, 100 * SIM_S, world_all_done, &w);
    bool reached = made >= fail_at;
    fail_at = SIZE_MAX;
    assert_true(status == GMQ_OK || status == GMQ_E_NOMEM);
    if (status == GMQ_OK) {
        assert_true(done);
        assert_true(w.calls[1].finished);
        assert_true(w.calls[1].runs <= 1);
        if (w.calls[1].code == GMQ_CODE_OK)
            assert_int_equal(w.calls[1].messages, w.calls[1].expect);
    }
    /* the engines are as good as before */
    memset(&w.calls[2], 0, sizeof w.calls[2]);
    assert_int_equal(world_start(&w, 2, GMQ_RPC_UNARY, 1, 200, 200 * SIM_S, 0, true), GMQ_OK);
    assert_true(sim_run_until(&w.sim, 300 * SIM_S, world_all_done, &w));
    assert_int_equal(w.calls[2].code, GMQ_CODE_OK);
    world_free(&w);
    assert_int_equal(live, 0);
    gmq__mem_set_hooks(NULL);
    return reached;
}

static void every_allocation(gmq_rpc_kind kind)
{
    size_t nth = 1;
    while (run(kind, nth, 1))
        nth++;
    assert_true(nth > 20);
    for (nth = 1; run(kind, nth, 5); nth++) {
    }
}

static void unary(void **state)
{
    (void)state;
    every_allocation(GMQ_RPC_UNARY);
}
static void client_streaming(void **state)
{
    (void)state;
    every_allocation(GMQ_RPC_CLIENT_STREAMING);
}
static void server_streaming(void **state)
{
    (void)state;
    every_allocation(GMQ_RPC_SERVER_STREAMING);
}
static void bidi(void **state)
{
    (void)state;
    every_allocation(GMQ_RPC_BIDI_STREAMING);
}

static void links(void **state)
{
    (void)state;
    over_links = true;
    for (int kind = 0; kind < 4; kind++)
        every_allocation((gmq_rpc_kind)kind);
    over_links = false;
}

static void making_an_engine(void **state)
{
    (void)state;
    gmq__mem_set_hooks(&hooks);
    for (size_t nth = 1;; nth++) {
        sim s;
        gmq__engine_config config;
        gmq__engine_config_defaults(&config);
        config.base = gmq__span_str("base");
        made = live = 0;
        fail_run = 1;
        fail_at = nth;
        sim_init(&s, 1, NULL);
        sim_peer *peer = sim_add(&s, &config, NULL, NULL);
        assert_true((peer == NULL) == (made >= nth));
        sim_free(&s);
        assert_int_equal(live, 0);
        if (peer)
            break;
    }
    gmq__mem_set_hooks(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(making_an_engine),
        cmocka_unit_test(unary),
        cmocka_unit_test(client_streaming),
        cmocka_unit_test(server_streaming),
        cmocka_unit_test(bidi),
        cmocka_unit_test(links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
