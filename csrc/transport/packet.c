#include "transport/packet.h"

#include <string.h>

#include "base/mem.h"

static gmq__span store(uint8_t **at, gmq__span from)
{
    gmq__span copy = gmq__span_of(*at, from.len);
    if (from.len)
        memcpy(*at, from.data, from.len);
    *at += from.len;
    return copy;
}

static size_t text_size(const gmq__mqtt_message *message)
{
    size_t size = message->topic.len;
    for (size_t i = 0; i < message->nproperties; i++)
        size += message->properties[i].key.len + message->properties[i].value.len;
    return size;
}

gmq__packet *gmq__packet_copy(const gmq__mqtt_message *message)
{
    size_t properties = message->nproperties * sizeof(gmq__mqtt_property);
    gmq__packet *packet = gmq__malloc(sizeof *packet + properties + text_size(message));
    if (!packet)
        return NULL;
    packet->payload = gmq__buf_copy(message->payload);
    if (!packet->payload) {
        gmq__free(packet);
        return NULL;
    }
    gmq__mqtt_property *list = (gmq__mqtt_property *)(packet + 1);
    uint8_t *text = (uint8_t *)list + properties;
    packet->refs = 1;
    packet->message = *message;
    packet->message.topic = store(&text, message->topic);
    packet->message.payload = gmq__buf_span(packet->payload);
    packet->message.properties = list;
    for (size_t i = 0; i < message->nproperties; i++) {
        list[i].key = store(&text, message->properties[i].key);
        list[i].value = store(&text, message->properties[i].value);
    }
    return packet;
}

void gmq__packet_unref(gmq__packet *packet)
{
    if (!packet || --packet->refs)
        return;
    gmq_buf_unref(packet->payload);
    gmq__free(packet);
}
