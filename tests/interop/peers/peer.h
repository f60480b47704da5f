/* What the matrix's server and client in C share. What both have to do is written in
 * test_matrix_depth.py. */
#ifndef GMQ_TEST_PEER_H
#define GMQ_TEST_PEER_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "demo.grpc-mqtt.h"

#define DETAILS_KEY "grpc-status-details-bin"

static inline void check(gmq_status status)
{
    if (status == GMQ_OK)
        return;
    fprintf(stderr, "%s: %s\n", gmq_status_name(status), gmq_error_text());
    exit(1);
}

#endif
