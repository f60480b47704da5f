/* Request: first message of a session, client -> remote. docs/design/session.md. */
#ifndef GMQ_WIRE_REQUEST_H
#define GMQ_WIRE_REQUEST_H

#include "base/rpc.h"
#include "wire/metadata.h"

typedef struct gmq__request {
    gmq__span message;        /* borrowed */
    gmq__rpc_options options; /* all three 0 or more */
    int64_t timeout_s;        /* 0: expires at once; negative: never */
    gmq_metadata *metadata; /* decode: owned by the caller, may be NULL when there was none; encode:
                               may be NULL */
} gmq__request;

/* Errors: GMQ_E_PARSE (text says what, e.g. fewer than three options), GMQ_E_NOMEM. Metadata as the
 * reference reads it: a repeated map entry of one key replaces the earlier. `metadata_limit` bounds
 * keys + values + 32 each: GMQ_E_TOO_LARGE. Invalid metadata keys/values: kept byte-exact (the
 * receiver judges). */
gmq_status gmq__request_decode(gmq__span bytes, size_t metadata_limit, gmq__request *out);
void gmq__request_encode(gmq__bytes *out, const gmq__request *request);

/* Milliseconds -> whole seconds on the wire: rounded up, at least 1; negative (none) stays -1. */
int64_t gmq__request_timeout_s(int64_t timeout_ms);

/* AuxControlMessage on the control topic. */
typedef enum gmq__control {
    GMQ__CONTROL_UNKNOWN = 0,
    GMQ__CONTROL_ALIVE = 1,
    GMQ__CONTROL_TERMINATE = 2
} gmq__control;
void gmq__control_encode(gmq__bytes *out, gmq__control control);
gmq_status gmq__control_decode(gmq__span bytes,
                               int32_t *out); /* unknown numbers come out as they are */

#endif
