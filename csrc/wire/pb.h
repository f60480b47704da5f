/* Protobuf wire format, reading borrowed views and appending to bytes: what the packet path needs
 * without a tree per packet. Descriptors and dynamic messages go through protobuf-c (csrc/methods).
 */
#ifndef GMQ_WIRE_PB_H
#define GMQ_WIRE_PB_H

#include "base/bytes.h"

typedef enum gmq__pb_type {
    GMQ__PB_VARINT = 0,
    GMQ__PB_FIXED64 = 1,
    GMQ__PB_BYTES = 2,
    GMQ__PB_FIXED32 = 5
} gmq__pb_type;

typedef struct gmq__pb_field {
    uint32_t number;
    gmq__pb_type type;
    uint64_t value;  /* VARINT, FIXED32, FIXED64 */
    gmq__span bytes; /* BYTES, borrowed */
} gmq__pb_field;

/* Takes the next field off `in`. 1 = a field, 0 = end, -1 = malformed (truncated, varint too long,
 * number 0, group or unknown wire type). */
int gmq__pb_next(gmq__span *in, gmq__pb_field *field);
int gmq__pb_next_varint(gmq__span *in, uint64_t *value); /* of a packed field; 1, 0, -1 likewise */

/* Is `field` (number below 32) of this type? A singular field counts by its last occurrence only,
 * the earlier ones may be anything: `wrong` collects the numbers whose last one was of another
 * type. Start with 0, fail if not 0 at the end. */
bool gmq__pb_expect(const gmq__pb_field *field, gmq__pb_type type, uint32_t *wrong);

void gmq__pb_put_varint(gmq__bytes *out, uint64_t value);
void gmq__pb_put_tag(gmq__bytes *out, uint32_t number, gmq__pb_type type);
void gmq__pb_put_bytes(gmq__bytes *out, uint32_t number, gmq__span bytes);
void gmq__pb_put_uint(gmq__bytes *out, uint32_t number, uint64_t value);
void gmq__pb_put_fixed32(gmq__bytes *out, uint32_t number, uint32_t value);
size_t gmq__pb_varint_len(uint64_t value);
size_t gmq__pb_bytes_len(uint32_t number,
                         size_t len); /* of a whole BYTES field, tag and length included */
uint64_t gmq__pb_zigzag(int64_t value);
int64_t gmq__pb_unzigzag(uint64_t value);

#endif
