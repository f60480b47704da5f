#include "engine/order.h"

#include <string.h>

#include "base/mem.h"

static gmq__order_packet *slot(const gmq__order *order, uint64_t i)
{
    return &order->ring[i & (order->cap - 1)];
}

static bool grow(gmq__order *order, uint64_t distance)
{
    size_t cap = order->cap ? order->cap : 8;
    while (cap <= distance)
        cap *= 2;
    if (cap == order->cap)
        return true;
    gmq__order_packet *ring = gmq__calloc(cap, sizeof *ring);
    if (!ring)
        return false;
    for (uint64_t i = order->next; i < order->next + order->cap; i++)
        ring[i & (cap - 1)] = *slot(order, i);
    gmq__free(order->ring);
    order->ring = ring;
    order->cap = cap;
    return true;
}

static gmq__order_verdict hold(gmq__order *order, uint64_t i, const gmq__order_packet *packet,
                               int64_t now)
{
    if (i - order->next >= GMQ__ORDER_WINDOW)
        return GMQ__ORDER_BEYOND;
    if (!grow(order, i - order->next))
        return GMQ__ORDER_NOMEM;
    if (slot(order, i)->buf)
        return GMQ__ORDER_DUPLICATE;
    *slot(order, i) = *packet;
    gmq_buf_ref(packet->buf);
    if (!order->held++)
        order->gap_since = now;
    order->held_bytes += gmq_buf_len(packet->buf);
    return GMQ__ORDER_HELD;
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
    if (!order->held || !slot(order, order->next)->buf)
        return false;
    *out = *slot(order, order->next);
    memset(slot(order, order->next), 0, sizeof *out);
    order->next++;
    order->held--;
    order->held_bytes -= gmq_buf_len(out->buf);
    order->gap_since = now;
    if (!order->held) {
        gmq__free(order->ring);
        order->ring = NULL;
        order->cap = 0;
    }
    return true;
}

size_t gmq__order_bytes(const gmq__order *order)
{
    return order->held_bytes + order->cap * sizeof *order->ring;
}

void gmq__order_free(gmq__order *order)
{
    for (size_t at = 0; at < order->cap; at++)
        gmq_buf_unref(order->ring[at].buf);
    gmq__free(order->ring);
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
