#include "gateway.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "relay.h"

static gmq_status nomem(void) { return gmq_error_set(GMQ_E_NOMEM, "out of memory"); }

void gmq__gateway_use(gmq_gateway *gateway) { atomic_fetch_add(&gateway->users, 1); }

void gmq__gateway_release(gmq_gateway *gateway)
{
    if (atomic_fetch_sub(&gateway->users, 1) == 1)
        grpc_completion_queue_shutdown(gateway->completions);
}

static void unref(gmq_gateway *gateway)
{
    if (atomic_fetch_sub(&gateway->refs, 1) != 1)
        return;
    gmq_server_unref(gateway->server);
    gmq_queue_unref(gateway->queue);
    gmq_queue_unref(gateway->user_queue);
    gmq_metadata_free(gateway->no_metadata);
    gmq__method_stats_clear(&gateway->methods);
    pthread_mutex_destroy(&gateway->targets_lock);
    free(gateway);
}

/* All of gRPC's objects go; the calls are gone already. */
static void grpc_end(gmq_gateway *gateway)
{
    pthread_mutex_lock(&gateway->targets_lock);
    gmq__targets targets = gateway->targets;
    gateway->targets = (gmq__targets){0};
    gateway->ended = true;
    pthread_mutex_unlock(&gateway->targets_lock);
    gmq__targets_clear(&targets);
    if (gateway->completions)
        grpc_completion_queue_destroy(gateway->completions);
    if (gateway->grpc)
        grpc_shutdown();
}

/* ---- Threads ---- */

static void *run_completions(void *arg)
{
    gmq_gateway *gateway = arg;
    gpr_timespec never = gpr_inf_future(GPR_CLOCK_MONOTONIC);
    for (;;) {
        grpc_event event = grpc_completion_queue_next(gateway->completions, never, NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN)
            break;
        /* Pairs with gmq__gateway_use() of a new relay. gRPC hands over what is behind a tag
         * anyway, but in a way that race detectors do not see. */
        atomic_load(&gateway->users);
        if (event.type == GRPC_OP_COMPLETE)
            gmq__relay_completed(event.tag, event.success != 0);
    }
    grpc_end(gateway);
    if (!gateway->stillborn)
        gmq_queue_post(gateway->user_queue, GMQ_EVENT_CLOSED, gateway->user_tag, 0, NULL);
    unref(gateway);
    return NULL;
}

static void on_call_event(gmq_gateway *gateway, gmq_event *event)
{
    gmq__relay *relay = (gmq__relay *)(uintptr_t)gmq_event_tag(event);
    if (!relay) {
        if (gmq_event_type_of(event) == GMQ_EVENT_FINISHED)
            gmq__method_stats_count(&gateway->methods, NULL, gmq_event_code(event),
                                    gmq__method_stats_now());
        return;
    }
    switch (gmq_event_type_of(event)) {
    case GMQ_EVENT_MESSAGE:
        gmq__relay_message(relay, gmq_event_message(event));
        break;
    case GMQ_EVENT_HALF_CLOSED:
        gmq__relay_half_closed(relay);
        break;
    case GMQ_EVENT_WRITABLE:
        gmq__relay_writable(relay);
        break;
    case GMQ_EVENT_FINISHED:
        gmq__relay_finished(relay, gmq_event_code(event));
        break;
    default:
        break;
    }
}

/* false = it was the server's last event. */
static bool on_event(gmq_gateway *gateway, gmq_event *event)
{
    int32_t type = gmq_event_type_of(event);
    switch (type) {
    case GMQ_EVENT_CLOSED:
        return false;
    case GMQ_EVENT_CALL:
        gmq__relay_start(gateway, event);
        break;
    case GMQ_EVENT_STATE:
    case GMQ_EVENT_LOG:
        gmq_queue_post(gateway->user_queue, type, gateway->user_tag, gmq_event_code(event),
                       gmq_event_text(event));
        break;
    default:
        on_call_event(gateway, event);
        break;
    }
    return true;
}

/* Events are taken one at a time: a call gets its tag with its first event, and the tag is read
 * when an event is taken. */
static void *run_events(void *arg)
{
    gmq_gateway *gateway = arg;
    for (bool more = true; more;) {
        gmq_event *event = NULL;
        size_t count = 0;
        if (gmq_queue_wait(gateway->queue, gmq__relay_wait(gateway), &event, 1, &count) != GMQ_OK)
            break;
        if (count) {
            more = on_event(gateway, event);
            gmq_event_free(event);
        }
    }
    gmq__gateway_release(gateway);
    unref(gateway);
    return NULL;
}

/* A detached thread with all signals blocked: those are the program's. */
static gmq_status thread_start(void *(*run)(void *), gmq_gateway *gateway)
{
    pthread_t thread;
    sigset_t all, before;
    atomic_fetch_add(&gateway->refs, 1);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, NULL, run, gateway);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        atomic_fetch_sub(&gateway->refs, 1);
        return gmq_error_set(GMQ_E_IO, "cannot start a thread");
    }
    pthread_detach(thread);
    return GMQ_OK;
}

/* ---- Public ---- */

/* A copy of `options` with which the server offers methods that it does not know. */
static gmq_status offering(gmq_options **out, const gmq_options *options)
{
    gmq_status status = gmq_options_copy(out, options);
    if (status != GMQ_OK)
        return status;
    status = gmq_options_set_string(*out, "unknown_methods", "offer");
    if (status != GMQ_OK)
        gmq_options_free(*out);
    return status;
}

static gmq_status open_server(gmq_gateway *gateway, const char *url, const gmq_options *options)
{
    gmq_options *own = NULL;
    gmq_status status = gateway->targets.others ? offering(&own, options) : GMQ_OK;
    if (status == GMQ_OK)
        status = gmq_server_new(&gateway->server, url, own ? own : options, gateway->targets.map,
                                gateway->queue, 0);
    gmq_options_free(own);
    return status;
}

static gmq_status open_targets(gmq_gateway *gateway, const char *url, const gmq_options *options,
                               const gmq_method_map *map)
{
    gmq_buf *others = NULL;
    gmq_status status = gmq_options_get_string(options, url, "passthrough", &others);
    if (status == GMQ_OK)
        status = gmq__targets_init(&gateway->targets, map, others ? gmq_buf_data(others) : NULL);
    gateway->passes = others != NULL;
    gmq_buf_unref(others);
    return status;
}

static gmq_status open_all(gmq_gateway *gateway, const char *url, const gmq_options *options,
                           const gmq_method_map *map)
{
    gmq_status status =
        gmq_options_get_int(options, url, "initial_metadata_wait_ms", &gateway->initial_wait_ms);
    if (status == GMQ_OK)
        status = gmq_metadata_new(&gateway->no_metadata);
    if (status == GMQ_OK)
        status = gmq_queue_new(&gateway->queue);
    if (status != GMQ_OK)
        return status;
    grpc_init();
    gateway->grpc = true;
    status = open_targets(gateway, url, options, map);
    if (status != GMQ_OK)
        return status;
    gateway->completions = grpc_completion_queue_create_for_next(NULL);
    return open_server(gateway, url, options);
}

/* Both threads or neither: without the second the first one ends, and cleans up as it does. */
static gmq_status start_threads(gmq_gateway *gateway)
{
    gmq_status status = thread_start(run_completions, gateway);
    if (status != GMQ_OK) {
        grpc_end(gateway);
        return status;
    }
    status = thread_start(run_events, gateway);
    if (status != GMQ_OK) {
        gateway->stillborn = true;
        gmq__gateway_release(gateway);
    }
    return status;
}

gmq_status gmq_gateway_new(gmq_gateway **out, const char *url, const gmq_options *options,
                           const gmq_method_map *map, gmq_queue *queue, uint64_t tag)
{
    gmq_gateway *gateway = calloc(1, sizeof *gateway);
    if (!gateway)
        return nomem();
    atomic_init(&gateway->refs, 1);
    gmq__method_stats_init(&gateway->methods);
    atomic_init(&gateway->users, 1);
    pthread_mutex_init(&gateway->targets_lock, NULL);
    gateway->user_queue = gmq_queue_ref(queue);
    gateway->user_tag = tag;
    gmq_status status = open_all(gateway, url, options, map);
    if (status != GMQ_OK)
        grpc_end(gateway);
    else
        status = start_threads(gateway);
    if (status == GMQ_OK)
        *out = gateway;
    else
        unref(gateway);
    return status;
}

/* Takes `now` over, unless all has ended; what is to be cleared stands in it afterwards. */
static gmq_status put_targets(gmq_gateway *gateway, gmq__targets *now)
{
    gmq_status status = GMQ_E_CLOSED;
    pthread_mutex_lock(&gateway->targets_lock);
    if (!gateway->ended) {
        gmq__targets before = gateway->targets;
        gmq__targets_take_over(now, &before);
        gateway->targets = *now;
        *now = before;
        status = GMQ_OK;
    }
    pthread_mutex_unlock(&gateway->targets_lock);
    return status == GMQ_OK ? GMQ_OK : gmq_error_set(status, "the gateway is closed");
}

/* First the targets: no method is served before its target is there. */
static gmq_status replace(gmq_gateway *gateway, gmq__targets *now)
{
    gmq_method_map *served = NULL;
    gmq_status status = gmq_method_map_merge(&served, now->map, NULL);
    if (status == GMQ_OK)
        status = put_targets(gateway, now);
    if (status == GMQ_OK) {
        status = gmq_server_set_methods(gateway->server, served);
        if (status != GMQ_OK)
            put_targets(gateway, now); /* back */
    }
    gmq_method_map_free(served);
    return status;
}

gmq_status gmq_gateway_configure(gmq_gateway *gateway, const gmq_method_map *map)
{
    /* Only that there is one: the server of all other methods is taken over. */
    const char *others = gateway->passes ? "127.0.0.1:1" : NULL;
    gmq__targets now = {0};
    grpc_init(); /* of our own: the gateway may end meanwhile */
    gmq_status status = gmq__targets_init(&now, map, others);
    if (status == GMQ_OK)
        status = replace(gateway, &now);
    gmq__targets_clear(&now);
    grpc_shutdown();
    return status;
}

gmq_status gmq_gateway_stats(gmq_stats **out, gmq_gateway *gateway)
{
    gmq_stats *stats = NULL;
    if (!out || !gateway)
        return gmq_error_set(GMQ_E_INVALID, "gmq_gateway_stats: an argument is NULL");
    gmq_status status = gmq_server_stats(&stats, gateway->server);
    if (status == GMQ_OK)
        status = gmq__method_stats_add(&gateway->methods, stats);
    if (status == GMQ_OK)
        *out = stats;
    else
        gmq_stats_free(stats);
    return status;
}

void gmq_gateway_close(gmq_gateway *gateway, int64_t grace_ms)
{
    gmq_server_close(gateway->server, grace_ms);
}

void gmq_gateway_unref(gmq_gateway *gateway)
{
    if (!gateway)
        return;
    gmq_gateway_close(gateway, 0);
    unref(gateway);
}
