/* One call on its way from a gRPC client to MQTT and back.
 *
 * A call lives until gRPC has told of its end, its batches have completed, and FINISHED of its MQTT
 * call has come. gmq__pcall_accept() and gmq__pcall_completed() are called by the gRPC thread, the
 * others by the MQTT thread. */
#ifndef GMQ_PROXY_PCALL_H
#define GMQ_PROXY_PCALL_H

#include "proxy.h"

/* Takes the call that has come into `slot`, and empties the slot. */
void gmq__pcall_accept(gmq_proxy *proxy, gmq__slot *slot);

void gmq__pcall_completed(void *tag, bool success); /* a batch */
void gmq__pcall_event(gmq__sink *sink, gmq_event *event);

/* The calls that waited at `base` to learn of their methods' kinds go on with what is known now;
 * with a code other than OK those of which still nothing is known end with it, and `why`. Any
 * thread; the base is in use. */
void gmq__pcall_resume(gmq__base *base, int32_t code, const char *why);

#endif
