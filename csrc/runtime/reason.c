#include "runtime/reason.h"

#include <grpc_mqtt/base.h>
#include <stddef.h>

#include "base/mqtt.h"

/* "Status of an event" in docs/design/faults.md, as far as it concerns whole connections. What a
 * broker says of one publish or one subscription is the dialect's affair. */
static const struct {
    int reason;
    int32_t code;
} rows[] = {
    {GMQ__MQTT_BAD_CREDENTIALS, GMQ_CODE_UNAUTHENTICATED},
    {GMQ__MQTT_NOT_AUTHORIZED, GMQ_CODE_UNAUTHENTICATED},
    {0x8a /* banned */, GMQ_CODE_UNAUTHENTICATED},
    {0x8c /* bad authentication method */, GMQ_CODE_UNAUTHENTICATED},
};

int32_t gmq__reason_code(int reason)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].reason == reason)
            return rows[i].code;
    return GMQ_CODE_UNAVAILABLE;
}
