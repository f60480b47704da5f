/* What a dialect is to the engine, and what the engine is to a dialect. */
#ifndef GMQ_ENGINE_DIALECT_H
#define GMQ_ENGINE_DIALECT_H

#include "base/map.h"
#include "engine/call.h"
#include "engine/events.h"
#include "engine/rate.h"

/* Functions get calls that are open, unless they say otherwise. */
typedef struct gmq__dialect {
    gmq_status (*open)(gmq__engine *engine); /* makes engine->dialect_state */
    void (*close)(gmq__engine *engine);
    void (*connected)(gmq__engine *engine, int64_t now);
    void (*disconnected)(gmq__engine *engine, int32_t code, const char *why, int64_t now);
    bool (*claims)(const gmq__engine *engine, gmq__span topic); /* its topic? NULL = all the rest */
    bool takes_lent; /* message() may be given payload NULL */
    void (*message)(gmq__engine *engine, const gmq__mqtt_message *message, gmq_buf *payload,
                    int64_t now);
    void (*acked)(gmq__engine *engine, uint64_t token, int reason,
                  int64_t now); /* tokens not of calls */
    void (*call_acked)(gmq__engine *engine, gmq__call *call, bool mark, int reason,
                       int64_t now); /* over too */
    int64_t (*deadline)(
        const gmq__engine *engine); /* of its own timers; those of calls are the engine's */
    void (*timer)(gmq__engine *engine, int64_t now);
    void (*call_timer)(gmq__engine *engine, gmq__call *call, int64_t now);
    bool (*pull)(gmq__engine *engine, int64_t now, gmq__output *out); /* SUBSCRIBE, UNSUBSCRIBE */
    bool (*ready)(const gmq__engine *engine);                         /* may publish */
    /* The next publish that is of no single call; NULL = there are none. */
    bool (*publish)(gmq__engine *engine, int64_t now, gmq__output *out);
    bool (*wants)(const gmq__engine *engine, int64_t now); /* has such a one; NULL = never */
    /* The next publish of a call that is in engine->run (over ones too); false = nothing. `*more`:
     * it has more. */
    bool (*call_pull)(gmq__engine *engine, gmq__call *call, int64_t now, gmq__output *out,
                      bool *more);

    gmq_status (*start)(gmq__engine *engine, const gmq__call_args *args, int64_t now);
    gmq_status (*send)(gmq__engine *engine, gmq__call *call, gmq_buf *message, int64_t now);
    gmq_status (*half_close)(gmq__engine *engine, gmq__call *call, int64_t now);
    void (*cancel)(gmq__engine *engine, gmq__call *call, int32_t code, const char *details,
                   int64_t now);
    void (*taken)(gmq__engine *engine, gmq__call *call,
                  int64_t now); /* its owner took messages; may be NULL */
    void (*read_out)(gmq__engine *engine,
                     gmq__call *call); /* over, now that its last message was read */
    gmq_status (*send_initial)(gmq__engine *engine, gmq__call *call, const gmq_metadata *md,
                               int64_t now);
    gmq_status (*finish)(gmq__engine *engine, gmq__call *call, int32_t code, gmq__span details,
                         const gmq_metadata *trailing, int64_t now);
    gmq_status (*resolve)(gmq__engine *engine, gmq__call *call, gmq_rpc_kind kind, int64_t now);
    void (*drain)(gmq__engine *engine, int64_t now);
    void (*leave)(gmq__engine *engine, int64_t now); /* NULL: there is no goodbye */
    void (*discard)(gmq__engine *engine,
                    gmq__call *call); /* frees what the call holds; any state, no events */
    size_t (*tombstones)(const gmq__engine *engine);
    size_t (*subscriptions)(const gmq__engine *engine);
    size_t (*links)(const gmq__engine *engine); /* NULL: it has none */
} gmq__dialect;

extern const gmq__dialect gmq__session_dialect, gmq__link_dialect, gmq__observe_dialect;

/* A server's dialect has its subscriptions: with the last one's the engine is ready. */
void gmq__dialect_granted(gmq__engine *engine);
/* On GMQ_OK: FINISHED of a call that is over before it began. */
gmq_status gmq__dialect_still_born(gmq__engine *engine, uint64_t id, int32_t code,
                                   const char *text);

typedef struct gmq__slot {
    gmq__call *call;
    uint32_t generation; /* 27 bits; grows each time the slot is given out */
    uint32_t next_free;
} gmq__slot;

#define GMQ__TOKEN_KIND_SHIFT 60
#define GMQ__TOKEN_CALL       UINT64_C(1) /* 2 to 4 are the session dialect's, 5 to 7 the link's */
#define GMQ__NO_SLOT          UINT32_MAX

struct gmq__engine {
    gmq__engine_config config;       /* base: our copy */
    const gmq__dialect *dialects[2]; /* the first one starts calls; topics are offered in order */
    size_t ndialects, nspoken;       /* the first `nspoken` are told of connections */
    bool choosing;                   /* client: the first call chooses between the two */
    size_t ungranted;                /* dialects whose subscriptions are not granted yet */
    void *dialect_state;             /* the session dialect's */
    void *link_state;                /* the link dialect's */
    bool calls_turn;                 /* the next publish is a single call's, where there is one */
    bool connected;
    bool window_full; /* at the last pull */
    gmq__mqtt_limits limits;
    gmq__slot *slots;
    uint32_t nslots, free_slot;
    gmq__map by_id; /* client: id -> open call; in: start; out: FINISHED */
    gmq__heap timers;
    gmq__list run;  /* calls with something to publish, next one first */
    gmq__list dead; /* calls that are gone, until the function returns */
    gmq__events events;
    gmq__rate rate;
    gmq__engine_stats stats;
    /* what the output just pulled points to */
    gmq__bytes topic, payload;
    char digits[24];
    gmq__mqtt_property properties[2];
    gmq__span filters[8];
};

#endif
