/* Command line of grpc-mqtt-proxy. */
#ifndef GMQ_PROXY_DAEMON_ARGS_H
#define GMQ_PROXY_DAEMON_ARGS_H

#include <grpc_mqtt/proxy.h>

#include "gateway/daemon_options.h"

enum { MAX_LISTENS = 16 };

typedef struct gmq__daemon_args {
    gmq__daemon_common common; /* first */
    const char *url;           /* with the base topic, where there is one */
    const char *base;          /* NULL = not said apart */
    char *joined;              /* `url`, where it was put together */
    const char *listens[MAX_LISTENS];
    size_t listen_count;
    const char *tls_cert, *tls_key, *tls_client_ca; /* NULL = not said */
    gmq_method_map *map;                            /* of all descriptor files; NULL = none */
    gmq_proxy_config *config;
} gmq__daemon_args;

/* Reads the command line and the descriptor files. -1 = go on; else the exit status, after
 * everything was said. `out` is to be cleared in any case. */
int gmq__daemon_args_read(gmq__daemon_args *out, int argc, char **argv);
int gmq__daemon_args_read_again(gmq__daemon_args *out); /* a reload; complaints are logged */
void gmq__daemon_args_clear(gmq__daemon_args *args);

#endif
