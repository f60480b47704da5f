/* A gateway from the inside. Two threads: one takes the events of the server (MQTT), one those of
 * gRPC's completion queue. Neither blocks anywhere else. They meet in the calls (relay.h), each of
 * which has a lock of its own. */
#ifndef GMQ_GATEWAY_GATEWAY_H
#define GMQ_GATEWAY_GATEWAY_H

#include <grpc/grpc.h>
#include <grpc_mqtt/gateway.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "method_stats.h"
#include "targets.h"

typedef struct gmq__relay gmq__relay;

struct gmq_gateway {
    atomic_uint refs;  /* the handle and the two threads */
    atomic_uint users; /* of `completions`: the MQTT thread and each relay; at 0 it is shut down */

    gmq_queue *user_queue;
    uint64_t user_tag;

    gmq_queue *queue; /* our own: what `server` says */
    gmq_server *server;

    pthread_mutex_t targets_lock; /* of `targets`; held while a call is made */
    gmq__targets targets;
    bool ended;  /* no new targets; likewise */
    bool passes; /* methods that no target has go to `others`; fixed */
    grpc_completion_queue *completions;
    bool grpc;             /* grpc_init() was called */
    atomic_bool stillborn; /* gmq_gateway_new() failed: nobody is told of the end */

    int64_t initial_wait_ms;
    gmq_metadata *no_metadata;
    gmq__method_stats methods;

    /* Bidi calls whose gRPC server has sent no initial metadata yet, oldest first. In: at the start
     * of the call. Out: when the wait is over, or the call. The MQTT thread's own. */
    gmq__relay *waiting_first, *waiting_last;
};

/* `completions` is used by one more, or one less; any thread. */
void gmq__gateway_use(gmq_gateway *gateway);
void gmq__gateway_release(gmq_gateway *gateway);

#endif
