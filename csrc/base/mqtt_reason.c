#include "base/mqtt.h"

const char *gmq__mqtt_reason_text(int reason)
{
    static const struct {
        int reason;
        const char *text;
    } texts[] = {
        {0x00, "success"},
        {0x04, "disconnected with its Will"},
        {0x10, "nobody is subscribed"},
        {0x80, "unspecified error"},
        {0x81, "malformed packet"},
        {0x82, "protocol error"},
        {0x83, "implementation specific error"},
        {0x84, "unsupported MQTT version"},
        {0x85, "client id not accepted"},
        {0x86, "bad user name or password"},
        {0x87, "not authorised"},
        {0x88, "server unavailable"},
        {0x89, "server busy"},
        {0x8a, "banned"},
        {0x8b, "server shutting down"},
        {0x8c, "bad authentication method"},
        {0x8d, "keep alive timeout"},
        {0x8e, "another client has taken this client id"},
        {0x8f, "topic filter invalid"},
        {0x90, "topic name invalid"},
        {0x93, "receive maximum exceeded"},
        {0x94, "topic alias invalid"},
        {0x95, "packet too large"},
        {0x96, "message rate too high"},
        {0x97, "quota exceeded"},
        {0x98, "administrative action"},
        {0x99, "payload format invalid"},
        {0x9a, "retain not supported"},
        {0x9b, "QoS not supported"},
        {0x9c, "use another server"},
        {0x9d, "server moved"},
        {0x9e, "shared subscriptions not supported"},
        {0x9f, "connection rate exceeded"},
        {0xa1, "subscription identifiers not supported"},
        {0xa2, "wildcard subscriptions not supported"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].reason == reason)
            return texts[i].text;
    return "error";
}
