/* A server and a client of the link dialect that get packets of another make. The input is a row of
 * steps: a byte what, a byte length, so many bytes. */
#include <string.h>

#include "engine/engine.h"
#include "fuzz/fuzz.h"
#include "wire/link_packet.h"

#define MS INT64_C(1000000)

typedef struct side {
    gmq__engine *engine;
    const char *topics[4];
    uint64_t seq;
    uint64_t tokens[64];
    size_t ntokens;
    uint64_t calls[8];
    size_t ncalls;
    size_t told, ended;
    uint8_t draws;
    uint8_t link[GMQ__LINK_ID_LEN]; /* of what it sent last: the client's choice */
} side;

/* The same in each run, and never the same twice: links are told apart by it. */
static void counted_random(void *ctx, void *out, size_t len)
{
    uint8_t *draws = ctx;
    memset(out, 'r', len);
    memcpy(out, draws, 1);
    ++*draws;
}

static bool lookup(void *ctx, gmq__span path, gmq__rpc_method *out)
{
    (void)ctx;
    out->kind = GMQ_RPC_BIDI_STREAMING;
    return path.len > 2 && path.data[1] == 'p';
}

static void make(side *s, gmq__role role, int64_t now)
{
    gmq__engine_config c;
    gmq__mqtt_limits limits = {.receive_max = 100, .packet_max = SIZE_MAX, .properties = true};
    bool client = role == GMQ__ROLE_CLIENT;
    gmq__engine_config_defaults(&c);
    c.role = role;
    c.speak = client ? GMQ__SPEAK_LINK : GMQ__SPEAK_BOTH;
    c.base = gmq__span_str("b");
    c.random = counted_random;
    c.random_ctx = &s->draws;
    c.lookup = lookup;
    c.link.client_id = gmq__span_str("c");
    c.link.server_id = gmq__span_str("s");
    c.link.inbox = gmq__span_str(client ? "in" : "in/+");
    memcpy(c.link.instance, "INSTANCE", 8);
    check(gmq__engine_new(&s->engine, &c) == GMQ_OK);
    gmq__engine_connected(s->engine, &limits, now);
}

static void pull(side *s, int64_t now)
{
    gmq__output out;
    gmq__ev ev;
    while (s->ntokens < 64 && gmq__engine_next_output(s->engine, true, now, &out)) {
        s->tokens[s->ntokens++] = out.token;
        if (out.message.payload.len >= 2 + GMQ__LINK_ID_LEN)
            memcpy(s->link, out.message.payload.data + 2, GMQ__LINK_ID_LEN);
    }
    while (gmq__engine_next_event(s->engine, &ev)) {
        if (ev.kind == GMQ__EV_CALL) {
            s->calls[s->ncalls++ % 8] = ev.call;
            s->told++;
            gmq__engine_read(s->engine, ev.call, 2, now);
        }
        s->ended += ev.kind == GMQ__EV_FINISHED;
        gmq__ev_clear(&ev);
    }
}

static void ack(side *s, int reason, int64_t now)
{
    size_t n = s->ntokens;
    s->ntokens = 0;
    for (size_t at = 0; at < n; at++)
        gmq__engine_acked(s->engine, s->tokens[at], reason, now);
}

static void message(side *s, const char *topic, gmq__span payload, int64_t now)
{
    gmq_buf *buf = gmq__buf_copy(payload);
    gmq__mqtt_message m = {.topic = gmq__span_str(topic), .payload = gmq__buf_span(buf), .qos = 1};
    gmq__engine_message(s->engine, &m, buf, now);
    gmq_buf_unref(buf);
}

/* The bytes as the frames of the next packet in order; the first one is how far it is off that. */
static void packet(side *s, bool from_server, const char *topic, gmq__span in, int64_t now)
{
    gmq__bytes out = {0};
    gmq__link_packet p = {.link = gmq__span_of(s->link, GMQ__LINK_ID_LEN)};
    uint8_t shape = in.len ? in.data[0] : 0;
    if (from_server)
        p.instance = gmq__span_of("INSTANCE", 8);
    p.ack = shape >> 4;
    p.seq = shape & 8 ? 0 : ++s->seq + (shape & 7);
    gmq__link_packet_encode(&out, &p);
    if (in.len)
        gmq__bytes_put(&out, in.data + 1, in.len - 1);
    message(s, topic, gmq__bytes_span(&out), now);
    gmq__bytes_free(&out);
}

static void reply(side *s, uint8_t what, gmq__span in, int64_t now)
{
    uint64_t call = s->calls[what & 7];
    gmq_buf *buf = gmq__buf_copy(in);
    if (what & 8)
        gmq__engine_finish(s->engine, call, what >> 4, in, NULL, now);
    else
        gmq__engine_send(s->engine, call, buf, now);
    gmq_buf_unref(buf);
}

static void start(side *s, uint8_t what, int64_t now)
{
    gmq__call_args args = {.id = ++s->told, .path = gmq__span_str("/p/q"), .kind = what & 3};
    args.deadline = what & 4 ? INT64_MAX : now + 1000 * MS;
    args.wait_for_ready = what & 8;
    args.options.batched = args.options.server_level = args.options.client_level = -1;
    check(gmq__engine_start(s->engine, &args, now) == GMQ_OK);
    s->calls[s->ncalls++ % 8] = args.id;
    gmq_buf *buf = gmq__buf_copy(gmq__span_str("message"));
    gmq__engine_send(s->engine, args.id, buf, now);
    gmq_buf_unref(buf);
    gmq__engine_half_close(s->engine, args.id, now);
    gmq__engine_read(s->engine, args.id, 1, now);
}

static void step(side *s, bool client, uint8_t what, gmq__span in, int64_t *now)
{
    const char *topic = s->topics[what >> 6];
    switch (what & 7) {
    case 0:
    case 1:
        packet(s, client, topic, in, *now);
        break;
    case 2:
        message(s, topic, in, *now);
        break;
    case 3:
        *now += (int64_t)(in.len ? in.data[0] : 1) * 200 * MS;
        if (gmq__engine_deadline(s->engine) <= *now)
            gmq__engine_timer(s->engine, *now);
        break;
    case 4:
        ack(s, in.len && in.data[0] < 4 ? GMQ__MQTT_NO_SUBSCRIBERS : 0, *now);
        break;
    case 5:
        client ? start(s, what >> 3, *now) : reply(s, what >> 3, in, *now);
        break;
    case 6:
        gmq__engine_cancel(s->engine, s->calls[what >> 3 & 7], 1, "no", *now);
        break;
    default:
        break;
    }
    pull(s, *now);
}

static void run(gmq__role role, gmq__span in)
{
    int64_t now = 1000;
    bool client = role == GMQ__ROLE_CLIENT;
    side s = {.topics = {"b/grpc/link/c", "b/grpc/link/c/s", "b/grpc/gone/c", "b/grpc/link/d/s"}};
    if (client)
        s.topics[0] = s.topics[1] = "in/c";
    s.topics[2] = client ? "b/grpc/server/s" : s.topics[2];
    make(&s, role, now);
    pull(&s, now);
    ack(&s, 0, now);
    pull(&s, now);
    for (int n = 0; in.len >= 2 && n < 200; n++) {
        size_t len = in.data[1] < in.len - 2 ? in.data[1] : in.len - 2;
        step(&s, client, in.data[0], gmq__span_of(in.data + 2, len), &now);
        in = gmq__span_of(in.data + 2 + len, in.len - 2 - len);
    }
    check(s.ended <= s.told); /* I1 */
    gmq__engine_free(s.engine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len)
        run(data[0] & 1 ? GMQ__ROLE_CLIENT : GMQ__ROLE_SERVER, gmq__span_of(data + 1, len - 1));
    return 0;
}
