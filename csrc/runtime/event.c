#include "runtime/event.h"

#include "base/mem.h"
#include "base/os.h"
#include "runtime/call.h"

gmq_event *gmq__event_new(int32_t type, uint64_t tag, gmq_call *call)
{
    gmq_event *event = gmq__calloc(1, sizeof *event);
    if (!event)
        return NULL;
    event->type = type;
    event->tag = tag;
    event->call = call ? gmq__handle_hold(call) : NULL;
    event->generation = gmq__os_fork_generation();
    return event;
}

void gmq_event_free(gmq_event *event)
{
    if (!event || event->generation != gmq__os_fork_generation())
        return; /* in a forked child what the event refers to is the parent's: let it be */
    if (event->handle)
        gmq_call_unref(event->call);
    if (event->call)
        gmq__handle_release(event->call);
    gmq_buf_unref(event->message);
    gmq_metadata_free(event->metadata);
    gmq__free(event->text);
    gmq__free(event);
}

int32_t gmq_event_type_of(const gmq_event *event) { return event->type; }
uint64_t gmq_event_tag(const gmq_event *event) { return event->tag; }
int32_t gmq_event_code(const gmq_event *event) { return event->code; }
const char *gmq_event_text(const gmq_event *event) { return event->text ? event->text : ""; }
gmq_buf *gmq_event_message(const gmq_event *event) { return event->message; }
const gmq_metadata *gmq_event_metadata(const gmq_event *event) { return event->metadata; }
gmq_call *gmq_event_call(const gmq_event *event) { return event->call; }

gmq_call *gmq_event_take_call(gmq_event *event)
{
    if (!event->handle)
        return NULL;
    event->handle = false;
    return event->call;
}

void gmq__event_stamp(gmq_event *event)
{
    if (event->call)
        event->tag = gmq__handle_tag(event->call);
}
