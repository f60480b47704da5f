/* Metadata and messages between the core library and gRPC. Reserved keys (grpc-*, pseudo headers,
 * what HTTP/2 or gRPC itself sets) travel in neither direction. */
#ifndef GMQ_GATEWAY_CONVERT_H
#define GMQ_GATEWAY_CONVERT_H

#include <grpc/grpc.h>
#include <grpc_mqtt/grpc_mqtt.h>
#include <stdbool.h>

/* Metadata to be sent to gRPC; all zero is empty. */
typedef struct gmq__headers {
    grpc_metadata *pairs; /* keys and values are owned slices */
    size_t count;
} gmq__headers;

bool gmq__headers_make(gmq__headers *out,
                       const gmq_metadata *from); /* `from` may be NULL; false = no memory */
void gmq__headers_clear(gmq__headers *headers);

/* Appends what gRPC received to `*to`, which is made when it is NULL and there is something to
 * append. Pairs that break the rules of metadata.h are left out. false = no memory. */
bool gmq__metadata_append(gmq_metadata **to, const grpc_metadata_array *from);

/* The bytes of `buf` as a message for gRPC, without a copy; takes a reference. */
grpc_byte_buffer *gmq__byte_buffer_make(gmq_buf *buf);

/* The whole message as one slice (copied only when gRPC holds it in several). Consumes `message`.
 */
grpc_slice gmq__byte_buffer_take(grpc_byte_buffer *message);

/* Text out of a slice, NUL bytes as '?'. NULL = no memory. free() it. */
char *gmq__slice_text(grpc_slice slice);

#endif
