/* MQTT reason code of a connection that was refused or ended -> gRPC status of the calls that it
 * ends. */
#ifndef GMQ_RUNTIME_REASON_H
#define GMQ_RUNTIME_REASON_H

#include <stdint.h>

int32_t gmq__reason_code(int reason); /* UNAVAILABLE where the table has no row */

#endif
