#include "base/mqtt.h"

static size_t varint_len(size_t v)
{
    size_t n = 1;
    while (v >= 128) {
        v >>= 7;
        n++;
    }
    return n;
}

size_t gmq__mqtt_publish_overhead(const gmq__mqtt_message *message, size_t payload_len)
{
    size_t properties = message->expiry_s ? 5 : 0;
    for (size_t i = 0; i < message->nproperties; i++)
        properties += 1 + 2 + message->properties[i].key.len + 2 + message->properties[i].value.len;
    size_t variable =
        2 + message->topic.len + (message->qos ? 2 : 0) + varint_len(properties) + properties;
    return 1 + varint_len(variable + payload_len) + variable;
}
