#include "engine/events.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"

#define SMALL 64 /* places that are kept when all is quiet */

static gmq__ev *place(gmq__events *events, size_t index)
{
    return &events->ring[(events->head + index) & (events->cap - 1)];
}

static bool resize(gmq__events *events, size_t cap)
{
    gmq__ev *ring = gmq__malloc(cap * sizeof *ring);
    if (!ring)
        return false;
    for (size_t at = 0; at < events->len; at++)
        ring[at] = *place(events, at);
    gmq__free(events->ring);
    events->ring = ring;
    events->cap = cap;
    events->head = 0;
    return true;
}

static bool room(gmq__events *events)
{
    return events->len + events->reserved < events->cap ||
           resize(events, events->cap ? events->cap * 2 : SMALL);
}

bool gmq__events_reserve(gmq__events *events)
{
    if (!room(events))
        return false;
    events->reserved++;
    return true;
}

void gmq__events_unreserve(gmq__events *events) { events->reserved--; }

bool gmq__events_push(gmq__events *events, gmq__ev *ev, bool reserved)
{
    if (reserved) {
        events->reserved--;
    } else if (!room(events)) {
        gmq__ev_clear(ev);
        return false;
    }
    *place(events, events->len++) = *ev;
    memset(ev, 0, sizeof *ev);
    return true;
}

bool gmq__events_pop(gmq__events *events, gmq__ev *out)
{
    if (!events->len)
        return false;
    *out = *place(events, 0);
    events->head = (events->head + 1) & (events->cap - 1);
    events->len--;
    if (!events->len && events->cap > SMALL * 16 && events->reserved < events->cap / 8)
        resize(events, events->cap / 4);
    return true;
}

bool gmq__events_sent(gmq__events *events, uint64_t call, size_t size)
{
    gmq__ev *last = events->len ? place(events, events->len - 1) : NULL;
    if (last && last->kind == GMQ__EV_SENT && last->call == call) {
        last->size += size;
        return true;
    }
    gmq__ev ev = {.kind = GMQ__EV_SENT, .call = call, .size = size};
    return gmq__events_push(events, &ev, false);
}

void gmq__events_free(gmq__events *events)
{
    gmq__ev ev;
    while (events->len) {
        ev = *place(events, 0);
        events->head = (events->head + 1) & (events->cap - 1);
        events->len--;
        gmq__ev_clear(&ev);
    }
    gmq__free(events->ring);
    memset(events, 0, sizeof *events);
}

void gmq__ev_clear(gmq__ev *ev)
{
    gmq_buf_unref(ev->message);
    gmq_metadata_free(ev->metadata);
    gmq__free(ev->text);
    memset(ev, 0, sizeof *ev);
}

void gmq__events_filters_refused(gmq__events *events, gmq__span base, int reason)
{
    gmq__ev ev = {.kind = GMQ__EV_FAILED, .code = GMQ_CODE_PERMISSION_DENIED};
    if (reason == GMQ__MQTT_QUOTA_EXCEEDED)
        ev.code = GMQ_CODE_RESOURCE_EXHAUSTED;
    char text[384];
    snprintf(text, sizeof text,
             "the broker refused the server's subscriptions below \"%s\": %s (0x%02x)",
             gmq__show(base).text, gmq__mqtt_reason_text(reason), (unsigned)reason);
    ev.text = gmq__strdup(text);
    gmq__events_push(events, &ev, false);
}
