/* gmq_event from the inside. */
#ifndef GMQ_RUNTIME_EVENT_H
#define GMQ_RUNTIME_EVENT_H

#include <grpc_mqtt/queue.h>

#include "base/list.h"

struct gmq_event {
    gmq__node node; /* in a queue, or in a batch on its way there */
    int32_t type;
    int32_t code;
    uint64_t tag;        /* of a call: read when the event is taken */
    gmq_call *call;      /* a reference of ours, or NULL */
    bool handle;         /* CALL, not taken yet: a handle of `call` besides */
    unsigned generation; /* of the process: see gmq__os_fork_generation() */
    gmq_buf *message;
    gmq_metadata *metadata;
    char *text;
};

/* New event; takes a reference to `call` (may be NULL). NULL = out of memory. */
gmq_event *gmq__event_new(int32_t type, uint64_t tag, gmq_call *call);

/* Reads the tag of the call now. Called when the event is taken. */
void gmq__event_stamp(gmq_event *event);

#endif
