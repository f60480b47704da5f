/* An owned, shared copy of an MQTT message. */
#ifndef GMQ_TRANSPORT_PACKET_H
#define GMQ_TRANSPORT_PACKET_H

#include "base/buf.h"
#include "base/mqtt.h"

typedef struct gmq__packet {
    gmq__mqtt_message message; /* its spans point into the packet, the payload into `payload` */
    gmq_buf *payload;
    size_t refs; /* guarded by the owner's lock */
} gmq__packet;

gmq__packet *
gmq__packet_copy(const gmq__mqtt_message *message); /* one reference; NULL = no memory */
void gmq__packet_unref(gmq__packet *packet);        /* NULL is fine */

#endif
