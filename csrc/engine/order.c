#include "engine/order.h"

#include <string.h>

#include "base/mem.h"

struct gmq__order_held {
    uint64_t i;
    gmq__order_packet packet;
};

static bool grow(gmq__order *order)
{
    if (order->held < order->cap)
        return true;
    size_t cap = order->cap ? order->cap * 2 : 8;
    gmq__order_held *heap = gmq__realloc(order->heap, cap * sizeof *heap);
    if (!heap)
        return false;
    order->heap = heap;
    order->cap = cap;
    return true;
}

static gmq__order_verdict hold(gmq__order *order, uint64_t i, const gmq__order_packet *packet,
                               int64_t now)
{
    if (i - order->next >= GMQ__ORDER_WINDOW)
        return GMQ__ORDER_BEYOND;
    if (!grow(order))
        return GMQ__ORDER_NOMEM;
    if (!order->held)
        order->gap_since = now;
    size_t at = order->held++;
    for (; at && order->heap[(at - 1) / 2].i > i; at = (at - 1) / 2)
        order->heap[at] = order->heap[(at - 1) / 2];
    order->heap[at].i = i;
    order->heap[at].packet = *packet;
    gmq_buf_ref(packet->buf);
    order->held_bytes += gmq_buf_len(packet->buf);
    return GMQ__ORDER_HELD;
}

static gmq__order_packet pop(gmq__order *order)
{
    gmq__order_packet top = order->heap[0].packet;
    gmq__order_held last = order->heap[--order->held];
    size_t at = 0;
    for (size_t child; (child = at * 2 + 1) < order->held; at = child) {
        if (child + 1 < order->held && order->heap[child + 1].i < order->heap[child].i)
            child++;
        if (order->heap[child].i >= last.i)
            break;
        order->heap[at] = order->heap[child];
    }
    order->heap[at] = last;
    order->held_bytes -= gmq_buf_len(top.buf);
    return top;
}

static void drop_duplicates(gmq__order *order)
{
    while (order->held && order->heap[0].i < order->next) {
        gmq_buf_unref(pop(order).buf);
        order->duplicates++;
    }
    if (!order->held) {
        gmq__free(order->heap);
        order->heap = NULL;
        order->cap = 0;
    }
}

gmq__order_verdict gmq__order_put(gmq__order *order, uint64_t i, const gmq__order_packet *packet,
                                  int64_t now)
{
    if (i < order->next)
        return GMQ__ORDER_DUPLICATE;
    if (i > order->next)
        return hold(order, i, packet, now);
    order->next++;
    order->gap_since = now;
    return GMQ__ORDER_NOW;
}

bool gmq__order_take(gmq__order *order, gmq__order_packet *out, int64_t now)
{
    drop_duplicates(order);
    if (!order->held || order->heap[0].i != order->next)
        return false;
    *out = pop(order);
    order->next++;
    order->gap_since = now;
    drop_duplicates(order);
    return true;
}

size_t gmq__order_bytes(const gmq__order *order)
{
    return order->held_bytes + order->cap * sizeof *order->heap;
}

void gmq__order_free(gmq__order *order)
{
    for (size_t at = 0; at < order->held; at++)
        gmq_buf_unref(order->heap[at].packet.buf);
    gmq__free(order->heap);
    memset(order, 0, sizeof *order);
}

bool gmq__order_parse(gmq__span text, uint64_t *i)
{
    uint64_t value = 0;
    if (!text.len || text.len > 18)
        return false;
    for (size_t at = 0; at < text.len; at++) {
        if (text.data[at] < '0' || text.data[at] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.data[at] - '0');
    }
    *i = value;
    return true;
}
