/* The session dialect (docs/design/session.md): what client and server share. One MQTT topic a call
 * and direction. */
#ifndef GMQ_ENGINE_SESSION_H
#define GMQ_ENGINE_SESSION_H

#include "engine/backlog.h"
#include "engine/batch.h"
#include "engine/dialect.h"
#include "engine/outbox.h"
#include "engine/pool.h"
#include "engine/reassembly.h"
#include "engine/session_probe.h"
#include "engine/tombstone.h"
#include "wire/chunk.h"
#include "wire/packet.h"
#include "wire/request.h"
#include "wire/response.h"

/* A call without a deadline is announced with this timeout (the reference takes a negative one for
 * one that has run out); as much or more counts as none when read. */
#define GMQ__SESSION_FOREVER_S INT64_C(31536000)

/* User property of a unary call's first packet, by which a client of ours asks for the fields of
 * RemoteError that carry an error's metadata. The reference ignores it, and is not sent them. */
#define GMQ__SESSION_ERROR_METADATA "grpc-mqtt-error-metadata"

typedef enum gmq__session_phase {
    /* Client. WAITING: no topic; for its request message, a connection, a topic, or the end of a
     * backoff.
     * -> OPEN: a topic is its. -> ANSWERED: the status came, topic given back; what is unread holds
     * FINISHED back. CLOSING: FINISHED is out, the remote is still to be told (Terminate). */
    GMQ__SESSION_WAITING,
    GMQ__SESSION_OPEN,
    GMQ__SESSION_ANSWERED,
    GMQ__SESSION_CLOSING,
    /* Server. NEW: the Request is not whole. -> OFFERED: EV_CALL is out, the kind is not known.
     * -> SERVING: EV_CALL is out, the kind is known. -> ENDING: finish() was called, FINISHED comes
     * when all has left. CLOSING: FINISHED is out (or its owner never knew of it), the last packets
     * are still to leave. */
    GMQ__SESSION_NEW,
    GMQ__SESSION_OFFERED,
    GMQ__SESSION_SERVING,
    GMQ__SESSION_ENDING,
} gmq__session_phase;

typedef struct gmq__session {
    gmq__call call; /* first */
    gmq__session_phase phase;
    gmq__rpc_options options; /* as the Request announces them */
    int64_t deadline;
    gmq__order order; /* receiving */
    gmq__reassembly parts;
    gmq__backlog
        held;       /* server, OFFERED: the message of the Request, then chunks, all as they came */
    size_t counted; /* bytes of the three in stats.reassembly_bytes */
    gmq__batch batch; /* sending */
    gmq__outbox outbox;
    uint64_t next_i;
    size_t unsent;    /* the application's bytes in batch and outbox, in stats.unsent_bytes */
    bool half_closed; /* the client's stream has ended: its end is queued (client), or came (server)
                       */
    bool initial_done; /* initial metadata: came (client), is queued (server) */
    bool end_done;     /* the server's stream has ended: client only */
    /* client */
    gmq__pool_topic *topic;
    gmq__node waiting;      /* in state->waiting while it wants a topic */
    gmq_metadata *metadata; /* of the Request, kept as long as it may have to be sent again */
    gmq_buf *request;       /* unary, server streaming: the message, likewise */
    size_t request_user;    /* the application's bytes in it that were not reported as sent */
    bool request_given, wait_for_ready;
    bool first_sent, first_acked; /* first packet of the session: pulled, its PUBACK came */
    bool alive_due, terminate_due;
    int64_t heartbeat_at, retry_at, backoff;
    /* server */
    bool unknown; /* the method: its kind is still to be said, until then it counts as unary */
    int64_t heard_at;
    bool unnumbered;       /* its packets go without `i` */
    bool error_metadata;   /* the client asked for it: GMQ__SESSION_ERROR_METADATA */
    gmq_metadata *initial; /* unary, client streaming: wait for the response */
    gmq_buf *body;
    int32_t final_code;
    size_t sid_len, path_len;
    char *sid;  /* behind the struct */
    char *path; /* likewise, "/pkg.Svc/Rpc" */
} gmq__session;

typedef struct gmq__session_state {
    gmq__pool pool;    /* client */
    gmq__list waiting; /* client: sessions that want a topic, in order of arrival */
    size_t nwaiting;
    gmq__probe probe; /* client */
    gmq__map by_sid;  /* server: session id -> session; in: first packet; out: its end, when a
                         tombstone follows */
    gmq__tombstones tombstones;
    bool subscribe_due, subscribed, draining;
    size_t nclosing; /* server: sessions that are over but for their last packets */
} gmq__session_state;

enum { /* kinds of tokens */
       GMQ__SESSION_TOKEN_POOL = 2,
       GMQ__SESSION_TOKEN_FILTERS,
       GMQ__SESSION_TOKEN_NOBODY,
};
#define GMQ__SESSION_PROBE 1 /* in a token of NOBODY: a probe's */

static inline gmq__session *gmq__session_of(gmq__call *call)
{
    return (gmq__session *)(void *)call;
}
static inline gmq__session_state *gmq__session_state_of(const gmq__engine *engine)
{
    return (gmq__session_state *)engine->dialect_state;
}
static inline gmq__span gmq__session_sid(const gmq__session *s)
{
    return gmq__span_of(s->sid, s->sid_len);
}

/* What makes a call fail. `rerror`: the RError under which the reference knows it, by which a
 * server says so beside the code; 0 = none. */
typedef struct gmq__fault {
    int32_t code;
    const char *text;
    int32_t rerror;
} gmq__fault;

/* In tables of the engine; `sid` may be empty with room for GMQ__SID_LEN characters. Errors:
 * GMQ_E_NOMEM. */
gmq_status gmq__session_new(gmq__session **out, gmq__engine *engine, uint64_t id, gmq_rpc_kind kind,
                            gmq__span path, gmq__span sid);
void gmq__session_recount(gmq__engine *engine, gmq__session *s); /* what is receiving or held */
void gmq__session_drop_receiving(gmq__engine *engine, gmq__session *s);
void gmq__session_drop_sending(gmq__engine *engine, gmq__session *s, bool keep_begun);
void gmq__session_discard(gmq__engine *engine, gmq__call *call); /* all that it holds */
void gmq__session_gone(gmq__engine *engine, gmq__session *s);    /* and the call is gone */

/* The role's reading of one whole message in `buf`; may end the session. */
typedef void gmq__session_consume(gmq__engine *engine, gmq__session *s, gmq_buf *buf,
                                  gmq__span wire, int64_t now);
/* A packet of the session, through order and reassembly, while `listening` holds. false: `*fault`.
 */
bool gmq__session_packet(gmq__engine *engine, gmq__session *s, const gmq__mqtt_message *message,
                         const gmq__order_packet *packet, gmq__session_consume *consume,
                         int64_t now, gmq__fault *fault);
int64_t gmq__session_gap_at(const gmq__engine *engine,
                            const gmq__session *s); /* INT64_MAX = no hole */
int64_t gmq__session_linger_at(const gmq__engine *engine, const gmq__session *s);

/* Decompresses where a level was announced and the bytes are a frame, else they are taken as they
 * are.
 * `*out_buf` gets a reference. GMQ_E_TOO_LARGE, GMQ_E_PARSE, GMQ_E_NOMEM; fault says it for the
 * call. */
bool gmq__session_unpack(int level, size_t limit, gmq_buf *buf, gmq__span in, gmq_buf **out_buf,
                         gmq__span *out, gmq__fault *fault);
/* Elements of a chunk to the inbox. */
bool gmq__session_elements(gmq__engine *engine, gmq__session *s, int level, gmq_buf *buf,
                           const gmq__chunk *chunk, gmq__fault *fault);
size_t gmq__session_wire_limit(const gmq__engine *engine); /* of one whole message */

/* Sending. GMQ_E_NOMEM: nothing was taken. */
gmq_status gmq__session_put_elem(gmq__engine *engine, gmq__session *s, gmq_buf *elem, int level,
                                 int64_t now);
bool gmq__session_flush(gmq__engine *engine, gmq__session *s,
                        int level); /* the batch into the outbox */
bool gmq__session_squeeze(gmq__bytes *data,
                          int level); /* compresses in place; false = no memory, data freed */

/* Publishes: into engine->topic, payload, property. `out->message.topic` is taken from
 * engine->topic. */
bool gmq__session_publish_packet(gmq__engine *engine, gmq__session *s,
                                 gmq__output *out); /* false = fault */
bool gmq__session_asked_for_more(const gmq__mqtt_message *message);
bool gmq__session_publish_control(gmq__engine *engine, gmq__span sid, int control,
                                  gmq__output *out);

int32_t gmq__session_reason_code(int reason); /* of a PUBACK that is no success */

/* The two roles, behind the vtable in session.c. */
#define GMQ__SESSION_ROLE(role)                                                                    \
    void gmq__##role##_connected(gmq__engine *engine, int64_t now);                                \
    void gmq__##role##_disconnected(gmq__engine *engine, int32_t code, const char *why,            \
                                    int64_t now);                                                  \
    void gmq__##role##_message(gmq__engine *engine, const gmq__mqtt_message *message,              \
                               gmq_buf *payload, int64_t now);                                     \
    void gmq__##role##_acked(gmq__engine *engine, uint64_t token, int reason, int64_t now);        \
    void gmq__##role##_call_acked(gmq__engine *engine, gmq__session *s, bool first, int reason,    \
                                  int64_t now);                                                    \
    void gmq__##role##_timer(gmq__engine *engine, gmq__session *s, int64_t now);                   \
    bool gmq__##role##_pull(gmq__engine *engine, int64_t now, gmq__output *out);                   \
    bool gmq__##role##_call_pull(gmq__engine *engine, gmq__session *s, int64_t now,                \
                                 gmq__output *out, bool *more);                                    \
    gmq_status gmq__##role##_send(gmq__engine *engine, gmq__session *s, gmq_buf *message,          \
                                  int64_t now);                                                    \
    void gmq__##role##_cancel(gmq__engine *engine, gmq__session *s, int32_t code,                  \
                              const char *details, int64_t now)
GMQ__SESSION_ROLE(session_client);
GMQ__SESSION_ROLE(session_server);

gmq_status gmq__session_client_start(gmq__engine *engine, const gmq__call_args *args, int64_t now);
gmq_status gmq__session_client_half_close(gmq__engine *engine, gmq__call *call, int64_t now);
gmq_status gmq__session_server_send_initial(gmq__engine *engine, gmq__call *call,
                                            const gmq_metadata *md, int64_t now);
gmq_status gmq__session_server_finish(gmq__engine *engine, gmq__call *call, int32_t code,
                                      gmq__span details, const gmq_metadata *trailing, int64_t now);
gmq_status gmq__session_server_resolve(gmq__engine *engine, gmq__call *call, gmq_rpc_kind kind,
                                       int64_t now);

#endif
