#include "targets.h"

#include <grpc/grpc_security.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A server that is down is tried again soon, and a call waits no longer than CONNECT_MS for a
 * connection that hangs. */
enum { FIRST_RETRY_MS = 100, LAST_RETRY_MS = 5000, CONNECT_MS = 5000 };

static grpc_arg int_arg(const char *key, int value)
{
    grpc_arg arg = {
        .type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)key, .value = {.integer = value}};
    return arg;
}

/* NULL = no memory. */
static gmq__channel *channel_make(const char *target)
{
    gmq__channel *channel = calloc(1, sizeof *channel);
    if (!channel)
        return NULL;
    atomic_init(&channel->refs, 1);
    grpc_arg args[] = {
        int_arg(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, FIRST_RETRY_MS),
        int_arg(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, LAST_RETRY_MS),
        int_arg(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, CONNECT_MS), /* in effect the connect timeout */
        int_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
                -1), /* the limit is that of the client who asked */
        {.type = GRPC_ARG_STRING,
         .key = (char *)(uintptr_t)GRPC_ARG_PRIMARY_USER_AGENT_STRING,
         .value = {.string = (char *)(uintptr_t) "grpc-mqtt/" GMQ_VERSION}},
    };
    grpc_channel_args all = {.num_args = sizeof args / sizeof *args, .args = args};
    grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
    channel->grpc = grpc_channel_create(target, credentials, &all);
    grpc_channel_credentials_release(credentials);
    return channel;
}

gmq__channel *gmq__channel_ref(gmq__channel *channel)
{
    atomic_fetch_add(&channel->refs, 1);
    return channel;
}

void gmq__channel_unref(gmq__channel *channel)
{
    if (!channel || atomic_fetch_sub(&channel->refs, 1) != 1)
        return;
    grpc_channel_destroy(channel->grpc);
    free(channel);
}

static bool bound(const gmq_method_map *map, size_t index)
{
    return *gmq_method_map_target(map, index) != '\0';
}

static size_t count_bound(const gmq_method_map *map)
{
    size_t count = 0;
    for (size_t i = 0; i < gmq_method_map_count(map); i++)
        count += bound(map, i);
    return count;
}

/* *sum = *sum and method `index` of `map`. */
static gmq_status take_method(gmq_method_map **sum, const gmq_method_map *map, size_t index)
{
    gmq_method_map *one = NULL, *both = NULL;
    gmq_status status = gmq_method_map_merge(&one, map, NULL);
    if (status == GMQ_OK)
        status = gmq_method_map_filter(one, gmq_method_map_path(map, index));
    if (status == GMQ_OK)
        status = gmq_method_map_merge(&both, *sum, one);
    if (status == GMQ_OK) {
        gmq_method_map_free(*sum);
        *sum = both;
    }
    gmq_method_map_free(one);
    return status;
}

/* Copy of `map` with its bound methods only. Usually that is all of them: a plain copy. */
static gmq_status copy_bound(gmq_method_map **out, const gmq_method_map *map)
{
    size_t count = gmq_method_map_count(map);
    if (count_bound(map) == count)
        return gmq_method_map_merge(out, map, NULL);
    gmq_method_map *sum = NULL;
    gmq_status status = gmq_method_map_new(&sum);
    for (size_t i = 0; i < count && status == GMQ_OK; i++) {
        if (bound(map, i))
            status = take_method(&sum, map, i);
    }
    if (status == GMQ_OK)
        *out = sum;
    else
        gmq_method_map_free(sum);
    return status;
}

/* Channel of the target of method `index`, made when it is the first with that target; NULL =
 * no memory. */
static gmq__channel *channel_of(gmq__targets *targets, size_t index)
{
    const char *name = gmq_method_map_target(targets->map, index);
    for (size_t i = 0; i < targets->count; i++) {
        if (strcmp(gmq_method_map_target(targets->map, targets->first[i]), name) == 0)
            return targets->channels[i];
    }
    gmq__channel *made = channel_make(name);
    if (!made)
        return NULL;
    targets->first[targets->count] = index;
    return targets->channels[targets->count++] = made;
}

static gmq_status open_channels(gmq__targets *targets)
{
    size_t count = gmq_method_map_count(targets->map);
    size_t rows = count ? count : 1;
    targets->by_index = calloc(rows, sizeof(gmq__channel *));
    targets->channels = calloc(rows, sizeof(gmq__channel *));
    targets->first = calloc(rows, sizeof *targets->first);
    if (!targets->by_index || !targets->channels || !targets->first)
        return gmq_error_set(GMQ_E_NOMEM, "out of memory");
    for (size_t i = 0; i < count; i++)
        if (!(targets->by_index[i] = channel_of(targets, i)))
            return gmq_error_set(GMQ_E_NOMEM, "out of memory");
    return GMQ_OK;
}

gmq_status gmq__targets_init(gmq__targets *out, const gmq_method_map *map, const char *others)
{
    gmq__targets targets = {0};
    if (count_bound(map) == 0 && !others)
        return gmq_error_set(GMQ_E_INVALID, "no method of the map is bound to a target");
    gmq_status status = copy_bound(&targets.map, map);
    if (status == GMQ_OK)
        status = open_channels(&targets);
    if (status == GMQ_OK && others && !(targets.others = channel_make(others)))
        status = gmq_error_set(GMQ_E_NOMEM, "out of memory");
    if (status == GMQ_OK)
        *out = targets;
    else
        gmq__targets_clear(&targets);
    return status;
}

static const char *name_of(const gmq__targets *targets, size_t channel)
{
    return gmq_method_map_target(targets->map, targets->first[channel]);
}

static void exchange(gmq__targets *now, size_t i, gmq__targets *before, size_t j)
{
    gmq__channel *fresh = now->channels[i];
    now->channels[i] = before->channels[j];
    before->channels[j] = fresh;
    for (size_t m = 0; m < gmq_method_map_count(now->map); m++)
        if (now->by_index[m] == fresh)
            now->by_index[m] = now->channels[i];
}

void gmq__targets_take_over(gmq__targets *now, gmq__targets *before)
{
    for (size_t i = 0; i < now->count; i++)
        for (size_t j = 0; j < before->count; j++)
            if (strcmp(name_of(now, i), name_of(before, j)) == 0)
                exchange(now, i, before, j);
    gmq__channel *others = now->others;
    now->others = before->others;
    before->others = others;
}

void gmq__targets_clear(gmq__targets *targets)
{
    for (size_t i = 0; i < targets->count; i++)
        gmq__channel_unref(targets->channels[i]);
    gmq__channel_unref(targets->others);
    free(targets->channels);
    free(targets->by_index);
    free(targets->first);
    gmq_method_map_free(targets->map);
    memset(targets, 0, sizeof *targets);
}

gmq__channel *gmq__targets_find(const gmq__targets *targets, const char *path)
{
    int64_t index = gmq_method_map_find(targets->map, path);
    return index < 0 ? targets->others : targets->by_index[index];
}
