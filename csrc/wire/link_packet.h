/* Packets of the link dialect: the head before the frames. docs/design/protocol.md, section 2.
 * Decoding gives borrowed views and needs no memory. */
#ifndef GMQ_WIRE_LINK_PACKET_H
#define GMQ_WIRE_LINK_PACKET_H

#include "base/bytes.h"

#define GMQ__LINK_VERSION      0x10 /* major 1 in the high nibble, minor 0 */
#define GMQ__LINK_ID_LEN       16
#define GMQ__LINK_INSTANCE_LEN 8
#define GMQ__LINK_GAPS_MAX     32
#define GMQ__LINK_HEAD_MAX     (2 + GMQ__LINK_ID_LEN + GMQ__LINK_INSTANCE_LEN + 10 + 10)
#define GMQ__LINK_GAPS_LEN_MAX                                                                     \
    (1 + GMQ__LINK_GAPS_MAX * 4) /* numbers of the window: 2 bytes each */

enum { /* flags of a packet; others are ignored */
       GMQ__LINK_FROM_SERVER = 0x01,
       GMQ__LINK_HAS_GAPS = 0x02,
       GMQ__LINK_ACK_WANTED = 0x04,
};

/* `skip` numbers that came, then `count` that are missing; the first pair counts from the
 * acknowledgement on. */
typedef struct gmq__link_gap {
    uint64_t skip, count;
} gmq__link_gap;

typedef struct gmq__link_packet { /* spans are borrowed */
    uint8_t version, flags;
    gmq__span link;     /* GMQ__LINK_ID_LEN bytes */
    gmq__span instance; /* from the server: GMQ__LINK_INSTANCE_LEN bytes, else empty */
    uint64_t seq, ack;
    size_t ngaps;
    gmq__link_gap gaps[GMQ__LINK_GAPS_MAX];
    gmq__span frames;
} gmq__link_packet;

typedef enum gmq__link_packet_verdict {
    GMQ__LINK_PACKET_OK,
    GMQ__LINK_PACKET_MALFORMED,
    GMQ__LINK_PACKET_VERSION, /* another major version: version, flags, link are set, no more is */
} gmq__link_packet_verdict;

gmq__link_packet_verdict gmq__link_packet_decode(gmq__span bytes, gmq__link_packet *out);

/* The head alone, with this library's version; the frames are appended by the caller. The flag of
 * the gaps follows ngaps, that of the server `instance`. */
void gmq__link_packet_encode(gmq__bytes *out, const gmq__link_packet *packet);
size_t gmq__link_packet_head_len(const gmq__link_packet *packet);

#endif
