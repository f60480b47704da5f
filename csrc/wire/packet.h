/* Packet: payload of every publish of a request or an answer. docs/design/session.md, "Packet". */
#ifndef GMQ_WIRE_PACKET_H
#define GMQ_WIRE_PACKET_H

#include <grpc_mqtt/base.h>

#include "base/bytes.h"

#define GMQ__PACKET_LIMIT_MIN     16
#define GMQ__PACKET_LIMIT_MAX     (256 * 1024 * 1024 - 128 * 1024 - 1) /* limit < 256 MiB - 128 KiB */
#define GMQ__PACKET_LIMIT_DEFAULT 128000

typedef struct gmq__packet {
    gmq__span payload; /* borrowed */
    uint32_t position;
    uint32_t npackets;
} gmq__packet;

/* Decodes as the reference does: fields in any order, last one wins, unknown ones skipped, missing
 * = empty, 0, 1. GMQ_E_PARSE otherwise. Does not judge position against npackets. */
gmq_status gmq__packet_decode(gmq__span bytes, gmq__packet *out);

void gmq__packet_encode(gmq__bytes *out, gmq__span payload, uint32_t position, uint32_t npackets);
size_t gmq__packet_encoded_len(size_t payload_len);

/* Slicing of a message of `len` bytes under `limit`. */
size_t gmq__packet_slice_len(size_t limit);               /* max(limit - 16, 1) */
uint32_t gmq__packet_count(size_t len, size_t slice_len); /* at least 1 */

#endif
