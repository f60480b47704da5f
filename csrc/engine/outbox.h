/* Messages of one sender on their way out, cut into packets when they are pulled. */
#ifndef GMQ_ENGINE_OUTBOX_H
#define GMQ_ENGINE_OUTBOX_H

#include "base/bytes.h"

typedef struct gmq__outbox_item {
    gmq__bytes data; /* one encoded message */
    size_t user;     /* bytes of the application in it */
} gmq__outbox_item;

typedef struct gmq__outbox {
    gmq__outbox_item *items; /* ring */
    size_t cap, head, len;
    gmq__outbox_item few[2]; /* the ring of calls with little to say */
    size_t offset;           /* of the first message: bytes that have left */
    uint32_t position;       /* packets of it that have left; 0 = not begun */
    uint32_t npackets;
    size_t slice;
} gmq__outbox; /* all zero is empty; must not move */

bool gmq__outbox_reserve(gmq__outbox *outbox, size_t more); /* then so many pushes need no memory */

/* Both take over the bytes of `data` on success. false = no memory (also when data->failed): frees
 * `data`. */
bool gmq__outbox_push(gmq__outbox *outbox, gmq__bytes *data, size_t user);
bool gmq__outbox_push_front(gmq__outbox *outbox, gmq__bytes *data, size_t user);

/* Appends the next packet to `out`; `slice` counts when a message begins. `*user` becomes the
 * application's bytes of a message that is thereby complete, else 0. The outbox must not be empty.
 * Out of memory: out->failed. */
void gmq__outbox_packet(gmq__outbox *outbox, size_t slice, gmq__bytes *out, size_t *user);

/* Drops what has not begun to leave, or everything; returns the application's bytes dropped. */
size_t gmq__outbox_drop_unbegun(gmq__outbox *outbox);
size_t gmq__outbox_drop_first(gmq__outbox *outbox);
size_t gmq__outbox_free(gmq__outbox *outbox);

#endif
