/* The protocol between protoc and its plugins: a CodeGeneratorRequest in, a CodeGeneratorResponse
 * out. */
#ifndef GMQ_CODEGEN_PLUGIN_H
#define GMQ_CODEGEN_PLUGIN_H

#include <grpc_mqtt/base.h>

#include "base/bytes.h"

/* Appends the serialized response to `out`. What is wrong with a .proto or a parameter is told in
 * the response, for protoc to show. Errors: GMQ_E_PARSE (no request), GMQ_E_NOMEM. */
gmq_status gmq__plugin_run(gmq__span request, gmq__bytes *out);

#endif
