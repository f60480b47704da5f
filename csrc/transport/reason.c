#include "transport/reason.h"

#include "base/mqtt.h"

int gmq__reason_of_connack(int code)
{
    static const int v3[] = {GMQ__MQTT_OK,
                             0x84,
                             0x85,
                             GMQ__MQTT_SERVER_UNAVAILABLE,
                             GMQ__MQTT_BAD_CREDENTIALS,
                             GMQ__MQTT_NOT_AUTHORIZED};
    if (code >= 0 && code < (int)(sizeof v3 / sizeof v3[0]))
        return v3[code];
    return code >= 0x80 && code <= 0xff ? code : GMQ__MQTT_UNSPECIFIED;
}
