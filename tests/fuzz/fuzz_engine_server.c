/* A server engine under any sequence of messages, acknowledgements, time and handlers' deeds. */
#include "fuzz/fuzz_engine.h"

static const char *const methods[] = {"U", "C", "S", "B", "Nope"};

static bool lookup(void *ctx, gmq__span path, gmq__rpc_method *out)
{
    (void)ctx;
    gmq__rpc_method method = {.kind = GMQ_RPC_UNARY};
    *out = method;
    for (int kind = 0; kind < 4; kind++)
        if (path.len == 6 && path.data[5] == (uint8_t)methods[kind][0]) {
            out->kind = (gmq_rpc_kind)kind;
            return true;
        }
    return false;
}

static void handler(fuzz_engine *f, fuzz_input *in)
{
    uint8_t op = take_byte(in);
    if (!f->nopen)
        return;
    uint64_t id = f->open[(op >> 4) % f->nopen];
    gmq_metadata *md = NULL;
    gmq_buf *buf = gmq__buf_copy(take_bytes(in));
    check(gmq_metadata_new(&md) == GMQ_OK);
    gmq_metadata_add(md, "k", "v", 1);
    if (op & 8)
        gmq__engine_resolve(f->engine, id, (gmq_rpc_kind)(op >> 4 & 3), f->now);
    switch (op & 7) {
    case 0:
        gmq__engine_read(f->engine, id, 1, f->now);
        break;
    case 1:
    case 2:
        gmq__engine_send(f->engine, id, buf, f->now);
        break;
    case 3:
        gmq__engine_send_initial(f->engine, id, md, f->now);
        break;
    case 4:
        gmq__engine_cancel(f->engine, id, op >> 4, "no", f->now);
        break;
    case 5:
        gmq__engine_read(f->engine, id, 100, f->now);
        break;
    default:
        gmq__engine_finish(f->engine, id, op >> 4, gmq__buf_span(buf), md, f->now);
    }
    gmq_metadata_free(md);
    gmq_buf_unref(buf);
}

static void step(fuzz_engine *f, fuzz_input *in)
{
    char topic[80];
    uint8_t op = take_byte(in), where, i;
    switch (op & 7) {
    case 0:
    case 1:
    case 2:
        where = take_byte(in);
        i = take_byte(in);
        snprintf(topic, sizeof topic, "b/grpc/request/s%d/p-S/%s", where & 7,
                 methods[(where >> 3) % 5]);
        if (op & 7)
            fuzz_packet(f, topic, in, i);
        else
            fuzz_message(f, topic, take_bytes(in), i);
        break;
    case 3:
        snprintf(topic, sizeof topic, "b/grpc/session/s%d/control", op >> 5);
        fuzz_message(f, topic, take_bytes(in), 255);
        break;
    case 4:
        fuzz_time(f, take_byte(in) * 200 * FUZZ_MS);
        break;
    case 5:
        handler(f, in);
        break;
    case 6:
        where = take_byte(in);
        fuzz_ack(f, where, where == 255 ? 0x87 : where == 254 ? 0x10 : 0);
        break;
    default:
        if (op == 255) {
            fuzz_disconnect(f);
            fuzz_connect(f);
        }
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
    config.role = GMQ__ROLE_SERVER;
    config.lookup = lookup;
    uint8_t how = take_byte(&in);
    config.linger_ns = how & 1 ? 5 * FUZZ_MS : 0;
    config.offer_unknown = how & 2;
    fuzz_open(&f, &config);
    fuzz_connect(&f);
    fuzz_outputs(&f);
    fuzz_ack_all(&f);
    while (in.len) {
        step(&f, &in);
        fuzz_events(&f);
        fuzz_outputs(&f);
    }
    fuzz_close(&f);
    return 0;
}
