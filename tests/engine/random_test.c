/* Random schedules over a faulty broker: whatever is dropped, doubled, reordered, cut or cancelled,
 * the invariants hold. A seed that fails is printed; GMQ_SEED=n runs it alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "engine/sim_world.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SEEDS 200 /* slow there */
#else
#define SEEDS 1000
#endif
#define CALLS 24

static uint64_t last_seed;
static bool one_seed;

static uint32_t below(world *w, uint32_t bound)
{
    return (uint32_t)gmq__prng_below(&w->sim.prng, bound);
}

static void choose_faults(gmq__prng *p, sim_faults *f, bool lossless)
{
    memset(f, 0, sizeof *f);
    f->latency_ns = (int64_t)(1 + gmq__prng_below(p, 20)) * SIM_MS;
    if (gmq__prng_below(p, 2))
        f->double_ppm = (uint32_t)gmq__prng_below(p, 1000001);
    if (gmq__prng_below(p, 2)) {
        f->reorder_ppm = (uint32_t)gmq__prng_below(p, 1000001);
        f->reorder_ns = (int64_t)gmq__prng_below(p, 300) * SIM_MS;
    }
    if (!lossless && gmq__prng_below(p, 2))
        f->drop_ppm = (uint32_t)gmq__prng_below(p, 100000);
    if (gmq__prng_below(p, 3) == 0)
        f->receive_max = 1 + (uint32_t)gmq__prng_below(p, 20);
    if (gmq__prng_below(p, 4) == 0)
        f->packet_max = 200 + (size_t)gmq__prng_below(p, 3000);
}

static void choose_options(gmq__prng *p, gmq__engine_config *c)
{
    static const size_t limits[] = {32, 64, 300, 5000, 128000};
    c->msg_size_limit = limits[gmq__prng_below(p, 5)];
    c->subscriptions = 1 + (uint32_t)gmq__prng_below(p, 40);
    c->linger_ns = (int64_t)gmq__prng_below(p, 3) * 3 * SIM_MS;
    c->options.batched = (int8_t)gmq__prng_below(p, 2);
    c->options.server_level = (int8_t)(gmq__prng_below(p, 2) * 3);
    c->options.client_level = (int8_t)(gmq__prng_below(p, 2) * 3);
    if (gmq__prng_below(p, 4) == 0)
        c->rate_limit = 200000;
}

static void one_call(world *w, uint64_t id)
{
    gmq_rpc_kind kind = (gmq_rpc_kind)below(w, 4);
    uint32_t n = kind == GMQ_RPC_UNARY ? 1 : below(w, 8);
    uint32_t size = below(w, 3) ? below(w, 60) : below(w, 2000);
    int64_t timeout = below(w, 8) == 0 ? (int64_t)below(w, 100) * SIM_MS : 60 * SIM_S;
    assert_int_equal(world_start(w, id, kind, n, size, timeout, below(w, 5) ? 0 : 9, below(w, 2)),
                     GMQ_OK);
}

static void run_seed(uint64_t seed, bool lossless, bool cuts)
{
    gmq__prng p = {seed * 2 + lossless};
    sim_faults faults;
    world *w = calloc(1, sizeof *w);
    choose_faults(&p, &faults, lossless);
    world_init(w, seed, &faults);
    choose_options(&p, &w->client_config);
    w->server_config.msg_size_limit = w->client_config.msg_size_limit;
    w->server_config.linger_ns = w->client_config.linger_ns;
    world_open(w);
    for (uint64_t id = 1; id <= CALLS; id++) {
        one_call(w, id);
        if (below(w, 3) == 0)
            sim_run(&w->sim, (int64_t)below(w, 50) * SIM_MS);
        if (below(w, 8) == 0)
            gmq__engine_cancel(w->client->engine, 1 + below(w, CALLS), GMQ_CODE_CANCELLED,
                               "no more", w->sim.now);
        if (cuts && below(w, 12) == 0) {
            sim_peer *cut = below(w, 2) ? w->client : w->server;
            sim_disconnect(cut, GMQ_CODE_UNAVAILABLE, "cut");
            sim_run(&w->sim, (int64_t)below(w, 200) * SIM_MS);
            sim_connect(cut);
        }
    }
    sim_run_until(&w->sim, 200 * SIM_S, world_all_done, w);
    world_check(w);
    uint32_t fine = 0;
    if (one_seed)
        for (uint64_t id = 1; id <= CALLS; id++)
            printf("call %d kind %d: code %d %s\n", (int)id, w->calls[id].kind,
                   (int)w->calls[id].code, w->calls[id].details);
    for (uint64_t id = 1; id <= CALLS; id++) {
        world_call *c = &w->calls[id];
        fine += c->code == (int32_t)c->answer_code || c->code == GMQ_CODE_CANCELLED ||
                c->code == GMQ_CODE_DEADLINE_EXCEEDED;
    }
    if (lossless && !cuts) /* nothing was lost: nothing may fail but by our own doing */
        assert_int_equal(fine, CALLS);
    world_check_quiet(w);
    world_free(w);
    free(w);
}

static void run_seeds(bool lossless, bool cuts)
{
    uint64_t first, last;
    one_seed = sim_seeds(SEEDS, &first, &last);
    for (uint64_t seed = first; seed <= last; seed++) {
        last_seed = seed;
        run_seed(seed, lossless, cuts);
    }
}

static void doubled_and_reordered(void **state)
{
    (void)state;
    run_seeds(true, false);
}
static void dropped(void **state)
{
    (void)state;
    run_seeds(false, false);
}
static void cut(void **state)
{
    (void)state;
    run_seeds(false, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubled_and_reordered),
        cmocka_unit_test(dropped),
        cmocka_unit_test(cut),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed)
        fprintf(stderr, "GMQ_SEED=%llu\n", (unsigned long long)last_seed);
    return failed;
}
