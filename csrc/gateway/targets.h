/* The gRPC servers behind a gateway: which methods are served where, one channel a target. Constant
 * after init; a reload puts another in its place. */
#ifndef GMQ_GATEWAY_TARGETS_H
#define GMQ_GATEWAY_TARGETS_H

#include <grpc/grpc.h>
#include <grpc_mqtt/grpc_mqtt.h>
#include <stdatomic.h>

/* A channel lives as long as a row of targets or a call has it: gRPC ends the calls that wait for a
 * connection when their channel goes. */
typedef struct gmq__channel {
    atomic_uint refs;
    grpc_channel *grpc;
} gmq__channel;

gmq__channel *gmq__channel_ref(gmq__channel *channel);
void gmq__channel_unref(gmq__channel *channel); /* NULL is fine */

typedef struct gmq__targets {
    gmq_method_map *map;     /* the bound methods */
    gmq__channel **by_index; /* of method `index` in `map`; borrowed from `channels` */
    gmq__channel **channels; /* one a distinct target */
    size_t *first;           /* of each channel: its first method in `map` */
    size_t count;            /* of `channels` */
    gmq__channel *others;    /* of methods that `map` does not have; NULL = there are none */
} gmq__targets;              /* all zero is empty */

/* Keeps the bound methods of `map` and makes their channels, which connect at their first call.
 * `others`: target of all other methods, or NULL. Errors: GMQ_E_INVALID (no method is bound, and
 * no `others`), GMQ_E_NOMEM; `out` stays empty. */
gmq_status gmq__targets_init(gmq__targets *out, const gmq_method_map *map, const char *others);

/* What `now`, which comes in the place of `before`, can use of it: connections to the same targets,
 * and that of all others. `before` is only to be cleared. */
void gmq__targets_take_over(gmq__targets *now, gmq__targets *before);
void gmq__targets_clear(gmq__targets *targets);

gmq__channel *gmq__targets_find(const gmq__targets *targets,
                                const char *path); /* NULL = unknown method */

#endif
