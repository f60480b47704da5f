/* Sequence `i` of one sender and topic: holds back what came early, drops what came twice. */
#ifndef GMQ_ENGINE_ORDER_H
#define GMQ_ENGINE_ORDER_H

#include "base/buf.h"

#define GMQ__ORDER_WINDOW 65536 /* packets this far ahead of the next one are not held */

typedef struct gmq__order_packet {
    gmq_buf *buf;      /* holds payload */
    gmq__span payload; /* slice of a message */
    uint32_t position, npackets;
} gmq__order_packet;

typedef struct gmq__order_held gmq__order_held;
typedef struct gmq__order {
    uint64_t next;         /* the number that is released next */
    gmq__order_held *heap; /* min-heap by number; a number may stand there twice */
    size_t held, cap;
    size_t held_bytes;   /* of their buffers */
    uint64_t duplicates; /* found among the held ones; the caller reads and clears it */
    int64_t gap_since;   /* since when the present hole is the first one; while held > 0 */
} gmq__order;            /* all zero is a fresh one */

typedef enum gmq__order_verdict {
    GMQ__ORDER_NOW,  /* it is the next one: the caller has it; then take what was waiting for it */
    GMQ__ORDER_HELD, /* kept, with a reference to its buffer */
    GMQ__ORDER_DUPLICATE, /* seen before */
    GMQ__ORDER_BEYOND,    /* too far ahead, not kept */
    GMQ__ORDER_NOMEM,
} gmq__order_verdict;

gmq__order_verdict gmq__order_put(gmq__order *order, uint64_t i, const gmq__order_packet *packet,
                                  int64_t now);

/* Takes the next packet out if it is held; its reference goes to the caller. false = a hole, or
 * nothing. */
bool gmq__order_take(gmq__order *order, gmq__order_packet *out, int64_t now);

size_t gmq__order_bytes(const gmq__order *order); /* memory that it keeps */
void gmq__order_free(gmq__order *order);

/* Value of the user property `i`; false = no decimal number: the packet counts as one without. */
bool gmq__order_parse(gmq__span text, uint64_t *i);

#endif
