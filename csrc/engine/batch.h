/* Elements of a stream gathered into one chunk. docs/design/session.md, "Batching". */
#ifndef GMQ_ENGINE_BATCH_H
#define GMQ_ENGINE_BATCH_H

#include "base/bytes.h"

typedef struct gmq__batch {
    gmq__bytes elems; /* as in the Elems message */
    size_t raw;       /* sum of the elements' sizes before compression */
    size_t count;
    int64_t since; /* arrival of the first */
} gmq__batch;      /* all zero is empty */

/* May an element of `len` bytes join? The sum of sizes, its own included, stays below `limit`; an
 * empty batch takes any. What many tiny elements need around them is bounded likewise. */
bool gmq__batch_fits(const gmq__batch *batch, size_t len, size_t limit);
bool gmq__batch_full(const gmq__batch *batch, size_t limit); /* nothing more can join */

/* Adds an element, `elem` as it travels, `raw` its size before compression. false = no memory,
 * batch unchanged. */
bool gmq__batch_add(gmq__batch *batch, gmq__span elem, size_t raw, int64_t now);

/* Appends the chunk to `out` (out->failed: no memory, batch unchanged), empties the batch. Returns
 * the raw bytes in it. */
size_t gmq__batch_flush(gmq__batch *batch, gmq__bytes *out);
void gmq__batch_free(gmq__batch *batch);

#endif
