/* The runtime from the inside: shared by the sources that run on its owner. */
#ifndef GMQ_RUNTIME_OWNER_H
#define GMQ_RUNTIME_OWNER_H

#include <stdatomic.h>

#include "base/heap.h"
#include "base/map.h"
#include "runtime/backoff.h"
#include "runtime/call.h"
#include "runtime/command.h"
#include "runtime/numbers.h"
#include "runtime/queue.h"
#include "runtime/runtime.h"

typedef enum gmq__conn {
    GMQ__CONN_DOWN,   /* entered: at birth, by LOST, REFUSED; left by the time retry_at */
    GMQ__CONN_TRYING, /* entered by connect(); left by CONNECTED, REFUSED */
    GMQ__CONN_UP,     /* entered by CONNECTED; left by LOST, CLOSED */
} gmq__conn;

typedef enum gmq__phase { /* in this order; each is left when its work is done or at phase_until */
                          GMQ__PHASE_OPEN,
                          GMQ__PHASE_DRAINING, /* close was asked: no new calls, open ones go on */
                          GMQ__PHASE_FLUSHING, /* calls were cancelled: what they still say goes out
                                                */
                          GMQ__PHASE_LEAVING,  /* the engine's goodbye goes out */
                          GMQ__PHASE_DISCONNECTING, /* the transport was told to close */
                          GMQ__PHASE_ENDED,
} gmq__phase;

#define GMQ__STATES 4 /* reports of the transport that can be on their way at once */

struct gmq__runtime {
    atomic_size_t refs;
    gmq__driven driven; /* drive=caller, or lent by the owner thread */
    int64_t busy_until; /* not to be lent before */
    bool caller_drives;

    /* Fixed for life. */
    gmq_queue *queue; /* a reference, not a handle */
    uint64_t tag;
    bool server;
    bool wait_for_ready;
    size_t send_buffer, send_limit, metadata_limit;
    int32_t log_level;
    char *address, *peer;

    atomic_int state; /* gmq_state */
    _Atomic uint64_t last_id;
    _Atomic uint64_t lost_messages; /* dropped for lack of memory */

    gmq__mailbox mailbox;
    /* Under the mailbox's lock. */
    bool closing, abandoned, close_posted;
    int64_t close_deadline;
    gmq__cmd close;
    gmq__cmd_state states[GMQ__STATES];

    /* The owner's from here on (methods of a client: fixed). */
    gmq_method_map *methods;
    char **services; /* a server's, of `methods` and the ones below; the engine reads it */
    char *more_services;
    gmq__engine *engine;
    const gmq__transport_vtable *vtable;
    gmq__transport *transport;
    gmq__map calls;    /* id -> gmq_call, a reference; in: START or EV_CALL; out: FINISHED */
    gmq__list events;  /* on their way to the queue, in one batch */
    gmq_event *closed; /* made at birth */

    gmq__conn conn;
    bool undecided;   /* nothing has failed yet: calls wait for the outcome of the attempt */
    int32_t why_code; /* not UP, not undecided: what ends new calls */
    char why[GMQ__STATE_TEXT];
    gmq__backoff backoff;
    int64_t retry_at; /* DOWN: next attempt; UP: a server's filters are asked for again; INT64_MAX =
                         no */
    int64_t up_since;
    gmq__mqtt_limits limits;
    size_t window, inflight; /* publishes that may be, that are unanswered */
    size_t outstanding;      /* all outputs unanswered */
    gmq__cmd_message *stash; /* a publish that the transport had no room for */
    uint64_t stash_token;
    bool idle;    /* the engine had nothing to put out */
    bool stepped; /* the transport's step() brought something for the engine */

    gmq__list held; /* calls that wait for a connection, oldest first */
    gmq__heap held_timers;

    gmq__phase phase;
    int64_t phase_until;

    gmq__numbers_box numbers;
};

/* owner.c: everything due now; when to be called again, or GMQ__DRIVEN_ENDED. */
int64_t gmq__owner_step(gmq__runtime *rt);
void gmq__owner_read(gmq__runtime *rt); /* what was posted alone */
void gmq__owner_dispatch(gmq__runtime *rt, gmq__cmd *cmd,
                         int64_t now); /* frees or keeps the command */

/* pump.c: engine <-> transport and engine -> queue. */
void gmq__pump(gmq__runtime *rt, int64_t now);
void gmq__pump_ack(gmq__runtime *rt, gmq__ack ack, int64_t now);
void gmq__pump_reset(gmq__runtime *rt); /* the connection is gone: so are its answers */

/* connection.c */
void gmq__connection_begin(gmq__runtime *rt, int64_t now);
void gmq__connection_state(gmq__runtime *rt, const gmq__tstate_info *info, int64_t now);
void gmq__connection_timer(gmq__runtime *rt, int64_t now);
void gmq__connection_ready(gmq__runtime *rt, int64_t now);
void gmq__connection_absent(gmq__runtime *rt, const char *why);
void gmq__connection_refused_filters(gmq__runtime *rt, const char *why, int64_t now);
gmq__sink gmq__connection_sink(gmq__runtime *rt);

/* report.c: events. */
void gmq__report_state(gmq__runtime *rt, gmq_state state, const char *text);
void gmq__report_log(gmq__runtime *rt, int32_t level, const char *text);
bool gmq__report_call(gmq__runtime *rt, gmq_call *call, int32_t type,
                      gmq__ev *ev); /* takes from ev; false = no memory */
/* FINISHED; the call leaves the table. `text` and `metadata` are taken over, may be NULL. */
void gmq__report_finished(gmq__runtime *rt, gmq_call *call, int32_t code, char *text,
                          gmq_metadata *metadata);
/* Of an observer: `type` is OBSERVED, SUBSCRIBED or PUBLISHED. Takes from ev. */
void gmq__report_observed(gmq__runtime *rt, int32_t type, gmq__ev *ev);
void gmq__report_flush(gmq__runtime *rt);

/* hold.c: calls that were started while nothing is known of the connection, or of the dialect. */
bool gmq__hold_wanted(const gmq__runtime *rt, const gmq__cmd_start *start);
void gmq__hold_add(gmq__runtime *rt, gmq_call *call, gmq__cmd *start); /* takes over the command */
void gmq__hold_leave(gmq__runtime *rt, gmq_call *call);                /* its commands are freed */
void gmq__hold_release(gmq__runtime *rt, int64_t now);                 /* connected: all go */
/* `all` false: those that wait for ready stay. */
void gmq__hold_fail(gmq__runtime *rt, int32_t code, const char *why, bool all);
void gmq__hold_timer(gmq__runtime *rt, int64_t now);

/* closing.c */
void gmq__closing_asked(gmq__runtime *rt, int64_t now);
bool gmq__closing_step(gmq__runtime *rt, int64_t now); /* true: something changed */
void gmq__closing_end(gmq__runtime *rt);               /* at once */

#endif
