/* From an address and options to a running connection: what gmq_client_new() and gmq_server_new()
 * share. */
#ifndef GMQ_API_CONFIG_H
#define GMQ_API_CONFIG_H

#include "runtime/runtime.h"

/* Errors: as gmq_client_new(). `methods` may be NULL. */
gmq_status gmq__connect(gmq__runtime **out, gmq__role role, const char *url,
                        const gmq_options *options, const gmq_method_map *methods, gmq_queue *queue,
                        uint64_t tag);

/* Which one is taken where the option does not say: the fastest that is built in and can. */
const char *gmq__default_transport(const char *scheme, int64_t keep_alive_s);

#endif
