/* Packets in: order, acknowledgement, and each frame to whom it concerns. */
#include <string.h>

#include "engine/link/link.h"

#define ACK_AFTER    8
#define CONTROL_MOST ((size_t)4 << 20)
#define ACK_NS       INT64_C(25000000)

static void wake_starved(gmq__engine *engine, gmq__link *link)
{
    gmq__node *node;
    while ((node = gmq__list_pop(&link->starved))) {
        gmq__lcall *c = gmq__lcall_of(GMQ__CONTAINER(node, gmq__call, run));
        gmq__lcall_schedule(engine, c);
    }
}

static void link_frame(gmq__engine *engine, gmq__link *link, const gmq__link_frame *f, bool bare,
                       int64_t now)
{
    uint64_t number;
    if (f->type == GMQ__LINK_PING && f->body.len == sizeof link->pong) {
        memcpy(link->pong, f->body.data, sizeof link->pong);
        link->pong_due = true;
    } else if (f->type == GMQ__LINK_PONG) {
        return;
    } else if (bare && f->type != GMQ__LINK_CLOSE) { /* it might come twice */
        engine->stats.ignored++;
    } else if (f->type == GMQ__LINK_CREDIT) {
        if (!gmq__link_number_decode(f->body, &number)) {
            gmq__link_finish(engine, link, GMQ_CODE_INTERNAL, "a credit does not parse", true, now);
            return;
        }
        gmq__budget_add(&link->budget, number);
        link->urgent = true;
        wake_starved(engine, link);
    } else {
        gmq__link_is_client(engine) ? gmq__link_client_link_frame(engine, link, f, now)
                                    : gmq__link_server_link_frame(engine, link, f, now);
    }
}

static void fail(gmq__engine *engine, gmq__lcall *c, int32_t code, const char *text, int64_t now)
{
    gmq__span details = gmq__span_str(text);
    gmq__link_is_client(engine) ? gmq__link_client_fail(engine, c, code, details, true, now)
                                : gmq__link_server_fail(engine, c, code, details, true, now);
}

static void call_credit(gmq__engine *engine, gmq__lcall *c, const gmq__link_frame *f, int64_t now)
{
    uint64_t number;
    if (!gmq__link_number_decode(f->body, &number)) {
        fail(engine, c, GMQ_CODE_INTERNAL, "a credit does not parse", now);
        return;
    }
    gmq__budget_add(&c->budget, number);
    c->link->urgent = true;
    gmq__lcall_schedule(engine, c);
}

static void call_frame(gmq__engine *engine, gmq__link *link, const gmq__link_frame *f, gmq_buf *buf,
                       int64_t now)
{
    gmq__lcall *c = gmq__map_get_u64(&link->numbers, f->call);
    uint64_t cost = f->type == GMQ__LINK_MESSAGE ? f->body.len + GMQ__CREDIT_FRAME : 0;
    if (cost && !gmq__grant_use(&link->grant, cost)) {
        gmq__link_finish(engine, link, GMQ_CODE_RESOURCE_EXHAUSTED,
                         "the peer sent more than the link's window", true, now);
        return;
    }
    if (!c) {
        gmq__grant_back(&link->grant, cost); /* dropped */
        if (f->type == GMQ__LINK_HEADERS && !gmq__link_is_client(engine))
            gmq__link_server_new_call(engine, link, f, now);
    } else if (f->type == GMQ__LINK_CREDIT) {
        call_credit(engine, c, f, now);
    } else if (gmq__link_is_client(engine)) {
        gmq__link_client_call_frame(engine, c, f, buf, now);
    } else {
        gmq__link_server_call_frame(engine, c, f, buf, now);
    }
}

static void take_frames(gmq__engine *engine, gmq__link *link, gmq__span frames, gmq_buf *buf,
                        bool bare, int64_t now)
{
    gmq__link_frame f;
    int more = 0;
    while (link->phase != GMQ__LINK_IS_GONE && (more = gmq__link_frame_next(&frames, &f)) == 1) {
        if (!f.call)
            link_frame(engine, link, &f, bare, now);
        else if (!bare)
            call_frame(engine, link, &f, buf, now);
    }
    if (more < 0 && link->phase != GMQ__LINK_IS_GONE)
        gmq__link_finish(engine, link, GMQ_CODE_INTERNAL, "a packet is cut off", true, now);
}

/* It is owed now: at once after some packets, else within a time in which frames may carry it. */
static void owe_ack(gmq__link *link, int64_t now)
{
    if (++link->unacked >= ACK_AFTER)
        link->ack_now = true;
    else if (link->ack_at == INT64_MAX)
        link->ack_at = now + ACK_NS;
}

static void in_order(gmq__engine *engine, gmq__link *link, const gmq__link_packet *p, gmq_buf *buf,
                     int64_t now)
{
    gmq__window_packet held;
    size_t before = link->in.bytes, sum = engine->stats.reassembly_bytes;
    size_t most = engine->config.reassembly_limit;
    most = sum - before < most ? most - (sum - before) : 0;
    owe_ack(link, now);
    switch (gmq__window_put(&link->in, p->seq, buf, p->frames, most)) {
    case GMQ__WINDOW_NOW:
        take_frames(engine, link, p->frames, buf, false, now);
        while (link->phase != GMQ__LINK_IS_GONE && gmq__window_take(&link->in, &held)) {
            engine->stats.reassembly_bytes -= held.frames.len;
            take_frames(engine, link, held.frames, held.buf, false, now);
            gmq_buf_unref(held.buf);
        }
        return;
    case GMQ__WINDOW_HELD:
        engine->stats.reassembly_bytes += link->in.bytes - before;
        link->ack_now = true;
        return;
    case GMQ__WINDOW_DUPLICATE:
        engine->stats.duplicates++;
        link->ack_now = true;
        return;
    case GMQ__WINDOW_BEYOND:
    case GMQ__WINDOW_NOMEM: /* it will be sent again */
        engine->stats.ignored++;
        return;
    }
}

void gmq__link_take(gmq__engine *engine, gmq__link *link, const gmq__link_packet *p, gmq_buf *buf,
                    int64_t now)
{
    bool news;
    if (!gmq__resend_acked(&link->out, p->ack, p->gaps, p->ngaps, now, &news)) {
        engine->stats.ignored++; /* of something that was never sent: not from our peer */
        return;
    }
    link->quiet_from = now;
    link->gone_at = INT64_MAX;
    if (p->flags & GMQ__LINK_ACK_WANTED)
        link->ack_now = true;
    if (p->seq)
        in_order(engine, link, p, buf, now);
    else
        take_frames(engine, link, p->frames, buf, true, now);
    /* a peer that asks and asks, and acknowledges nothing */
    if (link->phase != GMQ__LINK_IS_GONE && link->control.len > CONTROL_MOST)
        gmq__link_finish(engine, link, GMQ_CODE_RESOURCE_EXHAUSTED, "too many answers wait", true,
                         now);
    if (link->phase == GMQ__LINK_IS_GONE)
        return;
    gmq__link_wake(engine, link);
    gmq__link_rearm(engine, link, now);
}
