/* A serialized FileDescriptorSet -> protobuf-c's tree of it, within limits. */
#ifndef GMQ_METHODS_DESCRIPTOR_UNPACK_H
#define GMQ_METHODS_DESCRIPTOR_UNPACK_H

#include <google/protobuf/descriptor.pb-c.h>
#include <grpc_mqtt/base.h>

#include "base/bytes.h"
#include "methods/budget.h"

#define GMQ__DESCRIPTOR_SET_MAX    ((size_t)64 << 20)  /* bytes of a set */
#define GMQ__DESCRIPTOR_MEMORY_MAX ((size_t)256 << 20) /* bytes of memory while one is read */

/* NULL for an empty set. `budget` is set up here; the tree goes by gmq__descriptor_free(). Errors:
 * GMQ_E_PARSE, GMQ_E_TOO_LARGE, GMQ_E_NOMEM. */
gmq_status gmq__descriptor_unpack(Google__Protobuf__FileDescriptorSet **out, gmq__span set,
                                  gmq__budget *budget);
void gmq__descriptor_free(Google__Protobuf__FileDescriptorSet *set, gmq__budget *budget);

/* The failure of a budget that refused. Errors: GMQ_E_TOO_LARGE, GMQ_E_NOMEM. */
gmq_status gmq__descriptor_fail(const gmq__budget *budget);

#endif
