/* gmq_queue from the inside: pushing, and connections that the caller drives. */
#ifndef GMQ_RUNTIME_QUEUE_H
#define GMQ_RUNTIME_QUEUE_H

#include <grpc_mqtt/queue.h>

#include "base/list.h"

#define GMQ__DRIVEN_ENDED INT64_MIN
#define GMQ__DRIVEN_HOME  (INT64_MIN + 1)

typedef struct gmq__watched { /* as gmq__tio */
    int fd;
    unsigned want;
    uint32_t epoch;
} gmq__watched;

/* Something that is pumped by whoever polls or waits on the queue: a connection with drive=caller,
 * or one that its owner thread has lent. */
typedef struct gmq__driven {
    gmq__node node;
    bool owned;       /* there is a thread that it can go home to */
    bool home;        /* it is there; guarded by the queue's lock */
    int64_t deadline; /* when it wants to be pumped next, ns; guarded by the queue's lock */
    /* What it waits for beside kicks; NULL: nothing. Asked by the thread that pumps, after pump().
     */
    void (*watch)(struct gmq__driven *driven, gmq__watched *out);
    gmq__watched watched; /* the queue's: what it was told last */
    unsigned ready;       /* for pump(): what `watched` is ready for */
    bool looked;          /* `ready` is known already */
    /* One thread at a time, no lock held. The next deadline; GMQ__DRIVEN_ENDED: never again;
     * GMQ__DRIVEN_HOME (owned): its thread shall have it. */
    int64_t (*pump)(struct gmq__driven *driven);
    /* The queue lets go of it, after ENDED, or (`orphaned`) because nobody can pump any more. An
     * owned one just goes home. */
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

/* Lending. A thread that waits on the queue while another one owns the connection costs a change of
 * threads for each event and each answer. So an owner that has nothing to do lends its connection
 * to a queue that somebody waits on, and sleeps until nobody has come for a while.
 *
 * An owner says when it comes (`by` 1) and goes (-1): connections are lent only where there is one.
 */
void gmq__queue_owners(gmq_queue *queue, int by);
/* false: nobody waits there, or several connections have the queue, or its descriptor is in use. */
bool gmq__queue_lend(gmq_queue *queue, gmq__driven *driven);
/* Waits until it is home; driven->deadline is GMQ__DRIVEN_ENDED where it has ended meanwhile. What
 * is asked of it while nobody is on the queue waits for a tick at most, what comes by itself for
 * two. */
void gmq__queue_await(gmq_queue *queue, gmq__driven *driven);
#define GMQ__LEND_TICK_NS INT64_C(1000000)

bool gmq__queue_usable(
    const gmq_queue *queue); /* not NULL, of this process; else the error text is set */

#endif
