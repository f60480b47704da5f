#include "engine/sim_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"

/* A message: call id, index, how many, code to answer with, answers to send; then filler. */
#define HEAD 24

static gmq_buf *make_message(uint64_t id, uint32_t index, uint32_t size, uint32_t code,
                             uint32_t answers)
{
    uint8_t *data;
    if (size < HEAD)
        size = HEAD;
    gmq_buf *buf = gmq__buf_alloc(size, &data);
    if (!buf)
        return NULL;
    memset(data, (int)(id * 31 + index), size);
    memcpy(data, &id, 8);
    memcpy(data + 8, &index, 4);
    memcpy(data + 12, &size, 4);
    memcpy(data + 16, &code, 4);
    memcpy(data + 20, &answers, 4);
    return buf;
}

static void read_message(gmq_buf *buf, uint64_t *id, uint32_t *index, uint32_t *size,
                         uint32_t *code, uint32_t *answers)
{
    const uint8_t *data = gmq_buf_data(buf);
    assert_true(gmq_buf_len(buf) >= HEAD);
    memcpy(id, data, 8);
    memcpy(index, data + 8, 4);
    memcpy(size, data + 12, 4);
    memcpy(code, data + 16, 4);
    memcpy(answers, data + 20, 4);
    assert_int_equal(*size, gmq_buf_len(buf));
    for (size_t at = HEAD; at < gmq_buf_len(buf); at++)
        assert_int_equal(data[at], (uint8_t)(*id * 31 + *index));
}

/* ---- Server ---- */

/* Ids are a server's own. */
static uint64_t key(const world *w, uint64_t server_id)
{
    return server_id | (uint64_t)(w->serving - w->sim.peers) << 60;
}

static world_call *call_of_server(world *w, uint64_t server_id, uint64_t *id)
{
    for (size_t at = w->nof_server; at-- > 0;)
        if (w->of_server[at][0] == key(w, server_id)) {
            *id = w->of_server[at][1];
            return &w->calls[*id];
        }
    return NULL;
}

static uint64_t id_of_metadata(const gmq_metadata *md)
{
    for (size_t at = 0; at < gmq_metadata_count(md); at++)
        if (!strcmp(gmq_metadata_key(md, at), "x-id")) {
            size_t len;
            const char *value = gmq_metadata_value(md, at, &len);
            return strtoull(value, NULL, 10);
        }
    return 0;
}

static gmq_metadata *some_metadata(const char *key)
{
    gmq_metadata *md = NULL;
    if (gmq_metadata_new(&md) == GMQ_OK)
        gmq_metadata_add(md, key, "v", 1);
    return md;
}

/* A handler that runs out of memory gives up. */
static void server_must(world *w, uint64_t server_id, gmq_status status)
{
    if (status == GMQ_E_NOMEM)
        gmq__engine_cancel(w->serving->engine, server_id, GMQ_CODE_RESOURCE_EXHAUSTED, "no memory",
                           w->sim.now);
}

void world_serve(world *w, uint64_t server_id)
{
    gmq_metadata *md = some_metadata("init-k");
    gmq__engine_send_initial(w->serving->engine, server_id, md, w->sim.now);
    gmq_metadata_free(md);
    gmq__engine_read(w->serving->engine, server_id, 1, w->sim.now);
}

static void server_call(world *w, gmq__ev *ev)
{
    uint64_t id = id_of_metadata(ev->metadata);
    assert_true(id >= 1 && id <= WORLD_CALLS);
    w->calls[id].runs++;
    if (w->calls[id].started && !ev->unresolved)
        assert_int_equal(w->calls[id].kind, ev->method.kind);
    assert_true(w->nof_server < WORLD_CALLS * 4);
    w->of_server[w->nof_server][0] = key(w, ev->call);
    w->of_server[w->nof_server++][1] = id;
    if (w->mute_handlers) {
        w->held[w->nheld++] = ev->call;
        return;
    }
    if (ev->unresolved)
        server_must(
            w, ev->call,
            gmq__engine_resolve(w->serving->engine, ev->call, w->calls[id].kind, w->sim.now));
    world_serve(w, ev->call);
}

static void server_finish(world *w, uint64_t server_id, const world_call *c)
{
    gmq_metadata *md = some_metadata("trail-k");
    server_must(w, server_id,
                gmq__engine_finish(w->serving->engine, server_id, (int32_t)c->answer_code,
                                   gmq__span_str("that is it"), md, w->sim.now));
    gmq_metadata_free(md);
}

static void server_send(world *w, uint64_t server_id, uint64_t id, uint32_t index, uint32_t size)
{
    gmq_buf *buf = make_message(id, index, size, 0, 0);
    server_must(w, server_id,
                buf ? gmq__engine_send(w->serving->engine, server_id, buf, w->sim.now)
                    : GMQ_E_NOMEM);
    gmq_buf_unref(buf);
}

static void server_message(world *w, gmq__ev *ev)
{
    uint64_t id, own = 0;
    uint32_t index, size, code, answers;
    read_message(ev->message, &id, &index, &size, &code, &answers);
    world_call *c = call_of_server(w, ev->call, &own);
    assert_non_null(c);
    c->bad |= own != id || index != c->handler_messages;
    c->handler_messages++;
    if (c->kind == GMQ_RPC_BIDI_STREAMING)
        server_send(w, ev->call, id, index, size);
    if (c->kind == GMQ_RPC_SERVER_STREAMING)
        for (uint32_t at = 0; at < answers; at++)
            server_send(w, ev->call, id, at, size);
    if (c->kind == GMQ_RPC_UNARY)
        server_send(w, ev->call, id, 0, size);
    gmq__engine_read(w->serving->engine, ev->call, 1, w->sim.now);
}

static void server_half_closed(world *w, gmq__ev *ev)
{
    uint64_t id = 0;
    world_call *c = call_of_server(w, ev->call, &id);
    if (c->kind == GMQ_RPC_CLIENT_STREAMING)
        server_send(w, ev->call, id, 0, 32);
    server_finish(w, ev->call, c);
}

static void on_server(sim_peer *peer, gmq__ev *ev)
{
    world *w = peer->ctx;
    w->serving = peer;
    uint64_t id;
    world_call *c;
    switch (ev->kind) {
    case GMQ__EV_READY:
        w->server_ready = true;
        break;
    case GMQ__EV_FAILED:
        w->server_failed = true;
        break;
    case GMQ__EV_CALL:
        server_call(w, ev);
        break;
    case GMQ__EV_MESSAGE:
        server_message(w, ev);
        break;
    case GMQ__EV_HALF_CLOSED:
        server_half_closed(w, ev);
        break;
    case GMQ__EV_FINISHED:
        c = call_of_server(w, ev->call, &id);
        assert_non_null(c);
        assert_false(c->handler_finished && c->runs == 1);
        c->handler_finished = true;
        c->handler_code = ev->code;
        break;
    default:
        break;
    }
}

/* ---- Client ---- */

static void client_must(world *w, uint64_t id, gmq_status status)
{
    if (status == GMQ_E_NOMEM)
        gmq__engine_cancel(w->client->engine, id, GMQ_CODE_RESOURCE_EXHAUSTED, "no memory",
                           w->sim.now);
}

static void send_next(world *w, uint64_t id)
{
    world_call *c = &w->calls[id];
    uint32_t index = c->expect;
    gmq_buf *buf = make_message(id, index, c->size, c->answer_code, c->answers);
    client_must(w, id,
                buf ? gmq__engine_send(w->client->engine, id, buf, w->sim.now) : GMQ_E_NOMEM);
    gmq_buf_unref(buf);
}

static void client_streams(world *w, uint64_t id)
{
    world_call *c = &w->calls[id];
    for (uint32_t n = c->to_send; n; n--) {
        send_next(w, id);
        c->expect++;
    }
    c->to_send = 0;
    client_must(w, id, gmq__engine_half_close(w->client->engine, id, w->sim.now));
}

static void client_message(world *w, gmq__ev *ev)
{
    uint64_t id;
    uint32_t index, size, code, answers;
    world_call *c = &w->calls[ev->call];
    read_message(ev->message, &id, &index, &size, &code, &answers);
    c->bad |= id != ev->call || index != c->messages;
    c->messages++;
    gmq__engine_read(w->client->engine, ev->call, 1, w->sim.now);
}

static void on_client(sim_peer *peer, gmq__ev *ev)
{
    world *w = peer->ctx;
    world_call *c = ev->call ? &w->calls[ev->call] : NULL;
    switch (ev->kind) {
    case GMQ__EV_READY:
        w->ready = true;
        break;
    case GMQ__EV_INITIAL_METADATA:
        c->bad |= c->messages != 0 || c->finished;
        c->initials++;
        break;
    case GMQ__EV_MESSAGE:
        c->bad |= c->finished;
        client_message(w, ev);
        break;
    case GMQ__EV_SENT:
        c->sent_bytes += ev->size;
        break;
    case GMQ__EV_FINISHED:
        assert_false(c->finished); /* I1 */
        c->finished = true;
        c->code = ev->code;
        c->trailing = (uint32_t)gmq_metadata_count(ev->metadata);
        snprintf(c->details, sizeof c->details, "%s", ev->text ? ev->text : "");
        c->ended_at = w->sim.now;
        w->ended++;
        break;
    default:
        break;
    }
}

static bool lookup(void *ctx, gmq__span path, gmq__rpc_method *out)
{
    static const char *const names[] = {"/t.S/Unary", "/t.S/Client", "/t.S/Server", "/t.S/Bidi"};
    const world *w = ctx;
    if (w->knows_nothing)
        return false;
    for (int at = 0; at < 4; at++)
        if (gmq__span_equal_str(path, names[at])) {
            gmq__rpc_method method = {(gmq_rpc_kind)at, {-1, -1, -1}};
            *out = method;
            return true;
        }
    return false;
}

void world_init(world *w, uint64_t seed, const sim_faults *faults)
{
    memset(w, 0, sizeof *w);
    sim_init(&w->sim, seed, faults);
    gmq__engine_config_defaults(&w->client_config);
    w->client_config.base = gmq__span_str("base");
    w->server_config = w->client_config;
    w->client_config.role = GMQ__ROLE_CLIENT;
    w->server_config.role = GMQ__ROLE_SERVER;
    w->server_config.lookup = lookup;
    w->server_config.lookup_ctx = w;
}

void world_speak_link(world *w)
{
    w->client_config.speak = GMQ__SPEAK_LINK;
    w->client_config.link.client_id = gmq__span_str("c1");
    w->client_config.link.inbox = gmq__span_str("grpc/inbox");
    w->server_config.speak = GMQ__SPEAK_BOTH;
    w->server_config.link.server_id = gmq__span_str("s1");
    w->server_config.link.inbox = gmq__span_str("grpc/inbox/+");
    memcpy(w->server_config.link.instance, "INSTANCE", 8);
    w->client_config.link.call_window = w->server_config.link.call_window = 256 << 10;
}

static bool is_ready(void *ctx) { return ((world *)ctx)->ready; }

void world_open(world *w)
{
    world_connect(w);
    if (w->client_config.speak == GMQ__SPEAK_SESSION)
        sim_settle(&w->sim);
    else /* the presences are looked for */
        sim_run_until(&w->sim, 5 * SIM_S, is_ready, w);
    assert_true(w->ready);
}

void world_connect(world *w)
{
    w->server = w->serving = sim_add(&w->sim, &w->server_config, on_server, w);
    w->client = sim_add(&w->sim, &w->client_config, on_client, w);
    assert_non_null(w->server);
    assert_non_null(w->client);
    sim_connect(w->server);
    sim_run(&w->sim, 10 * SIM_MS);
    sim_connect(w->client);
}

void world_free(world *w) { sim_free(&w->sim); }

gmq_status world_start(world *w, uint64_t id, gmq_rpc_kind kind, uint32_t n, uint32_t size,
                       int64_t timeout, int32_t answer_code, bool wait_for_ready)
{
    static const char *const names[] = {"/t.S/Unary", "/t.S/Client", "/t.S/Server", "/t.S/Bidi"};
    world_call *c = &w->calls[id];
    memset(c, 0, sizeof *c);
    c->kind = kind;
    c->size = size;
    c->answer_code = (uint32_t)answer_code;
    c->started_at = w->sim.now;
    c->deadline = timeout < 0 ? INT64_MAX : w->sim.now + timeout;
    gmq_metadata *md = NULL;
    char text[24];
    int len = snprintf(text, sizeof text, "%llu", (unsigned long long)id);
    if (gmq_metadata_new(&md) != GMQ_OK)
        return GMQ_E_NOMEM;
    gmq_status status = gmq_metadata_add(md, "x-id", text, (size_t)len);
    gmq__call_args args = {
        .id = id, .path = gmq__span_str(names[kind]), .kind = kind, .metadata = md};
    args.deadline = c->deadline;
    args.options.batched = args.options.server_level = args.options.client_level = -1;
    args.wait_for_ready = wait_for_ready;
    args.any_kind = w->any_kind;
    if (args.any_kind)
        args.kind = GMQ_RPC_BIDI_STREAMING;
    if (status == GMQ_OK)
        status = gmq__engine_start(w->client->engine, &args, w->sim.now);
    gmq_metadata_free(md);
    if (status != GMQ_OK)
        return status;
    c->started = true;
    w->started++;
    c->answers = n;
    if (gmq__rpc_client_streams(kind)) {
        c->to_send = n;
        client_streams(w, id);
        c->expect = kind == GMQ_RPC_BIDI_STREAMING ? n : 1;
    } else {
        send_next(w, id);
        gmq__engine_half_close(w->client->engine, id, w->sim.now);
        c->expect = kind == GMQ_RPC_UNARY ? 1 : n;
    }
    if (!w->no_reading)
        gmq__engine_read(w->client->engine, id, 1, w->sim.now);
    return GMQ_OK;
}

bool world_all_done(void *ctx)
{
    const world *w = ctx;
    return w->ended == w->started;
}

void world_check(world *w)
{
    for (uint64_t id = 1; id <= WORLD_CALLS; id++) {
        const world_call *c = &w->calls[id];
        if (!c->started)
            continue;
        assert_true(c->finished);  /* I1 */
        assert_false(c->bad);      /* I2, I6 */
        assert_true(c->runs <= 1); /* I3 */
        if (c->deadline != INT64_MAX)
            assert_true(c->ended_at <= c->deadline + SIM_S); /* I4 */
        if (c->code == GMQ_CODE_OK)                          /* I2 */
            assert_int_equal(c->messages, c->expect);
    }
}

gmq__engine_stats world_stats(sim_peer *peer)
{
    gmq__engine_stats stats;
    gmq__engine_stats_get(peer->engine, &stats);
    return stats;
}

void world_check_quiet(world *w)
{
    sim_run(&w->sim, 400 * SIM_S);
    for (size_t at = 0; at < w->sim.npeers; at++) {
        gmq__engine_stats stats = world_stats(&w->sim.peers[at]);
        assert_int_equal(stats.open_calls, 0);
        assert_int_equal(stats.reassembly_bytes, 0);
        assert_int_equal(stats.unread_bytes, 0);
        assert_int_equal(stats.unsent_bytes, 0);
        assert_int_equal(stats.tombstones, 0);
        assert_int_equal(stats.calls_started, stats.calls_finished);
    }
    if (w->client_config.speak == GMQ__SPEAK_LINK)
        return; /* its inbox stays */
    assert_int_equal(world_stats(w->client).subscriptions, 0);
    assert_int_equal(w->client->nfilters, 0);
}
