#include "transport/transport.h"

#include <string.h>

const gmq__transport_vtable *gmq__transport_find(const char *name)
{
    static const gmq__transport_vtable *const all[] = {
        &gmq__paho_transport,
#ifdef GMQ_WITH_MOSQUITTO
        &gmq__mosquitto_transport,
#endif
        &gmq__loopback_transport,
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}

const char *gmq__transport_names(void)
{
#ifdef GMQ_WITH_MOSQUITTO
    return "paho, mosquitto, loopback";
#else
    return "paho, loopback";
#endif
}
