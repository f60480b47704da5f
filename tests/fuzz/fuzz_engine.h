/* What the two engine targets share: reading the input as a sequence of operations, and an engine
 * whose outputs are taken and whose events are checked. */
#ifndef GMQ_TEST_FUZZ_ENGINE_H
#define GMQ_TEST_FUZZ_ENGINE_H

#include <stdio.h>
#include <string.h>

#include "base/prng.h"
#include "engine/engine.h"
#include "fuzz/fuzz.h"
#include "wire/packet.h"

#define FUZZ_IDS    64
#define FUZZ_TOKENS 64
#define FUZZ_MS     INT64_C(1000000)

typedef struct fuzz_input {
    const uint8_t *data;
    size_t len;
} fuzz_input;

static inline uint8_t take_byte(fuzz_input *in)
{
    if (!in->len)
        return 0;
    in->len--;
    return *in->data++;
}

static inline gmq__span take_bytes(fuzz_input *in) /* length in one byte; 255: all the rest */
{
    size_t len = take_byte(in);
    if (len == 255 || len > in->len)
        len = in->len;
    gmq__span bytes = {in->data, len};
    in->data += len;
    in->len -= len;
    return bytes;
}

typedef struct fuzz_engine {
    gmq__engine *engine;
    gmq__prng prng;
    int64_t now;
    bool connected;
    uint64_t open[FUZZ_IDS]; /* ids of calls known and not finished */
    size_t nopen;
    uint64_t tokens[FUZZ_TOKENS]; /* not acknowledged */
    size_t ntokens;
    char sids[4][80]; /* session ids worth sending to */
    size_t nsids;
} fuzz_engine;

static inline void fuzz_random(void *ctx, void *out, size_t len)
{
    for (size_t at = 0; at < len; at++)
        ((uint8_t *)out)[at] = (uint8_t)gmq__prng_next(ctx);
}

static inline void fuzz_open(fuzz_engine *f, gmq__engine_config *config)
{
    memset(f, 0, sizeof *f);
    f->now = 1000000000;
    f->prng.state = 1;
    config->base = gmq__span_str("b");
    config->random = fuzz_random;
    config->random_ctx = &f->prng;
    config->msg_size_limit = 100;
    config->receive_limit = 5000;
    config->receive_buffer = 20000;
    config->reassembly_limit = 50000;
    config->max_calls = 16;
    config->subscriptions = 12;
    check(gmq__engine_new(&f->engine, config) == GMQ_OK);
}

static inline void fuzz_connect(fuzz_engine *f)
{
    gmq__mqtt_limits limits = {.receive_max = 10, .packet_max = SIZE_MAX, .properties = true};
    gmq__engine_connected(f->engine, &limits, f->now);
    f->connected = true;
}

static inline void fuzz_disconnect(fuzz_engine *f)
{
    gmq__engine_disconnected(f->engine, GMQ_CODE_UNAVAILABLE, "cut", f->now);
    f->connected = false;
    f->ntokens = 0;
}

static inline size_t fuzz_place(const fuzz_engine *f, uint64_t id)
{
    size_t at = 0;
    while (at < f->nopen && f->open[at] != id)
        at++;
    return at;
}

/* Each event belongs to a call that is open; FINISHED closes it. */
static inline void fuzz_events(fuzz_engine *f)
{
    gmq__ev ev;
    while (gmq__engine_next_event(f->engine, &ev)) {
        if (ev.kind == GMQ__EV_CALL) {
            check(ev.text && fuzz_place(f, ev.call) == f->nopen && f->nopen < FUZZ_IDS);
            f->open[f->nopen++] = ev.call;
        } else if (ev.call) {
            size_t at = fuzz_place(f, ev.call);
            check(at < f->nopen);
            if (ev.kind == GMQ__EV_MESSAGE)
                check(gmq_buf_len(ev.message) <= 5000);
            if (ev.kind == GMQ__EV_FINISHED)
                f->open[at] = f->open[--f->nopen];
        }
        gmq__ev_clear(&ev);
    }
}

static inline void fuzz_outputs(fuzz_engine *f)
{
    gmq__output out;
    while (gmq__engine_next_output(f->engine, f->ntokens < FUZZ_TOKENS / 2, f->now, &out)) {
        check(f->connected);
        if (out.kind == GMQ__OUT_PUBLISH)
            check(out.message.payload.len <= 100 && out.message.topic.len > 2);
        else
            check(out.nfilters >= 1 && out.nfilters <= 8);
        if (out.kind == GMQ__OUT_SUBSCRIBE && out.filters[0].len == 2 + 13 + 24) {
            snprintf(f->sids[f->nsids % 4], sizeof f->sids[0], "%.*s", 24,
                     (const char *)out.filters[0].data + 15);
            f->nsids++;
        }
        if (f->ntokens < FUZZ_TOKENS)
            f->tokens[f->ntokens++] = out.token;
    }
}

static inline void fuzz_ack(fuzz_engine *f, size_t which, int reason)
{
    if (!f->ntokens)
        return;
    which %= f->ntokens;
    uint64_t token = f->tokens[which];
    f->tokens[which] = f->tokens[--f->ntokens];
    gmq__engine_acked(f->engine, token, reason, f->now);
}

static inline void fuzz_ack_all(fuzz_engine *f)
{
    while (f->ntokens) {
        fuzz_ack(f, 0, 0);
        fuzz_outputs(f);
    }
}

static inline void fuzz_time(fuzz_engine *f, int64_t ns)
{
    int64_t until = f->now + ns;
    for (int rounds = 0; rounds < 1000; rounds++) {
        int64_t due = gmq__engine_deadline(f->engine);
        if (due > until)
            break;
        f->now = due > f->now ? due : f->now;
        gmq__engine_timer(f->engine, f->now);
        fuzz_events(f);
        fuzz_outputs(f);
    }
    f->now = until;
}

static inline void fuzz_message(fuzz_engine *f, const char *topic, gmq__span payload, uint8_t i)
{
    char digits[8];
    gmq_buf *buf = gmq__buf_copy(payload);
    int len = snprintf(digits, sizeof digits, "%u", i);
    gmq__mqtt_property property = {gmq__span_str("i"), gmq__span_of(digits, (size_t)len)};
    gmq__mqtt_message message = {
        .topic = gmq__span_str(topic), .payload = gmq__buf_span(buf), .qos = 1};
    message.properties = &property;
    message.nproperties = i != 255;
    gmq__engine_message(f->engine, &message, buf, f->now);
    gmq_buf_unref(buf);
}

/* The same in a packet. */
static inline void fuzz_packet(fuzz_engine *f, const char *topic, fuzz_input *in, uint8_t i)
{
    gmq__bytes out = {0};
    uint8_t shape = take_byte(in);
    gmq__span payload = take_bytes(in);
    gmq__packet_encode(&out, payload, shape & 15, shape ? shape >> 4 : 1);
    fuzz_message(f, topic, gmq__bytes_span(&out), i);
    gmq__bytes_free(&out);
}

/* Nothing is left when the connection is gone and every call over. */
static inline void fuzz_close(fuzz_engine *f)
{
    gmq__engine_stats stats;
    fuzz_disconnect(f);
    fuzz_events(f);
    while (f->nopen) {
        check(gmq__engine_cancel(f->engine, f->open[0], GMQ_CODE_CANCELLED, NULL, f->now) ==
              GMQ_OK);
        fuzz_events(f);
    }
    gmq__engine_stats_get(f->engine, &stats);
    check(!stats.open_calls && !stats.reassembly_bytes && !stats.unread_bytes &&
          !stats.unsent_bytes);
    check(stats.calls_started == stats.calls_finished);
    gmq__engine_free(f->engine);
}

#endif
