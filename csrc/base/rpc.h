/* Facts about a method that the engine needs and the method map knows. */
#ifndef GMQ_BASE_RPC_H
#define GMQ_BASE_RPC_H

#include <grpc_mqtt/base.h>

#include "base/bytes.h"

/* How the messages of one call travel. -1 in a field: not said at this level. */
typedef struct gmq__rpc_options {
    int8_t batched;      /* streams are batched: 0, 1, -1 */
    int8_t server_level; /* zstd level 0 (off) to 22, -1 */
    int8_t client_level;
} gmq__rpc_options;

typedef struct gmq__rpc_method {
    gmq_rpc_kind kind;
    gmq__rpc_options options;
} gmq__rpc_method;

static inline bool gmq__rpc_client_streams(gmq_rpc_kind kind) { return (kind & 1) != 0; }
static inline bool gmq__rpc_server_streams(gmq_rpc_kind kind) { return (kind & 2) != 0; }

#endif
