/* What a connection counts: kept by its owner, published for other threads to read. */
#ifndef GMQ_RUNTIME_NUMBERS_H
#define GMQ_RUNTIME_NUMBERS_H

#include <pthread.h>

#include "engine/engine.h"

struct gmq__runtime;

enum { GMQ__CODES = 17 }; /* OK to UNAUTHENTICATED */

typedef struct gmq__numbers {
    gmq__engine_stats engine; /* its numbers of calls are not of use here: it does not see all */
    uint64_t finished[GMQ__CODES];
    uint64_t connects;
    uint64_t open, connected;
} gmq__numbers;

typedef struct gmq__numbers_box {
    gmq__numbers own;     /* the owner's */
    pthread_mutex_t lock; /* a leaf: of `published`, which the owner reads without it */
    gmq__numbers published;
} gmq__numbers_box;

void gmq__numbers_init(gmq__numbers_box *box); /* the memory is zero */
void gmq__numbers_free(gmq__numbers_box *box);
void gmq__numbers_finished(gmq__numbers_box *box, int32_t code); /* owner: a call has ended */
void gmq__numbers_publish(struct gmq__runtime *rt); /* owner; cheap when all is as it was */
void gmq__numbers_read(gmq__numbers_box *box, gmq__numbers *out); /* any thread */

#endif
