/* Frames of the link dialect and what their bodies hold. docs/design/protocol.md, section 3.
 * Decoding gives borrowed views and needs no memory, but for a list of metadata. */
#ifndef GMQ_WIRE_LINK_FRAME_H
#define GMQ_WIRE_LINK_FRAME_H

#include <grpc_mqtt/metadata.h>

#include "base/bytes.h"

typedef enum gmq__link_type {
    GMQ__LINK_OPEN = 1,
    GMQ__LINK_ACCEPT,
    GMQ__LINK_HEADERS,
    GMQ__LINK_MESSAGE,
    GMQ__LINK_HALF_CLOSE,
    GMQ__LINK_STATUS,
    GMQ__LINK_CANCEL,
    GMQ__LINK_CREDIT,
    GMQ__LINK_PING,
    GMQ__LINK_PONG,
    GMQ__LINK_GOAWAY,
    GMQ__LINK_CLOSE,
} gmq__link_type;

enum { /* flags of MESSAGE */
       GMQ__LINK_MORE = 0x01,
       GMQ__LINK_COMPRESSED = 0x02,
       GMQ__LINK_ENDS = 0x04, /* half-close behind it */
};

typedef struct gmq__link_frame {
    uint8_t type, flags;
    uint64_t call; /* 0: the link itself */
    gmq__span body;
} gmq__link_frame;

/* Takes the next frame off `in`. 1 = a frame, 0 = end, -1 = cut off. */
int gmq__link_frame_next(gmq__span *in, gmq__link_frame *frame);
void gmq__link_frame_put(gmq__bytes *out, const gmq__link_frame *frame);
size_t gmq__link_frame_head_len(uint64_t call, size_t body_len);

/* Bodies. A decoder ignores what stands behind the fields it knows; false = cut off, or a value out
 * of its range. Encoders append. */
typedef struct gmq__link_open {
    gmq__span inbox;
    uint64_t features, call_window, link_window, timeout_ms;
    gmq__span server, instance; /* who alone is to take it; server empty: anybody */
} gmq__link_open;
bool gmq__link_open_decode(gmq__span body, gmq__link_open *out);
void gmq__link_open_encode(gmq__bytes *out, const gmq__link_open *in);

typedef struct gmq__link_accept {
    gmq__span server, instance; /* 8 bytes */
    uint64_t features, call_window, link_window, receive_limit, metadata_limit;
} gmq__link_accept;
bool gmq__link_accept_decode(gmq__span body, gmq__link_accept *out);
void gmq__link_accept_encode(gmq__bytes *out, const gmq__link_accept *in);

enum { GMQ__LINK_KIND_ANY = 4 }; /* the client does not know it: the server's own holds */

typedef struct gmq__link_headers { /* of a client; those of a server are a list of metadata alone */
    gmq__span path;
    uint8_t kind;       /* gmq_rpc_kind, or GMQ__LINK_KIND_ANY */
    int64_t timeout_ms; /* negative: none */
    uint8_t batched;    /* 0, 1 */
    uint8_t level;      /* zstd, that the answers may have: 0 to 22 */
    gmq__span metadata; /* a list of metadata, checked */
} gmq__link_headers;
bool gmq__link_headers_decode(gmq__span body, gmq__link_headers *out);
void gmq__link_headers_encode(gmq__bytes *out, const gmq__link_headers *in,
                              const gmq_metadata *metadata); /* in->metadata is not looked at */

typedef struct gmq__link_end { /* STATUS, GOAWAY, CLOSE */
    uint64_t number;           /* code; GOAWAY: the last call accepted */
    gmq__span text;
} gmq__link_end;
bool gmq__link_end_decode(gmq__span *body, gmq__link_end *out); /* leaves what follows in `body` */
void gmq__link_end_encode(gmq__bytes *out, uint64_t number, gmq__span text);

bool gmq__link_number_decode(gmq__span body, uint64_t *out); /* CREDIT */

/* A list of metadata: number of pairs, then key and value of each. NULL is an empty list. */
void gmq__link_metadata_encode(gmq__bytes *out, const gmq_metadata *md);
/* GMQ_E_PARSE; GMQ_E_TOO_LARGE above `limit` by gmq__metadata_size(); GMQ_E_NOMEM. `*out` is NULL
 * for an empty list. */
gmq_status gmq__link_metadata_decode(gmq__span bytes, size_t limit, gmq_metadata **out);

#endif
