/* WrappedStreamChunk: elements of a stream, its end, or an error. docs/design/session.md. */
#ifndef GMQ_WIRE_CHUNK_H
#define GMQ_WIRE_CHUNK_H

#include "wire/response.h"

typedef enum gmq__chunk_kind { GMQ__CHUNK_END, GMQ__CHUNK_ELEMS, GMQ__CHUNK_ERROR } gmq__chunk_kind;

typedef struct gmq__chunk {
    gmq__chunk_kind kind;
    /* ELEMS: the first Elems message, and what stands behind it in the chunk (an Elems that stands
     * twice is one list). Borrowed; walked with gmq__chunk_next(). */
    gmq__span elems, rest;
    gmq__remote_error error; /* ERROR: borrowed strings */
} gmq__chunk;

/* As the reference reads it: where both stand, elements win; none set = END. Errors: GMQ_E_PARSE.
 * All elements are checked here, so that the walk cannot fail. */
gmq_status gmq__chunk_decode(gmq__span bytes, gmq__chunk *out);
/* Takes the next element off; false at the end. */
bool gmq__chunk_next(gmq__chunk *chunk, gmq__span *elem);

/* Writing a chunk: gather elements as `0a len bytes` in a gmq__bytes, then wrap. The end chunk is
 * zero bytes. */
void gmq__chunk_put_elem(gmq__bytes *elems, gmq__span elem);
void gmq__chunk_encode(gmq__bytes *out, gmq__span elems);
void gmq__chunk_encode_error(gmq__bytes *out, const gmq__remote_error *error);

#endif
