/* gmq_metadata from the inside; its rules; and MetadataMap on the wire (sorted by key, values in
 * order). */
#ifndef GMQ_WIRE_METADATA_H
#define GMQ_WIRE_METADATA_H

#include <grpc_mqtt/metadata.h>

#include "base/bytes.h"

/* Appends without judging key and value (what came from a peer). Errors: GMQ_E_NOMEM. */
gmq_status gmq__metadata_add_raw(gmq_metadata *md, gmq__span key, gmq__span value);
gmq__span gmq__metadata_key(const gmq_metadata *md, size_t index);
gmq__span gmq__metadata_value(const gmq_metadata *md, size_t index);

gmq_status gmq__metadata_copy(gmq_metadata **out,
                              const gmq_metadata *md); /* NULL gives NULL; GMQ_E_NOMEM */

/* Rules of grpc_mqtt/metadata.h; GMQ_E_INVALID names key and fault. */
gmq_status gmq__metadata_check_pair(gmq__span key, gmq__span value);

#define GMQ__METADATA_PAIR_COST 32 /* what gRPC counts for a pair on top of its bytes */

/* gRPC's measure: sum of key + value + 32 per pair. */
size_t gmq__metadata_size(const gmq_metadata *md);

/* Whether gRPC could carry every pair: the rules but for the reserved prefix. NULL is legal. */
bool gmq__metadata_legal(const gmq_metadata *md);

/* Drops pairs that break the rules (keys a peer must not set, bad bytes) and returns how many.
 * Whoever hands a peer's metadata to gRPC or to a handler calls it. */
size_t gmq__metadata_sanitize(gmq_metadata *md);

/* The entries only, each under `field` (4 in Request, 1 in MetadataMap); NULL writes nothing. Equal
 * keys become one entry with their values in order; entries sorted by key bytes. Sets out->failed
 * when out of memory. */
void gmq__metadata_encode(gmq__bytes *out, uint32_t field, const gmq_metadata *md);

/* A bare MetadataMap message. An entry without values yields no pair; an entry replaces earlier
 * ones of its key; the pairs come out sorted by key. Errors: GMQ_E_PARSE, GMQ_E_TOO_LARGE (above
 * `limit` by gmq__metadata_size(), in which replaced and empty entries count too), GMQ_E_NOMEM.
 * `*out` may be an empty list, never NULL. */
gmq_status gmq__metadata_decode(gmq__span bytes, size_t limit, gmq_metadata **out);

/* The same from the entries under `field` of any message; `*out` is NULL when there is none of
 * them. */
gmq_status gmq__metadata_decode_field(gmq__span bytes, uint32_t field, size_t limit,
                                      gmq_metadata **out);

#endif
