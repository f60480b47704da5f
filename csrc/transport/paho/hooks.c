/* paho 1.3 drops the reason code of a PUBACK that is no error, and with it 0x10, "nobody is
 * subscribed". Where paho is linked statically, the linker (--wrap) leads its call that handles a
 * PUBACK through here, and the code is noted on the way to the callback, which paho makes next on
 * the same thread.
 */
#include "transport/paho/client.h"

#ifdef GMQ_PAHO_WRAPPED

static _Thread_local int puback_reason;

/* The beginning of paho's struct Ack, the same in all of 1.3. */
typedef struct paho_ack {
    unsigned header;
    int id;
    unsigned char reason;
    int version;
} paho_ack;

int __real_MQTTProtocol_handlePubacks(void *ack, int socket, void *publication);
int __wrap_MQTTProtocol_handlePubacks(void *ack, int socket, void *publication);

int __wrap_MQTTProtocol_handlePubacks(void *packet, int socket, void *publication)
{
    const paho_ack *ack = packet;
    puback_reason = ack->version >= MQTTVERSION_5 ? ack->reason : 0;
    return __real_MQTTProtocol_handlePubacks(packet, socket, publication);
}

int gmq__phook_puback_reason(void) { return puback_reason; }

#else

int gmq__phook_puback_reason(void) { return 0; }

#endif
