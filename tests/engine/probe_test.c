/* Whether a server listens in the session dialect: the client's control message of no session, and
 * what the calls' own packets tell. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "engine/sim_world.h"

static char told[64]; /* the last word on the server, and how many there were */
static int ntold, nlooked;

static void keep(sim_peer *peer, gmq__ev *ev)
{
    world *w = peer->ctx;
    nlooked += ev->kind == GMQ__EV_LOOKED;
    if (ev->kind == GMQ__EV_READY || ev->kind == GMQ__EV_ABSENT) {
        snprintf(told, sizeof told, "%s", ev->text ? ev->text : "ready");
        ntold++;
    }
    if (ev->kind == GMQ__EV_FINISHED) {
        w->calls[ev->call].finished = true;
        w->calls[ev->call].code = ev->code;
        w->ended++;
    }
}

#define ABSENT "no server listens at base"

static world *made(gmq__speak client)
{
    world *w = calloc(1, sizeof *w);
    world_init(w, 1, NULL);
    world_speak_link(w);
    w->client_config.speak = client;
    w->client_config.probe = true;
    w->server_config.speak = GMQ__SPEAK_SESSION;
    *told = 0;
    ntold = nlooked = 0;
    return w;
}

static void opened(world *w, bool server)
{
    world_connect(w);
    w->client->on_event = keep;
    if (!server)
        sim_disconnect(w->server, GMQ_CODE_UNAVAILABLE, "gone");
    sim_run(&w->sim, 800 * SIM_MS);
}

static void finished(world *w)
{
    world_free(w);
    free(w);
}

static void a_server_that_listens(void **state)
{
    (void)state;
    const gmq__speak speaks[] = {GMQ__SPEAK_SESSION, GMQ__SPEAK_BOTH};
    for (int at = 0; at < 2; at++) {
        world *w = made(speaks[at]);
        opened(w, true);
        assert_string_equal(told, "ready");
        sim_run(&w->sim, 3600 * SIM_S);
        assert_int_equal(w->client->publishes, 1); /* it asks no more */
        assert_int_equal(w->server->publishes, 0); /* and the server need not answer */
        assert_int_equal(ntold, 1);
        finished(w);
    }
}

static void nobody_and_then_a_server(void **state)
{
    (void)state;
    const gmq__speak speaks[] = {GMQ__SPEAK_SESSION, GMQ__SPEAK_BOTH};
    for (int at = 0; at < 2; at++) {
        world *w = made(speaks[at]);
        opened(w, false);
        assert_string_equal(told, ABSENT);
        assert_int_equal(nlooked, at);
        sim_run(&w->sim, 600 * SIM_S);
        assert_in_range(w->client->publishes, 10, 18); /* 1 s, 1.6 s, ... 120 s */
        assert_int_equal(ntold, 1);
        sim_connect(w->server);
        sim_run(&w->sim, 150 * SIM_S);
        assert_string_equal(told, "ready");
        sim_disconnect(w->client, GMQ_CODE_UNAVAILABLE, "cut");
        sim_disconnect(w->server, GMQ_CODE_UNAVAILABLE, "gone");
        sim_connect(w->client);
        sim_run(&w->sim, SIM_S);
        assert_string_equal(told, ABSENT);
        finished(w);
    }
}

/* What is announced goes before: the heartbeat is for when it is not. */
static void an_announced_server_that_goes(void **state)
{
    (void)state;
    world *w = made(GMQ__SPEAK_BOTH);
    w->server_config.speak = GMQ__SPEAK_BOTH;
    opened(w, true);
    assert_string_equal(told, "ready");
    assert_int_equal(w->client->publishes, 0);
    sim_publish(&w->sim, "base/grpc/server/s1", "", 0, true);
    sim_disconnect(w->server, GMQ_CODE_UNAVAILABLE, "gone");
    sim_run(&w->sim, SIM_S);
    assert_string_equal(told, ABSENT);
    sim_connect(w->server);
    sim_run(&w->sim, 100 * SIM_MS);
    assert_string_equal(told, "ready");
    uint64_t before = w->client->publishes;
    sim_run(&w->sim, 600 * SIM_S);
    assert_int_equal(w->client->publishes, before);
    finished(w);
}

/* It takes its presence back before its subscriptions. */
static void an_announced_server_that_listens_a_moment_longer(void **state)
{
    (void)state;
    world *w = made(GMQ__SPEAK_BOTH);
    w->server_config.speak = GMQ__SPEAK_BOTH;
    opened(w, true);
    sim_publish(&w->sim, "base/grpc/server/s1", "", 0, true);
    sim_run(&w->sim, SIM_S);
    assert_string_equal(told, ABSENT);
    sim_disconnect(w->server, GMQ_CODE_UNAVAILABLE, "gone");
    sim_run(&w->sim, 600 * SIM_S);
    assert_string_equal(told, ABSENT);
    assert_int_equal(ntold, 2);
    finished(w);
}

static void calls_tell_as_much(void **state)
{
    (void)state;
    world *w = made(GMQ__SPEAK_BOTH);
    opened(w, false);
    world_start(w, 1, GMQ_RPC_UNARY, 1, 100, 60 * SIM_S, 0, false);
    sim_run(&w->sim, 100 * SIM_MS);
    assert_int_equal(w->calls[1].code, GMQ_CODE_UNAVAILABLE);
    world_start(w, 2, GMQ_RPC_UNARY, 1, 100, 600 * SIM_S, 0, true);
    sim_run(&w->sim, 100 * SIM_MS);
    uint64_t before = w->client->publishes;
    sim_connect(w->server);
    sim_run(&w->sim, 10 * SIM_MS);
    assert_string_equal(told, ABSENT);
    sim_run(&w->sim, 5 * SIM_S);
    assert_int_equal(w->calls[2].code, 0);
    assert_true(w->calls[2].finished);
    assert_string_equal(told, "ready");
    sim_run(&w->sim, 600 * SIM_S);
    assert_in_range(w->client->publishes, before + 1, before + 3);
    finished(w);
}

static void whoever_cannot_ask_is_ready(void **state)
{
    (void)state;
    for (int at = 0; at < 4; at++) {
        world *w = made(at < 2 ? GMQ__SPEAK_SESSION : GMQ__SPEAK_BOTH);
        if (at % 2)
            w->sim.faults.no_properties = true;
        else
            w->client_config.qos = 0;
        opened(w, false);
        assert_string_equal(told, "ready");
        assert_int_equal(w->client->publishes, 0);
        finished(w);
    }
}

static void a_broker_that_refuses_says_nothing(void **state)
{
    (void)state;
    world *w = made(GMQ__SPEAK_SESSION);
    world_connect(w);
    w->client->on_event = keep;
    w->client->refuse_publish = GMQ__MQTT_NOT_AUTHORIZED;
    sim_run(&w->sim, SIM_S);
    assert_string_equal(told, "ready");
    finished(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_listens),
        cmocka_unit_test(nobody_and_then_a_server),
        cmocka_unit_test(an_announced_server_that_goes),
        cmocka_unit_test(an_announced_server_that_listens_a_moment_longer),
        cmocka_unit_test(calls_tell_as_much),
        cmocka_unit_test(whoever_cannot_ask_is_ready),
        cmocka_unit_test(a_broker_that_refuses_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
