#include "wire/link_packet.h"

#include <string.h>

#include "wire/pb.h"

#define MAJOR(version) ((version) >> 4)

static bool take(gmq__span *in, size_t len, gmq__span *out)
{
    if (in->len < len)
        return false;
    *out = gmq__span_of(in->data, len);
    *in = gmq__span_of(in->data + len, in->len - len);
    return true;
}

static bool take_gaps(gmq__span *in, gmq__link_packet *p)
{
    uint64_t n, at = p->ack;
    if (gmq__pb_next_varint(in, &n) != 1 || n > GMQ__LINK_GAPS_MAX)
        return false;
    for (p->ngaps = 0; p->ngaps < n; p->ngaps++) {
        gmq__link_gap *gap = &p->gaps[p->ngaps];
        if (gmq__pb_next_varint(in, &gap->skip) != 1 || gmq__pb_next_varint(in, &gap->count) != 1)
            return false;
        if (gap->skip > UINT64_MAX - at || gap->count > UINT64_MAX - at - gap->skip)
            return false;
        at += gap->skip + gap->count;
    }
    return true;
}

gmq__link_packet_verdict gmq__link_packet_decode(gmq__span in, gmq__link_packet *p)
{
    gmq__span head;
    p->instance = p->frames = gmq__span_of(NULL, 0);
    p->ngaps = 0;
    if (!take(&in, 2, &head) || !take(&in, GMQ__LINK_ID_LEN, &p->link))
        return GMQ__LINK_PACKET_MALFORMED;
    p->version = head.data[0];
    p->flags = head.data[1];
    if (MAJOR(p->version) != MAJOR(GMQ__LINK_VERSION))
        return GMQ__LINK_PACKET_VERSION;
    if ((p->flags & GMQ__LINK_FROM_SERVER) && !take(&in, GMQ__LINK_INSTANCE_LEN, &p->instance))
        return GMQ__LINK_PACKET_MALFORMED;
    if (gmq__pb_next_varint(&in, &p->seq) != 1 || gmq__pb_next_varint(&in, &p->ack) != 1)
        return GMQ__LINK_PACKET_MALFORMED;
    if ((p->flags & GMQ__LINK_HAS_GAPS) && !take_gaps(&in, p))
        return GMQ__LINK_PACKET_MALFORMED;
    p->frames = in;
    return GMQ__LINK_PACKET_OK;
}

static uint8_t flags_of(const gmq__link_packet *p)
{
    uint8_t flags = p->flags & GMQ__LINK_ACK_WANTED;
    if (p->ngaps)
        flags |= GMQ__LINK_HAS_GAPS;
    if (p->instance.len)
        flags |= GMQ__LINK_FROM_SERVER;
    return flags;
}

void gmq__link_packet_encode(gmq__bytes *out, const gmq__link_packet *p)
{
    gmq__bytes_put_u8(out, GMQ__LINK_VERSION);
    gmq__bytes_put_u8(out, flags_of(p));
    gmq__bytes_put(out, p->link.data, p->link.len);
    gmq__bytes_put(out, p->instance.data, p->instance.len);
    gmq__pb_put_varint(out, p->seq);
    gmq__pb_put_varint(out, p->ack);
    if (!p->ngaps)
        return;
    gmq__pb_put_varint(out, p->ngaps);
    for (size_t at = 0; at < p->ngaps; at++) {
        gmq__pb_put_varint(out, p->gaps[at].skip);
        gmq__pb_put_varint(out, p->gaps[at].count);
    }
}

size_t gmq__link_packet_head_len(const gmq__link_packet *p)
{
    size_t len =
        2 + p->link.len + p->instance.len + gmq__pb_varint_len(p->seq) + gmq__pb_varint_len(p->ack);
    if (p->ngaps)
        len += gmq__pb_varint_len(p->ngaps);
    for (size_t at = 0; at < p->ngaps; at++)
        len += gmq__pb_varint_len(p->gaps[at].skip) + gmq__pb_varint_len(p->gaps[at].count);
    return len;
}
