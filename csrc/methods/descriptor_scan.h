/* A look over a serialized FileDescriptorSet before protobuf-c reads it. */
#ifndef GMQ_METHODS_DESCRIPTOR_SCAN_H
#define GMQ_METHODS_DESCRIPTOR_SCAN_H

#include <grpc_mqtt/base.h>

#include "base/bytes.h"

#define GMQ__DESCRIPTOR_DEPTH_MAX 100 /* messages inside messages; protobuf's own limit */

/* Refuses what protobuf-c would take badly: messages nested so deep that it, recursive and without
 * a limit, would exhaust the stack, and names with a NUL, which it would cut there. Errors:
 * GMQ_E_PARSE. */
gmq_status gmq__descriptor_scan(gmq__span set);

/* Takes a varint off `in`; false = truncated or longer than 64 bits. */
bool gmq__varint_take(gmq__span *in, uint64_t *value);

#endif
