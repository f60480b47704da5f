#include "engine/reassembly.h"

#include <string.h>

#include "base/mem.h"

static bool heap_push(gmq__reassembly *r, gmq__piece piece)
{
    if (r->npieces == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 8;
        gmq__piece *pieces = gmq__realloc(r->pieces, cap * sizeof *pieces);
        if (!pieces)
            return false;
        r->pieces = pieces;
        r->cap = cap;
    }
    size_t at = r->npieces++;
    for (; at && r->pieces[(at - 1) / 2].position > piece.position; at = (at - 1) / 2)
        r->pieces[at] = r->pieces[(at - 1) / 2];
    r->pieces[at] = piece;
    r->piece_bytes += piece.payload.len;
    return true;
}

static gmq__piece heap_pop(gmq__reassembly *r)
{
    gmq__piece top = r->pieces[0], last = r->pieces[--r->npieces];
    size_t at = 0;
    for (size_t child; (child = at * 2 + 1) < r->npieces; at = child) {
        if (child + 1 < r->npieces && r->pieces[child + 1].position < r->pieces[child].position)
            child++;
        if (r->pieces[child].position >= last.position)
            break;
        r->pieces[at] = r->pieces[child];
    }
    r->pieces[at] = last;
    r->piece_bytes -= top.payload.len;
    return top;
}

/* Moves what is no longer waiting into the prefix. */
static void advance(gmq__reassembly *r)
{
    while (r->npieces && r->pieces[0].position <= r->next) {
        gmq__piece piece = heap_pop(r);
        if (piece.position == r->next) {
            gmq__bytes_put(&r->prefix, piece.payload.data, piece.payload.len);
            r->next++;
        }
        gmq_buf_unref(piece.buf);
    }
}

static gmq__reassembly_verdict keep(gmq__reassembly *r, const gmq__order_packet *packet)
{
    if (packet->position == r->next) {
        gmq__bytes_put(&r->prefix, packet->payload.data, packet->payload.len);
        r->next++;
        advance(r);
    } else {
        gmq__piece piece = {packet->buf, packet->payload, packet->position};
        if (!heap_push(r, piece))
            return GMQ__REASSEMBLY_NOMEM;
        gmq_buf_ref(packet->buf);
    }
    return r->prefix.failed ? GMQ__REASSEMBLY_NOMEM : GMQ__REASSEMBLY_MORE;
}

static gmq__reassembly_verdict whole(gmq__reassembly *r, gmq_buf **buf, gmq__span *message)
{
    *buf = gmq__buf_take(&r->prefix);
    if (!*buf)
        return GMQ__REASSEMBLY_NOMEM;
    *message = gmq__buf_span(*buf);
    gmq__reassembly_free(r);
    return GMQ__REASSEMBLY_WHOLE;
}

gmq__reassembly_verdict gmq__reassembly_put(gmq__reassembly *r, const gmq__order_packet *packet,
                                            size_t limit, gmq_buf **buf, gmq__span *message)
{
    if (r->npackets && packet->npackets != r->npackets)
        return GMQ__REASSEMBLY_MALFORMED;
    if (r->prefix.len + r->piece_bytes + packet->payload.len > limit)
        return GMQ__REASSEMBLY_TOO_LARGE;
    if (packet->npackets <= 1) {
        *buf = gmq_buf_ref(packet->buf);
        *message = packet->payload;
        return GMQ__REASSEMBLY_WHOLE;
    }
    /* nobody cuts a message into more slices than it has bytes */
    if (packet->position >= packet->npackets || packet->npackets > limit)
        return GMQ__REASSEMBLY_MALFORMED;
    if (packet->position < r->next)
        return GMQ__REASSEMBLY_REPEATED;
    r->npackets = packet->npackets;
    gmq__reassembly_verdict verdict = keep(r, packet);
    return verdict == GMQ__REASSEMBLY_MORE && r->next == r->npackets ? whole(r, buf, message)
                                                                     : verdict;
}

size_t gmq__reassembly_bytes(const gmq__reassembly *r)
{
    return r->prefix.cap + r->piece_bytes + r->cap * sizeof *r->pieces;
}

void gmq__reassembly_free(gmq__reassembly *r)
{
    for (size_t at = 0; at < r->npieces; at++)
        gmq_buf_unref(r->pieces[at].buf);
    gmq__free(r->pieces);
    gmq__bytes_free(&r->prefix);
    memset(r, 0, sizeof *r);
}
