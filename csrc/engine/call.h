/* What every call has, whatever its dialect: its place in the engine's tables, and its reading
 * side. */
#ifndef GMQ_ENGINE_CALL_H
#define GMQ_ENGINE_CALL_H

#include "base/heap.h"
#include "base/list.h"
#include "engine/engine.h"

/* Messages that wait for credit, then what comes behind them. */
typedef struct gmq__inbox {
    gmq_buf **ring;
    size_t cap, head, len; /* cap: power of two, or 0 */
    size_t bytes;
    uint64_t credit;
    bool half_closed; /* HALF_CLOSED is due behind the messages */
    bool ended;       /* FINISHED is due behind the messages, with these: */
    int32_t code;
    char *text;
    gmq_metadata *trailing;
} gmq__inbox;

/* State of a call: open (FINISHED not out, id known) -> over (FINISHED out, id free; the dialect
 * may still have something to send for it) -> gone (in no table, freed when the engine's function
 * returns). */
typedef enum gmq__call_state { GMQ__CALL_OPEN, GMQ__CALL_OVER, GMQ__CALL_GONE } gmq__call_state;

typedef struct gmq__call {
    uint64_t id;
    uint32_t slot;
    gmq__call_state state;
    const struct gmq__dialect *dialect;
    bool told; /* its owner knows of it (a server's after EV_CALL) */
    gmq_rpc_kind kind;
    gmq__node run; /* in engine->run while it has something to publish; in engine->dead when gone */
    gmq__heap_node timer; /* always in engine->timers until gone */
    gmq__inbox inbox;
} gmq__call;

/* Puts a call into the tables; `id` 0: the engine chooses. The caller has the call zeroed but for
 * `kind` and `dialect`. */
gmq_status gmq__call_add(gmq__engine *engine, gmq__call *call, uint64_t id, bool told);
gmq__call *gmq__call_find(const gmq__engine *engine, uint64_t id); /* open ones; NULL = unknown */

/* Token of an output of this call, with one bit for the dialect; and back (over ones too; NULL =
 * gone). */
uint64_t gmq__call_token(const gmq__engine *engine, const gmq__call *call, bool mark);
gmq__call *gmq__call_of_token(const gmq__engine *engine, uint64_t token, bool *mark);

void gmq__call_run(gmq__engine *engine, gmq__call *call,
                   bool urgent); /* it has something to publish */
void gmq__call_timer(gmq__engine *engine, gmq__call *call, int64_t at);

/* Reading side. false = no memory. `message` and `md` are taken over in any case. */
bool gmq__call_message(gmq__engine *engine, gmq__call *call, gmq_buf *message);
bool gmq__call_fits(const gmq__engine *engine, const gmq__call *call,
                    size_t len); /* below the receive buffer */
bool gmq__call_initial(gmq__engine *engine, gmq__call *call, gmq_metadata *md);
bool gmq__call_half_closed(gmq__engine *engine, gmq__call *call);
bool gmq__call_credit(gmq__engine *engine, gmq__call *call, uint32_t messages);
void gmq__call_sent(gmq__engine *engine, gmq__call *call, size_t size);

/* FINISHED behind what is unread, or at once and unread messages dropped. `text` (may be NULL) is
 * copied, `md` taken over. A call that its owner was not told of just becomes over. */
void gmq__call_end(gmq__engine *engine, gmq__call *call, int32_t code, gmq__span text,
                   gmq_metadata *md);
void gmq__call_finish(gmq__engine *engine, gmq__call *call, int32_t code, gmq__span text,
                      gmq_metadata *md);

/* Out of all tables. The dialect frees what it holds; the memory itself goes when the engine's
 * function returns. */
void gmq__call_gone(gmq__engine *engine, gmq__call *call);

#endif
