/* A server's announcement of itself, retained at its presence topic: protobuf, so that anything can
 * read it. docs/design/protocol.md, section 9. Decoding borrows and needs no memory. */
#ifndef GMQ_WIRE_PRESENCE_H
#define GMQ_WIRE_PRESENCE_H

#include "base/bytes.h"

enum { /* features, in the presence, in OPEN and in ACCEPT */
       GMQ__FEATURE_ZSTD = 0x01,
       GMQ__FEATURE_SHARED = 0x02, /* opening packets may reach any server of a group */
};

typedef enum gmq__presence_list {
    GMQ__PRESENCE_DIALECTS = 3,
    GMQ__PRESENCE_SERVICES = 5
} gmq__presence_list;

typedef struct gmq__presence {
    gmq__span server, instance, version; /* instance: 8 bytes */
    uint64_t features, since_unix_s;
    uint32_t receive_limit, load;
    gmq__span message; /* decoded: the whole, for the lists */
} gmq__presence;

/* false = no such message, or no server, or no instance of 8 bytes. */
bool gmq__presence_decode(gmq__span bytes, gmq__presence *out);
bool gmq__presence_has(const gmq__presence *presence, gmq__presence_list list, const char *what);

/* The lists are given as arrays that end with NULL; NULL is none. */
void gmq__presence_encode(gmq__bytes *out, const gmq__presence *presence,
                          const char *const *dialects, const char *const *services);

#endif
