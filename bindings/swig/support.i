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
