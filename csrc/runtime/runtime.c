/* Birth, references, and what other threads may ask. */
#include "runtime/runtime.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/os.h"
#include "methods/method_map.h"
#include "runtime/owner.h"
#include "runtime/services.h"

gmq__runtime *gmq__runtime_hold(gmq__runtime *rt)
{
    atomic_fetch_add_explicit(&rt->refs, 1, memory_order_relaxed);
    return rt;
}

static void free_runtime(gmq__runtime *rt)
{
    if (rt->transport)
        rt->vtable->destroy(rt->transport);
    if (rt->engine)
        gmq__engine_free(rt->engine);
    gmq_method_map_free(rt->methods);
    gmq__free(rt->services);
    gmq__free(rt->more_services);
    for (gmq__node *node; (node = gmq__list_pop(&rt->events));) /* it never began */
        gmq_event_free(GMQ__CONTAINER(node, gmq_event, node));
    gmq__map_free(&rt->calls);
    gmq__heap_free(&rt->held_timers);
    gmq_event_free(rt->closed);
    gmq__mailbox_free(&rt->mailbox);
    gmq__numbers_free(&rt->numbers);
    gmq__free(rt->address);
    gmq__free(rt->peer);
    gmq__queue_release(rt->queue);
    gmq__free(rt);
}

void gmq__runtime_release(gmq__runtime *rt)
{
    if (atomic_fetch_sub_explicit(&rt->refs, 1, memory_order_acq_rel) == 1)
        free_runtime(rt);
}

#define LARGE_MESSAGE ((size_t)4 << 20)
#define BUSY_BYTES    ((size_t)64 << 10)
#define BUSY_NS       (5 * GMQ__NS_PER_MS)

/* What has come is taken in, what was made of it goes out. What was posted before it came (other
 * methods) counts for it already. */
static int64_t turn(gmq__runtime *rt, unsigned ready)
{
    if (ready) {
        gmq__owner_read(rt);
        rt->vtable->step(rt->transport, gmq__os_now_ns(), ready);
    }
    int64_t until = gmq__owner_step(rt);
    if (until == GMQ__DRIVEN_ENDED || !rt->vtable->step)
        return until;
    rt->stepped = false;
    int64_t due = rt->vtable->step(rt->transport, gmq__os_now_ns(), 0);
    if (rt->stepped)
        return 0; /* once more, after a look at what has come meanwhile */
    return due < until ? due : until;
}

static unsigned wait_for_work(gmq__runtime *rt, int64_t until)
{
    gmq__tio io;
    if (!rt->vtable->io) {
        gmq__mailbox_wait(&rt->mailbox, until);
        return 0;
    }
    rt->vtable->io(rt->transport, &io);
    return gmq__mailbox_wait_io(&rt->mailbox, io.fd, io.want, until);
}

/* Much is on its way: then two threads do more than one. */
static bool busy(gmq__runtime *rt)
{
    gmq__engine_stats stats;
    gmq__engine_stats_get(rt->engine, &stats);
    int64_t now = gmq__os_now_ns();
    if (stats.unsent_bytes + stats.reassembly_bytes + stats.unread_bytes >= BUSY_BYTES)
        rt->busy_until = now + BUSY_NS;
    return now < rt->busy_until;
}

/* To whoever waits on the queue; back when it is home again. */
static bool lend(gmq__runtime *rt)
{
    if (!rt->vtable->prompt || busy(rt))
        return false;
    gmq__mailbox_kicks(&rt->mailbox, rt->queue);
    bool lent = gmq__queue_lend(rt->queue, &rt->driven);
    if (lent)
        gmq__queue_await(rt->queue, &rt->driven);
    gmq__mailbox_kicks(&rt->mailbox, NULL);
    return lent;
}

static void *own(void *arg) /* the owner thread: detached, ends with the connection */
{
    gmq__runtime *rt = arg;
    unsigned ready = 0;
    gmq__queue_owners(rt->queue, 1);
    for (int64_t until; (until = turn(rt, ready)) != GMQ__DRIVEN_ENDED;) {
        ready = 0;
        if (!lend(rt))
            ready = wait_for_work(rt, until);
        else if (rt->driven.deadline == GMQ__DRIVEN_ENDED)
            break;
    }
    gmq__queue_owners(rt->queue, -1);
    gmq__runtime_release(rt);
    return NULL;
}

static int64_t pump_driven(gmq__driven *driven)
{
    gmq__runtime *rt = GMQ__CONTAINER(driven, gmq__runtime, driven);
    unsigned ready = driven->ready;
    int64_t until;
    gmq__mailbox_rouse(&rt->mailbox);
    do {
        until = turn(rt, ready);
        ready = 0;
        if (until != GMQ__DRIVEN_ENDED && driven->owned && busy(rt))
            return GMQ__DRIVEN_HOME;
    } while (until != GMQ__DRIVEN_ENDED && !gmq__mailbox_rest(&rt->mailbox));
    return until;
}

static void watch_driven(gmq__driven *driven, gmq__watched *out)
{
    const gmq__runtime *rt = GMQ__CONTAINER(driven, gmq__runtime, driven);
    gmq__tio io;
    rt->vtable->io(rt->transport, &io);
    *out = (gmq__watched){io.fd, io.want, io.epoch};
}

static void release_driven(gmq__driven *driven, bool orphaned)
{
    gmq__runtime *rt = GMQ__CONTAINER(driven, gmq__runtime, driven);
    if (orphaned)
        gmq__closing_end(rt);
    gmq__runtime_release(rt);
}

/* One of the two owners begins. */
static gmq_status begin(gmq__runtime *rt)
{
    gmq__runtime_hold(rt); /* the owner's */
    rt->driven.pump = pump_driven;
    rt->driven.release = release_driven;
    rt->driven.watch = rt->vtable->io ? watch_driven : NULL;
    rt->driven.owned = !rt->caller_drives;
    if (rt->caller_drives) {
        gmq_status attached = gmq__queue_attach(rt->queue, &rt->driven);
        if (attached != GMQ_OK)
            gmq__runtime_release(rt);
        return attached;
    }
    if (rt->vtable->io && !gmq__mailbox_use_wake(&rt->mailbox)) {
        gmq__runtime_release(rt);
        return gmq__fail(GMQ_E_IO, "no descriptor: %s", strerror(errno));
    }
    pthread_t thread;
    if (gmq__os_thread_start(&thread, own, rt, "grpc-mqtt")) {
        pthread_detach(thread);
        return GMQ_OK;
    }
    gmq_status status = gmq__fail(GMQ_E_IO, "cannot start a thread: %s", strerror(errno));
    gmq__runtime_release(rt);
    return status;
}

static bool lookup(void *ctx, gmq__span path, gmq__rpc_method *out)
{
    return gmq__runtime_lookup(ctx, path, out);
}

static gmq_status make_parts(gmq__runtime *rt, const gmq__runtime_config *config)
{
    rt->address = gmq__strdup(config->address);
    rt->peer = gmq__strdup(config->peer);
    rt->closed = gmq__event_new(GMQ_EVENT_CLOSED, config->tag, NULL);
    if (!rt->address || !rt->peer || !rt->closed)
        return gmq__fail_nomem();
    gmq_status status = gmq__method_map_copy(&rt->methods, config->methods);
    if (status != GMQ_OK)
        return status;
    rt->more_services = gmq__strdup(config->services ? config->services : "");
    rt->services = rt->server ? gmq__services_of(rt->methods, rt->more_services) : NULL;
    if (!rt->more_services || (rt->server && !rt->services))
        return gmq__fail_nomem();
    gmq__engine_config engine = config->engine;
    engine.link.services = (const char *const *)rt->services;
    engine.random = gmq__os_random;
    engine.lookup = lookup;
    engine.lookup_ctx = rt;
    status = gmq__engine_new(&rt->engine, &engine);
    if (status != GMQ_OK)
        return status;
    gmq__sink sink = gmq__connection_sink(rt);
    return rt->vtable->create(&rt->transport, &config->connection, &sink);
}

static void set_up(gmq__runtime *rt, const gmq__runtime_config *config)
{
    atomic_init(&rt->refs, 1);
    atomic_init(&rt->state, GMQ_STATE_CONNECTING);
    atomic_init(&rt->last_id, 0);
    rt->caller_drives = config->caller_drives;
    rt->queue = gmq__queue_hold(config->queue);
    rt->tag = config->tag;
    rt->server = config->engine.role == GMQ__ROLE_SERVER;
    rt->wait_for_ready = config->wait_for_ready;
    rt->send_buffer = config->send_buffer;
    rt->send_limit = config->send_limit;
    rt->metadata_limit = config->engine.metadata_limit;
    rt->log_level = config->log_level;
    rt->vtable = config->vtable;
    rt->retry_at = INT64_MIN; /* begin */
    rt->close_deadline = INT64_MAX;
    rt->close.kind = GMQ__CMD_CLOSE;
    for (size_t i = 0; i < GMQ__STATES; i++)
        rt->states[i].base.kind = GMQ__CMD_STATE;
    gmq__mailbox_init(&rt->mailbox, config->caller_drives ? config->queue : NULL);
    gmq__numbers_init(&rt->numbers);
    gmq__list_init(&rt->events);
    gmq__list_init(&rt->held);
    uint64_t seeds[2];
    gmq__os_random(NULL, seeds, sizeof seeds);
    rt->calls.seed = seeds[0];
    gmq__backoff_init(&rt->backoff, config->reconnect_max_ns, seeds[1]);
}

static gmq_status start(gmq__runtime *rt, const char *notice)
{
    char line[320];
    if (notice) {
        snprintf(line, sizeof line, "only the session dialect is spoken: %s", notice);
        gmq__report_log(rt, 1, line);
    }
    return begin(rt);
}

gmq_status gmq__runtime_new(gmq__runtime **out, const gmq__runtime_config *config)
{
    gmq__mem_expect(LARGE_MESSAGE);
    gmq__runtime *rt = gmq__calloc(1, sizeof *rt);
    if (!rt)
        return gmq__fail_nomem();
    set_up(rt, config);
    gmq_status status = make_parts(rt, config);
    if (status == GMQ_OK)
        status = start(rt, config->notice);
    if (status == GMQ_OK)
        *out = rt;
    else
        gmq__runtime_release(rt);
    return status;
}

gmq__mailbox *gmq__runtime_mailbox(gmq__runtime *rt) { return &rt->mailbox; }
int32_t gmq__runtime_state(const gmq__runtime *rt) { return atomic_load(&rt->state); }
const char *gmq__runtime_peer(const gmq__runtime *rt) { return rt->peer; }
uint64_t gmq__runtime_tag(const gmq__runtime *rt) { return rt->tag; }
size_t gmq__runtime_send_buffer(const gmq__runtime *rt) { return rt->send_buffer; }
size_t gmq__runtime_send_limit(const gmq__runtime *rt) { return rt->send_limit; }
size_t gmq__runtime_metadata_limit(const gmq__runtime *rt) { return rt->metadata_limit; }
bool gmq__runtime_wait_for_ready(const gmq__runtime *rt) { return rt->wait_for_ready; }
uint64_t gmq__runtime_next_id(gmq__runtime *rt) { return atomic_fetch_add(&rt->last_id, 1) + 1; }

void gmq__runtime_numbers(gmq__runtime *rt, gmq__numbers *out)
{
    gmq__numbers_read(&rt->numbers, out);
}

bool gmq__runtime_lookup(const gmq__runtime *rt, gmq__span path, gmq__rpc_method *out)
{
    return gmq__method_map_lookup(rt->methods, path, out);
}

bool gmq__runtime_closing(const gmq__runtime *rt) { return rt->closing || rt->mailbox.closed; }

gmq_status gmq__runtime_set_methods(gmq__runtime *rt, gmq_method_map *methods)
{
    gmq__cmd_methods *cmd = gmq__cmd_new(sizeof *cmd, GMQ__CMD_METHODS, NULL);
    if (!cmd)
        return gmq__fail_nomem();
    gmq__mailbox_lock(&rt->mailbox);
    if (gmq__runtime_closing(rt)) {
        gmq__mailbox_unlock(&rt->mailbox);
        gmq__free(cmd);
        return gmq__fail(GMQ_E_CLOSED, "the server is closed");
    }
    cmd->methods = methods;
    gmq__mailbox_post(&rt->mailbox, &cmd->base);
    gmq__mailbox_unlock_and_wake(&rt->mailbox);
    return GMQ_OK;
}

gmq_status gmq__runtime_observe(gmq__runtime *rt, gmq__cmd_observe *cmd)
{
    gmq__mailbox_lock(&rt->mailbox);
    if (gmq__runtime_closing(rt)) {
        gmq__mailbox_unlock(&rt->mailbox);
        return gmq__fail(GMQ_E_CLOSED, "the observer is closed");
    }
    gmq__mailbox_post(&rt->mailbox, &cmd->base);
    gmq__mailbox_unlock_and_wake(&rt->mailbox);
    return GMQ_OK;
}

/* Locked; unlocks. */
static void post_close(gmq__runtime *rt, int64_t deadline)
{
    rt->closing = true;
    if (deadline < rt->close_deadline)
        rt->close_deadline = deadline;
    if (rt->close_posted || rt->mailbox.closed) {
        gmq__mailbox_unlock(&rt->mailbox);
        return;
    }
    rt->close_posted = true;
    gmq__mailbox_post(&rt->mailbox, &rt->close);
    gmq__mailbox_unlock_and_wake(&rt->mailbox);
}

void gmq__runtime_close(gmq__runtime *rt, int64_t grace_ms)
{
    int64_t now = gmq__os_now_ns();
    bool limited = grace_ms >= 0 && grace_ms < (INT64_MAX - now) / GMQ__NS_PER_MS;
    gmq__mailbox_lock(&rt->mailbox);
    post_close(rt, limited ? now + grace_ms * GMQ__NS_PER_MS : INT64_MAX);
}

void gmq__runtime_abandon(gmq__runtime *rt)
{
    gmq__mailbox_lock(&rt->mailbox);
    if (rt->closing) {
        gmq__mailbox_unlock(&rt->mailbox);
        return;
    }
    rt->abandoned = true;
    post_close(rt, 0);
}
