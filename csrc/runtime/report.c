#include "base/mem.h"
#include "runtime/owner.h"

static gmq_event *push(gmq__runtime *rt, int32_t type, gmq_call *call)
{
    gmq_event *event = gmq__event_new(type, rt->tag, call);
    if (event)
        gmq__list_push(&rt->events, &event->node);
    return event;
}

void gmq__report_state(gmq__runtime *rt, gmq_state state, const char *text)
{
    atomic_store(&rt->state, (int)state);
    gmq_event *event = push(rt, GMQ_EVENT_STATE, NULL);
    if (!event)
        return; /* gmq_client_state() knows it all the same */
    event->code = state;
    event->text = gmq__strdup(text);
}

void gmq__report_log(gmq__runtime *rt, int32_t level, const char *text)
{
    gmq_event *event = level <= rt->log_level ? push(rt, GMQ_EVENT_LOG, NULL) : NULL;
    if (!event)
        return;
    event->code = level;
    event->text = gmq__strdup(text);
}

static void take(gmq_event *event, gmq__ev *ev)
{
    event->message = ev->message;
    event->metadata = ev->metadata;
    event->text = ev->text;
    ev->message = NULL;
    ev->metadata = NULL;
    ev->text = NULL;
}

bool gmq__report_call(gmq__runtime *rt, gmq_call *call, int32_t type, gmq__ev *ev)
{
    gmq_event *event = push(rt, type, call);
    if (event && ev)
        take(event, ev);
    return event != NULL;
}

void gmq__report_observed(gmq__runtime *rt, int32_t type, gmq__ev *ev)
{
    gmq_event *event = push(rt, type, NULL);
    if (!event)
        return; /* as a message that the broker lost */
    event->code = ev->code;
    take(event, ev);
}

void gmq__report_finished(gmq__runtime *rt, gmq_call *call, int32_t code, char *text,
                          gmq_metadata *metadata)
{
    gmq__hold_leave(rt, call);
    gmq__numbers_finished(&rt->numbers, code);
    gmq__mailbox_lock(&rt->mailbox);
    call->over = true;
    gmq__mailbox_unlock(&rt->mailbox);
    gmq_event *event = call->finished;
    call->finished = NULL;
    event->code = code;
    event->text = text;
    event->metadata = metadata;
    event->call = call; /* the table's reference */
    gmq__map_remove_u64(&rt->calls, call->id);
    gmq__list_push(&rt->events, &event->node);
}

/* The numbers first: who sees an event also sees them. */
void gmq__report_flush(gmq__runtime *rt)
{
    gmq__numbers_publish(rt);
    gmq__queue_push(rt->queue, &rt->events);
}
