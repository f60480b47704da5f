#include "engine/sim_golden.h"

#include <stdio.h>
#include <string.h>

#include "cmocka_all.h"
#include "wire/pb.h"

void blob_parse(gmq__span in, gmq__span *data, uint32_t *n)
{
    gmq__pb_field field;
    *data = gmq__span_of(NULL, 0);
    *n = 0;
    while (gmq__pb_next(&in, &field) == 1) {
        if (field.number == 1)
            *data = field.bytes;
        if (field.number == 2)
            *n = (uint32_t)field.value;
    }
}

void blob_encode(gmq__bytes *out, gmq__span data, uint32_t n)
{
    if (data.len)
        gmq__pb_put_bytes(out, 1, data);
    if (n)
        gmq__pb_put_uint(out, 2, n);
}

static bool has(const char *name, const char *part) { return strstr(name, part) != NULL; }

static gmq_rpc_kind kind_of(const char *name)
{
    if (has(name, "ClientStream"))
        return GMQ_RPC_CLIENT_STREAMING;
    if (has(name, "ServerStream"))
        return GMQ_RPC_SERVER_STREAMING;
    return has(name, "Bidi") ? GMQ_RPC_BIDI_STREAMING : GMQ_RPC_UNARY;
}

bool golden_lookup(void *ctx, gmq__span path, gmq__rpc_method *out)
{
    char name[80];
    (void)ctx;
    snprintf(name, sizeof name, "%.*s", (int)path.len, (const char *)path.data);
    if (strncmp(name, "/golden.v1.Golden/", 18) || !strcmp(name + 18, "Nope"))
        return false;
    memset(out, 0, sizeof *out);
    out->kind = kind_of(name);
    return true;
}

static golden_call *find(golden *g, uint64_t id)
{
    for (size_t at = 0; at < 8; at++)
        if (g->calls[at].open && g->calls[at].id == id)
            return &g->calls[at];
    return NULL;
}

static void call_free(golden_call *c)
{
    gmq__bytes_free(&c->data);
    gmq_buf_unref(c->last);
    gmq_metadata_free(c->metadata);
    memset(c, 0, sizeof *c);
}

void golden_free(golden *g)
{
    for (size_t at = 0; at < 8; at++)
        call_free(&g->calls[at]);
}

static void initial(sim_peer *peer, golden_call *c, bool binary)
{
    gmq_metadata *md = NULL;
    assert_int_equal(gmq_metadata_new(&md), GMQ_OK);
    gmq_metadata_add(md, "init-k", "init-v", 6);
    if (binary)
        gmq_metadata_add(md, "init-bin", "\x00\x01\xff", 3);
    gmq__engine_send_initial(peer->engine, c->id, md, peer->sim->now);
    gmq_metadata_free(md);
}

static void finish(sim_peer *peer, golden_call *c, int32_t code, const char *details,
                   const char *key, const char *value)
{
    gmq_metadata *md = NULL;
    assert_int_equal(gmq_metadata_new(&md), GMQ_OK);
    if (key)
        gmq_metadata_add(md, key, value, strlen(value));
    gmq__engine_finish(peer->engine, c->id, code, gmq__span_str(details), md, peer->sim->now);
    gmq_metadata_free(md);
    c->wake_at = 0;
}

static void send(sim_peer *peer, golden_call *c, gmq_buf *message)
{
    gmq__engine_send(peer->engine, c->id, message, peer->sim->now);
}

static void send_blob(sim_peer *peer, golden_call *c, gmq__span data, uint32_t n)
{
    gmq__bytes out = {0};
    blob_encode(&out, data, n);
    gmq_buf *buf = gmq__buf_copy(gmq__bytes_span(&out));
    send(peer, c, buf);
    gmq_buf_unref(buf);
    gmq__bytes_free(&out);
}

static void numbered(sim_peer *peer, golden_call *c, uint32_t n)
{
    gmq__bytes out = {0};
    char digits[16];
    gmq__bytes_put(&out, c->data.data, c->data.len);
    snprintf(digits, sizeof digits, "%u", n);
    gmq__bytes_put_str(&out, digits);
    send_blob(peer, c, gmq__bytes_span(&out), n);
    gmq__bytes_free(&out);
}

static void echo(sim_peer *peer, golden_call *c)
{
    gmq_metadata *md = NULL;
    initial(peer, c, true);
    send(peer, c, c->last);
    assert_int_equal(gmq_metadata_new(&md), GMQ_OK);
    gmq_metadata_add(md, "trail-k", "trail-v2", 8);
    gmq_metadata_add(md, "trail-k", "trail-v1", 8);
    for (size_t at = 0; at < gmq_metadata_count(c->metadata); at++) {
        char key[80];
        size_t len;
        const void *value = gmq_metadata_value(c->metadata, at, &len);
        snprintf(key, sizeof key, "echo-%s", gmq_metadata_key(c->metadata, at));
        gmq_metadata_add(md, key, value, len);
    }
    gmq__engine_finish(peer->engine, c->id, 0, gmq__span_str("ok details"), md, peer->sim->now);
    gmq_metadata_free(md);
}

static void server_stream(sim_peer *peer, golden_call *c)
{
    if (has(c->name, "Slow")) {
        c->wake_at = peer->sim->now + 5500 * SIM_MS;
        return;
    }
    bool fail = has(c->name, "Fail");
    if (!fail && !has(c->name, "NoInit"))
        initial(peer, c, false);
    for (uint32_t n = 0; n < c->total; n++)
        numbered(peer, c, n);
    if (fail)
        finish(peer, c, 5, "ss fail", "why", "because");
    else if (has(c->name, "NoInit"))
        finish(peer, c, 0, "", NULL, NULL);
    else
        finish(peer, c, 0, "ss done", "ss", "t");
}

static void answer_one(sim_peer *peer, golden_call *c)
{
    gmq__span data;
    uint32_t n;
    blob_parse(gmq__buf_span(c->last), &data, &n);
    c->total = n;
    gmq__bytes_put(&c->data, data.data, data.len);
    if (has(c->name, "NoImpl")) {
        finish(peer, c, 12, "Method not found!", NULL, NULL);
    } else if (has(c->name, "ServerStream")) {
        server_stream(peer, c);
    } else if (has(c->name, "Echo")) {
        echo(peer, c);
    } else if (has(c->name, "Fail")) {
        finish(peer, c, 5, "no such thing: \xc3\xbc", "why", "because");
    } else if (!strcmp(c->name, "Slow")) {
        c->wake_at = peer->sim->now + (int64_t)n * SIM_MS;
    } else {
        send(peer, c, c->last);
        finish(peer, c, 0, "", NULL, NULL);
    }
}

void golden_wake(sim_peer *peer)
{
    golden *g = peer->ctx;
    for (size_t at = 0; at < 8; at++) {
        golden_call *c = &g->calls[at];
        if (!c->open || !c->wake_at || c->wake_at > peer->sim->now)
            continue;
        if (!strcmp(c->name, "Slow")) {
            send(peer, c, c->last);
            finish(peer, c, 0, "", NULL, NULL);
            continue;
        }
        numbered(peer, c, c->next++);
        c->wake_at += 5500 * SIM_MS;
        if (c->next == c->total)
            finish(peer, c, 0, "", NULL, NULL);
    }
}

static void on_call(sim_peer *peer, gmq__ev *ev)
{
    golden *g = peer->ctx;
    golden_call *c = g->calls;
    while (c->open)
        c++;
    c->open = true;
    c->id = ev->call;
    c->kind = ev->method.kind;
    c->metadata = ev->metadata;
    ev->metadata = NULL;
    snprintf(c->name, sizeof c->name, "%s", strrchr(ev->text, '/') + 1);
    if (has(c->name, "NoImpl") && gmq__rpc_client_streams(c->kind)) {
        finish(peer, c, 12, "Method not found!", NULL, NULL);
        return;
    }
    if (c->kind == GMQ_RPC_BIDI_STREAMING)
        initial(peer, c, false);
    gmq__engine_read(peer->engine, ev->call, 1000, peer->sim->now);
}

static void on_message(sim_peer *peer, golden_call *c, gmq_buf *message)
{
    gmq__span data;
    uint32_t n;
    c->count++;
    blob_parse(gmq__buf_span(message), &data, &n);
    if (c->kind == GMQ_RPC_CLIENT_STREAMING) {
        gmq__bytes_put(&c->data, data.data, data.len);
        return;
    }
    if (c->kind != GMQ_RPC_BIDI_STREAMING) {
        c->last = gmq_buf_ref(message);
        return;
    }
    if (has(c->name, "Fail") && c->count == 2) {
        finish(peer, c, 10, "bd fail", NULL, NULL);
        return;
    }
    send(peer, c, message);
    if (has(c->name, "EarlyEnd"))
        finish(peer, c, 0, "", NULL, NULL);
}

static void on_half_closed(sim_peer *peer, golden_call *c)
{
    if (c->kind == GMQ_RPC_BIDI_STREAMING) {
        finish(peer, c, 0, "bd done", "bd", "t");
    } else if (c->kind != GMQ_RPC_CLIENT_STREAMING) {
        answer_one(peer, c);
    } else if (has(c->name, "Fail")) {
        finish(peer, c, 3, "cs fail", NULL, NULL);
    } else {
        send_blob(peer, c, gmq__bytes_span(&c->data), c->count);
        finish(peer, c, 0, "cs done", "cs", "t");
    }
}

void golden_on_event(sim_peer *peer, gmq__ev *ev)
{
    golden_call *c = ev->call ? find(peer->ctx, ev->call) : NULL;
    if (ev->kind == GMQ__EV_CALL)
        on_call(peer, ev);
    else if (ev->kind == GMQ__EV_MESSAGE && c)
        on_message(peer, c, ev->message);
    else if (ev->kind == GMQ__EV_HALF_CLOSED && c)
        on_half_closed(peer, c);
    else if (ev->kind == GMQ__EV_FINISHED && c)
        call_free(c);
}
