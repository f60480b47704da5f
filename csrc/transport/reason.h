/* MQTT reason codes for people, and MQTT 3.1.1's answers as MQTT 5 reason codes. */
#ifndef GMQ_TRANSPORT_REASON_H
#define GMQ_TRANSPORT_REASON_H

const char *
gmq__reason_text(int reason); /* "not authorised"; "error" for an unknown one. Static string. */
int gmq__reason_of_connack(
    int code); /* CONNACK of either version: 3.1.1's 1 to 5 become reason codes */

#endif
