/* The protocol engine: sans-IO. It calls no clock, socket, thread or random function; time comes in
 * as `now` (monotonic ns), messages and events go out by being pulled. One engine serves one MQTT
 * connection in one role. Not thread-safe: the runtime owns it.
 *
 * The call interface (start, send, half-close, read credit, cancel, finish) is neutral of the
 * dialect; a dialect is one gmq__dialect (dialect.h) behind it.
 *
 * After every input the caller pulls: gmq__engine_next_event() until false,
 * gmq__engine_next_output() while the transport has room, and gmq__engine_deadline() for when to
 * call gmq__engine_timer() next.
 */
#ifndef GMQ_ENGINE_ENGINE_H
#define GMQ_ENGINE_ENGINE_H

#include <grpc_mqtt/queue.h>

#include "base/buf.h"
#include "base/mqtt.h"
#include "base/rpc.h"

typedef struct gmq__engine gmq__engine;

typedef enum gmq__role {
    GMQ__ROLE_CLIENT,
    GMQ__ROLE_SERVER,
    GMQ__ROLE_OBSERVER, /* no calls: engine/observe.h */
} gmq__role;

typedef enum gmq__speak { /* dialects of an engine */
                          GMQ__SPEAK_SESSION,
                          GMQ__SPEAK_LINK,
                          GMQ__SPEAK_BOTH, /* a server: both at once; a client: one of them, chosen
                                              with its first call and kept */
} gmq__speak;

/* What the link dialect needs. Spans are copied; names are of the kind gmq__link_name_valid(). */
typedef struct gmq__link_config {
    gmq__span client_id; /* client: its MQTT client id */
    gmq__span server_id; /* server: its MQTT client id */
    gmq__span inbox;     /* client: its inbox without the client id; server: the pattern of inboxes
                            that it may publish to, its last level '+' */
    gmq__span group;     /* server: shares the opening packets with others; empty = it does not */
    uint8_t instance[8]; /* server: random, new with each engine */
    uint64_t call_window, link_window; /* bytes, at least what a client assumes before ACCEPT */
    int64_t timeout_ns;                /* a peer not heard of for so long is lost (30 s) */
    int64_t idle_ns;  /* client: a link without calls is closed after so long (60 s) */
    int64_t ping_ns;  /* with calls open: ask after so long a silence (10 s) */
    int64_t grace_ns; /* a peer whose Will came may come back within (4 s) */
    uint64_t since_unix_s;
    const char *version;         /* both for the presence; may be NULL */
    const char *const *services; /* likewise; ends with NULL; see gmq__engine_services() */
} gmq__link_config;

typedef struct gmq__engine_config {
    gmq__role role;
    gmq__speak speak;
    gmq__span base; /* base topic, checked; copied */

    size_t msg_size_limit; /* bytes, GMQ__PACKET_LIMIT_*; the smaller of it and the broker's maximum
                              counts */
    size_t receive_limit;  /* bytes of one message, also after decompression */
    size_t metadata_limit; /* bytes by gmq__metadata_size() */
    size_t reassembly_limit; /* bytes of all unfinished messages and held-back packets of the
                                connection */
    size_t receive_buffer;   /* bytes that one call may hold for a slow reader; above:
                                RESOURCE_EXHAUSTED */
    uint32_t max_calls; /* open calls (client) or sessions (server); above: RESOURCE_EXHAUSTED */
    uint32_t
        subscriptions; /* session topics subscribed at a time (client); calls above wait for one */
    uint64_t rate_limit; /* bytes a second of PUBLISH payload, all together; 0 = none */

    int64_t heartbeat_ns; /* client: Alive this often while a call is open (10 s) */
    int64_t watchdog_ns;  /* server: ends a session not heard of for so long (30 s) */
    int64_t gap_ns;       /* a hole in `i` open for so long fails the call UNAVAILABLE (5 s) */
    int64_t linger_ns;    /* a batch waits at most so long; 0 = only what is ready */
    int64_t tombstone_ns; /* added to the call's timeout (60 s) */
    int64_t pool_idle_ns; /* client: spare session topics are given back after so long without calls
                             (30 s) */

    bool probe; /* client, session dialect: READY waits for a server, see session_probe.h */
    gmq__rpc_options options; /* the run-time argument, lowest in precedence; -1 = 0 */
    uint8_t qos;              /* 1 */
    gmq__link_config link;

    void (*random)(void *ctx, void *out, size_t len); /* unguessable bytes */
    void *random_ctx;
    bool offer_unknown; /* server: calls of methods that lookup() does not know are offered, with a
                           kind to be said by gmq__engine_resolve(); else they end UNIMPLEMENTED */
    /* What is known of a method; false = not served / nothing known. May be NULL on a client. */
    bool (*lookup)(void *ctx, gmq__span path, gmq__rpc_method *out);
    void *lookup_ctx;
} gmq__engine_config;

void gmq__engine_config_defaults(
    gmq__engine_config *config); /* all numbers above, QoS 1; no base, no functions */

gmq_status gmq__engine_new(gmq__engine **out,
                           const gmq__engine_config *config); /* GMQ_E_NOMEM, GMQ_E_INVALID */
void gmq__engine_free(gmq__engine *engine);                   /* open calls vanish without events */

/* ---- Connection
 * ---------------------------------------------------------------------------------------------- */

/* Connected (again). A server subscribes its filters, a client its pool, before anything else is
 * published. */
void gmq__engine_connected(gmq__engine *engine, const gmq__mqtt_limits *limits, int64_t now);

/* Connection lost or refused. `code` is the gRPC status for the calls that this ends (session
 * dialect: all open ones; UNAVAILABLE, or UNAUTHENTICATED after bad credentials), `why` their
 * details. Calls with wait_for_ready that have sent nothing yet stay, others that wait end. What
 * was outgoing and unsent is dropped. */
void gmq__engine_disconnected(gmq__engine *engine, int32_t code, const char *why, int64_t now);

void gmq__engine_message(gmq__engine *engine, const gmq__mqtt_message *message, gmq_buf *payload,
                         int64_t now);
/* `payload` holds message->payload; the engine takes references, the caller keeps its own. NULL:
 * the bytes are lent for this call, and what is to stay is copied. */

/* Answers to outputs, by their token; `reason` is an MQTT reason code. A SUBSCRIBE answer gives the
 * worst of its filters. */
void gmq__engine_acked(gmq__engine *engine, uint64_t token, int reason, int64_t now);

int64_t gmq__engine_deadline(const gmq__engine *engine);  /* INT64_MAX = none */
void gmq__engine_timer(gmq__engine *engine, int64_t now); /* fires everything due */

/* ---- Output, pulled
 * ------------------------------------------------------------------------------------------ */

typedef enum gmq__output_kind {
    GMQ__OUT_PUBLISH,
    GMQ__OUT_SUBSCRIBE,
    GMQ__OUT_UNSUBSCRIBE
} gmq__output_kind;

typedef struct gmq__output {
    gmq__output_kind kind;
    uint64_t token; /* to be given to gmq__engine_acked(); QoS 0 publishes are acked when sent */
    gmq__mqtt_message message; /* PUBLISH; spans valid until the next call of an engine function */
    const gmq__span *filters;  /* SUBSCRIBE, UNSUBSCRIBE; valid likewise */
    size_t nfilters;           /* at most 8 */
    uint8_t qos;               /* SUBSCRIBE */
} gmq__output;

/* The next thing for the transport, fair over the calls; false = nothing now. `may_publish` false:
 * only SUBSCRIBE and UNSUBSCRIBE (the transport's window is full). */
bool gmq__engine_next_output(gmq__engine *engine, bool may_publish, int64_t now, gmq__output *out);

/* ---- Events, pulled
 * ------------------------------------------------------------------------------------------ */

typedef enum gmq__ev_kind {
    GMQ__EV_READY,  /* connection usable: a server's filters are granted, a client may call; once a
                       connection, and again after ABSENT */
    GMQ__EV_ABSENT, /* client: no server is announced, or listens; code, text. In the link dialect
                       calls without wait_for_ready end UNAVAILABLE until READY, where no link is
                       left */
    GMQ__EV_LOOKED, /* client that is to choose its dialect: it could now */
    GMQ__EV_FAILED, /* server: its filters were refused; code, text */
    GMQ__EV_CALL,   /* server: new call; call, path, method, metadata, deadline */
    GMQ__EV_INITIAL_METADATA,
    GMQ__EV_MESSAGE,
    GMQ__EV_HALF_CLOSED,
    GMQ__EV_SENT,     /* `size` bytes given to gmq__engine_send() have left for the transport: room
                         again */
    GMQ__EV_FINISHED, /* the call is over, its id is free */
    GMQ__EV_LOG,      /* text; code = level */
    GMQ__EV_OBSERVED, /* observer: see engine/observe.h */
    GMQ__EV_SUBSCRIBED,
    GMQ__EV_PUBLISHED,
} gmq__ev_kind;

typedef struct gmq__ev { /* what it holds belongs to the puller: gmq__ev_clear() */
    gmq__ev_kind kind;
    uint64_t call;
    gmq_buf *message;
    gmq_metadata *metadata; /* may be NULL: none */
    int32_t code;
    char *text; /* may be NULL */
    size_t size;
    gmq__rpc_method method; /* CALL */
    bool unresolved;        /* CALL: of a method that lookup() did not know; method.kind is void */
    bool any_kind;          /* and the client leaves the kind to us: bidi fits any */
    int64_t deadline;       /* CALL: ns on the clock of `now`; INT64_MAX = none */
} gmq__ev;

bool gmq__engine_next_event(gmq__engine *engine, gmq__ev *out);
void gmq__ev_clear(gmq__ev *ev);

/* ---- Calls
 * ---------------------------------------------------------------------------------------------------
 */

typedef struct gmq__call_args {
    uint64_t id;    /* client: chosen by the caller, not 0, not in use */
    gmq__span path; /* checked by the caller (gmq__topic_check_path()) */
    gmq_rpc_kind kind;
    const gmq_metadata *metadata; /* may be NULL; copied */
    int64_t deadline;             /* ns; INT64_MAX = none */
    gmq__rpc_options options;     /* resolved for this call; -1 = the engine's */
    bool wait_for_ready;
    bool any_kind; /* the caller does not know the kind, `kind` is bidi: the link dialect has the
                      server's own, the session dialect ends the call UNIMPLEMENTED */
} gmq__call_args;

/* Client. On GMQ_OK exactly one FINISHED follows some day. GMQ_E_NOMEM: none. Not connected without
 * wait_for_ready: FINISHED UNAVAILABLE at once. */
gmq_status gmq__engine_start(gmq__engine *engine, const gmq__call_args *args, int64_t now);

/* Both roles. Unknown ids are ignored with GMQ_E_CLOSED: a call may be over before its owner has
 * heard of it. */
gmq_status gmq__engine_send(gmq__engine *engine, uint64_t call, gmq_buf *message,
                            int64_t now); /* takes a reference */
gmq_status gmq__engine_half_close(gmq__engine *engine, uint64_t call, int64_t now); /* client */
gmq_status gmq__engine_read(gmq__engine *engine, uint64_t call, uint32_t messages,
                            int64_t now); /* credit, adds up */
gmq_status gmq__engine_cancel(gmq__engine *engine, uint64_t call, int32_t code, const char *details,
                              int64_t now);
/* Client: FINISHED with `code`, the peer is told. Server: the call ends as by finish(code) and its
 * handler is done with. */

/* Server. Metadata may be NULL (empty); copied. */
gmq_status gmq__engine_send_initial(gmq__engine *engine, uint64_t call,
                                    const gmq_metadata *metadata, int64_t now);
gmq_status gmq__engine_finish(gmq__engine *engine, uint64_t call, int32_t code, gmq__span details,
                              const gmq_metadata *trailing, int64_t now);

/* Server: says of what kind an unresolved call is. Until then it is only read (credit is kept),
 * cancelled, or finished with another status than OK; what arrives is held, within receive_buffer
 * and reassembly_limit. GMQ_E_STATE: the kind is known. */
gmq_status gmq__engine_resolve(gmq__engine *engine, uint64_t call, gmq_rpc_kind kind, int64_t now);

/* A client that speaks both has not looked yet (it is not connected, or the presences have not
 * come): gmq__engine_start() says GMQ_E_STATE. READY follows when it has. */
bool gmq__engine_undecided(const gmq__engine *engine);

/* Server: what its presence names from now on; ends with NULL, must live until the next time. */
void gmq__engine_services(gmq__engine *engine, const char *const *services);

/* Says goodbye to the peers, before an orderly disconnect: what is on links ends, nothing new
 * begins. Calls are best over before. */
void gmq__engine_leave(gmq__engine *engine, int64_t now);

/* Server: refuse new calls (UNAVAILABLE "server is shutting down"), open ones go on. Client: no
 * effect. */
void gmq__engine_drain(gmq__engine *engine, int64_t now);

/* ---- Numbers
 * -------------------------------------------------------------------------------------------------
 */

typedef struct gmq__engine_stats {
    uint64_t calls_started, calls_finished;
    uint64_t packets_in, packets_out, bytes_in, bytes_out; /* PUBLISH payloads */
    uint64_t ignored;    /* no packet, unknown session, wrong topic */
    uint64_t duplicates; /* dropped by `i`, by position, or by a tombstone */
    uint64_t resends;    /* link packets that went out once more */
    size_t open_calls, tombstones, subscriptions, links;
    size_t reassembly_bytes; /* unfinished messages and held-back packets */
    size_t unread_bytes;     /* messages waiting for credit */
    size_t unsent_bytes;     /* accepted, not yet pulled */
} gmq__engine_stats;

void gmq__engine_stats_get(const gmq__engine *engine, gmq__engine_stats *out);

#endif
