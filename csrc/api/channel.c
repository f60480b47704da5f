#include "api/channel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/os.h"
#include "runtime/event.h"

enum { TAKE_AT_ONCE = 32 };

struct gmq_channel {
    atomic_size_t refs; /* the user's and one a rpc */
    unsigned generation;
    gmq_client *client;
    gmq_queue *queue;
    pthread_mutex_t lock; /* guards what follows, and every inbox; a leaf */
    pthread_cond_t cond;  /* something was handed over, or nobody takes events any more */
    unsigned waiters;
    bool taking; /* a thread is in gmq_queue_wait() */
    bool closed; /* CLOSED has come */
    uint64_t last_tag;
    gmq__map inboxes; /* tag -> gmq__inbox; from gmq__channel_join() to gmq__channel_leave() */
};

gmq_status gmq__channel_check(const gmq_channel *channel)
{
    if (!channel)
        return gmq__fail(GMQ_E_INVALID, "channel is NULL");
    if (channel->generation != gmq__os_fork_generation())
        return gmq__fail(GMQ_E_FORKED, "the channel was made before fork(): make one in the child");
    return GMQ_OK;
}

gmq_channel *gmq__channel_hold(gmq_channel *channel)
{
    atomic_fetch_add_explicit(&channel->refs, 1, memory_order_relaxed);
    return channel;
}

gmq_client *gmq__channel_client(gmq_channel *channel) { return channel->client; }

gmq_status gmq_channel_new(gmq_channel **out, const char *url, const gmq_options *options,
                           const gmq_method_map *map)
{
    if (!out)
        return gmq__fail(GMQ_E_INVALID, "gmq_channel_new: out is NULL");
    gmq_channel *channel = gmq__calloc(1, sizeof *channel);
    if (!channel)
        return gmq__fail_nomem();
    gmq_status status = gmq_queue_new(&channel->queue);
    if (status == GMQ_OK)
        status = gmq_client_new(&channel->client, url, options, map, channel->queue, 0);
    if (status != GMQ_OK) {
        gmq_queue_unref(channel->queue);
        gmq__free(channel);
        return status;
    }
    atomic_init(&channel->refs, 1);
    channel->generation = gmq__os_fork_generation();
    pthread_mutex_init(&channel->lock, NULL);
    gmq__os_cond_init(&channel->cond);
    *out = channel;
    return GMQ_OK;
}

void gmq_channel_free(gmq_channel *channel)
{
    if (!channel || channel->generation != gmq__os_fork_generation())
        return;
    if (atomic_fetch_sub_explicit(&channel->refs, 1, memory_order_acq_rel) != 1)
        return;
    gmq_client_unref(channel->client);
    gmq_queue_unref(channel->queue);
    pthread_cond_destroy(&channel->cond);
    pthread_mutex_destroy(&channel->lock);
    gmq__map_free(&channel->inboxes);
    gmq__free(channel);
}

int32_t gmq_channel_state(const gmq_channel *channel)
{
    return channel ? gmq_client_state(channel->client) : GMQ_STATE_SHUTDOWN;
}

void gmq__channel_lock(gmq_channel *channel) { pthread_mutex_lock(&channel->lock); }
void gmq__channel_unlock(gmq_channel *channel) { pthread_mutex_unlock(&channel->lock); }

bool gmq__channel_join(gmq_channel *channel, gmq__inbox *inbox)
{
    gmq__list_init(&inbox->messages);
    gmq__channel_lock(channel);
    inbox->tag = ++channel->last_tag; /* 0 is the client's own */
    bool joined = gmq__map_put_u64(&channel->inboxes, inbox->tag, inbox);
    gmq__channel_unlock(channel);
    return joined;
}

void gmq__channel_leave(gmq_channel *channel, gmq__inbox *inbox)
{
    gmq__channel_lock(channel);
    gmq__map_remove_u64(&channel->inboxes, inbox->tag);
    gmq__channel_unlock(channel); /* nobody else sees the inbox now */
    for (gmq__node *node; (node = gmq__list_pop(&inbox->messages));)
        gmq_event_free(GMQ__CONTAINER(node, gmq_event, node));
    gmq_event_free(inbox->initial);
    gmq_event_free(inbox->finished);
    inbox->initial = inbox->finished = NULL;
}

/* Into the inbox that waits for it; what nobody keeps is given back. Locked. */
static gmq_event *hand_over(gmq_channel *channel, gmq_event *event)
{
    int32_t type = gmq_event_type_of(event);
    gmq__inbox *inbox = gmq__map_get_u64(&channel->inboxes, gmq_event_tag(event));
    channel->closed |= type == GMQ_EVENT_CLOSED;
    if (!inbox)
        return event;
    if (type == GMQ_EVENT_MESSAGE)
        gmq__list_push(&inbox->messages, &event->node);
    else if (type == GMQ_EVENT_INITIAL_METADATA && !inbox->initial)
        inbox->initial = event;
    else if (type == GMQ_EVENT_FINISHED)
        inbox->finished = event;
    else {
        inbox->writable |= type == GMQ_EVENT_WRITABLE;
        return event;
    }
    return NULL;
}

/* Takes events, at least one, and hands them over. Locked on entry and exit, unlocked meanwhile. */
static gmq_status take_events(gmq_channel *channel)
{
    gmq_event *events[TAKE_AT_ONCE], *unwanted[TAKE_AT_ONCE];
    size_t count = 0, left = 0;
    channel->taking = true;
    gmq__channel_unlock(channel);
    gmq_status status = gmq_queue_wait(channel->queue, -1, events, TAKE_AT_ONCE, &count);
    gmq__channel_lock(channel);
    for (size_t i = 0; i < count; i++)
        if ((unwanted[left] = hand_over(channel, events[i])))
            left++;
    channel->taking = false;
    if (channel->waiters)
        pthread_cond_broadcast(&channel->cond);
    if (left) {
        gmq__channel_unlock(channel);
        while (left)
            gmq_event_free(unwanted[--left]);
        gmq__channel_lock(channel);
    }
    return status;
}

gmq_status gmq__channel_wait(gmq_channel *channel, bool (*done)(const void *of), const void *of)
{
    gmq_status status = GMQ_OK;
    while (status == GMQ_OK && !done(of)) {
        if (channel->taking) {
            channel->waiters++;
            pthread_cond_wait(&channel->cond, &channel->lock);
            channel->waiters--;
        } else {
            status = take_events(channel);
        }
    }
    return status;
}

static bool is_closed(const void *of) { return ((const gmq_channel *)of)->closed; }

gmq_status gmq_channel_close(gmq_channel *channel, int64_t grace_ms)
{
    gmq_status status = gmq__channel_check(channel);
    if (status)
        return status;
    gmq_client_close(channel->client, grace_ms);
    gmq__channel_lock(channel);
    status = gmq__channel_wait(channel, is_closed, channel);
    gmq__channel_unlock(channel);
    return status;
}
