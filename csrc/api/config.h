/* From an address and options to a running connection: what gmq_client_new() and gmq_server_new()
 * share. */
#ifndef GMQ_API_CONFIG_H
#define GMQ_API_CONFIG_H

#include "runtime/runtime.h"

/* Errors: as gmq_client_new(). `methods` may be NULL. */
gmq_status gmq__connect(gmq__runtime **out, gmq__role role, const char *url,
                        const gmq_options *options, const gmq_method_map *methods, gmq_queue *queue,
                        uint64_t tag);

#endif
