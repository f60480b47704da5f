/* In-process MQTT broker, by name; lives while it has a connection or a handle. Wildcards, $share,
 * retained, Wills, session per connection, QoS 0/1 acknowledged at once. Faults are seeded.
 * Delivery: by default on the broker's own thread, in order. */
#ifndef GMQ_TRANSPORT_LOOPBACK_H
#define GMQ_TRANSPORT_LOOPBACK_H

#include "transport/transport.h"

typedef struct gmq__loopback_faults {
    uint64_t seed;
    uint32_t drop_ppm, double_ppm, reorder_ppm, delay_ppm; /* of a million deliveries */
    uint32_t reorder_span; /* how many later deliveries may overtake */
    int64_t delay_max_ns;
    uint32_t receive_max; /* 0 = 65535 */
    size_t packet_max;    /* 0 = no limit: an oversize publish closes the connection with 0x95 */
    bool refuse;          /* refuse new connections */
} gmq__loopback_faults;

typedef struct gmq__loopback_broker gmq__loopback_broker;
gmq__loopback_broker *gmq__loopback_broker_get(
    const char *name); /* makes it when new; holds a reference; NULL = no memory */
void gmq__loopback_broker_release(gmq__loopback_broker *broker);
void gmq__loopback_broker_faults(gmq__loopback_broker *broker, const gmq__loopback_faults *faults);
void gmq__loopback_broker_cut(
    gmq__loopback_broker *broker); /* drops every connection, as a restart does; Wills are sent */

#endif
