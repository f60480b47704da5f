/* Sending side of a link's packets: keeps the frames of each until it is acknowledged, says which
 * to send again and when. */
#ifndef GMQ_ENGINE_LINK_RESEND_H
#define GMQ_ENGINE_LINK_RESEND_H

#include "base/buf.h"
#include "engine/link/window.h"

#define GMQ__RESEND_LEAST INT64_C(100000000)  /* of the resend time */
#define GMQ__RESEND_MOST  INT64_C(2000000000) /* doubled or not */

typedef struct gmq__sent { /* buf NULL: known to have come */
    gmq_buf *frames;
    int64_t at; /* when it was sent last */
    uint32_t tries;
    bool due; /* to be sent again */
} gmq__sent;

typedef struct gmq__resend {
    uint64_t acked, last; /* numbers: all up to `acked` came; `last` is the last one given */
    gmq__sent *ring;      /* number modulo cap -> packet, for acked < number <= last */
    size_t cap;
    size_t bytes, ndue;
    int64_t rtt;       /* smoothed; 0 = not measured yet */
    uint32_t timeouts; /* of the oldest one since something was acknowledged */
} gmq__resend;         /* all zero is a fresh one */

bool gmq__resend_room(const gmq__resend *r, size_t most_bytes); /* may one more be sent? */
/* Keeps a copy of the next packet's frames. The number that it gets; 0 = no memory. */
uint64_t gmq__resend_add(gmq__resend *r, gmq__span frames, int64_t now);
/* Likewise, without a copy: takes over the caller's reference, also where it fails. */
uint64_t gmq__resend_add_buf(gmq__resend *r, gmq_buf *frames, int64_t now);

/* An acknowledgement. What a gap names is due again, once a round trip. false = it acknowledges
 * what was never sent. `*news`: something was acknowledged for the first time. */
bool gmq__resend_acked(gmq__resend *r, uint64_t ack, const gmq__link_gap *gaps, size_t ngaps,
                       int64_t now, bool *news);

/* The oldest packet that is due, which counts as sent now. false = none. The frames stay the
 * buffer's, until the next call. */
bool gmq__resend_next(gmq__resend *r, int64_t now, uint64_t *seq, gmq__span *frames);
int64_t gmq__resend_deadline(const gmq__resend *r); /* INT64_MAX = nothing waits, or some are due */
void gmq__resend_timer(gmq__resend *r, int64_t now);
void gmq__resend_all(gmq__resend *r); /* all that is kept is due: after a reconnect */
void gmq__resend_free(gmq__resend *r);

#endif
