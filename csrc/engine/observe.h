/* An engine in the role of an observer: no calls, but publishes as they pass. It subscribes to what
 * it is asked for, again after each reconnect, and publishes on request. Each subscription granted
 * or refused and each publish has one answer, as an event. */
#ifndef GMQ_ENGINE_OBSERVE_H
#define GMQ_ENGINE_OBSERVE_H

#include "engine/engine.h"

typedef struct gmq__observe_publish {
    gmq__span topic;
    gmq_buf *payload;               /* takes a reference */
    const gmq_metadata *properties; /* user properties, copied; may be NULL */
    bool retain;
    uint8_t qos;
} gmq__observe_publish;

/* Events: EV_SUBSCRIBED (text the filter, code the reason) with each SUBACK, EV_OBSERVED with each
 * message: text its topic, message, metadata (user properties, NULL = none), code its
 * QoS + GMQ__OBSERVED_RETAINED. Errors: GMQ_E_NOMEM. */
gmq_status gmq__engine_observe(gmq__engine *engine, gmq__span filter, uint8_t qos);

/* Event: EV_PUBLISHED (text the topic, code the reason), once. Without a connection it waits for
 * the outcome of the attempt under way. Errors: GMQ_E_NOMEM. */
gmq_status gmq__engine_publish(gmq__engine *engine, const gmq__observe_publish *publish);

#define GMQ__OBSERVED_RETAINED 4

#endif
