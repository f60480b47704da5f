/* Command line of grpc-mqtt-gateway. */
#ifndef GMQ_GATEWAY_DAEMON_ARGS_H
#define GMQ_GATEWAY_DAEMON_ARGS_H

#include <grpc_mqtt/gateway.h>
#include <stdbool.h>

#include "daemon_options.h"

typedef struct gmq__daemon_args {
    gmq__daemon_common common; /* first */
    const char *url;
    gmq_method_map *map; /* of all pairs, bound to their targets */
    /* the methods of the --descriptors that have had no --target yet, and the last of those files;
     * NULL = none */
    gmq_method_map *open;
    const char *open_file;
    const char *first_target;
    const char *bare_target; /* the first one without --descriptors: for --passthrough alone */
    bool passthrough;        /* all other methods go to the first target */
} gmq__daemon_args;

/* Reads the command line and the descriptor files. -1 = go on; else the exit status, after
 * everything was said. `out` is to be cleared in any case. */
int gmq__daemon_args_read(gmq__daemon_args *out, int argc, char **argv);
int gmq__daemon_args_read_again(gmq__daemon_args *out); /* a reload; complaints are logged */
void gmq__daemon_args_clear(gmq__daemon_args *args);

#endif
