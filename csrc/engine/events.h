/* Queue of events for the puller. Room for the FINISHED of every open call is kept, so that it
 * comes also when memory has run out. */
#ifndef GMQ_ENGINE_EVENTS_H
#define GMQ_ENGINE_EVENTS_H

#include "engine/engine.h"

typedef struct gmq__events {
    gmq__ev *ring;
    size_t cap, head, len; /* cap: power of two, or 0 */
    size_t reserved;
} gmq__events; /* all zero is empty */

bool gmq__events_reserve(gmq__events *events); /* one place; false = no memory */
void gmq__events_unreserve(gmq__events *events);

/* Puts an event at the end, which takes over what it holds. false = no memory: the event is
 * cleared. `reserved`: uses up a reserved place and cannot fail. */
bool gmq__events_push(gmq__events *events, gmq__ev *ev, bool reserved);
bool gmq__events_pop(gmq__events *events, gmq__ev *out);

/* Counts `size` sent bytes of a call: added to its last event where that is a SENT too. */
bool gmq__events_sent(gmq__events *events, uint64_t call, size_t size);
void gmq__events_free(gmq__events *events);

/* FAILED: the broker answered a server's SUBSCRIBE below `base` with `reason`. */
void gmq__events_filters_refused(gmq__events *events, gmq__span base, int reason);

#endif
