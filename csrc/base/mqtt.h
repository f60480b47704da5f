/* What travels between engine, runtime and transport: one MQTT message, opaque to the transport. */
#ifndef GMQ_BASE_MQTT_H
#define GMQ_BASE_MQTT_H

#include "base/bytes.h"

/* MQTT reason codes that mean something to us (MQTT 5; a 3.1.1 transport maps to them). */
enum {
    GMQ__MQTT_OK = 0x00,
    GMQ__MQTT_NO_SUBSCRIBERS = 0x10,
    GMQ__MQTT_UNSPECIFIED = 0x80,
    GMQ__MQTT_BAD_CREDENTIALS = 0x86,
    GMQ__MQTT_NOT_AUTHORIZED = 0x87,
    GMQ__MQTT_SERVER_UNAVAILABLE = 0x88,
    GMQ__MQTT_SESSION_TAKEN_OVER = 0x8e,
    GMQ__MQTT_TOPIC_NAME_INVALID = 0x90,
    GMQ__MQTT_PACKET_TOO_LARGE = 0x95,
    GMQ__MQTT_QUOTA_EXCEEDED = 0x97,
};

/* For people: "not authorised"; "error" for an unknown one. Static string. */
const char *gmq__mqtt_reason_text(int reason);

typedef struct gmq__mqtt_property { /* MQTT 5 user property */
    gmq__span key, value;
} gmq__mqtt_property;

typedef struct gmq__mqtt_message {
    gmq__span topic;
    gmq__span payload;
    const gmq__mqtt_property *properties; /* user properties in order; ignored on MQTT 3.1.1 */
    size_t nproperties;
    uint32_t expiry_s; /* message expiry interval; 0 = none */
    uint8_t qos;       /* 0 or 1 */
    bool retain;
} gmq__mqtt_message;

/* What the broker allows; what CONNACK did not say has its default. */
typedef struct gmq__mqtt_limits {
    uint32_t receive_max;  /* publishes in flight, 1 to 65535 */
    size_t packet_max;     /* whole MQTT packet, bytes; SIZE_MAX = no limit */
    uint16_t alias_max;    /* topic aliases; 0 = none */
    uint16_t keep_alive_s; /* in force */
    bool properties;       /* MQTT 5: properties travel */
    bool session_present;
} gmq__mqtt_limits;

/* Most bytes that an MQTT PUBLISH adds around `payload_len` bytes: fixed header, topic, packet id,
 * properties. Exact for MQTT 5; at most 1 byte too many for 3.1.1. */
size_t gmq__mqtt_publish_overhead(const gmq__mqtt_message *message, size_t payload_len);

#endif
