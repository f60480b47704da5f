/* What every module needs before its nouns: C helpers and the macros that declare a noun. */
%{
#include <grpc_mqtt/grpc_mqtt.h>

#include <stdbool.h>
#include <string.h>

#ifndef GMQ_BLOCKING /* what a language does around a statement that may block */
#define GMQ_BLOCKING(statement) statement
#endif

typedef gmq_status gmq_taken; /* GMQ_E_AGAIN is no error but "no" */

#define GMQ_BATCH_MAX 256

typedef struct gmq_batch {
    gmq_event *events[GMQ_BATCH_MAX];
    size_t count;
} gmq_batch;

static void gmq_swig_batch_free(gmq_batch *batch)
{
    size_t i;

    for (i = 0; i < batch->count; i++)
        gmq_event_free(batch->events[i]);
    batch->count = 0;
}

/* New calls get tags of their own from here up, at once: events of the call may follow in the same batch. */
static _Atomic uint64_t gmq_swig_last_tag = UINT64_C(1) << 63;

/* The calls that began in this batch, under the tags that they have got since. */
typedef struct gmq_swig_news {
    const gmq_call *calls[GMQ_BATCH_MAX];
    uint64_t tags[GMQ_BATCH_MAX];
    size_t count;
} gmq_swig_news;

/* The new call of a CALL event, under a tag of its own; NULL when it was taken before. */
static gmq_call *gmq_swig_take_call(gmq_event *event, gmq_swig_news *news, uint64_t *tag)
{
    gmq_call *call = gmq_event_take_call(event);

    if (!call)
        return NULL;
    *tag = ++gmq_swig_last_tag;
    gmq_call_set_tag(call, *tag);
    news->calls[news->count] = call;
    news->tags[news->count++] = *tag;
    return call;
}

static uint64_t gmq_swig_tag_of(const gmq_swig_news *news, const gmq_event *event)
{
    const gmq_call *call = gmq_event_call(event);
    size_t i;

    for (i = news->count; call && i-- > 0;) {
        if (news->calls[i] == call)
            return news->tags[i];
    }
    if (call && gmq_event_type_of(event) == GMQ_EVENT_CALL)
        return gmq_call_owner_tag(call); /* the server's: several may share a queue */
    return gmq_event_tag(event);
}

static _Thread_local gmq_status gmq_swig_status;

static gmq_status gmq_swig_check(gmq_status status)
{
    gmq_swig_status = status;
    return status;
}

/* Does not give the processor away while there is something to take. */
static gmq_status gmq_swig_take(gmq_queue *queue, int64_t timeout_ms, size_t max, gmq_batch *batch)
{
    gmq_status status;

    if (max > GMQ_BATCH_MAX)
        max = GMQ_BATCH_MAX;
    status = gmq_queue_poll(queue, batch->events, max, &batch->count);
    if (status == GMQ_OK && batch->count == 0 && timeout_ms != 0) {
        GMQ_BLOCKING(status = gmq_queue_wait(queue, timeout_ms, batch->events, max, &batch->count);)
    }
    return status;
}
%}

%define GMQ_NOUN(type, Name)
%rename(Name) type;
typedef struct type { } type;
%enddef

%define GMQ_FREED_BY(type, release)
%extend type { ~type() { release($self); } }
%enddef
