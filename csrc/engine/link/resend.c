#include "engine/link/resend.h"

#include <string.h>

#include "base/mem.h"

static gmq__sent *place(const gmq__resend *r, uint64_t seq) { return &r->ring[seq & (r->cap - 1)]; }

static bool grow(gmq__resend *r)
{
    if (r->last - r->acked < r->cap)
        return true;
    size_t cap = r->cap ? r->cap * 2 : 4;
    gmq__sent *ring = gmq__calloc(cap, sizeof *ring);
    if (!ring)
        return false;
    for (uint64_t at = r->acked + 1; at <= r->last; at++)
        ring[at & (cap - 1)] = *place(r, at);
    gmq__free(r->ring);
    r->ring = ring;
    r->cap = cap;
    return true;
}

bool gmq__resend_room(const gmq__resend *r, size_t most_bytes)
{
    return r->last - r->acked < GMQ__LINK_WINDOW && r->bytes < most_bytes;
}

uint64_t gmq__resend_add_buf(gmq__resend *r, gmq_buf *frames, int64_t now)
{
    if (!frames || !grow(r)) {
        gmq_buf_unref(frames);
        return 0;
    }
    gmq__sent sent = {frames, now, 0, false};
    *place(r, ++r->last) = sent;
    r->bytes += gmq_buf_len(frames);
    return r->last;
}

uint64_t gmq__resend_add(gmq__resend *r, gmq__span frames, int64_t now)
{
    return gmq__resend_add_buf(r, gmq__buf_copy(frames), now);
}

/* It came: nothing of it is needed any more. */
static bool came(gmq__resend *r, uint64_t seq)
{
    gmq__sent *s = place(r, seq);
    if (!s->frames)
        return false;
    r->bytes -= gmq_buf_len(s->frames);
    r->ndue -= s->due;
    gmq_buf_unref(s->frames);
    memset(s, 0, sizeof *s);
    return true;
}

/* Only of packets that were sent once: which copy of another was answered is not known. */
static void measure(gmq__resend *r, const gmq__sent *s, int64_t now)
{
    if (!s->frames || s->tries)
        return;
    int64_t sample = now - s->at;
    if (sample < 1)
        sample = 1;
    r->rtt = r->rtt ? r->rtt + (sample - r->rtt) / 8 : sample;
    if (r->rtt < 1)
        r->rtt = 1;
}

static void missing(gmq__resend *r, uint64_t seq, int64_t now)
{
    gmq__sent *s = place(r, seq);
    if (!s->frames || s->due || now - s->at < r->rtt)
        return;
    s->due = true;
    r->ndue++;
}

bool gmq__resend_acked(gmq__resend *r, uint64_t ack, const gmq__link_gap *gaps, size_t ngaps,
                       int64_t now, bool *news)
{
    uint64_t end = ack;
    *news = false;
    for (size_t at = 0; at < ngaps; at++)
        end += gaps[at].skip + gaps[at].count;
    if (end > r->last)
        return false;
    if (ack < r->acked) /* an old one */
        return true;
    if (ack > r->acked)
        measure(r, place(r, ack), now);
    for (; r->acked < ack; r->acked++)
        *news |= came(r, r->acked + 1);
    for (size_t gap = 0, next = 0; gap < ngaps; gap++, next = 0) {
        for (; next < gaps[gap].skip; next++)
            *news |= came(r, ++ack);
        for (next = 0; next < gaps[gap].count; next++)
            missing(r, ++ack, now);
    }
    if (*news)
        r->timeouts = 0;
    if (r->acked == r->last)
        gmq__resend_free(r);
    return true;
}

bool gmq__resend_next(gmq__resend *r, int64_t now, uint64_t *seq, gmq__span *frames)
{
    for (uint64_t at = r->acked + 1; r->ndue && at <= r->last; at++) {
        gmq__sent *s = place(r, at);
        if (!s->due)
            continue;
        s->due = false;
        r->ndue--;
        s->at = now;
        s->tries++;
        *seq = at;
        *frames = gmq__buf_span(s->frames);
        return true;
    }
    return false;
}

static gmq__sent *oldest(const gmq__resend *r)
{
    for (uint64_t at = r->acked + 1; at <= r->last; at++)
        if (place(r, at)->frames)
            return place(r, at);
    return NULL;
}

static int64_t resend_time(const gmq__resend *r)
{
    int64_t time = r->rtt * 4;
    if (time < GMQ__RESEND_LEAST)
        time = r->rtt ? GMQ__RESEND_LEAST : GMQ__RESEND_LEAST * 5 / 2;
    for (uint32_t n = 0; n < r->timeouts && time < GMQ__RESEND_MOST; n++)
        time *= 2;
    return time < GMQ__RESEND_MOST ? time : GMQ__RESEND_MOST;
}

int64_t gmq__resend_deadline(const gmq__resend *r)
{
    const gmq__sent *s = r->ndue ? NULL : oldest(r);
    return s ? s->at + resend_time(r) : INT64_MAX;
}

void gmq__resend_timer(gmq__resend *r, int64_t now)
{
    if (now < gmq__resend_deadline(r))
        return;
    oldest(r)->due = true;
    r->ndue++;
    r->timeouts++;
}

void gmq__resend_all(gmq__resend *r)
{
    for (uint64_t at = r->acked + 1; at <= r->last; at++) {
        gmq__sent *s = place(r, at);
        r->ndue += s->frames && !s->due;
        s->due = s->frames != NULL;
    }
    r->timeouts = 0;
}

void gmq__resend_free(gmq__resend *r)
{
    for (uint64_t at = r->acked + 1; at <= r->last; at++)
        gmq_buf_unref(place(r, at)->frames);
    gmq__free(r->ring);
    r->ring = NULL;
    r->acked = r->last;
    r->cap = r->bytes = r->ndue = 0;
}
