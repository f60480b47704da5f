#include "engine/link/sendq.h"

#include <string.h>

#include "base/mem.h"
#include "engine/link/credit.h"

#define SMALL 512 /* a smaller fragment is not worth its frame, unless it is the last one */

static gmq__sendq_item *place(const gmq__sendq *q, size_t index)
{
    return &q->items[(q->head + index) & (q->cap - 1)];
}

static bool grow(gmq__sendq *q)
{
    if (q->len < q->cap)
        return true;
    size_t cap = q->cap ? q->cap * 2 : 4;
    gmq__sendq_item *items = gmq__malloc(cap * sizeof *items);
    if (!items)
        return false;
    for (size_t at = 0; at < q->len; at++)
        items[at] = *place(q, at);
    gmq__free(q->items);
    q->items = items;
    q->cap = cap;
    q->head = 0;
    return true;
}

bool gmq__sendq_push(gmq__sendq *q, uint8_t type, uint8_t flags, gmq_buf *body, size_t user)
{
    if (!grow(q))
        return false;
    gmq__sendq_item item = {type, flags, body, 0, user};
    *place(q, q->len++) = item;
    q->bytes += gmq__buf_span(body).len;
    return true;
}

bool gmq__sendq_half_close(gmq__sendq *q)
{
    gmq__sendq_item *last = q->len ? place(q, q->len - 1) : NULL;
    if (last && last->type == GMQ__LINK_MESSAGE) {
        last->flags |= GMQ__LINK_ENDS;
        return true;
    }
    return gmq__sendq_push(q, GMQ__LINK_HALF_CLOSE, 0, NULL, 0);
}

static void pop(gmq__sendq *q)
{
    gmq_buf_unref(place(q, 0)->body);
    q->head = (q->head + 1) & (q->cap - 1);
    q->len--;
}

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Body bytes of a frame that has `room` bytes, its head included; SIZE_MAX = not even an empty one.
 */
static size_t body_room(uint64_t call, size_t room, size_t most)
{
    size_t head = gmq__link_frame_head_len(call, least(room, most));
    return head > room ? SIZE_MAX : room - head;
}

static gmq__sendq_verdict put(gmq__sendq *q, gmq__sendq_item *item, uint64_t call, size_t len,
                              gmq__bytes *out, gmq__sendq_taken *taken)
{
    gmq__span body = gmq__buf_span(item->body);
    bool whole = item->at + len == body.len;
    gmq__link_frame f = {item->type, item->flags, call, {NULL, len}};
    if (len)
        f.body.data = body.data + item->at;
    if (!whole)
        f.flags = (uint8_t)((f.flags & ~GMQ__LINK_ENDS) | GMQ__LINK_MORE);
    gmq__link_frame_put(out, &f);
    taken->type = item->type;
    taken->whole = whole;
    taken->user = whole ? item->user : 0;
    item->at += len;
    q->bytes -= len;
    if (whole)
        pop(q);
    return GMQ__SENDQ_TAKEN;
}

gmq__sendq_verdict gmq__sendq_take(gmq__sendq *q, uint64_t call, size_t room, size_t cut,
                                   size_t credit, gmq__bytes *out, gmq__sendq_taken *taken)
{
    if (!q->len)
        return GMQ__SENDQ_EMPTY;
    gmq__sendq_item *item = place(q, 0);
    size_t left = gmq__buf_span(item->body).len - item->at;
    size_t fits = body_room(call, room, left);
    taken->cost = 0;
    if (item->type != GMQ__LINK_MESSAGE)
        return fits == SIZE_MAX || left > fits ? GMQ__SENDQ_NO_ROOM
                                               : put(q, item, call, left, out, taken);
    if (credit == SIZE_MAX || (!credit && left))
        return GMQ__SENDQ_NO_CREDIT;
    if (fits == SIZE_MAX || (fits < left && fits < SMALL && fits < cut / 2))
        return GMQ__SENDQ_NO_ROOM;
    size_t len = least(least(left, fits), least(cut, credit));
    taken->cost = len + GMQ__CREDIT_FRAME;
    return put(q, item, call, len, out, taken);
}

void gmq__sendq_free(gmq__sendq *q)
{
    while (q->len)
        pop(q);
    gmq__free(q->items);
    memset(q, 0, sizeof *q);
}
