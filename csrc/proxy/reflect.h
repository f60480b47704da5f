/* Asks the server at a base topic, by its reflection service, which methods it has: the session
 * dialect cannot call a method whose kind is not known. */
#ifndef GMQ_PROXY_REFLECT_H
#define GMQ_PROXY_REFLECT_H

#include "proxy.h"

/* The kind of the method `path` at `base`, -1 = not known. */
int gmq__kind_of(gmq__base *base, const char *path);

extern const char gmq__reflect_hint[]; /* what to do where a server offers no reflection */

/* Whether the server may be asked (again). With the proxy's lock. */
bool gmq__reflect_due(const gmq__base *base);

/* Has the MQTT thread ask: the answer goes to `base->learnt`, then gmq__pcall_resume() is called.
 * Only while nobody asks; the caller has set `base->asking` under the lock. Errors: GMQ_E_NOMEM;
 * then nothing follows. */
gmq_status gmq__reflect_start(gmq__base *base);
void gmq__reflect_begin(gmq__base *base); /* that: GMQ__EVENT_ASK */

void gmq__reflect_event(gmq__sink *sink, gmq_event *event);

#endif
