/* Packets out: which link, what goes into one. */
#include <string.h>

#include "base/mem.h"
#include "engine/link/link.h"
#include "wire/pb.h"

#define PACKET_MOST  ((size_t)1 << 20)
#define PACKET_LEAST ((size_t)256)
#define GAP_SHARE    16 /* a gap takes up to 4 bytes: a quarter of a small packet, all told */
#define SECOND       INT64_C(1000000000)
#define KEEP_WHOLE   ((size_t)16 << 10)
#define LATER        10  /* more may be the head of a packet that is sent again */
#define AROUND       512 /* heads of frames */
#define AHEAD        2   /* packets without PUBACK from which on frames gather */

static gmq__lcall *of_run(gmq__node *node)
{
    return gmq__lcall_of(GMQ__CONTAINER(node, gmq__call, run));
}

size_t gmq__link_packet_limit(const gmq__engine *engine, const gmq__link *link)
{
    size_t limit = engine->config.msg_size_limit, most = engine->limits.packet_max;
    gmq__mqtt_message message = {.topic = gmq__bytes_span(&link->to), .qos = engine->config.qos};
    if (limit > PACKET_MOST)
        limit = PACKET_MOST;
    if (limit < PACKET_LEAST)
        limit = PACKET_LEAST;
    size_t around = gmq__mqtt_publish_overhead(&message, limit);
    if (limit > most || around > most - limit)
        limit = most > around ? most - around : 0;
    return limit;
}

static size_t keep_most(const gmq__engine *engine)
{
    return engine->config.link.link_window + PACKET_MOST;
}

static bool has_frames(const gmq__link *link)
{
    return link->control.len || link->run.head.next != &link->run.head ||
           link->grant.pending >= link->grant.window / 4;
}

bool gmq__link_wants(const gmq__engine *engine, const gmq__link *link, int64_t now)
{
    if (link->phase == GMQ__LINK_IS_OPENING)
        return link->out.ndue ||
               (!link->out.last && has_frames(link) && gmq__link_state_of(engine)->looked);
    if (link->out.ndue)
        return true;
    bool room = link->in_flight < AHEAD;
    if (room && (link->ack_now || link->ping_due || link->pong_due))
        return true;
    if (!has_frames(link) || !gmq__resend_room(&link->out, keep_most(engine)))
        return false;
    if (link->queued + link->control.len >= gmq__link_packet_limit(engine, link))
        return true;
    return room && (link->urgent || now >= link->linger_at || link->linger_at == INT64_MAX);
}

/* ---- Frames ---- */

static size_t left(size_t room, const gmq__bytes *frames)
{
    return frames->len < room ? room - frames->len : 0;
}

/* The whole frames of link->control that fit. */
static void put_control(gmq__link *link, gmq__bytes *frames, size_t room)
{
    gmq__span all = gmq__bytes_span(&link->control), rest = all;
    gmq__link_frame f;
    size_t take = 0;
    while (gmq__link_frame_next(&rest, &f) == 1 && all.len - rest.len <= room)
        take = all.len - rest.len;
    gmq__bytes_put(frames, all.data, take);
    link->control.len -= take;
    if (link->control.len)
        memmove(link->control.data, link->control.data + take, link->control.len);
    else
        gmq__bytes_free(&link->control);
}

static void put_link_credit(gmq__link *link, gmq__bytes *frames)
{
    uint64_t lump = gmq__grant_announce(&link->grant);
    if (!lump)
        return;
    gmq__bytes_put_u8(frames, GMQ__LINK_CREDIT);
    gmq__bytes_put_u8(frames, 0);
    gmq__pb_put_varint(frames, 0);
    gmq__pb_put_varint(frames, gmq__pb_varint_len(lump));
    gmq__pb_put_varint(frames, lump);
}

/* The call's HEADERS, and with them its number. false = does not fit, or no memory for it. */
static bool put_headers(gmq__link *link, gmq__lcall *c, gmq__bytes *frames, size_t room)
{
    gmq__link_frame f = {GMQ__LINK_HEADERS, 0, link->last_number + 1, gmq__buf_span(c->headers)};
    if (gmq__link_frame_head_len(f.call, f.body.len) + f.body.len > room ||
        !gmq__map_put_u64(&link->numbers, f.call, c))
        return false;
    c->number = ++link->last_number;
    gmq__link_frame_put(frames, &f);
    gmq_buf_unref(c->headers);
    c->headers = NULL;
    return true;
}

static void taken(gmq__engine *engine, gmq__link *link, gmq__lcall *c, const gmq__sendq_taken *what)
{
    c->budget.left -= (int64_t)what->cost;
    link->budget.left -= (int64_t)what->cost;
    c->unsent -= what->user;
    engine->stats.unsent_bytes -= what->user;
    gmq__call_sent(engine, &c->call, what->user);
    if (what->type == GMQ__LINK_STATUS && what->whole)
        gmq__link_server_sent_status(engine, c);
}

/* One frame of this call. NO_ROOM with nothing in the packet means that it never fits. */
static gmq__sendq_verdict put_frame(gmq__engine *engine, gmq__link *link, gmq__lcall *c,
                                    gmq__bytes *frames, size_t room, size_t cut)
{
    gmq__sendq_taken what;
    if (c->headers)
        return put_headers(link, c, frames, room) ? GMQ__SENDQ_TAKEN : GMQ__SENDQ_NO_ROOM;
    gmq__sendq_verdict v = gmq__sendq_take(
        &c->out, c->number, room, cut, gmq__budget_body(&c->budget, &link->budget), frames, &what);
    if (v == GMQ__SENDQ_TAKEN)
        taken(engine, link, c, &what);
    return v;
}

static void never_fits(gmq__engine *engine, gmq__lcall *c, int64_t now)
{
    gmq__span text = gmq__span_str("metadata does not fit into a packet");
    int32_t code = GMQ_CODE_RESOURCE_EXHAUSTED;
    gmq__link_is_client(engine) ? gmq__link_client_fail(engine, c, code, text, true, now)
                                : gmq__link_server_fail(engine, c, code, text, true, now);
}

/* Round robin over the calls, a frame each. Before ACCEPT the calls that may be tried elsewhere
 * stay. */
static void put_calls(gmq__engine *engine, gmq__link *link, gmq__bytes *frames, size_t head_len,
                      size_t room, int64_t now)
{
    gmq__list later;
    gmq__node *node;
    gmq__list_init(&later);
    while ((node = gmq__list_first(&link->run))) {
        gmq__lcall *c = of_run(node);
        if (link->phase == GMQ__LINK_IS_OPENING && c->wait_for_ready) {
            gmq__node_unlink(node);
            gmq__list_push(&later, node);
            continue;
        }
        bool alone = node->next == &link->run.head;
        size_t cut = alone ? room : room / 4;
        bool nothing = frames->len == head_len;
        gmq__sendq_verdict v = put_frame(engine, link, c, frames, left(room, frames), cut);
        if (v == GMQ__SENDQ_NO_ROOM && nothing)
            never_fits(engine, c, now);
        if (v == GMQ__SENDQ_NO_ROOM && !nothing)
            break;
        if (v == GMQ__SENDQ_NO_ROOM || c->call.state == GMQ__CALL_GONE)
            continue;
        gmq__node_unlink(node);
        if (v == GMQ__SENDQ_TAKEN && (c->out.len || c->headers))
            gmq__list_push(&link->run, node);
        else if (v == GMQ__SENDQ_NO_CREDIT && link->budget.left < c->budget.left)
            gmq__list_push(&link->starved, node);
        gmq__lcall_weigh(c);
    }
    while ((node = gmq__list_pop(&later)))
        gmq__list_push(&link->run, node);
}

/* May calls ride in the opening packet? Only where no second server can get a copy of it, and then
 * it names the one that it is for. */
static bool calls_ride(gmq__engine *engine, gmq__link *link)
{
    const gmq__link_state *s = gmq__link_state_of(engine);
    if (s->nservers != 1)
        return false;
    const gmq__link_server *only =
        GMQ__CONTAINER(s->servers.head.next, const gmq__link_server, node);
    if (only->features & GMQ__FEATURE_SHARED)
        return false;
    for (gmq__node *n = link->run.head.next; n != &link->run.head; n = n->next)
        if (!of_run(n)->wait_for_ready)
            return gmq__link_client_ride(engine, link, only);
    return false;
}

static void put_frames(gmq__engine *engine, gmq__link *link, gmq__bytes *frames, size_t room,
                       int64_t now)
{
    size_t head_len = frames->len;
    bool calls = link->phase != GMQ__LINK_IS_OPENING || calls_ride(engine, link);
    put_control(link, frames, left(room, frames));
    if (left(room, frames) >= 16)
        put_link_credit(link, frames);
    if (calls)
        put_calls(engine, link, frames, head_len, room, now);
    if (!link->control.len) {
        link->urgent = gmq__list_first(&link->run) != NULL && link->urgent;
        if (!gmq__list_first(&link->run))
            link->linger_at = INT64_MAX;
    }
}

static void put_ping(gmq__link *link, gmq__bytes *out, uint8_t type, const uint8_t bytes[8])
{
    gmq__link_frame f = {type, 0, 0, {bytes, 8}};
    gmq__link_frame_put(out, &f);
    *(type == GMQ__LINK_PING ? &link->ping_due : &link->pong_due) = false;
}

/* ---- Packets ---- */

static void head_of(const gmq__engine *engine, const gmq__link *link, size_t limit,
                    gmq__link_packet *head)
{
    head->link = gmq__span_of(link->id, GMQ__LINK_ID_LEN);
    head->instance = gmq__span_of(NULL, 0);
    if (!gmq__link_is_client(engine))
        head->instance = gmq__span_of(engine->config.link.instance, GMQ__LINK_INSTANCE_LEN);
    head->flags = 0;
    head->seq = 0;
    head->ack = link->in.done;
    size_t most = limit / GAP_SHARE < GMQ__LINK_GAPS_MAX ? limit / GAP_SHARE : GMQ__LINK_GAPS_MAX;
    head->ngaps = gmq__window_gaps(&link->in, head->gaps, most);
}

/* What is kept to be sent again. A large packet's is the payload itself, which is then no longer
 * the engine's; copying a small one takes less memory. */
static uint64_t keep(gmq__engine *engine, gmq__link *link, size_t head_len, gmq__span *payload,
                     int64_t now)
{
    gmq__bytes *bytes = &engine->payload;
    size_t len = bytes->len - head_len;
    *payload = gmq__bytes_span(bytes);
    if (len < KEEP_WHOLE)
        return gmq__resend_add(&link->out, gmq__span_of(bytes->data + head_len, len), now);
    gmq_buf *whole = gmq__buf_take(bytes), *frames = NULL;
    if (whole)
        frames = gmq__buf_slice(whole, head_len, len);
    gmq_buf_unref(whole);
    return gmq__resend_add_buf(&link->out, frames, now);
}

/* About what the frames that wait will take. */
static size_t at_most(const gmq__link *link, size_t room)
{
    size_t waits = link->queued + link->control.len + AROUND;
    return waits < room ? waits : room;
}

/* A new packet with frames; false = there are none, or no memory. */
static bool new_packet(gmq__engine *engine, gmq__link *link, size_t limit, gmq__link_packet *head,
                       gmq__span *payload, int64_t now)
{
    if (!has_frames(link) || !gmq__resend_room(&link->out, keep_most(engine)))
        return false;
    head->seq = link->out.last + 1;
    gmq__link_packet_encode(&engine->payload, head);
    size_t head_len = engine->payload.len;
    size_t room = limit > LATER ? limit - LATER : 0;
    if (room <= head_len || !gmq__bytes_reserve(&engine->payload, at_most(link, room - head_len)))
        return false;
    put_frames(engine, link, &engine->payload, room, now);
    if (link->phase == GMQ__LINK_IS_GONE || engine->payload.len == head_len)
        return false;
    if (!engine->payload.failed && keep(engine, link, head_len, payload, now))
        return true;
    gmq__link_finish(engine, link, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory", true, now);
    return false;
}

/* One that is sent again, with the head of today. */
static bool old_packet(gmq__engine *engine, gmq__link *link, size_t limit, gmq__link_packet *head,
                       gmq__span *payload, int64_t now)
{
    gmq__span frames;
    if (!gmq__resend_next(&link->out, now, &head->seq, &frames))
        return false;
    engine->stats.resends++;
    if (frames.len + gmq__link_packet_head_len(head) > limit) /* it had another head, or limit */
        head->ngaps = 0;
    gmq__link_packet_encode(&engine->payload, head);
    gmq__bytes_put(&engine->payload, frames.data, frames.len);
    *payload = gmq__bytes_span(&engine->payload);
    return true;
}

/* Without a number. */
static bool bare_packet(gmq__engine *engine, gmq__link *link, gmq__link_packet *head,
                        gmq__span *payload)
{
    bool wanted = link->ack_now || link->ping_due || link->pong_due;
    if (!wanted || link->phase == GMQ__LINK_IS_OPENING || link->phase == GMQ__LINK_IS_GONE)
        return false;
    head->seq = 0;
    gmq__bytes_clear(&engine->payload);
    gmq__link_packet_encode(&engine->payload, head);
    if (link->ping_due)
        put_ping(link, &engine->payload, GMQ__LINK_PING, link->id);
    if (link->pong_due)
        put_ping(link, &engine->payload, GMQ__LINK_PONG, link->pong);
    *payload = gmq__bytes_span(&engine->payload);
    return true;
}

static void acknowledged(gmq__link *link)
{
    link->ack_now = false;
    link->unacked = 0;
    link->ack_at = INT64_MAX;
}

/* Seconds after which nobody waits for the answer to an opening any more. */
static uint32_t wanted_for(const gmq__engine *engine, const gmq__link *link, int64_t now)
{
    int64_t given_up = link->quiet_from + engine->config.link.timeout_ns, latest = now;
    for (const gmq__node *n = link->members.head.next; n != &link->members.head; n = n->next) {
        const gmq__lcall *c = GMQ__CONTAINER(n, const gmq__lcall, member);
        latest = c->deadline > latest ? c->deadline : latest;
    }
    int64_t left = (latest < given_up ? latest : given_up) - now;
    return left > 0 ? (uint32_t)((left + SECOND - 1) / SECOND) : 1;
}

static bool publish(gmq__engine *engine, gmq__link *link, int64_t now, gmq__output *out)
{
    gmq__link_packet head;
    gmq__span payload;
    size_t limit = gmq__link_packet_limit(engine, link);
    head_of(engine, link, limit, &head);
    gmq__bytes_clear(&engine->payload);
    if (!old_packet(engine, link, limit, &head, &payload, now) &&
        !new_packet(engine, link, limit, &head, &payload, now) &&
        !bare_packet(engine, link, &head, &payload))
        return false;
    if (engine->payload.failed)
        return false; /* as if it had been lost */
    acknowledged(link);
    link->in_flight++;
    if (link->phase == GMQ__LINK_IS_OPENING)
        out->message.expiry_s = wanted_for(engine, link, now);
    out->kind = GMQ__OUT_PUBLISH;
    out->token = (uint64_t)GMQ__LINK_TOKEN_PACKET << GMQ__TOKEN_KIND_SHIFT | link->serial;
    out->message.topic = gmq__bytes_span(&link->to);
    out->message.payload = payload;
    out->message.qos = engine->config.qos;
    return true;
}

bool gmq__link_publish(gmq__engine *engine, int64_t now, gmq__output *out)
{
    gmq__link_state *s = gmq__link_state_of(engine);
    gmq__node *node;
    while ((node = gmq__list_pop(&s->ready))) {
        gmq__link *link = GMQ__CONTAINER(node, gmq__link, ready);
        if (!has_frames(link)) /* it was for what has left */
            link->urgent = false;
        if (!gmq__link_wants(engine, link, now)) {
            gmq__link_rearm(engine, link, now);
            continue;
        }
        bool pulled = publish(engine, link, now, out);
        gmq__link_rearm(engine, link, now);
        if (!pulled)
            continue;
        gmq__link_wake(engine, link);
        return true;
    }
    return false;
}
