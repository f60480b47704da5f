/* Many calls over a doubling, reordering broker: every result is checked, and memory is flat. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cmocka_all.h"
#include "engine/sim_world.h"

#define WAVE 500

static size_t live;

static void *counting_realloc(void *old, size_t size)
{
    void *p = realloc(old, size);
    live += !old && p;
    return p;
}

static void counting_free(void *p)
{
    live--;
    free(p);
}

static const gmq__mem_hooks hooks = {counting_realloc, counting_free};
static world *w;

static int setup(void **state)
{
    (void)state;
    live = 0;
    gmq__mem_set_hooks(&hooks);
    w = calloc(1, sizeof *w);
    world_init(w, 3, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_free(w);
    free(w);
    assert_int_equal(live, 0);
    gmq__mem_set_hooks(NULL);
    return 0;
}

/* Allocations that are left when the wave is over and its tombstones are gone. */
static size_t wave(void)
{
    memset(w->calls, 0, sizeof w->calls);
    w->nof_server = 0;
    for (uint64_t id = 1; id <= WAVE; id++) {
        uint32_t n = 1 + (uint32_t)gmq__prng_below(&w->sim.prng, 5);
        uint32_t size = 10 + (uint32_t)gmq__prng_below(&w->sim.prng, 500);
        assert_int_equal(
            world_start(w, id, (gmq_rpc_kind)(id % 4), n, size, 100 * SIM_S, id % 7 ? 0 : 9, false),
            GMQ_OK);
        if (id % 16 == 0)
            sim_run(&w->sim, 3 * SIM_MS);
    }
    assert_true(sim_run_until(&w->sim, 100 * SIM_S, world_all_done, w));
    world_check(w);
    for (uint64_t id = 1; id <= WAVE; id++)
        assert_int_equal(w->calls[id].code, w->calls[id].answer_code);
    world_check_quiet(w);
    return live;
}

static void ten_thousand_mixed_calls(void **state)
{
    (void)state;
    w->sim.faults.double_ppm = 300000;
    w->sim.faults.reorder_ppm = 500000;
    w->sim.faults.reorder_ns = 20 * SIM_MS;
    w->client_config.options.batched = 1;
    w->client_config.msg_size_limit = w->server_config.msg_size_limit = 400;
    world_open(w);
    size_t first = wave();
    for (int round = 1; round < 10000 / WAVE; round++)
        assert_true(wave() <= first + first / 20);
}

static void opened_and_cancelled(void **state)
{
    (void)state;
    size_t first = 0;
    world_open(w);
    w->mute_handlers = true;
    for (int round = 0; round < 100; round++) {
        memset(w->calls, 0, sizeof w->calls);
        w->nof_server = w->nheld = 0;
        for (uint64_t id = 1; id <= WAVE; id++) {
            world_start(w, id, (gmq_rpc_kind)(id % 4), 1, 10, 100 * SIM_S, 0, false);
            if (id % 10 == 0)
                sim_run(&w->sim, SIM_MS);
            gmq__engine_cancel(w->client->engine, 1 + gmq__prng_below(&w->sim.prng, id),
                               GMQ_CODE_CANCELLED, "", w->sim.now);
        }
        for (uint64_t id = 1; id <= WAVE; id++)
            gmq__engine_cancel(w->client->engine, id, GMQ_CODE_CANCELLED, "", w->sim.now);
        sim_settle(&w->sim);
        for (uint64_t id = 1; id <= WAVE; id++)
            assert_int_equal(w->calls[id].code, GMQ_CODE_CANCELLED);
        world_check_quiet(w);
        first = first ? first : live;
        assert_true(live <= first + first / 20 + 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ten_thousand_mixed_calls, setup, teardown),
        cmocka_unit_test_setup_teardown(opened_and_cancelled, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
