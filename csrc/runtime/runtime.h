/* One MQTT connection with its engine: what gmq_client and gmq_server are made of. One thread at a
 * time owns it: a thread of its own, or (drive=caller) whoever polls its queue. All others post to
 * its mailbox.
 *
 * References: the client's or server's handle, every gmq_call, and the owner until the end. The
 * last one frees. */
#ifndef GMQ_RUNTIME_RUNTIME_H
#define GMQ_RUNTIME_RUNTIME_H

#include <grpc_mqtt/call.h>

#include "engine/engine.h"
#include "runtime/mailbox.h"
#include "runtime/numbers.h"
#include "transport/transport.h"

typedef struct gmq__runtime gmq__runtime;

typedef struct gmq__runtime_config { /* all borrowed during gmq__runtime_new() */
    gmq__engine_config engine;       /* without lookup */
    const gmq__transport_vtable *vtable;
    gmq__transport_config connection;
    const char *address;           /* "mqtt://host:port", for people */
    const char *peer;              /* "mqtt:host:port/base" */
    const gmq_method_map *methods; /* may be NULL on a client; copied */
    const char *services;          /* that a server announces besides; may be NULL; copied */
    gmq_queue *queue;
    uint64_t tag;
    bool caller_drives;
    bool wait_for_ready; /* default of the calls */
    size_t send_buffer, send_limit;
    int64_t reconnect_max_ns;
    int32_t log_level;
    const char *notice; /* why only the session dialect is spoken; NULL: nothing to say */
} gmq__runtime_config;

/* Begins to connect. Errors: GMQ_E_NOMEM, GMQ_E_IO (no thread), those of the transport's create().
 */
gmq_status gmq__runtime_new(gmq__runtime **out, const gmq__runtime_config *config);

gmq__runtime *gmq__runtime_hold(gmq__runtime *runtime);
void gmq__runtime_release(gmq__runtime *runtime);

/* Any thread; what is fixed for life, or atomic. */
gmq__mailbox *gmq__runtime_mailbox(gmq__runtime *runtime);
int32_t gmq__runtime_state(const gmq__runtime *runtime);
const char *gmq__runtime_peer(const gmq__runtime *runtime);

/* The tag of the events that are not of a call. */
uint64_t gmq__runtime_tag(const gmq__runtime *runtime);
size_t gmq__runtime_send_buffer(const gmq__runtime *runtime);
size_t gmq__runtime_send_limit(const gmq__runtime *runtime);
size_t gmq__runtime_metadata_limit(const gmq__runtime *runtime);
bool gmq__runtime_wait_for_ready(const gmq__runtime *runtime);
void gmq__runtime_numbers(gmq__runtime *runtime, gmq__numbers *out); /* as last published */
uint64_t gmq__runtime_next_id(gmq__runtime *runtime);
/* Client: what the method map says of a method; false = nothing. */
bool gmq__runtime_lookup(const gmq__runtime *runtime, gmq__span path, gmq__rpc_method *out);

/* Mailbox locked: no new calls of the user's (closing, or closed). */
bool gmq__runtime_closing(const gmq__runtime *runtime);

/* Takes over `methods`. Errors: GMQ_E_CLOSED, GMQ_E_NOMEM (then it is still the caller's). */
gmq_status gmq__runtime_set_methods(gmq__runtime *runtime, gmq_method_map *methods);

/* Observer: posts the command, which is then the owner's. Errors: GMQ_E_CLOSED (it is still the
 * caller's). */
struct gmq__cmd_observe;
gmq_status gmq__runtime_observe(gmq__runtime *runtime, struct gmq__cmd_observe *cmd);

/* Ends in order; `grace_ms` < 0: no limit. A later one may only shorten. */
void gmq__runtime_close(gmq__runtime *runtime, int64_t grace_ms);
/* The handle is gone: without a close before, everything ends at once. */
void gmq__runtime_abandon(gmq__runtime *runtime);

#endif
