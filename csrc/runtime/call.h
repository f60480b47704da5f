/* gmq_call: the user's handle of an RPC. The engine knows the call by its id alone; the handle
 * outlives it.
 *
 * References keep the memory; each of the user's is also a handle. When the last handle goes before
 * the end, the call is cancelled (a server's: finished CANCELLED). */
#ifndef GMQ_RUNTIME_CALL_H
#define GMQ_RUNTIME_CALL_H

#include <grpc_mqtt/call.h>
#include <stdatomic.h>

#include "base/bytes.h"
#include "base/heap.h"
#include "runtime/command.h"
#include "runtime/event.h"

typedef struct gmq__runtime gmq__runtime;

struct gmq_call {
    atomic_size_t refs, handles;
    _Atomic uint64_t tag;
    gmq__runtime *runtime; /* a reference */
    uint64_t id;
    char *path;
    atomic_int kind; /* gmq_rpc_kind; -1 until resolved */
    bool server;
    unsigned generation; /* of the process */
    int64_t deadline;    /* ns; INT64_MAX = none */
    gmq_event *finished; /* made with the call, so that its end can always be told; NULL once it is
                            queued */

    /* API side, under the mailbox's lock. */
    size_t unsent;     /* bytes accepted and not yet with the transport */
    uint64_t credit;   /* not yet fetched by the owner */
    bool sent_one;     /* at least one message was accepted */
    bool half_closed;  /* client */
    bool initial_sent; /* server */
    bool finish_sent;  /* server */
    bool cancel_sent;
    bool over;          /* the owner has seen FINISHED */
    bool want_writable; /* GMQ_E_AGAIN was said */
    bool read_posted;
    gmq__cmd read, half_close; /* made with the call: these cannot fail for memory */
    gmq__cmd_status cancel;

    /* Owner's. */
    bool held;           /* waits for the outcome of an attempt to connect (hold.c) */
    gmq__list held_cmds; /* what was asked of it meanwhile */
    gmq__node held_node;
    gmq__heap_node held_timer;
};

/* A call with one reference, which is a handle. NULL = out of memory. */
gmq_call *gmq__handle_new(gmq__runtime *runtime, gmq__span path, int kind, bool server);

gmq_call *gmq__handle_hold(gmq_call *call); /* a reference that is no handle */
void gmq__handle_release(gmq_call *call);
uint64_t gmq__handle_tag(const gmq_call *call);

/* Posts a cancellation, once. `dropped`: because the last handle went; then a server's call that
 * was finished is left alone. */
void gmq__handle_cancel(gmq_call *call, int32_t code, const char *details, bool dropped);

#endif
