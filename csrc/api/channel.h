/* A channel from the inside: its lock, and how its rpcs wait.
 *
 * The lock guards what the events of a call change (gmq__inbox) and the table of calls. It is a
 * leaf: no function that takes another lock is called under it. One thread at a time takes events
 * out of the queue, for all; the others wait for it to hand theirs over. */
#ifndef GMQ_API_CHANNEL_H
#define GMQ_API_CHANNEL_H

#include <grpc_mqtt/channel.h>

#include "base/list.h"
#include "base/map.h"

/* What has come for one call. */
typedef struct gmq__inbox {
    uint64_t tag;
    gmq__list messages;            /* MESSAGE events, not received yet */
    gmq_event *initial, *finished; /* NULL until they come */
    bool writable;                 /* WRITABLE came since this was cleared */
} gmq__inbox;

gmq_status gmq__channel_check(const gmq_channel *channel);
gmq_channel *gmq__channel_hold(gmq_channel *channel);
gmq_client *gmq__channel_client(gmq_channel *channel);

/* Events with the inbox's tag, which this sets, go there from now on. false = out of memory. */
bool gmq__channel_join(gmq_channel *channel, gmq__inbox *inbox);
/* They are dropped from now on, and so is what is in the inbox. */
void gmq__channel_leave(gmq_channel *channel, gmq__inbox *inbox);

void gmq__channel_lock(gmq_channel *channel);
void gmq__channel_unlock(gmq_channel *channel);

/* Blocks until done(of). Locked on entry and exit. Errors: those of gmq_queue_wait(). */
gmq_status gmq__channel_wait(gmq_channel *channel, bool (*done)(const void *of), const void *of);

#endif
