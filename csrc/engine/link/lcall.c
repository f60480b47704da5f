/* Calls on links: what both roles do alike. */
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "engine/link/link.h"
#include "wire/zstd.h"

#define COPY_BELOW     4096 /* smaller messages do not keep the packet that they came in */
#define PART_LARGE     ((size_t)64 << 10)
#define PARTS_EXPECTED 12
#define COMPRESS_FROM  256 /* smaller ones are not worth it */
#define FRAME_WEIGHT   24

gmq_status gmq__lcall_new(gmq__lcall **out, gmq__engine *engine, uint64_t id, gmq_rpc_kind kind,
                          gmq__span path)
{
    gmq__lcall *c = gmq__calloc(1, sizeof *c + path.len + 1);
    if (!c)
        return gmq__fail_nomem();
    c->path = (char *)(c + 1);
    c->path_len = path.len;
    if (path.len)
        memcpy(c->path, path.data, path.len);
    c->call.kind = kind;
    c->call.dialect = &gmq__link_dialect;
    c->deadline = INT64_MAX;
    gmq_status status = gmq__call_add(engine, &c->call, id, id != 0);
    if (status != GMQ_OK) {
        gmq__free(c);
        return status;
    }
    *out = c;
    return GMQ_OK;
}

void gmq__lcall_join(gmq__lcall *c, gmq__link *link)
{
    c->link = link;
    c->phase = GMQ__LCALL_ACTIVE;
    gmq__node_unlink(&c->member);
    gmq__list_push(&link->members, &c->member);
    link->ncalls++;
    link->idle_at = INT64_MAX;
    c->budget.left = (int64_t)link->peer_call_window;
}

/* ---- Sending ---- */

void gmq__lcall_weigh(gmq__lcall *c)
{
    if (!c->link)
        return;
    size_t weight = 0;
    if (gmq__node_linked(&c->call.run))
        weight = c->out.bytes + c->out.len * FRAME_WEIGHT + gmq__buf_span(c->headers).len;
    c->link->queued += weight - c->weight;
    c->weight = weight;
}

void gmq__lcall_schedule(gmq__engine *engine, gmq__lcall *c)
{
    if (!c->link || (!c->out.len && !c->headers))
        return;
    if (!gmq__node_linked(&c->call.run))
        gmq__list_push(&c->link->run, &c->call.run);
    gmq__lcall_weigh(c);
    gmq__link_wake(engine, c->link);
}

void gmq__lcall_drop_sending(gmq__engine *engine, gmq__lcall *c)
{
    gmq__sendq_free(&c->out);
    gmq_buf_unref(c->headers);
    c->headers = NULL;
    engine->stats.unsent_bytes -= c->unsent;
    c->unsent = 0;
    gmq__node_unlink(&c->call.run);
    gmq__lcall_weigh(c);
}

static gmq_buf *compressed(gmq__span in, int level)
{
    gmq__bytes packed = {0};
    gmq_buf *buf = NULL;
    if (gmq__zstd_compress(&packed, in, level) == GMQ_OK && packed.len < in.len)
        buf = gmq__buf_take(&packed);
    gmq__bytes_free(&packed);
    return buf;
}

gmq_status gmq__lcall_send(gmq__engine *engine, gmq__lcall *c, gmq_buf *message, int level,
                           int64_t now)
{
    gmq__span in = gmq__buf_span(message);
    gmq_buf *body = level > 0 && in.len >= COMPRESS_FROM ? compressed(in, level) : NULL;
    uint8_t flags = body ? GMQ__LINK_COMPRESSED : 0;
    if (!body)
        body = gmq_buf_ref(message);
    if (!gmq__sendq_push(&c->out, GMQ__LINK_MESSAGE, flags, body, in.len)) {
        gmq_buf_unref(body);
        return gmq__fail_nomem();
    }
    c->unsent += in.len;
    engine->stats.unsent_bytes += in.len;
    if (c->link && c->options.batched > 0 && engine->config.linger_ns) {
        if (c->link->linger_at == INT64_MAX)
            c->link->linger_at = now + engine->config.linger_ns;
    } else if (c->link) {
        c->link->urgent = true;
    }
    return GMQ_OK;
}

/* ---- End ---- */

static void drop_parts(gmq__engine *engine, gmq__lcall *c)
{
    engine->stats.reassembly_bytes -= c->parts.len;
    gmq__bytes_free(&c->parts);
    c->in_parts = false;
}

void gmq__lcall_leave(gmq__engine *engine, gmq__lcall *c)
{
    gmq__link *link = c->link;
    drop_parts(engine, c);
    gmq__lcall_drop_sending(engine, c);
    gmq__node_unlink(&c->member);
    if (!link)
        return;
    if (c->number)
        gmq__map_remove_u64(&link->numbers, c->number);
    c->grant.owed = 0;
    c->link = NULL;
    gmq__link_credit(engine, link);
    if (!--link->ncalls)
        link->idle_at = 0; /* the timer is told by rearm */
    gmq__link_wake(engine, link);
}

void gmq__lcall_discard(gmq__engine *engine, gmq__call *call)
{
    gmq__lcall *c = gmq__lcall_of(call);
    gmq__lcall_leave(engine, c);
    gmq_metadata_free(c->metadata);
    c->metadata = NULL;
}

void gmq__lcall_gone(gmq__engine *engine, gmq__lcall *c)
{
    gmq__lcall_discard(engine, &c->call);
    gmq__call_gone(engine, &c->call);
}

/* ---- Receiving ---- */

static bool fail(gmq__link_fault *fault, int32_t code, const char *text)
{
    fault->code = code;
    fault->text = text;
    return false;
}

static bool no_memory(gmq__link_fault *fault)
{
    return fail(fault, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory");
}

/* In the words of gRPC, which programs look for; `got` may be less than the whole message. */
static bool too_large(gmq__link_fault *fault, size_t got, size_t limit)
{
    gmq__fail(GMQ_E_TOO_LARGE, "Received message larger than max (%zu vs. %zu)", got, limit);
    return fail(fault, GMQ_CODE_RESOURCE_EXHAUSTED, gmq_error_text());
}

/* The message that ends with this frame; NULL = no memory. `buf` NULL: the bytes are lent. */
static gmq_buf *whole(gmq__engine *engine, gmq__lcall *c, gmq__span body, gmq_buf *buf)
{
    if (!c->in_parts && (!buf || body.len < COPY_BELOW))
        return gmq__buf_copy(body);
    if (!c->in_parts)
        return gmq__buf_slice(buf, (size_t)(body.data - (const uint8_t *)gmq_buf_data(buf)),
                              body.len);
    size_t len = c->parts.len;
    gmq_buf *message = gmq__buf_take(&c->parts);
    if (!message)
        return NULL;
    engine->stats.reassembly_bytes -= len;
    c->in_parts = false;
    return message;
}

static bool unpack(const gmq__engine *engine, gmq_buf **message, gmq__link_fault *fault)
{
    gmq__bytes plain = {0};
    gmq_status status =
        gmq__zstd_decompress(&plain, gmq__buf_span(*message), engine->config.receive_limit);
    gmq_buf *out = status == GMQ_OK ? gmq__buf_take(&plain) : NULL;
    gmq_buf_unref(*message);
    *message = out;
    if (out)
        return true;
    gmq__bytes_free(&plain);
    if (status == GMQ_E_PARSE)
        return fail(fault, GMQ_CODE_INTERNAL, "message does not decompress");
    if (status == GMQ_E_TOO_LARGE)
        return fail(fault, GMQ_CODE_RESOURCE_EXHAUSTED, gmq_error_text());
    return no_memory(fault);
}

static bool deliver(gmq__engine *engine, gmq__lcall *c, gmq_buf *message, bool packed,
                    gmq__link_fault *fault)
{
    if (packed && !unpack(engine, &message, fault))
        return false;
    /* the windows bound what is unread as it travelled; unpacked it may be much more */
    if (packed && !gmq__call_fits(engine, &c->call, gmq_buf_len(message))) {
        gmq_buf_unref(message);
        return fail(fault, GMQ_CODE_RESOURCE_EXHAUSTED,
                    "messages are read too slowly: receive buffer full");
    }
    c->got_message = true;
    return gmq__call_message(engine, &c->call, message) || no_memory(fault);
}

/* A large part is one of several, as long ones: room for them, so that growing copies little. */
static void make_room(const gmq__engine *engine, gmq__lcall *c, size_t len)
{
    size_t room = len * PARTS_EXPECTED;
    if (len >= PART_LARGE && !c->parts.cap)
        gmq__bytes_reserve(
            &c->parts, room < engine->config.receive_limit ? room : engine->config.receive_limit);
}

static bool add_part(gmq__engine *engine, gmq__lcall *c, gmq__span body, gmq__link_fault *fault)
{
    make_room(engine, c, body.len);
    gmq__bytes_put(&c->parts, body.data, body.len);
    if (c->parts.failed)
        return no_memory(fault);
    c->in_parts = true;
    engine->stats.reassembly_bytes += body.len;
    if (engine->stats.reassembly_bytes > engine->config.reassembly_limit)
        return fail(fault, GMQ_CODE_RESOURCE_EXHAUSTED,
                    "too many unfinished messages on this connection");
    return true;
}

bool gmq__lcall_message(gmq__engine *engine, gmq__lcall *c, const gmq__link_frame *f, gmq_buf *buf,
                        gmq__link_fault *fault)
{
    if (!gmq__grant_use(&c->grant, f->body.len + GMQ__CREDIT_FRAME))
        return fail(fault, GMQ_CODE_RESOURCE_EXHAUSTED, "the peer sent more than its window");
    if (f->body.len > engine->config.receive_limit ||
        c->parts.len > engine->config.receive_limit - f->body.len)
        return too_large(fault, c->parts.len + f->body.len, engine->config.receive_limit);
    bool more = f->flags & GMQ__LINK_MORE;
    if ((more || c->in_parts) && !add_part(engine, c, f->body, fault))
        return false;
    if (more)
        return true;
    gmq_buf *message = whole(engine, c, f->body, buf);
    return message ? deliver(engine, c, message, f->flags & GMQ__LINK_COMPRESSED, fault)
                   : no_memory(fault);
}

/* A call's window bounds what is held of it, so the link's needs not wait for its reader; only when
 * all calls of the connection hold almost as much as they may, it does. */
static uint64_t kept_back(const gmq__engine *engine, const gmq__link *link)
{
    size_t held = engine->stats.unread_bytes + engine->stats.reassembly_bytes;
    size_t most = engine->config.reassembly_limit;
    size_t free_up_to = most > link->grant.window ? most - (size_t)link->grant.window : 0;
    return held > free_up_to ? held - free_up_to : 0;
}

void gmq__link_credit(gmq__engine *engine, gmq__link *link)
{
    uint64_t keep = kept_back(engine, link), owed = link->grant.owed;
    if (owed > keep)
        gmq__grant_back(&link->grant, owed - keep);
    if (!link->grant.owed)
        gmq__node_unlink(&link->stalled);
    else if (!gmq__node_linked(&link->stalled))
        gmq__list_push(&gmq__link_state_of(engine)->stalled, &link->stalled);
    if (link->grant.pending >= link->grant.window / 4)
        gmq__link_wake(engine, link);
}

void gmq__link_unstall(gmq__engine *engine)
{
    gmq__list *list = &gmq__link_state_of(engine)->stalled;
    for (gmq__node *n = list->head.next, *next; n != &list->head; n = next) {
        next = n->next;
        gmq__link_credit(engine, GMQ__CONTAINER(n, gmq__link, stalled));
    }
}

void gmq__lcall_credit(gmq__engine *engine, gmq__lcall *c)
{
    gmq__link *link = c->link;
    if (link)
        gmq__link_credit(engine, link);
    if (!link || c->grant.owed <= c->call.inbox.bytes)
        return;
    /* what is unread is held; so all but that is given back, unfinished messages too: without more
     * of them they would never be whole */
    uint64_t back = c->grant.owed - c->call.inbox.bytes;
    gmq__grant_back(&c->grant, back);
    uint64_t lump =
        c->half_closed && !gmq__link_is_client(engine) ? 0 : gmq__grant_announce(&c->grant);
    uint8_t digits[10];
    gmq__span body = {digits, 0};
    for (uint64_t rest = lump; lump; rest >>= 7) {
        digits[body.len++] = (uint8_t)(rest >= 0x80 ? rest | 0x80 : rest);
        if (rest < 0x80)
            break;
    }
    if (lump)
        gmq__link_control(engine, link, GMQ__LINK_CREDIT, c->number, body);
}
