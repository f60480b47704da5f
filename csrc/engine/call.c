#include "engine/call.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "engine/dialect.h"

#define GENERATION_MASK 0x7ffffffu
#define MARK            (UINT64_C(1) << 59)
#define MESSAGE_COST    64 /* what an unread message costs besides its bytes */

/* ---- Tables ---- */

static bool more_slots(gmq__engine *engine)
{
    uint32_t count = engine->nslots ? engine->nslots * 2 : 32;
    gmq__slot *slots = gmq__realloc(engine->slots, count * sizeof *slots);
    if (!slots)
        return false;
    engine->slots = slots;
    for (uint32_t at = count; at-- > engine->nslots;) {
        gmq__slot fresh = {NULL, 0, engine->free_slot};
        slots[at] = fresh;
        engine->free_slot = at;
    }
    engine->nslots = count;
    return true;
}

static void take_slot(gmq__engine *engine, gmq__call *call)
{
    gmq__slot *slot = &engine->slots[engine->free_slot];
    call->slot = engine->free_slot;
    engine->free_slot = slot->next_free;
    slot->call = call;
    slot->generation = (slot->generation + 1) & GENERATION_MASK;
    if (!slot->generation)
        slot->generation = 1;
}

static void give_slot_back(gmq__engine *engine, gmq__call *call)
{
    engine->slots[call->slot].call = NULL;
    engine->slots[call->slot].next_free = engine->free_slot;
    engine->free_slot = call->slot;
}

gmq_status gmq__call_add(gmq__engine *engine, gmq__call *call, uint64_t id, bool told)
{
    if (engine->free_slot == GMQ__NO_SLOT && !more_slots(engine))
        return gmq__fail_nomem();
    if (!gmq__events_reserve(&engine->events))
        return gmq__fail_nomem();
    if (!gmq__heap_set(&engine->timers, &call->timer, INT64_MAX))
        goto no_heap;
    if (id && !gmq__map_put_u64(&engine->by_id, id, call))
        goto no_id;
    take_slot(engine, call);
    call->id = id ? id : (uint64_t)engine->slots[call->slot].generation << 32 | call->slot;
    call->told = told;
    engine->stats.calls_started += told;
    engine->stats.open_calls += told;
    return GMQ_OK;
no_id:
    gmq__heap_remove(&engine->timers, &call->timer);
no_heap:
    gmq__events_unreserve(&engine->events);
    return gmq__fail_nomem();
}

static gmq__call *in_slot(const gmq__engine *engine, uint64_t slot, uint64_t generation)
{
    if (slot >= engine->nslots || engine->slots[slot].generation != generation)
        return NULL;
    return engine->slots[slot].call;
}

gmq__call *gmq__call_find(const gmq__engine *engine, uint64_t id)
{
    gmq__call *call = engine->config.role == GMQ__ROLE_CLIENT
                          ? gmq__map_get_u64(&engine->by_id, id)
                          : in_slot(engine, id & UINT32_MAX, id >> 32);
    return call && call->state == GMQ__CALL_OPEN ? call : NULL;
}

uint64_t gmq__call_token(const gmq__engine *engine, const gmq__call *call, bool mark)
{
    return GMQ__TOKEN_CALL << GMQ__TOKEN_KIND_SHIFT | (mark ? MARK : 0) |
           (uint64_t)engine->slots[call->slot].generation << 32 | call->slot;
}

gmq__call *gmq__call_of_token(const gmq__engine *engine, uint64_t token, bool *mark)
{
    *mark = token & MARK;
    return in_slot(engine, token & UINT32_MAX, (token >> 32) & GENERATION_MASK);
}

void gmq__call_run(gmq__engine *engine, gmq__call *call, bool urgent)
{
    if (call->state == GMQ__CALL_GONE)
        return;
    if (urgent) {
        gmq__node_unlink(&call->run);
        gmq__list_push_front(&engine->run, &call->run);
    } else if (!gmq__node_linked(&call->run)) {
        gmq__list_push(&engine->run, &call->run);
    }
}

void gmq__call_timer(gmq__engine *engine, gmq__call *call, int64_t at)
{
    if (call->state != GMQ__CALL_GONE && call->timer.key != at)
        gmq__heap_set(&engine->timers, &call->timer, at); /* it is in the heap: needs no memory */
}

/* ---- Reading side ---- */

static bool inbox_push(gmq__inbox *inbox, gmq_buf *message)
{
    if (inbox->len == inbox->cap) {
        size_t cap = inbox->cap ? inbox->cap * 2 : 8;
        gmq_buf **ring = gmq__malloc(cap * sizeof *ring);
        if (!ring)
            return false;
        for (size_t at = 0; at < inbox->len; at++)
            ring[at] = inbox->ring[(inbox->head + at) & (inbox->cap - 1)];
        gmq__free(inbox->ring);
        inbox->ring = ring;
        inbox->cap = cap;
        inbox->head = 0;
    }
    inbox->ring[(inbox->head + inbox->len++) & (inbox->cap - 1)] = message;
    inbox->bytes += gmq_buf_len(message) + MESSAGE_COST;
    return true;
}

static gmq_buf *inbox_pop(gmq__inbox *inbox)
{
    gmq_buf *message = inbox->ring[inbox->head];
    inbox->head = (inbox->head + 1) & (inbox->cap - 1);
    inbox->len--;
    inbox->bytes -= gmq_buf_len(message) + MESSAGE_COST;
    return message;
}

static void inbox_clear(gmq__engine *engine, gmq__inbox *inbox)
{
    engine->stats.unread_bytes -= inbox->bytes;
    while (inbox->len)
        gmq_buf_unref(inbox_pop(inbox));
    gmq__free(inbox->ring);
    gmq__free(inbox->text);
    gmq_metadata_free(inbox->trailing);
    memset(inbox, 0, sizeof *inbox);
}

static bool deliver(gmq__engine *engine, gmq__call *call, gmq_buf *message)
{
    gmq__ev ev = {.kind = GMQ__EV_MESSAGE, .call = call->id, .message = message};
    call->inbox.credit--;
    return gmq__events_push(&engine->events, &ev, false);
}

bool gmq__call_fits(const gmq__engine *engine, const gmq__call *call, size_t len)
{
    const gmq__inbox *inbox = &call->inbox;
    return !inbox->len || inbox->bytes + len + MESSAGE_COST <= engine->config.receive_buffer;
}

bool gmq__call_message(gmq__engine *engine, gmq__call *call, gmq_buf *message)
{
    if (call->inbox.credit && !call->inbox.len)
        return deliver(engine, call, message);
    if (!inbox_push(&call->inbox, message)) {
        gmq_buf_unref(message);
        return false;
    }
    engine->stats.unread_bytes += gmq_buf_len(message) + MESSAGE_COST;
    return true;
}

bool gmq__call_initial(gmq__engine *engine, gmq__call *call, gmq_metadata *md)
{
    gmq__ev ev = {.kind = GMQ__EV_INITIAL_METADATA, .call = call->id, .metadata = md};
    return gmq__events_push(&engine->events, &ev, false);
}

/* What stands behind the messages, once they are read. */
static bool behind_messages(gmq__engine *engine, gmq__call *call)
{
    gmq__inbox *inbox = &call->inbox;
    if (inbox->len)
        return true;
    if (inbox->half_closed) {
        inbox->half_closed = false;
        gmq__ev ev = {.kind = GMQ__EV_HALF_CLOSED, .call = call->id};
        if (!gmq__events_push(&engine->events, &ev, false))
            return false;
    }
    if (inbox->ended) {
        char *text = inbox->text;
        gmq_metadata *trailing = inbox->trailing;
        inbox->text = NULL;
        inbox->trailing = NULL;
        gmq__call_finish(engine, call, inbox->code,
                         text ? gmq__span_str(text) : gmq__span_of(NULL, 0), trailing);
        gmq__free(text);
    }
    return true;
}

bool gmq__call_half_closed(gmq__engine *engine, gmq__call *call)
{
    call->inbox.half_closed = true;
    return behind_messages(engine, call);
}

bool gmq__call_credit(gmq__engine *engine, gmq__call *call, uint32_t messages)
{
    gmq__inbox *inbox = &call->inbox;
    if (inbox->credit <= UINT64_MAX - messages)
        inbox->credit += messages;
    while (inbox->credit && inbox->len) {
        size_t before = inbox->bytes;
        gmq_buf *message = inbox_pop(inbox);
        engine->stats.unread_bytes -= before - inbox->bytes;
        if (!deliver(engine, call, message))
            return false;
    }
    return behind_messages(engine, call);
}

void gmq__call_sent(gmq__engine *engine, gmq__call *call, size_t size)
{
    if (size && call->state == GMQ__CALL_OPEN)
        gmq__events_sent(&engine->events, call->id, size);
}

/* ---- End ---- */

void gmq__call_end(gmq__engine *engine, gmq__call *call, int32_t code, gmq__span text,
                   gmq_metadata *md)
{
    gmq__inbox *inbox = &call->inbox;
    if (!inbox->len) {
        gmq__call_finish(engine, call, code, text, md);
        return;
    }
    inbox->ended = true;
    inbox->code = code;
    inbox->text = text.len ? gmq__strndup((const char *)text.data, text.len) : NULL;
    gmq_metadata_free(inbox->trailing);
    inbox->trailing = md;
}

void gmq__call_finish(gmq__engine *engine, gmq__call *call, int32_t code, gmq__span text,
                      gmq_metadata *md)
{
    if (call->state != GMQ__CALL_OPEN) {
        gmq_metadata_free(md);
        return;
    }
    call->state = GMQ__CALL_OVER;
    if (engine->config.role == GMQ__ROLE_CLIENT)
        gmq__map_remove_u64(&engine->by_id, call->id);
    gmq__ev ev = {.kind = GMQ__EV_FINISHED, .call = call->id, .code = code, .metadata = md};
    if (text.len)
        ev.text = gmq__strndup((const char *)text.data, text.len);
    if (call->told) {
        gmq__events_push(&engine->events, &ev, true);
        engine->stats.calls_finished++;
        engine->stats.open_calls--;
    } else {
        gmq__events_unreserve(&engine->events);
        gmq__ev_clear(&ev);
    }
    inbox_clear(engine, &call->inbox);
}

void gmq__call_gone(gmq__engine *engine, gmq__call *call)
{
    if (call->state == GMQ__CALL_GONE)
        return;
    if (call->state == GMQ__CALL_OPEN) { /* a call that vanishes with its engine */
        gmq__events_unreserve(&engine->events);
        engine->stats.open_calls -= call->told;
        if (engine->config.role == GMQ__ROLE_CLIENT)
            gmq__map_remove_u64(&engine->by_id, call->id);
    }
    inbox_clear(engine, &call->inbox);
    call->state = GMQ__CALL_GONE;
    gmq__heap_remove(&engine->timers, &call->timer);
    give_slot_back(engine, call);
    gmq__node_unlink(&call->run);
    gmq__list_push(&engine->dead, &call->run);
}
