/* One call on its way from MQTT to a gRPC server and back.
 *
 * The functions are called by the MQTT thread, gmq__relay_completed() by the completion thread. */
#ifndef GMQ_GATEWAY_RELAY_H
#define GMQ_GATEWAY_RELAY_H

#include "gateway.h"

/* Takes the new call out of its CALL event. Its later events carry its relay as their tag; the tag
 * 0 means that there was no memory for one, and the call has been ended. A relay lives until
 * gmq__relay_finished() and its last completion. */
void gmq__relay_start(gmq_gateway *gateway, gmq_event *event);

void gmq__relay_message(gmq__relay *relay, gmq_buf *message);
void gmq__relay_half_closed(gmq__relay *relay);
void gmq__relay_writable(gmq__relay *relay);
void gmq__relay_finished(gmq__relay *relay,
                         int32_t code); /* the last: `relay` is not to be used any more */

/* Sends empty initial metadata for the bidi calls that have waited long enough for the server's.
 * Returns the milliseconds until the next one is due, -1 = none waits. */
int64_t gmq__relay_wait(gmq_gateway *gateway);

void gmq__relay_completed(void *tag, bool success);

#endif
