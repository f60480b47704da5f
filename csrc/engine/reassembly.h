/* Puts one message together from its slices by position, in any order, under a limit. The slices of
 * one message come one after the other; the next message begins when one is whole. */
#ifndef GMQ_ENGINE_REASSEMBLY_H
#define GMQ_ENGINE_REASSEMBLY_H

#include "engine/order.h"

typedef struct gmq__piece { /* a slice that waits for those before it */
    gmq_buf *buf;
    gmq__span payload;
    uint32_t position;
} gmq__piece;

typedef struct gmq__reassembly {
    uint32_t npackets;  /* of the unfinished message; 0 = there is none */
    uint32_t next;      /* first position that is missing */
    gmq__bytes prefix;  /* the positions before it */
    gmq__piece *pieces; /* min-heap by position */
    size_t npieces, cap;
    size_t piece_bytes;
} gmq__reassembly; /* all zero is a fresh one */

typedef enum gmq__reassembly_verdict {
    GMQ__REASSEMBLY_MORE,
    GMQ__REASSEMBLY_WHOLE,
    GMQ__REASSEMBLY_REPEATED,  /* this position was there already: ignored */
    GMQ__REASSEMBLY_MALFORMED, /* position or number of packets make no sense */
    GMQ__REASSEMBLY_TOO_LARGE,
    GMQ__REASSEMBLY_NOMEM,
} gmq__reassembly_verdict;

/* WHOLE: `*message` is the message, inside `*buf`, whose reference goes to the caller. As the
 * reference does, a packet of 0 or 1 packets is a whole message whatever its position. */
gmq__reassembly_verdict gmq__reassembly_put(gmq__reassembly *r, const gmq__order_packet *packet,
                                            size_t limit, gmq_buf **buf, gmq__span *message);

size_t gmq__reassembly_bytes(const gmq__reassembly *r); /* memory that it keeps */
void gmq__reassembly_free(gmq__reassembly *r);

#endif
