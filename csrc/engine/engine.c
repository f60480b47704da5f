/* Entry points: tables and scheduling here, meaning in the dialect. */
#include "engine/engine.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/text.h"
#include "engine/dialect.h"
#include "engine/link/link.h"
#include "wire/link_topic.h"
#include "wire/packet.h"

#define MS INT64_C(1000000)
#define S  INT64_C(1000000000)

void gmq__engine_config_defaults(gmq__engine_config *config)
{
    memset(config, 0, sizeof *config);
    config->msg_size_limit = GMQ__PACKET_LIMIT_DEFAULT;
    config->receive_limit = (size_t)4 << 20;
    config->metadata_limit = 8192;
    config->reassembly_limit = (size_t)64 << 20;
    config->receive_buffer = (size_t)8 << 20;
    config->max_calls = 100000;
    config->subscriptions = 40;
    config->heartbeat_ns = 10 * S;
    config->watchdog_ns = 30 * S;
    config->gap_ns = 5 * S;
    config->linger_ns = 5 * MS;
    config->tombstone_ns = 60 * S;
    config->pool_idle_ns = 30 * S;
    config->options.batched = config->options.server_level = config->options.client_level = -1;
    config->qos = 1;
    config->link.call_window = (size_t)2 << 20;
    config->link.link_window = (size_t)4 << 20;
    config->link.timeout_ns = 30 * S;
    config->link.idle_ns = 60 * S;
    config->link.ping_ns = 10 * S;
    config->link.grace_ns = 4 * S;
}

static gmq_status check_link(const gmq__engine_config *config)
{
    const gmq__link_config *c = &config->link;
    bool client = config->role == GMQ__ROLE_CLIENT;
    gmq__span name = client ? c->client_id : c->server_id;
    if (!gmq__link_name_valid(name))
        return gmq__fail(GMQ_E_INVALID, "engine: id \"%s\" is not 1 to 64 of [A-Za-z0-9_.-]",
                         gmq__show(name).text);
    if (!c->inbox.len)
        return gmq__fail(GMQ_E_INVALID, "engine: the link dialect needs an inbox");
    if (c->call_window < GMQ__CREDIT_CALL_0 || c->link_window < GMQ__CREDIT_LINK_0)
        return gmq__fail(GMQ_E_INVALID, "engine: windows of %llu and %llu bytes are too small",
                         (unsigned long long)c->call_window, (unsigned long long)c->link_window);
    return GMQ_OK;
}

static gmq_status check(const gmq__engine_config *config)
{
    if (!config->random)
        return gmq__fail(GMQ_E_INVALID, "engine: no random function");
    if (config->role == GMQ__ROLE_SERVER && !config->lookup)
        return gmq__fail(GMQ_E_INVALID, "engine: a server needs a lookup function");
    if (config->msg_size_limit < GMQ__PACKET_LIMIT_MIN ||
        config->msg_size_limit > GMQ__PACKET_LIMIT_MAX)
        return gmq__fail(GMQ_E_INVALID, "engine: message size limit %zu is not in %d to %d",
                         config->msg_size_limit, GMQ__PACKET_LIMIT_MIN, GMQ__PACKET_LIMIT_MAX);
    return config->speak == GMQ__SPEAK_SESSION ? GMQ_OK : check_link(config);
}

static gmq_status open_dialects(gmq__engine *engine)
{
    gmq__speak speak = engine->config.speak;
    const gmq__dialect *all[] = {&gmq__link_dialect, &gmq__session_dialect};
    if (engine->config.role == GMQ__ROLE_OBSERVER) {
        engine->dialects[engine->ndialects++] = &gmq__observe_dialect;
        engine->nspoken = 1;
        return gmq__observe_dialect.open(engine);
    }
    for (size_t at = 0; at < 2; at++) {
        if (speak == (at ? GMQ__SPEAK_LINK : GMQ__SPEAK_SESSION))
            continue;
        gmq_status status = all[at]->open(engine);
        if (status != GMQ_OK) {
            if (engine->ndialects)
                engine->dialects[0]->close(engine);
            return status;
        }
        engine->dialects[engine->ndialects++] = all[at];
    }
    engine->choosing = speak == GMQ__SPEAK_BOTH && engine->config.role == GMQ__ROLE_CLIENT;
    engine->nspoken = engine->choosing ? 1 : engine->ndialects;
    return GMQ_OK;
}

gmq_status gmq__engine_new(gmq__engine **out, const gmq__engine_config *config)
{
    gmq_status status = check(config);
    if (status != GMQ_OK)
        return status;
    gmq__engine *engine = gmq__calloc(1, sizeof *engine);
    if (!engine)
        return gmq__fail_nomem();
    engine->config = *config;
    engine->config.base.data =
        (uint8_t *)gmq__strndup((const char *)config->base.data, config->base.len);
    gmq__list_init(&engine->run);
    gmq__list_init(&engine->dead);
    engine->free_slot = GMQ__NO_SLOT;
    engine->rate.limit = config->rate_limit;
    config->random(config->random_ctx, &engine->by_id.seed, sizeof engine->by_id.seed);
    status = engine->config.base.data ? open_dialects(engine) : gmq__fail_nomem();
    if (status != GMQ_OK) {
        gmq__free((void *)(uintptr_t)engine->config.base.data);
        gmq__free(engine);
        return status;
    }
    *out = engine;
    return GMQ_OK;
}

static void bury(gmq__engine *engine)
{
    gmq__node *node;
    while ((node = gmq__list_pop(&engine->dead)))
        gmq__free(GMQ__CONTAINER(node, gmq__call, run));
}

void gmq__engine_free(gmq__engine *engine)
{
    if (!engine)
        return;
    for (uint32_t at = 0; at < engine->nslots; at++) {
        gmq__call *call = engine->slots[at].call;
        if (!call)
            continue;
        call->dialect->discard(engine, call);
        gmq__call_gone(engine, call);
    }
    bury(engine);
    for (size_t at = 0; at < engine->ndialects; at++)
        engine->dialects[at]->close(engine);
    gmq__events_free(&engine->events);
    gmq__heap_free(&engine->timers);
    gmq__map_free(&engine->by_id);
    gmq__bytes_free(&engine->topic);
    gmq__bytes_free(&engine->payload);
    gmq__free(engine->slots);
    gmq__free((void *)(uintptr_t)engine->config.base.data);
    gmq__free(engine);
}

/* ---- Connection ---- */

void gmq__engine_connected(gmq__engine *engine, const gmq__mqtt_limits *limits, int64_t now)
{
    engine->connected = true;
    engine->limits = *limits;
    engine->ungranted = engine->nspoken;
    for (size_t at = 0; at < engine->nspoken; at++)
        engine->dialects[at]->connected(engine, now);
    bury(engine);
}

void gmq__engine_disconnected(gmq__engine *engine, int32_t code, const char *why, int64_t now)
{
    engine->connected = false;
    for (size_t at = 0; at < engine->ndialects; at++)
        engine->dialects[at]->disconnected(engine, code, why ? why : "connection lost", now);
    bury(engine);
}

/* With a copy of what is only lent. Without memory it is lost, as if the broker had dropped it. */
static void message_copied(gmq__engine *engine, const gmq__dialect *dialect,
                           const gmq__mqtt_message *message, int64_t now)
{
    gmq__mqtt_message copied = *message;
    gmq_buf *payload = gmq__buf_copy(message->payload);
    copied.payload = gmq__buf_span(payload);
    if (payload)
        dialect->message(engine, &copied, payload, now);
    gmq_buf_unref(payload);
}

void gmq__engine_message(gmq__engine *engine, const gmq__mqtt_message *message, gmq_buf *payload,
                         int64_t now)
{
    engine->stats.packets_in++;
    engine->stats.bytes_in += message->payload.len;
    size_t at = 0;
    while (at + 1 < engine->ndialects && engine->dialects[at]->claims &&
           !engine->dialects[at]->claims(engine, message->topic))
        at++;
    const gmq__dialect *dialect = engine->dialects[at];
    if (payload || dialect->takes_lent)
        dialect->message(engine, message, payload, now);
    else
        message_copied(engine, dialect, message, now);
    bury(engine);
}

void gmq__engine_acked(gmq__engine *engine, uint64_t token, int reason, int64_t now)
{
    bool mark;
    if (token >> GMQ__TOKEN_KIND_SHIFT != GMQ__TOKEN_CALL) {
        for (size_t at = 0; at < engine->ndialects; at++)
            engine->dialects[at]->acked(engine, token, reason, now);
    } else {
        gmq__call *call = gmq__call_of_token(engine, token, &mark);
        if (call)
            call->dialect->call_acked(engine, call, mark, reason, now);
    }
    bury(engine);
}

/* The call whose turn it is; NULL = none, or its dialect may not publish. */
static gmq__call *next_call(const gmq__engine *engine)
{
    gmq__node *node = engine->run.head.next;
    if (node == &engine->run.head)
        return NULL;
    gmq__call *call = GMQ__CONTAINER(node, gmq__call, run);
    return call->dialect->ready(engine) ? call : NULL;
}

int64_t gmq__engine_deadline(const gmq__engine *engine)
{
    int64_t at = INT64_MAX, ready = gmq__rate_ready_at(&engine->rate);
    bool waiting = next_call(engine) != NULL;
    for (size_t d = 0; d < engine->ndialects; d++) {
        const gmq__dialect *dialect = engine->dialects[d];
        int64_t due = dialect->deadline(engine);
        at = due < at ? due : at;
        waiting |= dialect->wants && dialect->wants(engine, ready);
    }
    gmq__heap_node *first = gmq__heap_first(&engine->timers);
    if (first && first->key < at)
        at = first->key;
    /* with the transport's window full an acknowledgement comes before the next pull */
    if (waiting && !engine->window_full && ready != INT64_MIN && ready < at)
        at = ready;
    return at;
}

void gmq__engine_timer(gmq__engine *engine, int64_t now)
{
    for (size_t at = 0; at < engine->ndialects; at++)
        engine->dialects[at]->timer(engine, now);
    gmq__heap_node *first;
    while ((first = gmq__heap_first(&engine->timers)) && first->key <= now) {
        gmq__call *call = GMQ__CONTAINER(first, gmq__call, timer);
        call->dialect->call_timer(engine, call, now);
        /* whatever it did, a timer that is still due would fire for ever */
        if (call->state != GMQ__CALL_GONE && call->timer.key <= now)
            gmq__call_timer(engine, call, now + 1);
    }
    bury(engine);
}

/* ---- Output ---- */

static void count_out(gmq__engine *engine, const gmq__output *out, int64_t now)
{
    engine->stats.packets_out++;
    engine->stats.bytes_out += out->message.payload.len;
    gmq__rate_take(&engine->rate, out->message.payload.len, now);
}

/* One publish of the call whose turn it is; a call with more to say goes to the end of the line. */
static bool publish_call(gmq__engine *engine, int64_t now, gmq__output *out)
{
    gmq__call *call;
    while ((call = next_call(engine))) {
        bool more = false;
        gmq__node_unlink(&call->run);
        bool pulled = call->dialect->call_pull(engine, call, now, out, &more);
        if (more)
            gmq__call_run(engine, call, false);
        if (pulled)
            return true;
    }
    return false;
}

static bool publish_dialect(gmq__engine *engine, int64_t now, gmq__output *out)
{
    for (size_t at = 0; at < engine->ndialects; at++)
        if (engine->dialects[at]->publish && engine->dialects[at]->publish(engine, now, out))
            return true;
    return false;
}

/* Single calls and the rest take turns. */
static bool pull_publish(gmq__engine *engine, int64_t now, gmq__output *out)
{
    bool calls = engine->calls_turn;
    bool pulled = calls ? publish_call(engine, now, out) : publish_dialect(engine, now, out);
    engine->calls_turn = !calls;
    if (!pulled)
        pulled = calls ? publish_dialect(engine, now, out) : publish_call(engine, now, out);
    if (pulled)
        count_out(engine, out, now);
    return pulled;
}

static bool pull_subscription(gmq__engine *engine, int64_t now, gmq__output *out)
{
    for (size_t at = 0; at < engine->ndialects; at++)
        if (engine->dialects[at]->pull(engine, now, out))
            return true;
    return false;
}

bool gmq__engine_next_output(gmq__engine *engine, bool may_publish, int64_t now, gmq__output *out)
{
    if (!engine->connected)
        return false;
    memset(out, 0, sizeof *out);
    engine->window_full = !may_publish;
    bool pulled = pull_subscription(engine, now, out);
    if (!pulled && may_publish && now >= gmq__rate_ready_at(&engine->rate))
        pulled = pull_publish(engine, now, out);
    bury(engine);
    return pulled;
}

void gmq__dialect_granted(gmq__engine *engine)
{
    gmq__ev ev = {.kind = GMQ__EV_READY};
    if (engine->ungranted && !--engine->ungranted)
        gmq__events_push(&engine->events, &ev, false);
}

gmq_status gmq__dialect_still_born(gmq__engine *engine, uint64_t id, int32_t code, const char *text)
{
    if (!gmq__events_reserve(&engine->events))
        return gmq__fail_nomem();
    gmq__ev ev = {.kind = GMQ__EV_FINISHED, .call = id, .code = code, .text = gmq__strdup(text)};
    gmq__events_push(&engine->events, &ev, true);
    engine->stats.calls_started++;
    engine->stats.calls_finished++;
    return GMQ_OK;
}

bool gmq__engine_next_event(gmq__engine *engine, gmq__ev *out)
{
    return gmq__events_pop(&engine->events, out);
}

/* ---- Calls ---- */

bool gmq__engine_undecided(const gmq__engine *engine)
{
    return engine->choosing && !gmq__link_client_looked(engine);
}

/* M14: from the first call on a client speaks one dialect. */
static void choose(gmq__engine *engine, int64_t now)
{
    engine->choosing = false;
    if (gmq__link_client_announced(engine)) {
        engine->dialects[1]->close(engine);
        engine->ndialects = 1;
        return;
    }
    gmq__link_client_retire(engine);
    engine->dialects[1] = engine->dialects[0];
    engine->dialects[0] = &gmq__session_dialect;
    if (engine->connected)
        engine->dialects[0]->connected(engine, now);
}

gmq_status gmq__engine_start(gmq__engine *engine, const gmq__call_args *args, int64_t now)
{
    if (engine->config.role != GMQ__ROLE_CLIENT || !args->id)
        return gmq__fail(GMQ_E_INVALID, "engine: start needs a client and an id");
    if (gmq__call_find(engine, args->id))
        return gmq__fail(GMQ_E_EXISTS, "engine: call id %llu is in use",
                         (unsigned long long)args->id);
    if (gmq__engine_undecided(engine))
        return gmq__fail(GMQ_E_STATE, "engine: the dialect is not known yet");
    if (engine->choosing)
        choose(engine, now);
    gmq_status status = engine->dialects[0]->start(engine, args, now);
    bury(engine);
    return status;
}

static gmq_status closed(uint64_t id)
{
    return gmq__fail(GMQ_E_CLOSED, "call %llu is over", (unsigned long long)id);
}

gmq_status gmq__engine_send(gmq__engine *engine, uint64_t id, gmq_buf *message, int64_t now)
{
    gmq__call *call = gmq__call_find(engine, id);
    if (!call)
        return closed(id);
    gmq_status status = call->dialect->send(engine, call, message, now);
    bury(engine);
    return status;
}

gmq_status gmq__engine_half_close(gmq__engine *engine, uint64_t id, int64_t now)
{
    gmq__call *call = gmq__call_find(engine, id);
    if (!call)
        return closed(id);
    if (engine->config.role != GMQ__ROLE_CLIENT)
        return gmq__fail(GMQ_E_STATE, "half_close: a server ends a call with finish");
    gmq_status status = call->dialect->half_close(engine, call, now);
    bury(engine);
    return status;
}

gmq_status gmq__engine_read(gmq__engine *engine, uint64_t id, uint32_t messages, int64_t now)
{
    gmq__call *call = gmq__call_find(engine, id);
    if (!call)
        return closed(id);
    if (!gmq__call_credit(engine, call, messages))
        call->dialect->cancel(engine, call, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory", now);
    else if (call->state == GMQ__CALL_OVER) /* what was unread held its end back */
        call->dialect->read_out(engine, call);
    else if (call->dialect->taken)
        call->dialect->taken(engine, call, now);
    bury(engine);
    return GMQ_OK;
}

gmq_status gmq__engine_cancel(gmq__engine *engine, uint64_t id, int32_t code, const char *details,
                              int64_t now)
{
    gmq__call *call = gmq__call_find(engine, id);
    if (!call)
        return closed(id);
    call->dialect->cancel(engine, call, code, details, now);
    bury(engine);
    return GMQ_OK;
}

static gmq_status server_call(gmq__engine *engine, uint64_t id, gmq__call **call)
{
    if (engine->config.role != GMQ__ROLE_SERVER)
        return gmq__fail(GMQ_E_STATE, "only a server does this");
    *call = gmq__call_find(engine, id);
    return *call ? GMQ_OK : closed(id);
}

gmq_status gmq__engine_send_initial(gmq__engine *engine, uint64_t id, const gmq_metadata *metadata,
                                    int64_t now)
{
    gmq__call *call;
    gmq_status status = server_call(engine, id, &call);
    if (status == GMQ_OK)
        status = call->dialect->send_initial(engine, call, metadata, now);
    bury(engine);
    return status;
}

gmq_status gmq__engine_finish(gmq__engine *engine, uint64_t id, int32_t code, gmq__span details,
                              const gmq_metadata *trailing, int64_t now)
{
    gmq__call *call;
    gmq_status status = server_call(engine, id, &call);
    if (status == GMQ_OK)
        status = call->dialect->finish(engine, call, code, details, trailing, now);
    bury(engine);
    return status;
}

gmq_status gmq__engine_resolve(gmq__engine *engine, uint64_t id, gmq_rpc_kind kind, int64_t now)
{
    gmq__call *call;
    gmq_status status = server_call(engine, id, &call);
    if (status == GMQ_OK)
        status = call->dialect->resolve(engine, call, kind, now);
    bury(engine);
    return status;
}

void gmq__engine_drain(gmq__engine *engine, int64_t now)
{
    for (size_t at = 0; at < engine->ndialects; at++)
        engine->dialects[at]->drain(engine, now);
    bury(engine);
}

void gmq__engine_services(gmq__engine *engine, const char *const *services)
{
    engine->config.link.services = services;
    if (engine->link_state)
        gmq__link_server_services(engine);
}

void gmq__engine_leave(gmq__engine *engine, int64_t now)
{
    for (size_t at = 0; at < engine->ndialects; at++)
        if (engine->dialects[at]->leave)
            engine->dialects[at]->leave(engine, now);
    bury(engine);
}

void gmq__engine_stats_get(const gmq__engine *engine, gmq__engine_stats *out)
{
    *out = engine->stats;
    for (size_t at = 0; at < engine->ndialects; at++) {
        out->tombstones += engine->dialects[at]->tombstones(engine);
        out->subscriptions += engine->dialects[at]->subscriptions(engine);
        out->links += engine->dialects[at]->links ? engine->dialects[at]->links(engine) : 0;
    }
}
