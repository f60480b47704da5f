/* What the proxy listens on: gRPC's server, its addresses and certificates. */
#ifndef GMQ_PROXY_LISTEN_H
#define GMQ_PROXY_LISTEN_H

#include "proxy.h"

/* Makes `proxy->server` and adds the addresses of its configuration, not started yet. Errors:
 * GMQ_E_INVALID (no address), GMQ_E_IO (in use, not to be had, certificate or key that does not
 * serve), GMQ_E_NOMEM. */
gmq_status gmq__listen_open(gmq_proxy *proxy, int64_t receive_limit, int64_t metadata_limit);

#endif
