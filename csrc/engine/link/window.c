#include "engine/link/window.h"

#include <string.h>

#include "base/mem.h"

static gmq__window_packet *place(const gmq__window *w, uint64_t seq)
{
    return &w->ring[seq & (w->cap - 1)];
}

static bool grow(gmq__window *w, uint64_t seq)
{
    size_t cap = w->cap ? w->cap : 8;
    while (cap < seq - w->done)
        cap *= 2;
    if (cap == w->cap)
        return true;
    gmq__window_packet *ring = gmq__calloc(cap, sizeof *ring);
    if (!ring)
        return false;
    for (uint64_t at = w->done + 1; w->held && at <= w->top; at++)
        ring[at & (cap - 1)] = *place(w, at);
    gmq__free(w->ring);
    w->ring = ring;
    w->cap = cap;
    return true;
}

gmq__window_verdict gmq__window_put(gmq__window *w, uint64_t seq, gmq_buf *buf, gmq__span frames,
                                    size_t most)
{
    if (seq <= w->done)
        return GMQ__WINDOW_DUPLICATE;
    if (seq == w->done + 1) {
        if (w->held && place(w, seq)->buf)
            return GMQ__WINDOW_DUPLICATE;
        w->done = seq;
        return GMQ__WINDOW_NOW;
    }
    if (seq - w->done > GMQ__LINK_WINDOW)
        return GMQ__WINDOW_BEYOND;
    if (w->held && seq <= w->top && place(w, seq)->buf)
        return GMQ__WINDOW_DUPLICATE;
    if (frames.len > most || w->bytes > most - frames.len)
        return GMQ__WINDOW_BEYOND;
    if (!grow(w, seq))
        return GMQ__WINDOW_NOMEM;
    gmq_buf *kept = buf ? gmq_buf_ref(buf) : gmq__buf_copy(frames);
    if (!kept)
        return GMQ__WINDOW_NOMEM;
    gmq__window_packet *p = place(w, seq);
    p->buf = kept;
    p->frames = buf ? frames : gmq__buf_span(kept);
    w->bytes += frames.len;
    w->top = w->held++ && w->top > seq ? w->top : seq;
    return GMQ__WINDOW_HELD;
}

bool gmq__window_take(gmq__window *w, gmq__window_packet *out)
{
    if (!w->held || !place(w, w->done + 1)->buf)
        return false;
    gmq__window_packet *p = place(w, ++w->done);
    *out = *p;
    memset(p, 0, sizeof *p);
    w->bytes -= out->frames.len;
    if (!--w->held)
        gmq__window_free(w);
    return true;
}

size_t gmq__window_gaps(const gmq__window *w, gmq__link_gap *out, size_t most)
{
    size_t n = 0;
    if (!w->held)
        return 0;
    for (uint64_t at = w->done + 1; at <= w->top;) {
        gmq__link_gap gap = {0, 0};
        for (; at <= w->top && place(w, at)->buf; at++)
            gap.skip++;
        for (; at <= w->top && !place(w, at)->buf; at++)
            gap.count++;
        if (!gap.count || n == most)
            break;
        out[n++] = gap;
    }
    return n;
}

void gmq__window_free(gmq__window *w)
{
    for (uint64_t at = w->done + 1; w->held && at <= w->top; at++)
        gmq_buf_unref(place(w, at)->buf);
    gmq__free(w->ring);
    w->ring = NULL;
    w->cap = w->held = w->bytes = 0;
}
