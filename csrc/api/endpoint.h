/* gmq_client, gmq_server and gmq_observer: a handle of a connection. */
#ifndef GMQ_API_ENDPOINT_H
#define GMQ_API_ENDPOINT_H

#include <grpc_mqtt/observer.h>

#include "runtime/runtime.h"

typedef struct gmq__endpoint {
    gmq__runtime *runtime; /* a reference */
    unsigned generation;   /* of the process */
} gmq__endpoint;

struct gmq_client {
    gmq__endpoint endpoint;
};

struct gmq_server {
    gmq__endpoint endpoint;
};

struct gmq_observer {
    gmq__endpoint endpoint;
};

/* `what` is "client", "server" or "observer". */
gmq_status gmq__endpoint_check(const gmq__endpoint *endpoint,
                               const char *what); /* GMQ_E_INVALID, GMQ_E_FORKED */
gmq_status gmq__endpoint_open(gmq__endpoint *endpoint, gmq__role role, const char *url,
                              const gmq_options *options, const gmq_method_map *methods,
                              gmq_queue *queue, uint64_t tag);
void gmq__endpoint_close(gmq__endpoint *endpoint, int64_t grace_ms);
int32_t gmq__endpoint_state(const gmq__endpoint *endpoint);
bool gmq__endpoint_drop(gmq__endpoint *endpoint); /* true: its memory may go */

#endif
