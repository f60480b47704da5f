/* A client engine under any sequence of calls, answers, acknowledgements and time. */
#include "fuzz/fuzz_engine.h"

static void start(fuzz_engine *f, fuzz_input *in, uint64_t id)
{
    uint8_t how = take_byte(in), options = take_byte(in);
    gmq__call_args args = {
        .id = id, .path = gmq__span_str("/p.S/M"), .kind = (gmq_rpc_kind)(how & 3)};
    args.deadline = how & 4 ? INT64_MAX : f->now + (how >> 3) * 1000 * FUZZ_MS;
    args.wait_for_ready = how & 128;
    args.options.batched = options & 1;
    args.options.server_level = options & 2 ? 3 : 0;
    args.options.client_level = options & 4 ? 3 : -1;
    if (f->nopen == FUZZ_IDS || gmq__engine_start(f->engine, &args, f->now) != GMQ_OK)
        return;
    f->open[f->nopen++] = id;
}

static void use(fuzz_engine *f, fuzz_input *in)
{
    uint8_t op = take_byte(in);
    if (!f->nopen)
        return;
    uint64_t id = f->open[(op >> 4) % f->nopen];
    gmq_buf *buf = gmq__buf_copy(take_bytes(in));
    switch (op & 7) {
    case 0:
    case 1:
        gmq__engine_read(f->engine, id, 1, f->now);
        break;
    case 2:
        gmq__engine_half_close(f->engine, id, f->now);
        break;
    case 3:
        gmq__engine_cancel(f->engine, id, op >> 4, "no", f->now);
        break;
    default:
        gmq__engine_send(f->engine, id, buf, f->now);
    }
    gmq_buf_unref(buf);
}

/* The session ids come from the seeded generator, so that an input means the same each time. */
static void answer(fuzz_engine *f, fuzz_input *in, bool packet)
{
    char topic[120];
    uint8_t where = take_byte(in), i = take_byte(in);
    snprintf(topic, sizeof topic, "b/grpc/session/%s", f->sids[where & 3]);
    if (packet)
        fuzz_packet(f, topic, in, i);
    else
        fuzz_message(f, topic, take_bytes(in), i);
}

static void step(fuzz_engine *f, fuzz_input *in, uint64_t id)
{
    uint8_t op = take_byte(in), which;
    switch (op & 7) {
    case 0:
        start(f, in, id);
        break;
    case 1:
        use(f, in);
        break;
    case 2:
    case 3:
        answer(f, in, true);
        break;
    case 4:
        answer(f, in, op & 128);
        break;
    case 5:
        fuzz_time(f, take_byte(in) * 200 * FUZZ_MS);
        break;
    case 6:
        which = take_byte(in);
        fuzz_ack(f, which, which == 255 ? 0x87 : which == 254 ? 0x10 : 0);
        break;
    default:
        if (op == 255)
            fuzz_disconnect(f);
        if (!f->connected)
            fuzz_connect(f);
        fuzz_outputs(f);
        fuzz_ack_all(f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    fuzz_input in = {data, len < 4096 ? len : 4096};
    fuzz_engine f;
    gmq__engine_config config;
    gmq__engine_config_defaults(&config);
    config.linger_ns = take_byte(&in) & 1 ? 5 * FUZZ_MS : 0;
    fuzz_open(&f, &config);
    fuzz_connect(&f);
    fuzz_outputs(&f);
    fuzz_ack_all(&f);
    for (uint64_t id = 1; in.len; id++) {
        step(&f, &in, id);
        fuzz_events(&f);
        fuzz_outputs(&f);
    }
    fuzz_close(&f);
    return 0;
}
