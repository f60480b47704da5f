/* The gRPC server of the recordings (service golden.v1.Golden), behind a server engine. */
#ifndef GMQ_TESTS_SIM_GOLDEN_H
#define GMQ_TESTS_SIM_GOLDEN_H

#include "engine/sim.h"

typedef struct golden_call {
    bool open;
    uint64_t id;
    char name[40];
    gmq_rpc_kind kind;
    gmq__bytes data; /* client streams: what came, joined */
    gmq_buf *last;
    gmq_metadata *metadata;
    uint32_t count, next, total;
    int64_t wake_at; /* slow methods */
} golden_call;

typedef struct golden {
    golden_call calls[8];
} golden;

bool golden_lookup(void *ctx, gmq__span path, gmq__rpc_method *out);
void golden_on_event(sim_peer *peer, gmq__ev *ev); /* peer->ctx is a golden */
void golden_wake(sim_peer *peer);                  /* slow methods: what is due */
void golden_free(golden *g);

void blob_parse(gmq__span in, gmq__span *data,
                uint32_t *n); /* Blob{ 1 = bytes data, 2 = uint32 n } */
void blob_encode(gmq__bytes *out, gmq__span data, uint32_t n);

#endif
