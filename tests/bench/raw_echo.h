/** @file raw_echo.h The clients of raw_echo behind one face. */
#ifndef TESTS_BENCH_RAW_ECHO_H
#define TESTS_BENCH_RAW_ECHO_H

#include "bench_util.h"

typedef struct echo_args {
    const char *host, *port, *mode;
    size_t payload, count, inflight;
    char request[64], reply[64]; /**< topics */
} echo_args;

/** With `run`: makes its calls and returns when they are done. Without: echoes for ever, after a
 * byte on `ready`. */
typedef void echo_mode(const echo_args *args, bench_run *run, int ready);

echo_mode echo_raw, echo_paho, echo_mosquitto; /* the last where libmosquitto is */

#endif
