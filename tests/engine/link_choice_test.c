/* What comes before a link and after it: the look for presences, the choice of a dialect (M14), the
 * opening's expiry, goodbyes (M3, M4), presences (M28 to M30); and the linger of batched streams.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "engine/sim_world.h"

static world *made(gmq__speak client, gmq__speak server)
{
    world *w = calloc(1, sizeof *w);
    world_init(w, 1, NULL);
    world_speak_link(w);
    w->client_config.speak = client;
    w->server_config.speak = server;
    return w;
}

static void ended(world *w)
{
    assert_true(sim_run_until(&w->sim, 100 * SIM_S, world_all_done, w));
    world_check(w);
    world_check_quiet(w);
    world_free(w);
    free(w);
}

static bool has_filter(const sim_peer *peer, const char *part)
{
    for (size_t at = 0; at < peer->nfilters; at++)
        if (strstr(peer->filters[at], part))
            return true;
    return false;
}

static void one_call(world *w, uint64_t id)
{
    world_start(w, id, GMQ_RPC_UNARY, 1, 100, 60 * SIM_S, 0, false);
    assert_true(sim_run_until(&w->sim, SIM_S, world_all_done, w));
    assert_int_equal(w->calls[id].code, 0);
}

static void m14_a_server_is_announced(void **state)
{
    (void)state;
    world *w = made(GMQ__SPEAK_BOTH, GMQ__SPEAK_BOTH);
    world_connect(w);
    assert_true(gmq__engine_undecided(w->client->engine));
    assert_int_equal(world_start(w, 1, GMQ_RPC_UNARY, 1, 100, SIM_S, 0, false), GMQ_E_STATE);
    memset(&w->calls[1], 0, sizeof w->calls[1]);
    sim_run(&w->sim, 100 * SIM_MS);
    assert_true(w->ready);
    assert_false(gmq__engine_undecided(w->client->engine));
    one_call(w, 1);
    assert_true(has_filter(w->client, "grpc/inbox/c1"));
    assert_false(has_filter(w->client, "grpc/session"));
    sim_disconnect(w->client, GMQ_CODE_UNAVAILABLE, "cut");
    sim_connect(w->client);
    sim_run(&w->sim, SIM_S);
    one_call(w, 2);
    assert_false(has_filter(w->client, "grpc/session"));
    w->client_config.speak = GMQ__SPEAK_LINK; /* its inbox stays */
    ended(w);
}

static void m14_nobody_is_announced(void **state)
{
    (void)state;
    world *w = made(GMQ__SPEAK_BOTH, GMQ__SPEAK_SESSION);
    world_open(w);
    one_call(w, 1);
    sim_run(&w->sim, SIM_S);
    assert_true(has_filter(w->client, "grpc/session"));
    assert_false(has_filter(w->client, "grpc/inbox")); /* given back */
    assert_false(has_filter(w->client, "grpc/server"));
    w->server_config.speak = GMQ__SPEAK_BOTH;
    sim_restart(w->server, &w->server_config);
    sim_connect(w->server);
    sim_disconnect(w->client, GMQ_CODE_UNAVAILABLE, "cut");
    sim_connect(w->client);
    sim_run(&w->sim, SIM_S);
    one_call(w, 2);
    assert_false(has_filter(w->client, "grpc/inbox")); /* it remembers */
    ended(w);
}

static char state_text[100];

static void keep_absent(sim_peer *peer, gmq__ev *ev)
{
    world *w = peer->ctx;
    w->ready |= ev->kind == GMQ__EV_READY;
    if (ev->kind == GMQ__EV_ABSENT)
        snprintf(state_text, sizeof state_text, "%s", ev->text);
    if (ev->kind == GMQ__EV_FINISHED) {
        w->calls[ev->call].finished = true;
        w->calls[ev->call].code = ev->code;
        w->ended++;
    }
}

/* Whoever may not read the inbox has no use of the dialect. */
static void an_inbox_that_is_refused(void **state)
{
    (void)state;
    world *w = made(GMQ__SPEAK_LINK, GMQ__SPEAK_BOTH);
    world_connect(w);
    w->client->on_event = keep_absent;
    w->client->refuse_subscribe = true;
    world_start(w, 1, GMQ_RPC_UNARY, 1, 100, 60 * SIM_S, 0, false);
    world_start(w, 2, GMQ_RPC_UNARY, 1, 100, 60 * SIM_S, 0, true);
    sim_run(&w->sim, SIM_S);
    assert_int_equal(w->calls[1].code, GMQ_CODE_PERMISSION_DENIED);
    assert_string_equal(state_text, "the broker refused the subscription for the answers");
    assert_true(w->calls[2].finished);
    world_start(w, 3, GMQ_RPC_UNARY, 1, 100, 60 * SIM_S, 0, false);
    assert_int_equal(w->calls[3].started_at, w->sim.now);
    sim_run(&w->sim, SIM_MS);
    assert_int_equal(w->calls[3].code, GMQ_CODE_PERMISSION_DENIED);
    world_free(w);
    free(w);
}

static void an_inbox_that_is_refused_makes_auto_choose_the_other(void **state)
{
    (void)state;
    world *w = made(GMQ__SPEAK_BOTH, GMQ__SPEAK_BOTH);
    world_connect(w);
    w->client->refuse_subscribe = true;
    sim_run(&w->sim, SIM_S);
    assert_true(w->ready);
    w->client->refuse_subscribe = false;
    one_call(w, 1);
    assert_true(has_filter(w->client, "grpc/session"));
    ended(w);
}

static uint32_t log_lines;

static void count_logs(sim_peer *peer, gmq__ev *ev)
{
    (void)peer;
    log_lines += ev->kind == GMQ__EV_LOG && strstr(ev->text, "presence");
}

static void a_presence_that_is_refused_is_told(void **state)
{
    (void)state;
    world *w = made(GMQ__SPEAK_LINK, GMQ__SPEAK_BOTH);
    world_open(w);
    log_lines = 0;
    sim_disconnect(w->server, GMQ_CODE_UNAVAILABLE, "cut");
    w->server->refuse_publish = GMQ__MQTT_NOT_AUTHORIZED;
    w->server->on_event = count_logs;
    sim_connect(w->server);
    sim_run(&w->sim, SIM_S);
    assert_int_equal(log_lines, 1);
    world_free(w);
    free(w);
}

static uint32_t opening_expiry, other_expiry;

static bool watch_expiry(sim_peer *peer, const gmq__mqtt_message *message)
{
    (void)peer;
    bool opening = gmq__span_equal_str(message->topic, "base/grpc/link/c1");
    *(opening ? &opening_expiry : &other_expiry) = message->expiry_s;
    return true;
}

static uint32_t expiry_with(int64_t timeout)
{
    world *w = made(GMQ__SPEAK_LINK, GMQ__SPEAK_BOTH);
    world_open(w);
    w->client->on_publish = watch_expiry;
    opening_expiry = other_expiry = 0;
    world_start(w, 1, GMQ_RPC_BIDI_STREAMING, 3, 100, timeout, 0, false);
    ended(w);
    assert_int_equal(other_expiry, 0);
    return opening_expiry;
}

/* Nobody is to run what nobody waits for any more. */
static void an_opening_expires(void **state)
{
    (void)state;
    assert_int_equal(expiry_with(2500 * SIM_MS), 3);
    assert_int_equal(expiry_with(-1), 30);
    assert_int_equal(expiry_with(100 * SIM_S), 30);
}

static void m4_a_client_says_goodbye(void **state)
{
    (void)state;
    world *w = made(GMQ__SPEAK_LINK, GMQ__SPEAK_BOTH);
    world_open(w);
    w->mute_handlers = true;
    world_start(w, 1, GMQ_RPC_BIDI_STREAMING, 1, 100, -1, 0, false);
    sim_run(&w->sim, SIM_S);
    uint64_t before = w->client->publishes;
    gmq__engine_leave(w->client->engine, w->sim.now);
    sim_run(&w->sim, 100 * SIM_MS);
    assert_int_equal(w->client->publishes - before, 2); /* CLOSE, gone */
    assert_true(w->calls[1].handler_finished);
    assert_true(w->calls[1].finished);
    world_free(w);
    free(w);
}

static void m3_a_server_says_goodbye(void **state)
{
    (void)state;
    world *w = made(GMQ__SPEAK_LINK, GMQ__SPEAK_BOTH);
    world_open(w);
    w->mute_handlers = true;
    world_start(w, 1, GMQ_RPC_BIDI_STREAMING, 1, 100, -1, 0, false);
    sim_run(&w->sim, SIM_S);
    gmq__engine_drain(w->server->engine, w->sim.now);
    sim_run(&w->sim, 100 * SIM_MS);
    assert_false(w->calls[1].finished);
    gmq__engine_leave(w->server->engine, w->sim.now);
    sim_run(&w->sim, 100 * SIM_MS);
    assert_int_equal(w->calls[1].code, GMQ_CODE_UNAVAILABLE);
    assert_string_equal(w->calls[1].details, "the server is closed");
    for (size_t at = 0; at < sizeof w->sim.retained / sizeof *w->sim.retained; at++)
        assert_null(w->sim.retained[at][0]);
    world_free(w);
    free(w);
}

/* ---- Presences ---- */

static uint32_t presences;

static bool count_presences(sim_peer *peer, const gmq__mqtt_message *message)
{
    (void)peer;
    if (gmq__span_equal_str(message->topic, "base/grpc/server/s1")) {
        assert_true(message->retain);
        assert_int_equal(message->qos, 1);
        assert_int_equal(peer->nfilters, 5); /* two of sessions, three of links: all granted */
        presences++;
    }
    return true;
}

static void m28_when_a_server_announces_itself(void **state)
{
    (void)state;
    world *w = made(GMQ__SPEAK_LINK, GMQ__SPEAK_BOTH);
    world_open(w);
    w->server->on_publish = count_presences;
    presences = 0;
    for (uint32_t round = 1; round <= 2; round++) {
        sim_disconnect(w->server, GMQ_CODE_UNAVAILABLE, "cut");
        sim_publish(&w->sim, "base/grpc/server/s1", NULL, 0, true); /* its Will */
        sim_connect(w->server);
        sim_run(&w->sim, SIM_S);
        assert_int_equal(presences, round);
    }
    static const char *const services[] = {"t.S", "t.T", NULL};
    gmq__engine_services(w->server->engine, services);
    sim_run(&w->sim, SIM_S);
    assert_int_equal(presences, 3);
    sim_disconnect(w->server, GMQ_CODE_UNAVAILABLE, "cut");
    w->server->refuse_subscribe = true; /* who cannot be asked does not say that he is there */
    sim_connect(w->server);
    sim_run(&w->sim, SIM_S);
    assert_int_equal(presences, 3);
    world_free(w);
    free(w);
}

static uint32_t openings;

static bool count_openings(sim_peer *peer, const gmq__mqtt_message *message)
{
    (void)peer;
    openings += gmq__span_equal_str(message->topic, "base/grpc/link/c1");
    return true;
}

static void nobody_is_there(bool no_properties, const char *details)
{
    world *w = made(GMQ__SPEAK_LINK, GMQ__SPEAK_BOTH);
    w->sim.faults.no_properties = no_properties;
    world_connect(w);
    sim_disconnect(w->server, GMQ_CODE_UNAVAILABLE, "away");
    sim_publish(&w->sim, "base/grpc/server/s1", NULL, 0, true);
    w->client->on_publish = count_openings;
    openings = 0;
    sim_run(&w->sim, SIM_S);
    world_start(w, 1, GMQ_RPC_UNARY, 1, 100, 60 * SIM_S, 0, false);
    sim_run(&w->sim, 100 * SIM_MS);
    assert_int_equal(w->calls[1].code, GMQ_CODE_UNAVAILABLE);
    assert_string_equal(w->calls[1].details, details);
    assert_int_equal(openings, no_properties ? 0 : 1);
    world_start(w, 2, GMQ_RPC_UNARY, 1, 100, -1, 0, true); /* after 1 s, 1.6 s, 2.6 s ... */
    openings = 0;
    sim_run(&w->sim, 60 * SIM_S);
    assert_false(w->calls[2].finished);
    assert_in_range(openings, no_properties ? 0 : 6, 8);
    sim_connect(w->server);
    sim_run(&w->sim, 100 * SIM_MS); /* its presence is enough */
    assert_true(w->calls[2].finished);
    assert_int_equal(w->calls[2].code, 0);
    ended(w);
}

static void m29_looked_for_in_vain(void **state)
{
    (void)state;
    nobody_is_there(false, "no server listens at this base topic");
    nobody_is_there(true, "no server is announced at base");
}

static void m29_presences_that_may_not_be_read(void **state)
{
    (void)state;
    world *w = made(GMQ__SPEAK_LINK, GMQ__SPEAK_BOTH);
    w->sim.faults.no_properties = true;
    world_connect(w);
    sim_run(&w->sim, SIM_S);
    sim_disconnect(w->client, GMQ_CODE_UNAVAILABLE, "cut");
    w->client->refuse_filter = "grpc/server";
    sim_connect(w->client);
    sim_run(&w->sim, SIM_S);
    one_call(w, 1);
    ended(w);
}

static void m30_new_calls_go_to_who_is_there(void **state)
{
    (void)state;
    world *w = made(GMQ__SPEAK_LINK, GMQ__SPEAK_BOTH);
    world_open(w);
    w->mute_handlers = true;
    world_start(w, 1, GMQ_RPC_BIDI_STREAMING, 1, 100, 60 * SIM_S, 0, false);
    sim_run(&w->sim, SIM_S);
    assert_int_equal(w->calls[1].runs, 1);
    w->mute_handlers = false;
    gmq__engine_config second = w->server_config;
    second.link.server_id = gmq__span_str("s2");
    memcpy(second.link.instance, "instance", 8);
    sim_peer *other = sim_add(&w->sim, &second, w->server->on_event, w);
    sim_connect(other);
    sim_run(&w->sim, SIM_S);
    w->server->cut_off = true;
    sim_publish(&w->sim, "base/grpc/server/s1", NULL, 0, true);
    sim_run(&w->sim, 100 * SIM_MS);
    world_start(w, 2, GMQ_RPC_UNARY, 1, 100, 60 * SIM_S, 0, false);
    sim_run(&w->sim, SIM_S);
    assert_true(w->calls[2].finished); /* and the old one is still waited for */
    assert_int_equal(w->calls[2].code, 0);
    assert_int_equal(world_stats(other).calls_started, 1);
    assert_false(w->calls[1].finished);
    sim_run(&w->sim, 5 * SIM_S);
    assert_int_equal(w->calls[1].code, GMQ_CODE_UNAVAILABLE);
    world_free(w);
    free(w);
}

/* What a batched stream gives waits for company, but not for long. */
static void a_batch_lingers(void **state)
{
    (void)state;
    world *w = made(GMQ__SPEAK_LINK, GMQ__SPEAK_BOTH);
    w->client_config.options.batched = 1;
    w->client_config.linger_ns = 50 * SIM_MS;
    world_open(w);
    w->mute_handlers = true;
    gmq_metadata *md = NULL;
    assert_int_equal(gmq_metadata_new(&md), GMQ_OK);
    gmq_metadata_add(md, "x-id", "9", 1);
    gmq__call_args args = {.id = 9,
                           .metadata = md,
                           .path = gmq__span_str("/t.S/Bidi"),
                           .kind = GMQ_RPC_BIDI_STREAMING,
                           .deadline = INT64_MAX,
                           .options = {.batched = -1, .server_level = -1, .client_level = -1}};
    gmq__engine *engine = w->client->engine;
    gmq_buf *message = NULL;
    assert_int_equal(gmq_buf_new(&message, "hello", 5), GMQ_OK);
    assert_int_equal(gmq__engine_start(engine, &args, w->sim.now), GMQ_OK);
    sim_run(&w->sim, SIM_S);
    uint64_t before = w->client->publishes;
    gmq__engine_send(engine, 9, message, w->sim.now);
    sim_run(&w->sim, 49 * SIM_MS);
    assert_int_equal(w->client->publishes, before);
    sim_run(&w->sim, 2 * SIM_MS);
    assert_int_equal(w->client->publishes, before + 1); /* a lone one waits no longer */
    for (int n = 0; n < 40; n++) {
        gmq__engine_send(engine, 9, message, w->sim.now);
        sim_run(&w->sim, SIM_MS);
    }
    gmq__engine_half_close(engine, 9, w->sim.now); /* nothing more will come: at once */
    sim_run(&w->sim, SIM_MS);
    assert_int_equal(w->client->publishes, before + 2);
    assert_int_equal(world_stats(w->client).unsent_bytes, 0);
    gmq_buf_unref(message);
    gmq_metadata_free(md);
    world_free(w);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(m14_a_server_is_announced),
        cmocka_unit_test(m14_nobody_is_announced),
        cmocka_unit_test(an_inbox_that_is_refused),
        cmocka_unit_test(an_inbox_that_is_refused_makes_auto_choose_the_other),
        cmocka_unit_test(a_presence_that_is_refused_is_told),
        cmocka_unit_test(an_opening_expires),
        cmocka_unit_test(m4_a_client_says_goodbye),
        cmocka_unit_test(m3_a_server_says_goodbye),
        cmocka_unit_test(m28_when_a_server_announces_itself),
        cmocka_unit_test(m29_looked_for_in_vain),
        cmocka_unit_test(m29_presences_that_may_not_be_read),
        cmocka_unit_test(m30_new_calls_go_to_who_is_there),
        cmocka_unit_test(a_batch_lingers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
