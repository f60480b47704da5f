/* The services of a server, for its presence. */
#ifndef GMQ_RUNTIME_SERVICES_H
#define GMQ_RUNTIME_SERVICES_H

#include <grpc_mqtt/method_map.h>

/* Names of those that a method map has, in order of addition, and behind them those of `more`
 * (commas between; may be NULL), each once; ends with NULL; one block for gmq__free(). NULL = no
 * memory. */
char **gmq__services_of(const gmq_method_map *map, const char *more);

#endif
