/* Commands: what is posted to the owner of a connection. */
#ifndef GMQ_RUNTIME_COMMAND_H
#define GMQ_RUNTIME_COMMAND_H

#include <grpc_mqtt/method_map.h>

#include "base/buf.h"
#include "base/rpc.h"
#include "runtime/mailbox.h"
#include "transport/transport.h"

typedef struct gmq__cmd_start { /* a client's call, perhaps with all that it sends */
    gmq__cmd base;
    gmq_metadata *metadata;
    gmq__rpc_options options;
    bool wait_for_ready, any_kind;
    gmq_buf *message; /* NULL: none yet */
    uint32_t credit;
} gmq__cmd_start;

typedef struct gmq__cmd_send {
    gmq__cmd base;
    gmq_buf *message;
} gmq__cmd_send;

typedef struct gmq__cmd_status { /* CANCEL, INITIAL, FINISH, RESOLVE */
    gmq__cmd base;
    int32_t code; /* RESOLVE: the gmq_rpc_kind */
    char *text;   /* may be NULL */
    gmq_metadata *metadata;
} gmq__cmd_status;

typedef struct gmq__cmd_methods {
    gmq__cmd base;
    gmq_method_map *methods;
} gmq__cmd_methods;

typedef struct gmq__cmd_observe {
    gmq__cmd base;
    char *text;       /* the filter, or the topic */
    gmq_buf *payload; /* of a publish; NULL: a subscription */
    gmq_metadata *properties;
    bool retain;
    uint8_t qos;
} gmq__cmd_observe;

typedef struct gmq__cmd_message {
    gmq__cmd base;
    gmq__mqtt_message message; /* topic and properties stand behind the command, the payload in: */
    gmq_buf *payload;
} gmq__cmd_message;

#define GMQ__STATE_TEXT 256
typedef struct gmq__cmd_state {
    gmq__cmd base;
    bool busy;             /* posted and not yet taken */
    gmq__tstate_info info; /* its text is ours: */
    char text[GMQ__STATE_TEXT];
} gmq__cmd_state;

/* Zeroed command of `size` bytes; holds a reference to `call` (may be NULL). NULL = out of memory.
 */
void *gmq__cmd_new(size_t size, gmq__cmd_kind kind, gmq_call *call);

/* Frees what a command carries, lets go of its call, and frees it unless it lives inside another
 * object. */
void gmq__cmd_free(gmq__cmd *cmd);

/* Copy of a message of the transport; the payload is referenced. NULL = out of memory. */
gmq__cmd_message *gmq__cmd_of_message(const gmq__mqtt_message *message, gmq_buf *payload);

#endif
