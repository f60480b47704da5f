#include "proxy.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "listen.h"
#include "pcall.h"
#include "reflect.h"

static gmq_status nomem(void) { return gmq_error_set(GMQ_E_NOMEM, "out of memory"); }

int64_t gmq__proxy_now(void)
{
    gpr_timespec now = gpr_now(GPR_CLOCK_MONOTONIC);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void gmq__proxy_log(gmq_proxy *proxy, int32_t level, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    gmq_queue_post(proxy->user_queue, GMQ_EVENT_LOG, proxy->user_tag, level, line);
}

void gmq__proxy_use(gmq_proxy *proxy) { atomic_fetch_add(&proxy->users, 1); }

void gmq__proxy_release(gmq_proxy *proxy)
{
    if (atomic_fetch_sub(&proxy->users, 1) == 1)
        grpc_completion_queue_shutdown(proxy->completions);
}

/* ---- End ---- */

static void free_text(char *text) /* it may have a password in it */
{
    if (text)
        memset(text, 0, strlen(text));
    free(text);
}

static void unref(gmq_proxy *proxy)
{
    if (atomic_fetch_sub(&proxy->refs, 1) != 1)
        return;
    gmq_queue_unref(proxy->queue);
    gmq_queue_unref(proxy->user_queue);
    gmq_proxy_config_free(proxy->config);
    gmq_options_free(proxy->options);
    gmq_options_free(proxy->any_kind);
    free_text(proxy->url_head);
    free_text(proxy->url_tail);
    free(proxy->fixed);
    free(proxy->ports);
    gmq_stats_free(proxy->left);
    gmq__method_stats_clear(&proxy->methods);
    pthread_mutex_destroy(&proxy->lock);
    free(proxy);
}

/* All of gRPC's objects go; the calls are gone already. */
static void grpc_end(gmq_proxy *proxy)
{
    if (proxy->server)
        grpc_server_destroy(proxy->server);
    if (proxy->completions)
        grpc_completion_queue_destroy(proxy->completions);
    for (size_t i = 0; i < proxy->port_count; i++)
        gmq__certificates_free(proxy->certificates[i]);
    free(proxy->certificates);
    if (proxy->grpc)
        grpc_shutdown();
}

/* ---- gRPC's thread ---- */

static void slot_ask(gmq__slot *slot)
{
    gmq_proxy *proxy = slot->proxy;
    grpc_call_details_init(&slot->details);
    grpc_metadata_array_init(&slot->metadata);
    if (grpc_server_request_call(proxy->server, &slot->call, &slot->details, &slot->metadata,
                                 proxy->completions, proxy->completions, slot) != GRPC_CALL_OK)
        gmq__proxy_release(proxy); /* it has shut down */
}

static void slot_clear(gmq__slot *slot)
{
    grpc_call_details_destroy(&slot->details);
    grpc_metadata_array_destroy(&slot->metadata);
}

/* A new call, or the news that there will be none. */
static void slot_filled(gmq__slot *slot, bool success)
{
    gmq_proxy *proxy = slot->proxy;
    if (success) {
        gmq__pcall_accept(proxy, slot);
        slot_clear(slot);
        slot_ask(slot);
    } else {
        slot_clear(slot);
        gmq__proxy_release(proxy);
    }
}

static void server_gone(gmq_proxy *proxy)
{
    gmq__bases_close(proxy);
    gmq_queue_post(proxy->queue, GMQ__EVENT_WAKE, 0, 0, NULL);
}

static void on_completion(gmq_proxy *proxy, void *tag, bool success)
{
    gmq__slot *slot = tag;
    if (tag == proxy)
        server_gone(proxy);
    else if (slot >= proxy->slots && slot < proxy->slots + GMQ__PROXY_SLOTS)
        slot_filled(slot, success);
    else
        gmq__pcall_completed(tag, success);
}

static void *run_completions(void *arg)
{
    gmq_proxy *proxy = arg;
    gpr_timespec never = gpr_inf_future(GPR_CLOCK_MONOTONIC);
    for (;;) {
        grpc_event event = grpc_completion_queue_next(proxy->completions, never, NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN)
            break;
        /* gRPC hands over what is behind a tag anyway, but in a way that race detectors do not
         * see. */
        atomic_load(&proxy->users);
        if (event.type == GRPC_OP_COMPLETE)
            on_completion(proxy, event.tag, event.success != 0);
    }
    grpc_end(proxy);
    if (!proxy->stillborn)
        gmq_queue_post(proxy->user_queue, GMQ_EVENT_CLOSED, proxy->user_tag, 0, NULL);
    unref(proxy);
    return NULL;
}

/* ---- MQTT's thread ---- */

static void on_call_event(gmq_event *event)
{
    gmq__sink *sink = (gmq__sink *)(uintptr_t)gmq_event_tag(event);
    if (*sink == GMQ__SINK_CALL)
        gmq__pcall_event(sink, event);
    else
        gmq__reflect_event(sink, event);
}

static void on_event(gmq_event *event)
{
    gmq__base *base = (gmq__base *)(uintptr_t)gmq_event_tag(event);
    switch (gmq_event_type_of(event)) {
    case GMQ_EVENT_STATE:
    case GMQ_EVENT_LOG:
    case GMQ_EVENT_CLOSED:
        gmq__base_event(base, event);
        break;
    case GMQ__EVENT_ASK:
        gmq__reflect_begin(base);
        break;
    case GMQ_EVENT_INITIAL_METADATA:
    case GMQ_EVENT_MESSAGE:
    case GMQ_EVENT_WRITABLE:
    case GMQ_EVENT_FINISHED:
        on_call_event(event);
        break;
    default:
        break;
    }
}

/* Ends the calls whose grace is over. Returns the ms until it is, -1 = never. */
static int64_t grace_left(gmq_proxy *proxy)
{
    int64_t at = atomic_load(&proxy->cancel_at), now = gmq__proxy_now();
    if (at < 0)
        return -1;
    if (now < at)
        return at - now;
    if (atomic_compare_exchange_strong(&proxy->cancel_at, &(long long){at}, -1))
        grpc_server_cancel_all_calls(proxy->server);
    return -1;
}

static int64_t wait_ms(gmq_proxy *proxy)
{
    int64_t sweep = gmq__bases_sweep(proxy), grace = grace_left(proxy);
    return grace >= 0 && grace < sweep ? grace : sweep;
}

static void *run_events(void *arg)
{
    enum { AT_ONCE = 32 };
    gmq_proxy *proxy = arg;
    gmq_event *events[AT_ONCE];
    size_t count = 0;
    while (!gmq__bases_gone(proxy) &&
           gmq_queue_wait(proxy->queue, wait_ms(proxy), events, AT_ONCE, &count) == GMQ_OK) {
        for (size_t i = 0; i < count; i++) {
            on_event(events[i]);
            gmq_event_free(events[i]);
        }
    }
    gmq__proxy_release(proxy);
    unref(proxy);
    return NULL;
}

/* A detached thread with all signals blocked: those are the program's. */
static gmq_status thread_start(void *(*run)(void *), gmq_proxy *proxy)
{
    pthread_t thread;
    sigset_t all, before;
    atomic_fetch_add(&proxy->refs, 1);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, NULL, run, proxy);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        atomic_fetch_sub(&proxy->refs, 1);
        return gmq_error_set(GMQ_E_IO, "cannot start a thread");
    }
    pthread_detach(thread);
    return GMQ_OK;
}

/* ---- Making ---- */

static int hex(char c)
{
    const char *digits = "0123456789abcdef", *at;
    c = (char)(c >= 'A' && c <= 'F' ? c + ('a' - 'A') : c);
    at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* In place; what is no escape stays, and the client's reading of the address tells. */
static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        int high = *from == '%' ? hex(from[1]) : -1, low = high >= 0 ? hex(from[2]) : -1;
        *to++ = low >= 0 ? (char)(high << 4 | low) : *from;
        from += low >= 0 ? 2 : 0;
    }
    *to = '\0';
}

/* Takes the address apart: what is before the base topic, the base topic, what is behind it. */
static gmq_status split_url(gmq_proxy *proxy, const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    const char *path = host + strcspn(host, "/?#"), *tail = path + strcspn(path, "?#");
    proxy->url_head = strndup(url, (size_t)(path - url));
    proxy->url_tail = strdup(tail);
    if (tail - path > 1)
        proxy->fixed = strndup(path + 1, (size_t)(tail - path - 1));
    if (!proxy->url_head || !proxy->url_tail || (tail - path > 1 && !proxy->fixed))
        return nomem();
    if (proxy->fixed)
        unescape(proxy->fixed);
    if (proxy->fixed && strlen(proxy->fixed) >= GMQ__BASE_MAX)
        return gmq_error_set(GMQ_E_URL, "address: the base topic is longer than 511 bytes");
    return GMQ_OK;
}

static gmq_status limits(gmq_proxy *proxy, int64_t *receive, int64_t *metadata)
{
    char *url = gmq__base_address(proxy, proxy->fixed);
    if (!url)
        return nomem();
    gmq_status status = gmq_options_get_int(proxy->options, url, "receive_limit", receive);
    if (status == GMQ_OK)
        status = gmq_options_get_int(proxy->options, url, "metadata_limit", metadata);
    free_text(url);
    return status;
}

static gmq_status open_all(gmq_proxy *proxy, const char *url, const gmq_options *options,
                           const gmq_proxy_config *config)
{
    int64_t receive = 0, metadata = 0;
    gmq_status status = split_url(proxy, url);
    if (status == GMQ_OK)
        status = gmq_stats_new(&proxy->left);
    if (status == GMQ_OK)
        status = gmq_options_copy(&proxy->options, options);
    if (status == GMQ_OK)
        status = gmq_options_new(&proxy->any_kind);
    if (status == GMQ_OK)
        status = gmq_options_set_bool(proxy->any_kind, "any_kind", 1);
    if (status == GMQ_OK)
        status = gmq__proxy_config_copy(&proxy->config, config);
    if (status == GMQ_OK)
        status = limits(proxy, &receive, &metadata);
    if (status == GMQ_OK)
        status = gmq_queue_new(&proxy->queue);
    if (status == GMQ_OK)
        status = gmq__bases_first(proxy);
    return status == GMQ_OK ? gmq__listen_open(proxy, receive, metadata) : status;
}

static void ask_all(gmq_proxy *proxy)
{
    grpc_server_start(proxy->server);
    for (size_t i = 0; i < GMQ__PROXY_SLOTS; i++) {
        proxy->slots[i].proxy = proxy;
        gmq__proxy_use(proxy);
        slot_ask(&proxy->slots[i]);
    }
}

/* Ends what gmq_proxy_new() cannot finish, on this thread; the error's text stays. */
static void abandon(gmq_proxy *proxy, gmq_status status, bool events_run)
{
    char text[512];
    snprintf(text, sizeof text, "%s", gmq_error_text());
    proxy->stillborn = true;
    if (!events_run)
        gmq__bases_drop(proxy);
    if (proxy->server)
        grpc_server_shutdown_and_notify(proxy->server, proxy->completions, proxy);
    if (!events_run)
        gmq__proxy_release(proxy);
    run_completions(proxy);
    gmq_error_set(status, text);
}

/* Both threads or neither. */
static gmq_status start(gmq_proxy *proxy)
{
    gmq_status status = thread_start(run_events, proxy);
    if (status != GMQ_OK) {
        abandon(proxy, status, false);
        return status;
    }
    status = thread_start(run_completions, proxy);
    if (status != GMQ_OK)
        abandon(proxy, status, true);
    else
        ask_all(proxy);
    return status;
}

static gmq_proxy *allocate(gmq_queue *queue, uint64_t tag)
{
    gmq_proxy *proxy = calloc(1, sizeof *proxy);
    if (!proxy)
        return NULL;
    pthread_mutex_init(&proxy->lock, NULL);
    gmq__method_stats_init(&proxy->methods);
    atomic_init(&proxy->refs, 1);
    atomic_init(&proxy->users, 1);
    atomic_init(&proxy->cancel_at, -1);
    proxy->user_queue = gmq_queue_ref(queue);
    proxy->user_tag = tag;
    grpc_init();
    proxy->grpc = true;
    proxy->completions = grpc_completion_queue_create_for_next(NULL);
    return proxy;
}

gmq_status gmq_proxy_new(gmq_proxy **out, const char *url, const gmq_options *options,
                         const gmq_proxy_config *config, gmq_queue *queue, uint64_t tag)
{
    if (!out || !url || !config || !queue)
        return gmq_error_set(GMQ_E_INVALID, "gmq_proxy_new: an argument is NULL");
    gmq_proxy *proxy = allocate(queue, tag);
    if (!proxy)
        return nomem();
    gmq_status status = open_all(proxy, url, options, config);
    if (status != GMQ_OK) {
        abandon(proxy, status, false);
        return status;
    }
    status = start(proxy);
    if (status == GMQ_OK)
        *out = proxy;
    return status;
}

/* ---- The rest of the API ---- */

gmq_status gmq_proxy_configure(gmq_proxy *proxy, const gmq_proxy_config *config)
{
    gmq_proxy_config *copy = NULL;
    if (!proxy || !config)
        return gmq_error_set(GMQ_E_INVALID, "gmq_proxy_configure: an argument is NULL");
    gmq_status status = gmq__proxy_config_copy(&copy, config);
    if (status != GMQ_OK)
        return status;
    pthread_mutex_lock(&proxy->lock);
    gmq_proxy_config *former = proxy->config;
    proxy->config = copy;
    pthread_mutex_unlock(&proxy->lock);
    gmq_proxy_config_free(former);
    return GMQ_OK;
}

gmq_status gmq_proxy_stats(gmq_stats **out, gmq_proxy *proxy)
{
    gmq_stats *stats = NULL;
    if (!out || !proxy)
        return gmq_error_set(GMQ_E_INVALID, "gmq_proxy_stats: an argument is NULL");
    gmq_status status = gmq_stats_new(&stats);
    if (status == GMQ_OK)
        status = gmq__bases_stats(proxy, stats);
    if (status == GMQ_OK)
        status = gmq__method_stats_add(&proxy->methods, stats);
    if (status == GMQ_OK)
        *out = stats;
    else
        gmq_stats_free(stats);
    return status;
}

int32_t gmq_proxy_port(const gmq_proxy *proxy, size_t index)
{
    return proxy && index < proxy->port_count ? proxy->ports[index] : 0;
}

void gmq_proxy_close(gmq_proxy *proxy, int64_t grace_ms)
{
    if (!proxy)
        return;
    if (grace_ms >= 0) {
        int64_t at = gmq__proxy_now() + grace_ms;
        long long before = atomic_load(&proxy->cancel_at);
        while ((before < 0 || at < before) &&
               !atomic_compare_exchange_weak(&proxy->cancel_at, &before, at))
            ;
    }
    if (!atomic_exchange(&proxy->closing, true))
        grpc_server_shutdown_and_notify(proxy->server, proxy->completions, proxy);
    gmq_queue_post(proxy->queue, GMQ__EVENT_WAKE, 0, 0, NULL);
}

void gmq_proxy_unref(gmq_proxy *proxy)
{
    if (!proxy)
        return;
    gmq_proxy_close(proxy, 0);
    unref(proxy);
}
