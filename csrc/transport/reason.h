/* MQTT 3.1.1's answers as MQTT 5 reason codes. */
#ifndef GMQ_TRANSPORT_REASON_H
#define GMQ_TRANSPORT_REASON_H

int gmq__reason_of_connack(
    int code); /* CONNACK of either version: 3.1.1's 1 to 5 become reason codes */

#endif
