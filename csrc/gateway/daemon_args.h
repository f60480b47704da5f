/* Command line of grpc-mqtt-gateway. */
#ifndef GMQ_GATEWAY_DAEMON_ARGS_H
#define GMQ_GATEWAY_DAEMON_ARGS_H

#include <grpc_mqtt/gateway.h>
#include <stdint.h>

enum { EXIT_RUNTIME = 1, EXIT_USAGE = 2 };

typedef struct gmq__daemon_args {
    const char *url;
    gmq_options *options;
    gmq_method_map *map; /* of all pairs, bound to their targets */
    int64_t grace_ms;
    int log_level;          /* 0 errors, 1 warnings, 2 information, 3 debug */
    const char *ready_file; /* NULL = none */
} gmq__daemon_args;

/* Reads the command line and the descriptor files. -1 = go on; else the exit status, after
 * everything was said. `out` is to be cleared in any case. */
int gmq__daemon_args_read(gmq__daemon_args *out, int argc, char **argv);
void gmq__daemon_args_clear(gmq__daemon_args *args);

/* One line to stderr: the program's name, then the text. Returns `status`. */
int gmq__daemon_complain(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with gmq_error_text(), after a function of the library failed. Returns the exit status
 * for that. */
int gmq__daemon_fail(gmq_status status);

#endif
