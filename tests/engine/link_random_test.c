/* Random schedules of the link dialect over a faulty broker: loss, doubling, reordering, lost
 * connections, partitions, restarts of either end. The invariants hold, and what a link repairs
 * costs nothing but time. A seed that fails is printed; GMQ_SEED=n runs it alone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "engine/sim_world.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SEEDS 150 /* slow there */
#else
#define SEEDS 1000
#endif
#define CALLS 24

typedef enum schedule { LOSSY, CUTS, RESTARTS } schedule;

static uint64_t last_seed;
static bool one_seed;

static uint32_t below(world *w, uint32_t bound)
{
    return (uint32_t)gmq__prng_below(&w->sim.prng, bound);
}

static void choose_faults(gmq__prng *p, sim_faults *f)
{
    memset(f, 0, sizeof *f);
    f->latency_ns = (int64_t)(1 + gmq__prng_below(p, 20)) * SIM_MS;
    if (gmq__prng_below(p, 2))
        f->double_ppm = (uint32_t)gmq__prng_below(p, 1000001);
    if (gmq__prng_below(p, 2)) {
        f->reorder_ppm = (uint32_t)gmq__prng_below(p, 1000001);
        f->reorder_ns = (int64_t)gmq__prng_below(p, 300) * SIM_MS;
    }
    if (gmq__prng_below(p, 3))
        f->drop_ppm = (uint32_t)gmq__prng_below(p, 300000);
    if (gmq__prng_below(p, 3) == 0)
        f->receive_max = 1 + (uint32_t)gmq__prng_below(p, 20);
    if (gmq__prng_below(p, 4) == 0)
        f->packet_max = 400 + (size_t)gmq__prng_below(p, 3000);
}

static void choose_options(gmq__prng *p, world *w)
{
    static const size_t limits[] = {32, 300, 1000, 5000, 128000};
    gmq__engine_config *c = &w->client_config;
    c->msg_size_limit = w->server_config.msg_size_limit = limits[gmq__prng_below(p, 5)];
    c->linger_ns = w->server_config.linger_ns = (int64_t)gmq__prng_below(p, 3) * 3 * SIM_MS;
    c->qos = w->server_config.qos = (uint8_t)gmq__prng_below(p, 2);
    c->options.batched = (int8_t)gmq__prng_below(p, 2);
    c->options.server_level = (int8_t)(gmq__prng_below(p, 2) * 3);
    c->options.client_level = (int8_t)(gmq__prng_below(p, 2) * 3);
    if (gmq__prng_below(p, 3) == 0)
        w->server_config.link.group = gmq__span_str("g");
    if (gmq__prng_below(p, 4) == 0)
        c->link.call_window = w->server_config.link.call_window = 65536;
    if (gmq__prng_below(p, 4) == 0)
        c->rate_limit = 200000;
}

static void one_call(world *w, uint64_t id)
{
    gmq_rpc_kind kind = (gmq_rpc_kind)below(w, 4);
    uint32_t n = kind == GMQ_RPC_UNARY ? 1 : below(w, 8);
    uint32_t size = below(w, 3) ? below(w, 60) : below(w, 2000);
    if (below(w, 30) == 0)
        size = below(w, 100000);
    int64_t timeout = below(w, 8) == 0 ? (int64_t)below(w, 100) * SIM_MS : 60 * SIM_S;
    assert_int_equal(world_start(w, id, kind, n, size, timeout, below(w, 5) ? 0 : 9, below(w, 2)),
                     GMQ_OK);
}

/* Shorter than the link timeout: nobody is to notice. */
static void cut(world *w)
{
    sim_peer *peer = below(w, 2) ? w->client : w->server;
    int64_t away = (int64_t)below(w, 5000) * SIM_MS;
    if (below(w, 2)) {
        peer->cut_off = true;
        sim_run(&w->sim, away);
        peer->cut_off = false;
        return;
    }
    sim_disconnect(peer, GMQ_CODE_UNAVAILABLE, "cut");
    sim_run(&w->sim, away);
    sim_connect(peer);
}

static void forget_calls(world *w)
{
    for (uint64_t id = 1; id <= WORLD_CALLS; id++) {
        world_call *c = &w->calls[id];
        if (!c->started || c->finished)
            continue;
        c->started = false;
        w->started--;
    }
}

static void restart(world *w)
{
    bool client = below(w, 3) == 0;
    sim_peer *peer = client ? w->client : w->server;
    if (client)
        forget_calls(w);
    else /* no handler runs twice (requirement 5): not in its next life either */
        w->server_config.link.instance[0]++;
    sim_restart(peer, client ? &w->client_config : &w->server_config);
    if (below(w, 2)) /* the Will */
        sim_publish(&w->sim, client ? "base/grpc/gone/c1" : "base/grpc/server/s1", NULL, 0,
                    !client);
    sim_run(&w->sim, (int64_t)below(w, 2000) * SIM_MS);
    sim_connect(peer);
}

static void check_outcomes(world *w, schedule how)
{
    uint32_t fine = 0;
    if (one_seed)
        for (uint64_t id = 1; id <= CALLS; id++)
            printf("call %d kind %d: code %d %s\n", (int)id, w->calls[id].kind,
                   (int)w->calls[id].code, w->calls[id].details);
    for (uint64_t id = 1; id <= CALLS; id++) {
        world_call *c = &w->calls[id];
        bool ok = c->code == (int32_t)c->answer_code || c->code == GMQ_CODE_CANCELLED ||
                  c->code == GMQ_CODE_DEADLINE_EXCEEDED;
        if (how == CUTS && c->code == GMQ_CODE_UNAVAILABLE) /* M15: there was no link yet */
            ok = !strcmp(c->details, "no server listens at this base topic") ||
                 !strcmp(c->details, "no server is announced at base");
        fine += ok;
        if (how == RESTARTS && c->started && !ok) /* M27, M7, M18: nothing else may come of it */
            assert_int_equal(c->code, GMQ_CODE_UNAVAILABLE);
    }
    if (how != RESTARTS) /* I2: the link repairs it all */
        assert_int_equal(fine, CALLS);
}

static void run_seed(uint64_t seed, schedule how)
{
    gmq__prng p = {seed * 3 + how};
    sim_faults faults;
    world *w = calloc(1, sizeof *w);
    choose_faults(&p, &faults);
    world_init(w, seed, &faults);
    world_speak_link(w);
    choose_options(&p, w);
    world_connect(w);
    if (below(w, 2))
        sim_run(&w->sim, 100 * SIM_MS); /* presence is there */
    for (uint64_t id = 1; id <= CALLS; id++) {
        one_call(w, id);
        if (below(w, 3) == 0)
            sim_run(&w->sim, (int64_t)below(w, 50) * SIM_MS);
        if (below(w, 8) == 0)
            gmq__engine_cancel(w->client->engine, 1 + below(w, CALLS), GMQ_CODE_CANCELLED,
                               "no more", w->sim.now);
        if (how == CUTS && below(w, 12) == 0)
            cut(w);
        if (how == RESTARTS && below(w, 12) == 0)
            restart(w);
    }
    sim_run_until(&w->sim, 200 * SIM_S, world_all_done, w);
    world_check(w);
    check_outcomes(w, how);
    world_check_quiet(w);
    world_free(w);
    free(w);
}

static void run_seeds(schedule how)
{
    uint64_t first, last;
    one_seed = sim_seeds(SEEDS, &first, &last);
    for (uint64_t seed = first; seed <= last; seed++) {
        last_seed = seed;
        run_seed(seed, how);
    }
}

static void loss_doubling_and_reordering_are_repaired(void **state)
{
    (void)state;
    run_seeds(LOSSY);
}
static void lost_connections_and_partitions_are_survived(void **state)
{
    (void)state;
    run_seeds(CUTS);
}
static void restarts_of_either_end(void **state)
{
    (void)state;
    run_seeds(RESTARTS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_doubling_and_reordering_are_repaired),
        cmocka_unit_test(lost_connections_and_partitions_are_survived),
        cmocka_unit_test(restarts_of_either_end),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (failed)
        fprintf(stderr, "GMQ_SEED=%llu\n", (unsigned long long)last_seed);
    return failed;
}
