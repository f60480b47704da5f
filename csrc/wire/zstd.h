/* zstd, one frame a message, content size always written. An empty message stays empty. */
#ifndef GMQ_WIRE_ZSTD_H
#define GMQ_WIRE_ZSTD_H

#include <grpc_mqtt/base.h>

#include "base/bytes.h"

/* Level 1 to 22. Appends. Errors: GMQ_E_NOMEM. */
gmq_status gmq__zstd_compress(gmq__bytes *out, gmq__span in, int level);

bool gmq__zstd_is_frame(gmq__span in); /* begins with the frame magic 28 b5 2f fd */

/* One whole frame. The size that the frame announces is checked against `limit` before anything is
 * allocated; a frame without a size is decompressed in steps, up to the limit. Errors:
 * GMQ_E_TOO_LARGE (above limit), GMQ_E_PARSE (corrupt, truncated, bytes after the frame, wrong
 * size), GMQ_E_NOMEM. Appends. */
gmq_status gmq__zstd_decompress(gmq__bytes *out, gmq__span in, size_t limit);

#endif
