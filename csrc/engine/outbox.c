#include "engine/outbox.h"

#include <string.h>

#include "base/mem.h"
#include "wire/packet.h"

#define FEW (sizeof((gmq__outbox *)0)->few / sizeof *((gmq__outbox *)0)->few)

static gmq__outbox_item *item(gmq__outbox *outbox, size_t index)
{
    return &outbox->items[(outbox->head + index) & (outbox->cap - 1)];
}

bool gmq__outbox_reserve(gmq__outbox *outbox, size_t more)
{
    if (!outbox->cap) {
        outbox->items = outbox->few;
        outbox->cap = FEW;
    }
    size_t cap = outbox->cap;
    while (cap - outbox->len < more)
        cap *= 2;
    if (cap == outbox->cap)
        return true;
    gmq__outbox_item *items = gmq__malloc(cap * sizeof *items);
    if (!items)
        return false;
    for (size_t at = 0; at < outbox->len; at++)
        items[at] = *item(outbox, at);
    if (outbox->items != outbox->few)
        gmq__free(outbox->items);
    outbox->items = items;
    outbox->cap = cap;
    outbox->head = 0;
    return true;
}

static bool place(gmq__outbox *outbox, gmq__bytes *data, size_t user, bool front)
{
    if (data->failed || !gmq__outbox_reserve(outbox, 1)) {
        gmq__bytes_free(data);
        return false;
    }
    if (front)
        outbox->head = (outbox->head - 1) & (outbox->cap - 1);
    outbox->len++;
    gmq__outbox_item *at = item(outbox, front ? 0 : outbox->len - 1);
    at->data = *data;
    at->user = user;
    memset(data, 0, sizeof *data);
    return true;
}

bool gmq__outbox_push(gmq__outbox *outbox, gmq__bytes *data, size_t user)
{
    return place(outbox, data, user, false);
}

bool gmq__outbox_push_front(gmq__outbox *outbox, gmq__bytes *data, size_t user)
{
    return place(outbox, data, user, true);
}

static size_t drop_at(gmq__outbox *outbox, size_t index)
{
    gmq__outbox_item *at = item(outbox, index);
    gmq__bytes_free(&at->data);
    return at->user;
}

size_t gmq__outbox_drop_first(gmq__outbox *outbox)
{
    if (!outbox->len)
        return 0;
    size_t user = drop_at(outbox, 0);
    outbox->head = (outbox->head + 1) & (outbox->cap - 1);
    outbox->len--;
    outbox->offset = outbox->position = 0;
    return user;
}

void gmq__outbox_packet(gmq__outbox *outbox, size_t slice, gmq__bytes *out, size_t *user)
{
    gmq__bytes *data = &item(outbox, 0)->data;
    if (!outbox->position) {
        outbox->slice = slice;
        outbox->npackets = gmq__packet_count(data->len, slice);
    }
    size_t left = data->len - outbox->offset;
    size_t take = left < outbox->slice ? left : outbox->slice;
    gmq__span part = gmq__span_of(data->data ? data->data + outbox->offset : NULL, take);
    gmq__packet_encode(out, part, outbox->position, outbox->npackets);
    *user = 0;
    if (out->failed)
        return;
    outbox->offset += take;
    if (++outbox->position == outbox->npackets)
        *user = gmq__outbox_drop_first(outbox);
}

size_t gmq__outbox_drop_unbegun(gmq__outbox *outbox)
{
    size_t keep = outbox->position ? 1 : 0, user = 0;
    while (outbox->len > keep) {
        user += drop_at(outbox, outbox->len - 1);
        outbox->len--;
    }
    return user;
}

size_t gmq__outbox_free(gmq__outbox *outbox)
{
    outbox->position = 0;
    size_t user = gmq__outbox_drop_unbegun(outbox);
    if (outbox->items != outbox->few)
        gmq__free(outbox->items);
    memset(outbox, 0, sizeof *outbox);
    return user;
}
