/* The services of a method map, for a server's presence. */
#ifndef GMQ_RUNTIME_SERVICES_H
#define GMQ_RUNTIME_SERVICES_H

#include <grpc_mqtt/method_map.h>

/* Their names, each once, in order of addition; ends with NULL; one block for gmq__free(). NULL =
 * no memory. */
char **gmq__services_of(const gmq_method_map *map);

#endif
