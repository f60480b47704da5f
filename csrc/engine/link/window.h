/* Receiving side of a link's packets: what came in order, what came early, what is missing. Keeps
 * nothing while nothing is early. */
#ifndef GMQ_ENGINE_LINK_WINDOW_H
#define GMQ_ENGINE_LINK_WINDOW_H

#include "base/buf.h"
#include "wire/link_packet.h"

#define GMQ__LINK_WINDOW 1024 /* packets beyond the last in order that are held */

typedef struct gmq__window_packet { /* buf NULL: none */
    gmq_buf *buf;
    gmq__span frames;
} gmq__window_packet;

typedef struct gmq__window {
    uint64_t done;            /* all up to this number came and were released */
    uint64_t top;             /* highest number that is held; while held > 0 */
    gmq__window_packet *ring; /* number modulo cap -> packet, for done < number <= done + cap */
    size_t cap;               /* power of two, or 0 */
    size_t held, bytes;       /* packets, and their frames' bytes */
} gmq__window;                /* all zero is a fresh one: number 1 comes first */

typedef enum gmq__window_verdict {
    GMQ__WINDOW_NOW,       /* the next one: the caller has it; then take what was waiting for it */
    GMQ__WINDOW_HELD,      /* early: kept, with a reference to its buffer, or a copy */
    GMQ__WINDOW_DUPLICATE, /* seen before */
    GMQ__WINDOW_BEYOND,    /* too far ahead, or above `most` bytes held: not kept */
    GMQ__WINDOW_NOMEM,
} gmq__window_verdict;

/* `buf` holds the frames; NULL: they are lent, and copied where they are held. */
gmq__window_verdict gmq__window_put(gmq__window *w, uint64_t seq, gmq_buf *buf, gmq__span frames,
                                    size_t most);
/* Takes the next packet if it is held; its reference goes to the caller. false = a hole, or
 * nothing. */
bool gmq__window_take(gmq__window *w, gmq__window_packet *out);

/* What is missing below `top`, in the form of a packet's head. Returns how many pairs. */
size_t gmq__window_gaps(const gmq__window *w, gmq__link_gap *out, size_t most);
void gmq__window_free(gmq__window *w); /* what is held; the numbers stay */

#endif
