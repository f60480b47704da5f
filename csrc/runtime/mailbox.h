/* What the owner of a connection has to do: commands of API threads, and what the transport
 * reports. Any thread posts, the owner takes everything in one go. The mailbox's lock also guards
 * the API side of the connection's calls (call.h), so that one lock admits a command and queues it.
 * It is a leaf. */
#ifndef GMQ_RUNTIME_MAILBOX_H
#define GMQ_RUNTIME_MAILBOX_H

#include <grpc_mqtt/queue.h>

#include "base/list.h"
#include "base/os.h"

typedef enum gmq__cmd_kind {
    GMQ__CMD_START,
    GMQ__CMD_SEND,
    GMQ__CMD_HALF_CLOSE,
    GMQ__CMD_READ,
    GMQ__CMD_CANCEL,
    GMQ__CMD_INITIAL, /* send_initial_metadata */
    GMQ__CMD_FINISH,
    GMQ__CMD_RESOLVE,
    GMQ__CMD_METHODS,
    GMQ__CMD_CLOSE,
    GMQ__CMD_OBSERVE, /* of an observer: subscribe, publish */
    GMQ__CMD_MESSAGE, /* from the transport */
    GMQ__CMD_STATE,   /* from the transport */
} gmq__cmd_kind;

/* First member of every command (command.h). */
typedef struct gmq__cmd {
    gmq__node node;
    gmq__cmd_kind kind;
    gmq_call *call; /* a reference; NULL where no call is concerned */
} gmq__cmd;

typedef struct gmq__ack {
    uint64_t token;
    int reason;
} gmq__ack;

typedef struct gmq__acks { /* all zero is empty */
    gmq__ack *rows;
    size_t count, cap;
} gmq__acks;

typedef struct gmq__mailbox {
    pthread_mutex_t lock;
    pthread_cond_t cond; /* the owner thread waits here; unused with drive=caller */
    gmq_queue *kick;     /* drive=caller, or lent: the queue to be kicked; else NULL. Borrowed */
    gmq__list commands;
    gmq__acks acks;
    gmq__acks taken; /* the owner's: swapped with `acks`, of the same capacity */
    bool closed;     /* the owner is gone: nothing may be posted */
    bool sleeping;   /* the owner waits, or (drive=caller, lent) nobody pumps */
    bool by_wake;    /* the owner waits for descriptors, `wake` among them, instead of `cond` */
    gmq__os_wake wake;
} gmq__mailbox;

void gmq__mailbox_init(gmq__mailbox *box, gmq_queue *kick);
/* The owner's transport has a descriptor: it waits with gmq__mailbox_wait_io() only. Before
 * anything is posted. false: errno says why. */
bool gmq__mailbox_use_wake(gmq__mailbox *box);
void gmq__mailbox_free(gmq__mailbox *box);

void gmq__mailbox_lock(gmq__mailbox *box);
void gmq__mailbox_post(gmq__mailbox *box, gmq__cmd *cmd); /* locked, not closed */
void gmq__mailbox_unlock(gmq__mailbox *box);              /* nothing was posted */
void gmq__mailbox_unlock_and_wake(gmq__mailbox *box);

/* Answers to outputs are kept in memory reserved beforehand by the owner, so that none can be lost.
 */
bool gmq__mailbox_reserve_acks(gmq__mailbox *box,
                               size_t outstanding); /* owner; false = no memory */
void gmq__mailbox_ack(gmq__mailbox *box, uint64_t token, int reason);

/* Owner: everything posted so far; the answers into box->taken. */
void gmq__mailbox_take(gmq__mailbox *box, gmq__list *commands);
void gmq__mailbox_wait(gmq__mailbox *box,
                       int64_t deadline); /* until there is something, or `deadline` */
/* Lent to `kick`, or (NULL) at home again: whoever has it looks at what was posted next. */
void gmq__mailbox_kicks(gmq__mailbox *box, gmq_queue *kick);
/* drive=caller, lent: somebody pumps from here on, so that what is posted needs no kick; until
 * rest(), which is false, and changes nothing, where there is something to do. */
void gmq__mailbox_rouse(gmq__mailbox *box);
bool gmq__mailbox_rest(gmq__mailbox *box);
/* Likewise, or until `fd` (< 0: none) is ready for `want`; returns what it is ready for, also where
 * there was something in the mailbox at once. */
unsigned gmq__mailbox_wait_io(gmq__mailbox *box, int fd, unsigned want, int64_t deadline);

#endif
