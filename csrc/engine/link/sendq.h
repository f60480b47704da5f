/* Frames of one call that wait to be sent. Messages are cut into fragments only when they leave. */
#ifndef GMQ_ENGINE_LINK_SENDQ_H
#define GMQ_ENGINE_LINK_SENDQ_H

#include "base/buf.h"
#include "wire/link_frame.h"

typedef struct gmq__sendq_item {
    uint8_t type, flags;
    gmq_buf *body; /* may be NULL: empty */
    size_t at;     /* of a message: so much has left */
    size_t user;   /* the application's bytes in it */
} gmq__sendq_item;

typedef struct gmq__sendq {
    gmq__sendq_item *items;
    size_t cap, head, len; /* cap: power of two, or 0 */
    size_t bytes;          /* of the bodies that wait */
} gmq__sendq;              /* all zero is empty */

/* Takes the reference. false = no memory: the reference is the caller's still. */
bool gmq__sendq_push(gmq__sendq *q, uint8_t type, uint8_t flags, gmq_buf *body, size_t user);
/* The half-close: a flag of the last message where that one has not left, else a frame. */
bool gmq__sendq_half_close(gmq__sendq *q);

typedef enum gmq__sendq_verdict {
    GMQ__SENDQ_TAKEN,
    GMQ__SENDQ_EMPTY,
    GMQ__SENDQ_NO_ROOM,   /* not even a useful part fits */
    GMQ__SENDQ_NO_CREDIT, /* a message waits for the windows */
} gmq__sendq_verdict;

typedef struct gmq__sendq_taken {
    size_t user; /* the application's bytes that left for good */
    size_t cost; /* of the windows; 0 = no message */
    uint8_t type;
    bool whole; /* no more of this item follows */
} gmq__sendq_taken;

/* Appends the next frame to `out`, at most `room` bytes of it. A message's fragment has at most
 * `cut` bytes and at most `credit` (gmq__budget_body()). A fragment that would be small because of
 * `room` waits for the next packet. */
gmq__sendq_verdict gmq__sendq_take(gmq__sendq *q, uint64_t call, size_t room, size_t cut,
                                   size_t credit, gmq__bytes *out, gmq__sendq_taken *taken);
void gmq__sendq_free(gmq__sendq *q);

#endif
