/* What may block is done by a thread that shares nothing with its client but this. */
#ifndef GMQ_TRANSPORT_MOSQUITTO_ERRAND_H
#define GMQ_TRANSPORT_MOSQUITTO_ERRAND_H

#include <grpc_mqtt/base.h>
#include <stddef.h>

#include "transport/diagnose.h"

#define GMQ__ADDRESSES 8

typedef struct gmq__addresses { /* numeric, in the resolver's order */
    char text[GMQ__ADDRESSES][80];
    size_t n;
} gmq__addresses;

typedef enum gmq__errand_kind {
    GMQ__ERRAND_PREPARE, /* addresses; with TLS the context */
    GMQ__ERRAND_DIAGNOSE,
} gmq__errand_kind;

typedef struct gmq__errand gmq__errand;

/* Errors: GMQ_E_NOMEM, GMQ_E_IO (no thread, no descriptor). */
gmq_status gmq__errand_start(gmq__errand **out, gmq__errand_kind kind, const gmq__target *target);
int gmq__errand_fd(const gmq__errand *errand); /* readable when it is done */
bool gmq__errand_done(gmq__errand *errand);

/* When done. */
const gmq__addresses *gmq__errand_addresses(const gmq__errand *errand); /* n == 0: see why */
struct ssl_ctx_st *
gmq__errand_tls(const gmq__errand *errand); /* borrowed; NULL with TLS: see why */
const char *gmq__errand_why(const gmq__errand *errand);

void gmq__errand_drop(gmq__errand *errand); /* at any time, NULL is fine; never waits */

#endif
