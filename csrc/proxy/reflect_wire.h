/* The few protobuf messages of grpc.reflection that we need, by hand. */
#ifndef GMQ_PROXY_REFLECT_WIRE_H
#define GMQ_PROXY_REFLECT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { /* fields of ServerReflectionRequest and -Response */
       GMQ__REFLECT_ASK_SYMBOL = 4,
       GMQ__REFLECT_ASK_LIST = 7,
       GMQ__REFLECT_FILES = 4, /* its body is a FileDescriptorSet, byte for byte */
       GMQ__REFLECT_LIST = 6,
       GMQ__REFLECT_ERROR = 7,
};

typedef struct gmq__reflect_field {
    uint64_t number;
    const uint8_t *data; /* of a field of bytes; NULL = of another type */
    size_t len;
} gmq__reflect_field;

/* Takes the next field off the front of `*data`. false = there is none, or it does not parse: then
 * `*len` is not 0. */
bool gmq__reflect_next(const uint8_t **data, size_t *len, gmq__reflect_field *out);

/* The last field `number` that holds bytes; false = there is none. */
bool gmq__reflect_find(const uint8_t *data, size_t len, uint64_t number, gmq__reflect_field *out);

/* A message of one field of `text` into `out`; its length, 0 = `size` is too small. */
size_t gmq__reflect_request(uint8_t *out, size_t size, unsigned number, const char *text);

#endif
