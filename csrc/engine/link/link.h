/* The link dialect (docs/design/protocol.md): what client and server share. A link is a reliable
 * stream of frames in both directions; calls are multiplexed on it. */
#ifndef GMQ_ENGINE_LINK_LINK_H
#define GMQ_ENGINE_LINK_LINK_H

#include "engine/dialect.h"
#include "engine/link/credit.h"
#include "engine/link/resend.h"
#include "engine/link/sendq.h"
#include "engine/link/window.h"
#include "engine/tombstone.h"
#include "wire/link_topic.h"
#include "wire/presence.h"

/* OPENING (client): no ACCEPT yet, only packet 1 is sent. -> OPEN. -> GOING (client): GOAWAY came,
 * no new calls. -> GONE: in no table, freed at the next entry into the dialect. A server's begins
 * OPEN. */
typedef enum gmq__link_phase {
    GMQ__LINK_IS_OPENING,
    GMQ__LINK_IS_OPEN,
    GMQ__LINK_IS_GOING,
    GMQ__LINK_IS_GONE
} gmq__link_phase;

typedef struct gmq__link {
    gmq__link_phase phase;
    uint8_t id[GMQ__LINK_ID_LEN];
    uint8_t instance[GMQ__LINK_INSTANCE_LEN]; /* the server's; opening: if calls ride to it alone */
    bool meant;                               /* client: they do */
    uint64_t serial;                          /* in tokens of its packets */
    gmq__bytes to;                            /* topic of what is sent on it */
    gmq__bytes peer;                          /* name of the other side */
    gmq__heap_node timer;
    gmq__node ready;   /* in state->ready while it may have something to publish; in state->dead */
    gmq__node stalled; /* in state->stalled while credit is kept back */
    /* calls */
    gmq__map numbers;  /* number -> call; in: HEADERS left (client), came (server); out: its end */
    gmq__list members; /* all calls of the link */
    gmq__list run;     /* those with frames to send, next one first */
    gmq__list starved; /* those that wait for the link's budget */
    size_t ncalls, queued; /* queued: bytes that wait in `run`, about */
    uint64_t last_number;  /* client: last one given; server: highest one seen */
    int64_t latest;        /* server: latest deadline of a call so far */
    /* packets */
    gmq__window in;
    gmq__resend out;
    gmq__bytes control; /* whole frames that go first */
    gmq__budget budget;
    gmq__grant grant;
    uint64_t peer_call_window;
    uint32_t in_flight; /* publishes without PUBACK */
    uint32_t unacked;   /* packets that came since the last acknowledgement */
    bool ack_now, ping_due, pong_due, urgent, active;
    bool tried; /* client: its opening was sent in an earlier connection too */
    uint8_t pong[8];
    int64_t ack_at, linger_at;
    int64_t quiet_from; /* last packet of the peer, or when there began to be a reason for one */
    int64_t pinged_at, gone_at, idle_at; /* INT64_MAX: not */
} gmq__link;

/* WAITING (client): on no link: for its message, a connection, or a server. -> ACTIVE: on a link.
 * -> ANSWERED (client): the status came, what is unread holds FINISHED back; on no link.
 * -> ENDING (server): finish() was called, FINISHED comes when STATUS has left. */
typedef enum gmq__lcall_phase {
    GMQ__LCALL_WAITING,
    GMQ__LCALL_ACTIVE,
    GMQ__LCALL_ANSWERED,
    GMQ__LCALL_ENDING
} gmq__lcall_phase;

typedef struct gmq__lcall {
    gmq__call call; /* first; its run node is in link->run or link->starved */
    gmq__link *link;
    gmq__node member; /* in link->members or state->waiting */
    gmq__lcall_phase phase;
    uint64_t number; /* 0: HEADERS has not left */
    int64_t deadline;
    gmq__rpc_options options;
    gmq__sendq out;
    gmq_buf *headers; /* client: to go first */
    gmq__budget budget;
    gmq__grant grant;
    gmq__bytes parts; /* of the unfinished message */
    bool in_parts;
    size_t unsent, weight; /* the application's bytes; those counted in link->queued */
    bool initial_done,
        got_message;  /* of what came (client); initial_done: has been sent (server) */
    bool half_closed; /* the client's stream: its end is queued, or came */
    bool request_given, wait_for_ready;
    bool any_kind;          /* client: it does not know the kind; server: neither does lookup() */
    gmq_metadata *metadata; /* client, until the headers are made */
    int32_t final_code;
    size_t path_len;
    char *path; /* behind the struct */
} gmq__lcall;

typedef struct gmq__link_server { /* client: a presence */
    gmq__node node;
    uint8_t instance[GMQ__LINK_INSTANCE_LEN];
    uint64_t features;
    size_t name_len;
    char name[];
} gmq__link_server;

typedef struct gmq__link_state {
    gmq__map links;     /* link id -> link; in: opening; out: its end */
    gmq__map by_serial; /* serial -> link, likewise */
    uint64_t last_serial;
    gmq__heap timers;
    gmq__list ready, dead;
    gmq__list stalled; /* links whose peers wait until less is held here */
    gmq__list replies; /* publishes that belong to no link */
    size_t nreplies;
    gmq__bytes name, inbox, group; /* of the config, ours */
    bool subscribe_due, granted, draining, leaving, bye_due;
    /* client */
    uint8_t asked, answered; /* bits: filters sent, and granted or not, on this connection */
    bool blind;              /* presences may not be read */
    int32_t no_inbox;        /* nor the inbox: what ends calls; else OK */
    bool looked;             /* what is retained has come: who is not announced is not there */
    bool told, told_ready;   /* READY or ABSENT was told on this connection; which one */
    bool retired, opened;    /* the session dialect was chosen; there was a link */
    int64_t connected_at, look_at;
    gmq__link *current; /* takes new calls; NULL = none */
    gmq__list waiting;  /* calls that are on no link */
    int64_t retry_at;   /* they try again; INT64_MAX = when a server shows itself */
    int64_t backoff;
    gmq__list servers; /* presences */
    size_t nservers;
    /* server */
    gmq__tombstones tombstones; /* of link ids */
    bool presence_due, unsubscribe_due;
    struct {
        uint64_t client; /* hash of the name */
        int64_t at;
    } refused[32]; /* M7: when a client was told last */
} gmq__link_state;

enum {                             /* kinds of tokens */
       GMQ__LINK_TOKEN_PACKET = 5, /* and the link's serial */
       GMQ__LINK_TOKEN_FILTERS,
       GMQ__LINK_TOKEN_NOBODY,
};
#define GMQ__LINK_PRESENCE UINT64_C(1) /* in a token of NOBODY: the presence's */

static inline gmq__lcall *gmq__lcall_of(gmq__call *call) { return (gmq__lcall *)(void *)call; }
static inline gmq__link_state *gmq__link_state_of(const gmq__engine *engine)
{
    return (gmq__link_state *)engine->link_state;
}
static inline bool gmq__link_is_client(const gmq__engine *engine)
{
    return engine->config.role == GMQ__ROLE_CLIENT;
}

/* ---- link.c: links ---- */

gmq__link *gmq__link_new(gmq__engine *engine, gmq__span id, gmq__link_phase phase,
                         int64_t now); /* in all tables; NULL = no memory */
gmq__link *gmq__link_find(const gmq__engine *engine, gmq__span id);
/* The link and its calls are over: FINISHED of each with this. `tell`: the peer gets CLOSE. */
void gmq__link_finish(gmq__engine *engine, gmq__link *link, int32_t code, const char *text,
                      bool tell, int64_t now);
void gmq__link_wake(gmq__engine *engine, gmq__link *link); /* it may have something to publish */
void gmq__link_rearm(gmq__engine *engine, gmq__link *link, int64_t now);
void gmq__link_control(gmq__engine *engine, gmq__link *link, uint8_t type, uint64_t call,
                       gmq__span body);                   /* a frame that goes before all others */
void gmq__link_granted(gmq__engine *engine, int64_t now); /* links may publish (again) */
/* CLOSE of a link that we do not have (or no longer), sent once, as far as there is memory. */
void gmq__link_refuse(gmq__engine *engine, gmq__span id, gmq__span topic, int32_t code,
                      const char *text);

/* ---- call.c: calls on links ---- */

gmq_status gmq__lcall_new(gmq__lcall **out, gmq__engine *engine, uint64_t id, gmq_rpc_kind kind,
                          gmq__span path);
void gmq__lcall_join(gmq__lcall *c, gmq__link *link); /* budgets and grants are fresh */
void gmq__lcall_leave(gmq__engine *engine, gmq__lcall *c);
void gmq__lcall_schedule(gmq__engine *engine, gmq__lcall *c); /* it has frames to send */
void gmq__lcall_weigh(gmq__lcall *c);                         /* after its queue changed */
void gmq__lcall_drop_sending(gmq__engine *engine, gmq__lcall *c);
void gmq__lcall_discard(gmq__engine *engine, gmq__call *call);
void gmq__lcall_gone(gmq__engine *engine, gmq__lcall *c);
/* A message of the application into the queue, compressed where that helps. */
gmq_status gmq__lcall_send(gmq__engine *engine, gmq__lcall *c, gmq_buf *message, int level,
                           int64_t now);
/* Gives back what the call's owner took, and what was dropped. */
void gmq__lcall_credit(gmq__engine *engine, gmq__lcall *c);
/* Gives back the link's, whoever reads or does not, as far as all that is held allows. */
void gmq__link_credit(gmq__engine *engine, gmq__link *link);
void gmq__link_unstall(gmq__engine *engine); /* the same for the links that wait for it */

typedef struct gmq__link_fault {
    int32_t code;
    const char *text;
} gmq__link_fault;
/* A MESSAGE frame; `buf` holds its body. false: `*fault`. */
bool gmq__lcall_message(gmq__engine *engine, gmq__lcall *c, const gmq__link_frame *f, gmq_buf *buf,
                        gmq__link_fault *fault);

/* ---- send.c, receive.c: packets ---- */

bool gmq__link_wants(const gmq__engine *engine, const gmq__link *link, int64_t now);
bool gmq__link_publish(gmq__engine *engine, int64_t now, gmq__output *out);
size_t gmq__link_packet_limit(const gmq__engine *engine, const gmq__link *link);
void gmq__link_take(gmq__engine *engine, gmq__link *link, const gmq__link_packet *packet,
                    gmq_buf *buf, int64_t now);

/* ---- The two roles ---- */

#define GMQ__LINK_ROLE(role)                                                                       \
    void gmq__##role##_connected(gmq__engine *engine, int64_t now);                                \
    void gmq__##role##_disconnected(gmq__engine *engine, int32_t code, const char *why,            \
                                    int64_t now);                                                  \
    bool gmq__##role##_claims(const gmq__engine *engine, gmq__span topic);                         \
    void gmq__##role##_message(gmq__engine *engine, const gmq__mqtt_message *message,              \
                               gmq_buf *payload, int64_t now);                                     \
    void gmq__##role##_filters(gmq__engine *engine, unsigned which, int reason, int64_t now);      \
    bool gmq__##role##_pull(gmq__engine *engine, gmq__output *out);                                \
    void gmq__##role##_refused(gmq__engine *engine, gmq__link *link, int reason, int64_t now);     \
    void gmq__##role##_link_frame(gmq__engine *engine, gmq__link *link, const gmq__link_frame *f,  \
                                  int64_t now);                                                    \
    void gmq__##role##_call_frame(gmq__engine *engine, gmq__lcall *c, const gmq__link_frame *f,    \
                                  gmq_buf *buf, int64_t now);                                      \
    void gmq__##role##_fail(gmq__engine *engine, gmq__lcall *c, int32_t code, gmq__span text,      \
                            bool tell, int64_t now);                                               \
    gmq_status gmq__##role##_send(gmq__engine *engine, gmq__lcall *c, gmq_buf *message, int64_t now)
GMQ__LINK_ROLE(link_client);
GMQ__LINK_ROLE(link_server);

gmq_status gmq__link_client_start(gmq__engine *engine, const gmq__call_args *args, int64_t now);
gmq_status gmq__link_client_half_close(gmq__engine *engine, gmq__call *call, int64_t now);
/* Calls are to ride in the opening packet, to this server as it is now: OPEN says so. false = no
 * memory. */
bool gmq__link_client_ride(gmq__engine *engine, gmq__link *link, const gmq__link_server *to);
void gmq__link_client_retry(gmq__engine *engine, int64_t now); /* waiting calls try again */

/* ---- look.c: who is announced ---- */

#define GMQ__LINK_NO_INBOX "the broker refused the subscription for the answers"

/* Nobody is there to take a call: looked for in vain, and no link is left. */
bool gmq__link_absent(const gmq__link_state *state);
/* Without the reason code 0x10 an opening would be waited for in vain; with it there may be a
 * server that the broker does not let us see (retained messages for filters without wildcards
 * alone). */
bool gmq__link_hopeless(const gmq__engine *engine);
void gmq__link_no_server(gmq__engine *engine, gmq__bytes *out); /* says it */
void gmq__link_tell(gmq__engine *engine, int64_t now); /* READY and ABSENT, as they change */
void gmq__link_take_presence(gmq__engine *engine, gmq__span name, gmq__span payload, int64_t now);
/* The presences that are retained have come, as far as one can know. */
bool gmq__link_client_looked(const gmq__engine *engine);
bool gmq__link_client_announced(const gmq__engine *engine); /* a server is */
void gmq__link_client_retire(gmq__engine *engine); /* the dialect is not spoken after all */
void gmq__link_client_timer(gmq__engine *engine, int64_t now);
/* The link is over: of its calls, those that may wait go back to waiting. */
void gmq__link_client_ended(gmq__engine *engine, gmq__link *link, int64_t now);
void gmq__link_server_new_call(gmq__engine *engine, gmq__link *link, const gmq__link_frame *f,
                               int64_t now);
void gmq__link_server_sent_status(gmq__engine *engine, gmq__lcall *c);
bool gmq__link_server_presence(gmq__engine *engine, gmq__output *out);
void gmq__link_server_presence_refused(gmq__engine *engine);
void gmq__link_server_services(gmq__engine *engine); /* its services changed */
gmq_status gmq__link_server_send_initial(gmq__engine *engine, gmq__call *call,
                                         const gmq_metadata *md, int64_t now);
gmq_status gmq__link_server_finish(gmq__engine *engine, gmq__call *call, int32_t code,
                                   gmq__span details, const gmq_metadata *trailing, int64_t now);
void gmq__link_server_drain(gmq__engine *engine, int64_t now);

#endif
