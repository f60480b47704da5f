/* Whether anybody serves the base in the session dialect, which has no announcements (client). A
 * heartbeat of a session that nobody knows is answered by the broker: MQTT 5 tells the publisher
 * (0x10) where nobody subscribes. What a server may say to it goes to nobody. It is sent while no
 * call is open; else the first packets of calls tell as much. While nobody is there it is sent
 * again, ever more seldom. */
#ifndef GMQ_ENGINE_SESSION_PROBE_H
#define GMQ_ENGINE_SESSION_PROBE_H

#include "engine/dialect.h"

typedef struct gmq__probe {
    bool running; /* from start() to stop(): its answers are the client's READY and ABSENT */
    bool due;
    bool told, told_there;
    int64_t at, backoff; /* the next one; INT64_MAX = none */
} gmq__probe;

/* `lost`: an announced server has just gone; what it still listens to it will not for long. false =
 * it cannot be, or is not wanted. */
bool gmq__probe_start(gmq__engine *engine, bool lost, int64_t now);
void gmq__probe_stop(gmq__engine *engine);
void gmq__probe_heard(gmq__engine *engine, bool there, int64_t now); /* by whatever packet */
void gmq__probe_timer(gmq__engine *engine, int64_t now);
bool gmq__probe_wants(const gmq__engine *engine, int64_t now);
bool gmq__probe_publish(gmq__engine *engine, int64_t now, gmq__output *out);

#endif
