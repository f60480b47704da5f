#include "engine/batch.h"

#include <string.h>

#include "wire/chunk.h"

bool gmq__batch_fits(const gmq__batch *batch, size_t len, size_t limit)
{
    if (!batch->count)
        return true;
    return batch->raw + len < limit && batch->elems.len < limit * 4;
}

bool gmq__batch_full(const gmq__batch *batch, size_t limit)
{
    return batch->count && !gmq__batch_fits(batch, 0, limit);
}

bool gmq__batch_add(gmq__batch *batch, gmq__span elem, size_t raw, int64_t now)
{
    size_t before = batch->elems.len;
    gmq__chunk_put_elem(&batch->elems, elem);
    if (batch->elems.failed) {
        batch->elems.len = before;
        batch->elems.failed = false;
        return false;
    }
    if (!batch->count++)
        batch->since = now;
    batch->raw += raw;
    return true;
}

size_t gmq__batch_flush(gmq__batch *batch, gmq__bytes *out)
{
    gmq__chunk_encode(out, gmq__bytes_span(&batch->elems));
    if (out->failed)
        return 0;
    size_t raw = batch->raw;
    gmq__bytes_clear(&batch->elems);
    batch->raw = batch->count = 0;
    return raw;
}

void gmq__batch_free(gmq__batch *batch)
{
    gmq__bytes_free(&batch->elems);
    memset(batch, 0, sizeof *batch);
}
