/* The options of haskell/grpc/mqtt/option.proto and hs_grpc_mqtt.proto. protobuf-c knows no
 * extensions: they are among the unknown fields of FileOptions, ServiceOptions and MethodOptions,
 * with the same numbers in each. */
#ifndef GMQ_METHODS_METHOD_OPTIONS_H
#define GMQ_METHODS_METHOD_OPTIONS_H

#include <protobuf-c/protobuf-c.h>

#include "base/rpc.h"

#define GMQ__OPTIONS_NONE ((gmq__rpc_options){-1, -1, -1})

/* `options` may be NULL (nothing said); `where` names it in an error text: "file", "service",
 * "method", and `name`. Where a field stands twice, its last value counts. Errors: GMQ_E_PARSE
 * (malformed, or a level above 22). */
gmq_status gmq__method_options_read(gmq__rpc_options *out, const ProtobufCMessage *options,
                                    const char *where, const char *name);

/* What `narrow` says, and what it does not say from `wide`. */
gmq__rpc_options gmq__method_options_over(gmq__rpc_options narrow, gmq__rpc_options wide);

#endif
