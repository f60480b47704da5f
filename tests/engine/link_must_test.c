/* The numbered MUSTs of docs/design/protocol.md that a schedule does not show: each a test. */
#include <stdlib.h>
#include <string.h>

#include "cmocka_all.h"
#include "engine/sim_world.h"
#include "wire/link_frame.h"
#include "wire/link_packet.h"
#include "wire/link_topic.h"
#include "wire/metadata.h"

#define OPENING "base/grpc/link/x1"
#define PINNED  "base/grpc/link/x1/s1"
#define INBOX   "grpc/inbox/x1"

static const char *const ID = "0123456789abcdef";

/* What the server publishes to INBOX. */
static struct {
    size_t n;
    gmq__bytes last;
} seen;

static bool watch(sim_peer *peer, const gmq__mqtt_message *message)
{
    (void)peer;
    if (!gmq__span_equal_str(message->topic, INBOX))
        return true;
    seen.n++;
    gmq__bytes_clear(&seen.last);
    gmq__bytes_put(&seen.last, message->payload.data, message->payload.len);
    return false;
}

static world *opened(void)
{
    world *w = calloc(1, sizeof *w);
    world_init(w, 1, NULL);
    world_speak_link(w);
    world_open(w);
    w->server->on_publish = watch;
    seen.n = 0;
    sim_run(&w->sim, 10 * SIM_MS);
    return w;
}

static void done(world *w)
{
    gmq__bytes_free(&seen.last);
    world_free(w);
    free(w);
}

static void put(gmq__bytes *out, gmq__link_type type, uint8_t flags, uint64_t call,
                const gmq__bytes *body)
{
    gmq__link_frame f = {(uint8_t)type, flags, call,
                         body ? gmq__bytes_span(body) : gmq__span_of(NULL, 0)};
    gmq__link_frame_put(out, &f);
}

static void put_open(gmq__bytes *out, const char *inbox)
{
    gmq__bytes body = {0};
    gmq__link_open open = {.inbox = gmq__span_str(inbox),
                           .call_window = 1 << 20,
                           .link_window = 1 << 20,
                           .timeout_ms = 30000};
    gmq__link_open_encode(&body, &open);
    put(out, GMQ__LINK_OPEN, 0, 0, &body);
    gmq__bytes_free(&body);
}

static void put_headers(gmq__bytes *out, uint64_t call, const char *path, uint8_t kind)
{
    gmq__bytes body = {0};
    gmq_metadata *md = NULL;
    gmq__link_headers h = {.path = gmq__span_str(path), .kind = kind, .timeout_ms = 60000};
    gmq_metadata_new(&md);
    gmq_metadata_add(md, "x-id", "7", 1);
    gmq__link_headers_encode(&body, &h, md);
    put(out, GMQ__LINK_HEADERS, 0, call, &body);
    gmq_metadata_free(md);
    gmq__bytes_free(&body);
}

/* A packet of a client of another make. Frees the frames. */
static void inject(world *w, const char *topic, uint64_t seq, gmq__bytes *frames)
{
    gmq__bytes out = {0};
    gmq__link_packet p = {.link = gmq__span_of(ID, 16), .seq = seq};
    gmq__link_packet_encode(&out, &p);
    gmq__bytes_put(&out, frames->data, frames->len);
    sim_inject(w->server, topic, out.data, out.len, -1);
    sim_run(&w->sim, 5 * SIM_MS);
    gmq__bytes_free(&out);
    gmq__bytes_free(frames);
}

/* The first frame of this type in what the server sent last. */
static bool last_has(gmq__link_type type, gmq__link_frame *f)
{
    gmq__link_packet p;
    if (gmq__link_packet_decode(gmq__bytes_span(&seen.last), &p) != GMQ__LINK_PACKET_OK)
        return false;
    while (gmq__link_frame_next(&p.frames, f) == 1)
        if (f->type == type)
            return true;
    return false;
}

static void assert_end(gmq__link_type type, uint64_t code, const char *text)
{
    gmq__link_frame f;
    gmq__link_end end;
    assert_true(last_has(type, &f));
    assert_true(gmq__link_end_decode(&f.body, &end));
    assert_int_equal(end.number, code);
    assert_true(gmq__span_equal_str(end.text, text));
}

static void open_stranger(world *w)
{
    gmq__bytes frames = {0};
    put_open(&frames, INBOX);
    inject(w, OPENING, 1, &frames);
}

static void m2_an_inbox_that_is_not_allowed_gets_nothing(void **state)
{
    (void)state;
    world *w = opened();
    static const char *const inboxes[] = {"grpc/inbox/c1", "other/x1", "$SYS/x1", "x1"};
    for (size_t at = 0; at < 4; at++) {
        uint64_t before = w->server->publishes;
        gmq__bytes frames = {0};
        put_open(&frames, inboxes[at]);
        inject(w, OPENING, 1, &frames);
        sim_run(&w->sim, SIM_S);
        assert_int_equal(w->server->publishes, before);
    }
    open_stranger(w);
    gmq__link_frame f;
    assert_true(last_has(GMQ__LINK_ACCEPT, &f));
    done(w);
}

static void m2_a_link_is_its_clients_alone(void **state)
{
    (void)state;
    world *w = opened();
    open_stranger(w);
    uint64_t ignored = world_stats(w->server).ignored;
    gmq__bytes frames = {0};
    put_headers(&frames, 1, "/t.S/Unary", 0);
    inject(w, "base/grpc/link/y1/s1", 2, &frames);
    assert_int_equal(world_stats(w->server).ignored, ignored + 1);
    assert_int_equal(w->calls[7].runs, 0);
    done(w);
}

static void m4_calls_of_a_dead_client_are_cancelled_within_5_s(void **state)
{
    (void)state;
    world *w = opened();
    w->mute_handlers = true;
    world_start(w, 1, GMQ_RPC_BIDI_STREAMING, 1, 100, -1, 0, false);
    sim_run(&w->sim, SIM_S);
    w->server->on_publish = NULL;
    sim_publish(&w->sim, "base/grpc/gone/c2", NULL, 0, false); /* another's Will */
    w->client->cut_off = true;
    sim_run(&w->sim, 5 * SIM_S);
    assert_false(w->calls[1].handler_finished);
    sim_publish(&w->sim, "base/grpc/gone/c1", NULL, 0, false);
    sim_run(&w->sim, 5 * SIM_S);
    assert_true(w->calls[1].handler_finished);
    done(w);
}

static void m5_another_version_is_refused_by_name(void **state)
{
    (void)state;
    world *w = opened();
    uint8_t bytes[20] = {0x20, 0};
    memcpy(bytes + 2, ID, 16);
    sim_inject(w->server, OPENING, bytes, sizeof bytes, -1);
    assert_end(GMQ__LINK_CLOSE, GMQ_CODE_UNIMPLEMENTED,
               "link version 0x20 is not spoken here, 0x10 is");
    sim_inject(w->server, PINNED, bytes, sizeof bytes, -1);
    assert_int_equal(seen.n, 1);
    done(w);
}

static uint8_t opening_id[16];

static bool note_opening(sim_peer *peer, const gmq__mqtt_message *message)
{
    (void)peer;
    if (gmq__span_equal_str(message->topic, "base/grpc/link/c1"))
        memcpy(opening_id, message->payload.data + 2, sizeof opening_id);
    return true;
}

static void m5_a_server_of_another_version_is_named(void **state)
{
    (void)state;
    world *w = opened();
    w->server->cut_off = true;
    w->client->on_publish = note_opening;
    world_start(w, 1, GMQ_RPC_UNARY, 1, 100, 90 * SIM_S, 0, false);
    sim_run(&w->sim, 10 * SIM_MS);
    uint8_t bytes[20] = {0x25, 0x80, 1};
    sim_inject(w->client, "grpc/inbox/c1", bytes, sizeof bytes, -1); /* not of its link */
    assert_false(w->calls[1].finished);
    memcpy(bytes + 2, opening_id, sizeof opening_id);
    sim_inject(w->client, "grpc/inbox/c1", bytes, sizeof bytes, -1);
    assert_int_equal(w->calls[1].code, GMQ_CODE_UNIMPLEMENTED);
    assert_string_equal(w->calls[1].details,
                        "the server speaks link version 0x25, 0x10 is spoken here");
    w->server->cut_off = false; /* a link that is open is not disturbed */
    world_start(w, 2, GMQ_RPC_UNARY, 1, 100, 90 * SIM_S, 0, false);
    assert_true(sim_run_until(&w->sim, SIM_S, world_all_done, w));
    memcpy(bytes + 2, opening_id, sizeof opening_id);
    sim_inject(w->client, "grpc/inbox/c1", bytes, sizeof bytes, -1);
    uint64_t before = w->client->publishes;
    world_start(w, 3, GMQ_RPC_UNARY, 1, 100, 90 * SIM_S, 0, false);
    assert_true(sim_run_until(&w->sim, SIM_S, world_all_done, w));
    assert_int_equal(w->calls[3].code, 0);
    assert_int_equal(w->client->publishes, before + 1);
    done(w);
}

static void m7_an_unknown_link_is_told_once_a_second(void **state)
{
    (void)state;
    world *w = opened();
    for (int n = 0; n < 5; n++) {
        gmq__bytes frames = {0};
        put_headers(&frames, 1, "/t.S/Unary", 0);
        inject(w, PINNED, 2, &frames);
    }
    assert_int_equal(seen.n, 1);
    assert_end(GMQ__LINK_CLOSE, GMQ_CODE_UNAVAILABLE, "unknown link");
    sim_run(&w->sim, SIM_S);
    gmq__bytes frames = {0};
    put_headers(&frames, 1, "/t.S/Unary", 0);
    inject(w, PINNED, 2, &frames);
    assert_int_equal(seen.n, 2);
    put(&frames, GMQ__LINK_CLOSE, 0, 0, NULL); /* that is no question */
    sim_run(&w->sim, 2 * SIM_S);
    inject(w, PINNED, 0, &frames);
    assert_int_equal(seen.n, 2);
    done(w);
}

static void m8_unknown_frames_are_skipped_and_broken_ones_end_their_call(void **state)
{
    (void)state;
    world *w = opened();
    w->mute_handlers = true;
    open_stranger(w);
    gmq__bytes frames = {0}, body = {0};
    gmq__bytes_put_str(&body, "\xff");
    put(&frames, (gmq__link_type)99, 7, 0, &body);
    put_headers(&frames, 1, "/t.S/Bidi", 3);
    put(&frames, (gmq__link_type)99, 7, 1, &body);
    inject(w, PINNED, 2, &frames);
    assert_int_equal(w->calls[7].runs, 1);
    assert_false(w->calls[7].handler_finished);
    put(&frames, GMQ__LINK_CREDIT, 0, 1, &body);
    inject(w, PINNED, 3, &frames);
    assert_true(w->calls[7].handler_finished);
    assert_end(GMQ__LINK_STATUS, GMQ_CODE_INTERNAL, "a credit does not parse");
    put(&frames, GMQ__LINK_CREDIT, 0, 0, &body);
    inject(w, PINNED, 4, &frames);
    assert_end(GMQ__LINK_CLOSE, GMQ_CODE_INTERNAL, "a credit does not parse");
    gmq__bytes_free(&body);
    done(w);
}

static void put_headers_with(gmq__bytes *out, uint64_t call, const char *key, const char *value)
{
    gmq__bytes body = {0};
    gmq__link_headers h = {.path = gmq__span_str("/t.S/Bidi"), .kind = 3, .timeout_ms = 60000};
    gmq_metadata *md = NULL;
    gmq_metadata_new(&md);
    gmq__metadata_add_raw(md, gmq__span_str("x-id"), gmq__span_str("7"));
    gmq__metadata_add_raw(md, gmq__span_str(key), gmq__span_str(value));
    gmq__link_headers_encode(&body, &h, md);
    put(out, GMQ__LINK_HEADERS, 0, call, &body);
    gmq_metadata_free(md);
    gmq__bytes_free(&body);
}

/* As the session dialect judges it. */
static void hostile_metadata(void **state)
{
    (void)state;
    static const char *const illegal[][2] = {{"UPPER", "v"},  {"a b", "v"},      {"", "v"},
                                             {"k", "a\r\nb"}, {"k", "\xc3\xa9"}, {"k\n", ""}};
    world *w = opened();
    w->mute_handlers = true;
    open_stranger(w);
    uint64_t seq = 2, call = 1;
    for (size_t at = 0; at < sizeof illegal / sizeof *illegal; at++) {
        gmq__bytes frames = {0};
        put_headers_with(&frames, call++, illegal[at][0], illegal[at][1]);
        inject(w, PINNED, seq++, &frames);
        assert_int_equal(w->calls[7].runs, 0);
        assert_end(GMQ__LINK_STATUS, GMQ_CODE_INTERNAL, "the request's metadata is invalid");
    }
    gmq__bytes frames = {0};
    put_headers_with(&frames, call++, "grpc-timeout", "1S"); /* reserved: dropped */
    inject(w, PINNED, seq++, &frames);
    assert_int_equal(w->calls[7].runs, 1);
    static char long_value[9000];
    memset(long_value, 'v', sizeof long_value - 1);
    put_headers_with(&frames, call++, "long", long_value);
    inject(w, PINNED, seq++, &frames);
    assert_end(GMQ__LINK_STATUS, GMQ_CODE_RESOURCE_EXHAUSTED,
               "metadata is above the limit of 8192 bytes");
    done(w);
}

static void m9_a_message_behind_the_half_close(void **state)
{
    (void)state;
    world *w = opened();
    w->mute_handlers = true;
    open_stranger(w);
    gmq__bytes frames = {0};
    put_headers(&frames, 1, "/t.S/Client", 1);
    put(&frames, GMQ__LINK_HALF_CLOSE, 0, 1, NULL);
    put(&frames, GMQ__LINK_MESSAGE, 0, 1, NULL);
    inject(w, PINNED, 2, &frames);
    assert_end(GMQ__LINK_STATUS, GMQ_CODE_INTERNAL, "a message behind the last one");
    put_headers(&frames, 2, "/t.S/Nope", 1);
    inject(w, PINNED, 3, &frames);
    assert_end(GMQ__LINK_STATUS, GMQ_CODE_UNIMPLEMENTED, "/t.S/Nope");
    put_headers(&frames, 3, "/t.S/Client", 2);
    inject(w, PINNED, 4, &frames);
    assert_end(GMQ__LINK_STATUS, GMQ_CODE_INTERNAL, "the method is of another kind");
    done(w);
}

static void m21_more_than_the_window_ends_the_call(void **state)
{
    (void)state;
    world *w = opened();
    w->mute_handlers = true;
    open_stranger(w);
    gmq__bytes frames = {0}, body = {0};
    static uint8_t zeros[300000];
    put_headers(&frames, 1, "/t.S/Bidi", 3);
    gmq__bytes_put(&body, zeros, sizeof zeros);
    put(&frames, GMQ__LINK_MESSAGE, 0, 1, &body);
    inject(w, PINNED, 2, &frames);
    assert_end(GMQ__LINK_STATUS, GMQ_CODE_RESOURCE_EXHAUSTED, "the peer sent more than its window");
    gmq__bytes_free(&body);
    done(w);
}

/* Requirement 6: what a client can make a server keep is bounded. */
static void a_client_that_acknowledges_nothing_is_cut_off(void **state)
{
    (void)state;
    world *w = opened();
    uint64_t call = 1;
    gmq__link_frame f;
    open_stranger(w);
    for (uint64_t seq = 2; seq < 3000 && !last_has(GMQ__LINK_CLOSE, &f); seq++) {
        gmq__bytes frames = {0};
        for (int n = 0; n < 1000; n++)
            put_headers(&frames, call++, "/t.S/Nope/and/a/long/name/that/comes/back/each/time", 0);
        inject(w, PINNED, seq, &frames);
    }
    assert_end(GMQ__LINK_CLOSE, GMQ_CODE_RESOURCE_EXHAUSTED, "too many answers wait");
    done(w);
}

/* M12, M24: nothing runs twice, whatever is replayed. */
static void m24_replays_have_no_effect(void **state)
{
    (void)state;
    world *w = opened();
    w->mute_handlers = true;
    for (int n = 0; n < 3; n++) {
        gmq__bytes frames = {0};
        put_open(&frames, INBOX);
        put_headers(&frames, 1, "/t.S/Bidi", 3);
        inject(w, OPENING, 1, &frames);
    }
    assert_int_equal(w->calls[7].runs, 1);
    gmq__bytes frames = {0};
    put(&frames, GMQ__LINK_CANCEL, 0, 1, NULL);
    put_headers(&frames, 1, "/t.S/Bidi", 3); /* a number that was there */
    inject(w, PINNED, 2, &frames);
    assert_true(w->calls[7].handler_finished);
    put(&frames, GMQ__LINK_CLOSE, 0, 0, NULL);
    inject(w, PINNED, 0, &frames);
    for (int n = 0; n < 4; n++) { /* the call's minute and another, less a little */
        put_open(&frames, INBOX);
        put_headers(&frames, 1, "/t.S/Bidi", 3);
        inject(w, OPENING, 1, &frames);
        sim_run(&w->sim, 29 * SIM_S);
    }
    assert_int_equal(w->calls[7].runs, 1);
    sim_run(&w->sim, 10 * SIM_S);
    assert_int_equal(world_stats(w->server).tombstones, 0);
    done(w);
}

static void m15_nobody_there(void **state)
{
    (void)state;
    world *w = opened();
    sim_disconnect(w->server, GMQ_CODE_UNAVAILABLE, "away");
    world_start(w, 1, GMQ_RPC_UNARY, 1, 100, 90 * SIM_S, 0, false);
    world_start(w, 2, GMQ_RPC_UNARY, 1, 100, 90 * SIM_S, 0, true);
    sim_run(&w->sim, 100 * SIM_MS);
    assert_int_equal(w->calls[1].code, GMQ_CODE_UNAVAILABLE);
    assert_false(w->calls[2].finished);
    sim_connect(w->server); /* its presence is heard before the next try is due */
    sim_run(&w->sim, 100 * SIM_MS);
    assert_true(w->calls[2].finished);
    assert_int_equal(w->calls[2].code, 0);
    done(w);
}

static void m15_an_opening_that_nobody_answers(void **state)
{
    (void)state;
    world *w = opened();
    w->server->cut_off = true;
    uint64_t before = w->client->publishes;
    world_start(w, 1, GMQ_RPC_UNARY, 1, 100, 90 * SIM_S, 0, false);
    sim_run(&w->sim, 29 * SIM_S);
    assert_false(w->calls[1].finished);
    /* M11: 250 ms, 500 ms, 1 s, then every 2 s */
    assert_in_range(w->client->publishes - before, 16, 18);
    sim_run(&w->sim, 2 * SIM_S);
    assert_int_equal(w->calls[1].code, GMQ_CODE_UNAVAILABLE);
    done(w);
}

static void inject_head(world *w, const gmq__link_packet *head)
{
    gmq__bytes out = {0};
    gmq__link_packet_encode(&out, head);
    gmq__bytes_put_str(&out, "\x63"); /* a frame of a type that does not exist */
    gmq__bytes_put(&out, "\0\0\0", 3);
    sim_inject(w->server, PINNED, out.data, out.len, -1);
    sim_run(&w->sim, 3 * SIM_MS); /* the PUBACK comes: two may be without one */
    gmq__bytes_free(&out);
}

static uint64_t acknowledged(void)
{
    gmq__link_packet p;
    assert_int_equal(gmq__link_packet_decode(gmq__bytes_span(&seen.last), &p), GMQ__LINK_PACKET_OK);
    return p.ack;
}

static void m16_when_acknowledgements_leave(void **state)
{
    (void)state;
    world *w = opened();
    gmq__link_packet p = {.link = gmq__span_of(ID, 16), .ack = 1};
    open_stranger(w);
    p.seq = 2; /* ACCEPT is acknowledged with it */
    inject_head(w, &p);
    sim_run(&w->sim, 100 * SIM_MS);
    size_t before = seen.n;
    p.seq = 3; /* a single packet: after 25 ms */
    inject_head(w, &p);
    sim_run(&w->sim, 21 * SIM_MS);
    assert_int_equal(seen.n, before);
    sim_run(&w->sim, 2 * SIM_MS);
    assert_int_equal(seen.n, before + 1);
    assert_int_equal(acknowledged(), 3);
    for (p.seq = 4; p.seq <= 11; p.seq++) { /* the eighth: at once */
        assert_int_equal(seen.n, before + 1);
        inject_head(w, &p);
    }
    assert_int_equal(seen.n, before + 2);
    assert_int_equal(acknowledged(), 11);
    p.seq = 11; /* a copy: at once */
    inject_head(w, &p);
    assert_int_equal(seen.n, before + 3);
    p.seq = 13; /* a gap: at once */
    inject_head(w, &p);
    assert_int_equal(seen.n, before + 4);
    assert_int_equal(acknowledged(), 11);
    p.seq = 12;
    p.flags = GMQ__LINK_ACK_WANTED; /* asked for: at once */
    inject_head(w, &p);
    assert_int_equal(seen.n, before + 5);
    assert_int_equal(acknowledged(), 13);
    p.seq = 0; /* nothing is owed */
    p.flags = 0;
    inject_head(w, &p);
    sim_run(&w->sim, SIM_S);
    assert_int_equal(seen.n, before + 5);
    done(w);
}

static void m18_a_partition_longer_than_the_timeout(void **state)
{
    (void)state;
    world *w = opened();
    w->mute_handlers = true;
    for (uint64_t id = 1; id <= 20; id++)
        world_start(w, id, GMQ_RPC_BIDI_STREAMING, 1, 100, -1, 0, id % 2);
    sim_run(&w->sim, SIM_S);
    w->server->cut_off = true;
    sim_run(&w->sim, 32 * SIM_S);
    for (uint64_t id = 1; id <= 20; id++) {
        assert_int_equal(w->calls[id].code, GMQ_CODE_UNAVAILABLE);
        assert_true(w->calls[id].handler_finished);
    }
    w->server->cut_off = false;
    w->mute_handlers = false;
    world_start(w, 30, GMQ_RPC_UNARY, 1, 100, 10 * SIM_S, 0, false);
    assert_true(sim_run_until(&w->sim, 10 * SIM_S, world_all_done, w));
    assert_int_equal(w->calls[30].code, 0);
    done(w);
}

static void m26_a_server_that_drains(void **state)
{
    (void)state;
    world *w = opened();
    w->mute_handlers = true;
    world_start(w, 1, GMQ_RPC_BIDI_STREAMING, 1, 100, -1, 0, false);
    sim_run(&w->sim, SIM_S);
    gmq__engine_drain(w->server->engine, w->sim.now);
    sim_run(&w->sim, 20 * SIM_S);
    assert_false(w->calls[1].finished); /* the old one goes on */
    world_start(w, 2, GMQ_RPC_UNARY, 1, 100, 10 * SIM_S, 0, false);
    sim_run(&w->sim, SIM_S);
    assert_int_equal(w->calls[2].code, GMQ_CODE_UNAVAILABLE);
    assert_int_equal(w->calls[2].runs, 0);
    gmq__engine_finish(w->server->engine, w->held[0], 0, gmq__span_of(NULL, 0), NULL, w->sim.now);
    sim_run(&w->sim, SIM_S);
    assert_int_equal(w->calls[1].code, 0);
    done(w);
}

static void m27_a_server_that_was_restarted(void **state)
{
    (void)state;
    world *w = opened();
    w->mute_handlers = true;
    world_start(w, 1, GMQ_RPC_BIDI_STREAMING, 1, 100, -1, 0, false);
    sim_run(&w->sim, SIM_S);
    w->server_config.link.instance[0]++;
    sim_restart(w->server, &w->server_config);
    sim_run(&w->sim, SIM_S);
    assert_false(w->calls[1].finished);
    sim_connect(w->server);
    sim_run(&w->sim, 10 * SIM_MS);
    assert_int_equal(w->calls[1].code, GMQ_CODE_UNAVAILABLE);
    done(w);
}

static void m27_a_server_that_is_gone_is_noticed_within_5_s(void **state)
{
    (void)state;
    world *w = opened();
    w->mute_handlers = true;
    world_start(w, 1, GMQ_RPC_BIDI_STREAMING, 1, 100, -1, 0, false);
    sim_run(&w->sim, SIM_S);
    sim_disconnect(w->server, GMQ_CODE_UNAVAILABLE, "away"); /* back in time: nothing is lost */
    sim_publish(&w->sim, "base/grpc/server/s1", NULL, 0, true);
    sim_run(&w->sim, 3 * SIM_S);
    sim_connect(w->server);
    sim_run(&w->sim, 10 * SIM_S);
    assert_false(w->calls[1].finished);
    sim_disconnect(w->server, GMQ_CODE_UNAVAILABLE, "away");
    sim_publish(&w->sim, "base/grpc/server/s1", NULL, 0, true);
    sim_run(&w->sim, 5 * SIM_S);
    assert_int_equal(w->calls[1].code, GMQ_CODE_UNAVAILABLE);
    done(w);
}

static bool swallow(sim_peer *peer, const gmq__mqtt_message *message)
{
    static const char inbox[] = "grpc/inbox/";
    (void)peer;
    return message->topic.len < sizeof inbox - 1 ||
           memcmp(message->topic.data, inbox, sizeof inbox - 1) != 0;
}

/* M13, requirement 5: the server dies before its ACCEPT has come, and its next life gets the
 * opening again. `told`: its presence comes before that. */
static void m13_what_rode_to_a_server_does_not_run_in_its_next_life(void **state)
{
    (void)state;
    for (int told = 0; told < 2; told++) {
        world *w = opened();
        w->server->on_publish = swallow;
        world_start(w, 1, GMQ_RPC_UNARY, 1, 100, -1, 0, false);
        world_start(w, 2, GMQ_RPC_UNARY, 1, 100, -1, 0, true); /* stays until there is an ACCEPT */
        sim_run(&w->sim, 100 * SIM_MS);
        assert_int_equal(w->calls[1].runs, 1);
        w->server_config.link.instance[0]++;
        sim_restart(w->server, &w->server_config);
        w->client->cut_off = !told; /* its presence is missed, the opening comes again */
        sim_connect(w->server);
        sim_run(&w->sim, 20 * SIM_MS);
        assert_int_equal(w->calls[1].finished, told); /* at once */
        w->client->cut_off = false;
        w->server->on_publish = NULL;
        sim_run(&w->sim, 5 * SIM_S);
        assert_true(w->calls[1].finished);
        assert_int_equal(w->calls[1].code, GMQ_CODE_UNAVAILABLE);
        assert_string_equal(w->calls[1].details, "the server was restarted");
        assert_int_equal(w->calls[1].runs, 1);
        assert_true(w->calls[2].finished);
        assert_int_equal(w->calls[2].code, 0);
        assert_int_equal(w->calls[2].runs, 1);
        done(w);
    }
}

/* A second server that is there but not announced yet gets the opening too. */
static void m13_what_rides_to_one_server_is_not_run_by_another(void **state)
{
    (void)state;
    world *w = opened();
    gmq__bytes frames = {0}, body = {0};
    gmq__link_open open = {.inbox = gmq__span_str(INBOX),
                           .server = gmq__span_str("s2"),
                           .instance = gmq__span_of("instance", 8)};
    gmq__link_open_encode(&body, &open);
    put(&frames, GMQ__LINK_OPEN, 0, 0, &body);
    put_headers(&frames, 1, "/t.S/Unary", 0);
    inject(w, OPENING, 1, &frames);
    assert_int_equal(seen.n, 0);
    assert_int_equal(w->calls[7].runs, 0);
    open.server = gmq__span_str("s1");
    gmq__bytes_clear(&body);
    gmq__link_open_encode(&body, &open);
    put(&frames, GMQ__LINK_OPEN, 0, 0, &body);
    put_headers(&frames, 1, "/t.S/Unary", 0);
    inject(w, OPENING, 1, &frames);
    assert_end(GMQ__LINK_CLOSE, GMQ_CODE_UNAVAILABLE, "the server was restarted");
    assert_int_equal(w->calls[7].runs, 0);
    open.instance = gmq__span_of("INSTANCE", 8);
    gmq__bytes_clear(&body);
    gmq__link_open_encode(&body, &open);
    put(&frames, GMQ__LINK_OPEN, 0, 0, &body);
    put_headers(&frames, 1, "/t.S/Bidi", 3);
    inject(w, OPENING, 1, &frames);
    assert_int_equal(w->calls[7].runs, 1);
    gmq__bytes_free(&body);
    done(w);
}

/* M13, requirement 10. */
static void m13_two_servers_of_a_group_run_nothing_twice(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        sim_faults faults = {.drop_ppm = 300000, .latency_ns = 3 * SIM_MS};
        world *w = calloc(1, sizeof *w);
        world_init(w, seed, &faults);
        world_speak_link(w);
        w->server_config.link.group = gmq__span_str("g");
        world_open(w);
        gmq__engine_config second = w->server_config;
        second.link.server_id = gmq__span_str("s2");
        memcpy(second.link.instance, "instance", 8);
        sim_connect(sim_add(&w->sim, &second, w->server->on_event, w));
        if (seed % 2)
            sim_run(&w->sim, SIM_S);
        for (uint64_t id = 1; id <= 10; id++)
            world_start(w, id, GMQ_RPC_UNARY, 1, 100, 60 * SIM_S, 0, false);
        sim_run(&w->sim, 100 * SIM_S);
        for (uint64_t id = 1; id <= 10; id++)
            assert_true(w->calls[id].finished && w->calls[id].runs == 1 && !w->calls[id].code);
        world_free(w);
        free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(m2_an_inbox_that_is_not_allowed_gets_nothing),
        cmocka_unit_test(m2_a_link_is_its_clients_alone),
        cmocka_unit_test(m4_calls_of_a_dead_client_are_cancelled_within_5_s),
        cmocka_unit_test(m5_another_version_is_refused_by_name),
        cmocka_unit_test(m5_a_server_of_another_version_is_named),
        cmocka_unit_test(m7_an_unknown_link_is_told_once_a_second),
        cmocka_unit_test(m8_unknown_frames_are_skipped_and_broken_ones_end_their_call),
        cmocka_unit_test(hostile_metadata),
        cmocka_unit_test(m9_a_message_behind_the_half_close),
        cmocka_unit_test(m13_two_servers_of_a_group_run_nothing_twice),
        cmocka_unit_test(m13_what_rode_to_a_server_does_not_run_in_its_next_life),
        cmocka_unit_test(m13_what_rides_to_one_server_is_not_run_by_another),
        cmocka_unit_test(m15_nobody_there),
        cmocka_unit_test(m15_an_opening_that_nobody_answers),
        cmocka_unit_test(m16_when_acknowledgements_leave),
        cmocka_unit_test(m18_a_partition_longer_than_the_timeout),
        cmocka_unit_test(m21_more_than_the_window_ends_the_call),
        cmocka_unit_test(a_client_that_acknowledges_nothing_is_cut_off),
        cmocka_unit_test(m24_replays_have_no_effect),
        cmocka_unit_test(m26_a_server_that_drains),
        cmocka_unit_test(m27_a_server_that_was_restarted),
        cmocka_unit_test(m27_a_server_that_is_gone_is_noticed_within_5_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
