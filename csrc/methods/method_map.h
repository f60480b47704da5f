/* The method map from the inside. Public contract: grpc_mqtt/method_map.h. */
#ifndef GMQ_METHODS_METHOD_MAP_H
#define GMQ_METHODS_METHOD_MAP_H

#include <grpc_mqtt/method_map.h>

#include "base/rpc.h"

/* For the engine: kind and options of "/pkg.Svc/Method"; false = unknown. */
bool gmq__method_map_lookup(const gmq_method_map *map, gmq__span path, gmq__rpc_method *out);

/* NULL gives an empty map. */
gmq_status gmq__method_map_copy(gmq_method_map **out, const gmq_method_map *map);

#endif
