/* One client, one server that answers, and a record of every call on both sides. */
#ifndef GMQ_TESTS_SIM_WORLD_H
#define GMQ_TESTS_SIM_WORLD_H

#include "engine/sim.h"

#define WORLD_CALLS 512

typedef struct world_call { /* index = id - 1 */
    gmq_rpc_kind kind;
    bool started, finished;
    int32_t code;
    char details[160];
    uint32_t initials, messages, trailing; /* trailing: pairs of it */
    uint64_t sent_bytes;
    uint32_t runs; /* how often a handler was started for it */
    bool handler_finished;
    int32_t handler_code;
    uint32_t handler_messages;
    uint32_t expect;      /* messages that an OK call must have got */
    uint32_t to_send;     /* client streams: messages still to be sent */
    uint32_t size;        /* of each message, at least 16 */
    uint32_t answer_code; /* what the handler shall finish with */
    uint32_t answers;     /* server streaming: how many */
    int64_t deadline, ended_at, started_at;
    bool bad; /* a message that was not its own, or out of order */
} world_call;

typedef struct world {
    sim sim;
    sim_peer *client, *server;
    sim_peer *serving; /* the server whose event is handled */
    world_call calls[WORLD_CALLS + 1];
    uint64_t started, ended;
    uint64_t of_server[WORLD_CALLS * 4][2]; /* server's call id -> ours */
    size_t nof_server;
    uint64_t held[WORLD_CALLS]; /* server's ids of calls whose handlers do nothing */
    size_t nheld;
    bool mute_handlers; /* handlers take calls and do nothing */
    bool any_kind;      /* the client says of no call of which kind it is */
    bool knows_nothing; /* the server has no method in its map */
    bool no_reading;    /* the client gives no credit */
    bool ready, server_ready, server_failed;
    gmq__engine_config client_config, server_config;
} world;

void world_init(world *w, uint64_t seed,
                const sim_faults *faults); /* configs have defaults, base "base" */
void world_speak_link(world *w); /* the client link, the server both; before world_open() */
void world_connect(world *w);    /* both ends are there, and connect */
void world_open(world *w);       /* makes the engines and connects them */
void world_free(world *w);

/* Starts call `id` of this kind with `n` messages of `size` bytes (client or server streams; bidi
 * echoes). */
gmq_status world_start(world *w, uint64_t id, gmq_rpc_kind kind, uint32_t n, uint32_t size,
                       int64_t timeout, int32_t answer_code, bool wait_for_ready);
bool world_all_done(void *w);
/* What a handler does first: initial metadata, credit. For calls in w->held. */
void world_serve(world *w, uint64_t server_id);
/* Fails the test unless invariants I1, I2, I3, I6 (docs/design/faults.md) hold for every call. */
void world_check(world *w);
/* I5: nothing is left, once all is quiet and the pool has been idle. */
void world_check_quiet(world *w);
gmq__engine_stats world_stats(sim_peer *peer);

#endif
