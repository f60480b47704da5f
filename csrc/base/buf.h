/* gmq_buf from the inside: whole buffers, and slices that keep their parent alive. */
#ifndef GMQ_BASE_BUF_H
#define GMQ_BASE_BUF_H

#include <grpc_mqtt/buf.h>

#include "base/bytes.h"

/* New buffer of len bytes to be filled in before it is shared; NULL = out of memory. */
gmq_buf *gmq__buf_alloc(size_t len, uint8_t **data);

/* Copy of a span; NULL = out of memory. */
gmq_buf *gmq__buf_copy(gmq__span bytes);

/* Takes over the memory of `b` (left empty); NULL = out of memory, `b` untouched. */
gmq_buf *gmq__buf_take(gmq__bytes *b);

/* Part of `parent` without a copy; holds a reference to it. The range must lie inside it.
 * NULL = out of memory. */
gmq_buf *gmq__buf_slice(gmq_buf *parent, size_t offset, size_t len);

gmq__span gmq__buf_span(const gmq_buf *buf); /* NULL gives an empty span */

#endif
