#include "bases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy.h"

/* The connection that tries the broker: its row's key, which no call can ask for, and its base. */
#define TRIAL_NAME  "$trial"
#define TRIAL_TOPIC "grpc-mqtt-proxy"

enum { SWEEP_MAX_MS = 60000, SWEEP_MIN_MS = 20 };

/* ---- Rows ---- */

static size_t bucket_of(const char *name)
{
    uint32_t hash = 2166136261u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash % GMQ__BASE_BUCKETS;
}

static void row_free(gmq__base *base)
{
    gmq_client_unref(base->client);
    gmq_method_map_free(base->learnt);
    free(base->name);
    free(base);
}

static gmq__base *find(gmq__bases *bases, const char *name)
{
    gmq__base *base = bases->buckets[bucket_of(name)];
    while (base && strcmp(base->name, name) != 0)
        base = base->next;
    return base;
}

static void list(gmq__bases *bases, gmq__base *base)
{
    gmq__base **bucket = &bases->buckets[bucket_of(base->name)];
    base->next = *bucket;
    *bucket = base;
    base->listed = true;
    bases->count += !base->trial;
    bases->alive++;
    base->elder = bases->youngest;
    base->link = &bases->youngest;
    if (base->elder)
        base->elder->link = &base->elder;
    bases->youngest = base;
}

/* Its client closes, and its CLOSED ends the row. With the lock. */
static void leave(gmq__bases *bases, gmq__base *base)
{
    gmq__base **at = &bases->buckets[bucket_of(base->name)];
    while (*at != base)
        at = &(*at)->next;
    *at = base->next;
    base->listed = false;
    bases->count -= !base->trial;
    gmq_client_close(base->client, 0);
}

/* ---- Address ---- */

static bool plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           strchr("/-._~", c);
}

char *gmq__base_address(const gmq_proxy *proxy, const char *name)
{
    if (!name)
        name = TRIAL_TOPIC;

    size_t head = strlen(proxy->url_head), tail = strlen(proxy->url_tail);
    char *url = malloc(head + 1 + 3 * strlen(name) + tail + 1);
    if (!url)
        return NULL;
    memcpy(url, proxy->url_head, head);
    char *at = url + head;
    *at++ = '/';
    for (; *name; name++) {
        if (plain(*name))
            *at++ = *name;
        else
            at += sprintf(at, "%%%02X", (unsigned char)*name);
    }
    memcpy(at, proxy->url_tail, tail + 1);
    return url;
}

/* ---- Making ---- */

static gmq_method_map *copy_methods(gmq_proxy *proxy)
{
    gmq_method_map *copy = NULL;
    pthread_mutex_lock(&proxy->lock);
    gmq_method_map_merge(&copy, proxy->config->methods, NULL);
    pthread_mutex_unlock(&proxy->lock);
    return copy;
}

/* A row that is connected but in no table. */
static gmq_status row_make(gmq__base **out, gmq_proxy *proxy, const char *name, const char *topic,
                           const gmq_options *options)
{
    gmq__base *base = calloc(1, sizeof *base);
    char *url = gmq__base_address(proxy, topic);
    gmq_method_map *methods = copy_methods(proxy);
    gmq_status status = gmq_error_set(GMQ_E_NOMEM, "out of memory");
    if (base && url && methods && (base->name = strdup(name))) {
        base->proxy = proxy;
        base->uses = 1;
        status = gmq_client_new(&base->client, url, options, methods, proxy->queue,
                                (uint64_t)(uintptr_t)base);
    }
    if (status == GMQ_OK)
        *out = base;
    else if (base)
        row_free(base);
    gmq_method_map_free(methods);
    free(url);
    return status;
}

/* The row that was unused for longest, NULL = all are used. */
static gmq__base *longest_unused(gmq__bases *bases)
{
    gmq__base *found = NULL;
    for (size_t i = 0; i < GMQ__BASE_BUCKETS; i++)
        for (gmq__base *b = bases->buckets[i]; b; b = b->next)
            if (b->uses == 0 && !b->pinned && (!found || b->idle_from < found->idle_from))
                found = b;
    return found;
}

/* With the lock. false = there are as many as may be, all in use. */
static bool make_room(gmq_proxy *proxy)
{
    gmq__base *unused = NULL;
    if ((int64_t)proxy->bases.count < proxy->config->max_bases)
        return true;
    unused = longest_unused(&proxy->bases);
    if (unused)
        leave(&proxy->bases, unused);
    return unused != NULL;
}

static gmq__base *use_listed(gmq_proxy *proxy, const char *name, bool *room)
{
    pthread_mutex_lock(&proxy->lock);
    gmq__base *base = find(&proxy->bases, name);
    if (base)
        base->uses++;
    *room = base || (!proxy->bases.closed && make_room(proxy));
    pthread_mutex_unlock(&proxy->lock);
    return base;
}

static int32_t code_of(gmq_status status)
{
    switch (status) {
    case GMQ_E_INVALID:
    case GMQ_E_URL:
    case GMQ_E_OPTION:
        return GMQ_CODE_INVALID_ARGUMENT;
    case GMQ_E_NOMEM:
        return GMQ_CODE_RESOURCE_EXHAUSTED;
    default:
        return GMQ_CODE_UNAVAILABLE;
    }
}

gmq__base *gmq__base_acquire(gmq_proxy *proxy, const char *name, int32_t *code, char *text,
                             size_t size)
{
    bool room = false;
    gmq__base *base = use_listed(proxy, name, &room);
    if (base)
        return base;
    if (!room) {
        *code = GMQ_CODE_RESOURCE_EXHAUSTED;
        snprintf(text, size, "the proxy has as many base topics in use as it may have");
        return NULL;
    }
    gmq_status status = row_make(&base, proxy, name, name, proxy->options);
    if (status != GMQ_OK) {
        *code = code_of(status);
        snprintf(text, size, "base %s: %s", name, gmq_error_text());
        return NULL;
    }
    pthread_mutex_lock(&proxy->lock);
    list(&proxy->bases, base);
    proxy->bases.sweep_at = 0;
    pthread_mutex_unlock(&proxy->lock);
    return base;
}

void gmq__base_release(gmq__base *base)
{
    gmq_proxy *proxy = base->proxy;
    pthread_mutex_lock(&proxy->lock);
    bool unused = --base->uses == 0;
    bool gone = unused && base->closed;
    base->idle_from = gmq__proxy_now();
    pthread_mutex_unlock(&proxy->lock);
    if (gone)
        row_free(base);
}

/* In the session dialect, which looks for no server. */
static gmq_status trial_make(gmq__base **out, gmq_proxy *proxy)
{
    gmq_options *options = NULL;
    gmq_status status = gmq_options_copy(&options, proxy->options);
    if (status == GMQ_OK)
        status = gmq_options_set_string(options, "dialect", "session");
    if (status == GMQ_OK)
        status = row_make(out, proxy, TRIAL_NAME, TRIAL_TOPIC, options);
    gmq_options_free(options);
    return status;
}

gmq_status gmq__bases_first(gmq_proxy *proxy)
{
    gmq__base *base = NULL;
    gmq_status status = proxy->fixed
                            ? row_make(&base, proxy, proxy->fixed, proxy->fixed, proxy->options)
                            : trial_make(&base, proxy);
    if (status != GMQ_OK)
        return status;
    base->pinned = true;
    base->trial = !proxy->fixed;
    base->uses = 0;
    pthread_mutex_lock(&proxy->lock);
    list(&proxy->bases, base);
    pthread_mutex_unlock(&proxy->lock);
    return GMQ_OK;
}

/* ---- Events ---- */

/* What one says that is being left is of no interest. */
static bool is_listed(gmq__base *base)
{
    pthread_mutex_lock(&base->proxy->lock);
    bool listed = base->listed;
    pthread_mutex_unlock(&base->proxy->lock);
    return listed;
}

/* One connection speaks for all: the others are lines of the log. */
static void on_state(gmq__base *base, int32_t state, const char *text)
{
    gmq_proxy *proxy = base->proxy;
    if (!is_listed(base) || (state == GMQ_STATE_READY && base->state == state))
        return;
    if (base->pinned)
        gmq_queue_post(proxy->user_queue, GMQ_EVENT_STATE, proxy->user_tag, state, text);
    else if (state == GMQ_STATE_READY)
        gmq__proxy_log(proxy, 2, "base %s: connected", base->name);
    else if (state == GMQ_STATE_TRANSIENT_FAILURE)
        gmq__proxy_log(proxy, 1, "base %s: not connected: %s", base->name, text);
    base->state = state;
    if (base->trial && state == GMQ_STATE_READY) {
        pthread_mutex_lock(&proxy->lock);
        if (base->listed)
            leave(&proxy->bases, base);
        pthread_mutex_unlock(&proxy->lock);
    }
}

/* With the lock. What it counted is kept; without memory for that it is lost. */
static void retire(gmq_proxy *proxy, gmq__base *base)
{
    gmq_stats *last = NULL;
    if (gmq_client_stats(&last, base->client) == GMQ_OK)
        gmq_stats_sum(proxy->left, last, 1);
    gmq_stats_free(last);
    *base->link = base->elder;
    if (base->elder)
        base->elder->link = base->link;
}

static void on_closed(gmq__base *base)
{
    gmq_proxy *proxy = base->proxy;
    pthread_mutex_lock(&proxy->lock);
    retire(proxy, base);
    proxy->bases.alive--;
    base->closed = true;
    bool unused = base->uses == 0; /* else the last call takes the row along */
    pthread_mutex_unlock(&proxy->lock);
    if (unused)
        row_free(base);
}

void gmq__base_event(gmq__base *base, const gmq_event *event)
{
    switch (gmq_event_type_of(event)) {
    case GMQ_EVENT_STATE:
        on_state(base, gmq_event_code(event), gmq_event_text(event));
        break;
    case GMQ_EVENT_LOG:
        gmq__proxy_log(base->proxy, gmq_event_code(event), "%s%s: %s", base->trial ? "" : "base ",
                       base->trial ? "broker" : base->name, gmq_event_text(event));
        break;
    case GMQ_EVENT_CLOSED:
        on_closed(base);
        break;
    default:
        break;
    }
}

/* ---- Leaving ---- */

static int64_t sweep_interval(const gmq_proxy *proxy)
{
    int64_t half = proxy->config->base_idle_ms / 2;
    return half > SWEEP_MAX_MS ? SWEEP_MAX_MS : half < SWEEP_MIN_MS ? SWEEP_MIN_MS : half;
}

static void sweep(gmq_proxy *proxy, int64_t now)
{
    for (size_t i = 0; i < GMQ__BASE_BUCKETS; i++) {
        for (gmq__base *b = proxy->bases.buckets[i], *next; b; b = next) {
            next = b->next;
            if (!b->pinned && b->uses == 0 && now - b->idle_from >= proxy->config->base_idle_ms)
                leave(&proxy->bases, b);
        }
    }
}

int64_t gmq__bases_sweep(gmq_proxy *proxy)
{
    int64_t now = gmq__proxy_now();
    pthread_mutex_lock(&proxy->lock);
    if (now >= proxy->bases.sweep_at) {
        sweep(proxy, now);
        proxy->bases.sweep_at = now + sweep_interval(proxy);
    }
    int64_t left = proxy->bases.sweep_at - now;
    pthread_mutex_unlock(&proxy->lock);
    return left;
}

gmq_status gmq__bases_stats(gmq_proxy *proxy, gmq_stats *stats)
{
    pthread_mutex_lock(&proxy->lock);
    gmq_status status = gmq_stats_sum(stats, proxy->left, 0);
    for (gmq__base *b = proxy->bases.youngest; b && status == GMQ_OK; b = b->elder) {
        gmq_stats *one = NULL;
        status = gmq_client_stats(&one, b->client);
        if (status == GMQ_OK)
            status = gmq_stats_sum(stats, one, 0);
        gmq_stats_free(one);
    }
    uint64_t count = proxy->bases.count;
    pthread_mutex_unlock(&proxy->lock);
    return status == GMQ_OK ? gmq_stats_add(stats, "bases", NULL, GMQ_STATS_GAUGE, count) : status;
}

void gmq__bases_close(gmq_proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    proxy->bases.closed = true;
    for (size_t i = 0; i < GMQ__BASE_BUCKETS; i++)
        while (proxy->bases.buckets[i])
            leave(&proxy->bases, proxy->bases.buckets[i]);
    pthread_mutex_unlock(&proxy->lock);
}

void gmq__bases_drop(gmq_proxy *proxy)
{
    for (size_t i = 0; i < GMQ__BASE_BUCKETS; i++) {
        for (gmq__base *b = proxy->bases.buckets[i], *next; b; b = next) {
            next = b->next;
            row_free(b);
        }
        proxy->bases.buckets[i] = NULL;
    }
    proxy->bases.count = proxy->bases.alive = 0;
}

bool gmq__bases_gone(gmq_proxy *proxy)
{
    pthread_mutex_lock(&proxy->lock);
    bool gone = proxy->bases.closed && proxy->bases.alive == 0;
    pthread_mutex_unlock(&proxy->lock);
    return gone;
}
