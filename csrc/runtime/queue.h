/* gmq_queue from the inside: pushing, and connections that the caller drives. */
#ifndef GMQ_RUNTIME_QUEUE_H
#define GMQ_RUNTIME_QUEUE_H

#include <grpc_mqtt/queue.h>

#include "base/list.h"

#define GMQ__DRIVEN_ENDED INT64_MIN

typedef struct gmq__watched { /* as gmq__tio */
    int fd;
    unsigned want;
    uint32_t epoch;
} gmq__watched;

/* Something that is pumped by whoever polls or waits on the queue (drive=caller). */
typedef struct gmq__driven {
    gmq__node node;
    int64_t deadline; /* when it wants to be pumped next, ns; guarded by the queue's lock */
    /* What it waits for beside kicks; NULL: nothing. Asked by the thread that pumps, after pump().
     */
    void (*watch)(struct gmq__driven *driven, gmq__watched *out);
    gmq__watched watched; /* the queue's: what it was told last */
    unsigned ready;       /* for pump(): what `watched` is ready for */
    bool looked;          /* `ready` is known already */
    /* One thread at a time, no lock held. The next deadline, or GMQ__DRIVEN_ENDED: never again. */
    int64_t (*pump)(struct gmq__driven *driven);
    /* The queue lets go of it, after ENDED, or (`orphaned`) because nobody can pump any more. */
    void (*release)(struct gmq__driven *driven, bool orphaned);
} gmq__driven;

/* References of the library's own: they keep the memory, not the queue's purpose. When the last
 * handle of the user goes, nobody can take events any more: those queued, and all later ones, are
 * freed. */
gmq_queue *gmq__queue_hold(gmq_queue *queue);
void gmq__queue_release(gmq_queue *queue);

/* Appends a whole list of events under one lock with one wake-up; the list is empty afterwards.
 * After shutdown they are freed. */
void gmq__queue_push(gmq_queue *queue, gmq__list *events);

/* Errors: GMQ_E_IO, where it is to be watched and there is no descriptor for that. */
gmq_status gmq__queue_attach(gmq_queue *queue, gmq__driven *driven);
void gmq__queue_kick(gmq_queue *queue); /* there is work to pump */

bool gmq__queue_usable(
    const gmq_queue *queue); /* not NULL, of this process; else the error text is set */

#endif
