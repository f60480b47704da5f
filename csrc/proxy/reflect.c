#include "reflect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pcall.h"
#include "reflect_wire.h"

enum { ANSWER_MS = 10000, AGAIN_MS = 30000, NAME_MAX_LEN = 512, MAX_SERVICES = 4096 };

const char gmq__reflect_hint[] =
    "give the proxy its descriptors, or have the server offer reflection";

/* Of a newer server and of an older one; asked in this order. */
static const char *const services[] = {
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
};
enum { VERSIONS = sizeof services / sizeof *services };

/* The MQTT thread's own, once started. */
typedef struct question {
    gmq__sink sink; /* first */
    gmq__base *base;
    gmq_call *call;
    size_t version;
    bool over; /* the waiting calls have been told */
    gmq_method_map *map;
    char **names; /* of the services; NULL until they are known */
    size_t count, at;
} question;

/* ---- What is known ---- */

/* Everybody's. */
static int well_known(const char *path)
{
    static const struct {
        const char *path;
        gmq_rpc_kind kind;
    } known[] = {
        {"/grpc.health.v1.Health/Check", GMQ_RPC_UNARY},
        {"/grpc.health.v1.Health/List", GMQ_RPC_UNARY},
        {"/grpc.health.v1.Health/Watch", GMQ_RPC_SERVER_STREAMING},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].path, path) == 0)
            return (int)known[i].kind;
    for (size_t i = 0; i < VERSIONS; i++)
        if (strcmp(services[i], path) == 0)
            return GMQ_RPC_BIDI_STREAMING;
    return -1;
}

static int find_kind(const gmq_method_map *map, const char *path)
{
    int64_t index = map ? gmq_method_map_find(map, path) : -1;
    return index < 0 ? -1 : gmq_method_map_kind(map, (size_t)index);
}

int gmq__kind_of(gmq__base *base, const char *path)
{
    gmq_proxy *proxy = base->proxy;
    pthread_mutex_lock(&proxy->lock);
    int kind = find_kind(proxy->config->methods, path);
    if (kind < 0)
        kind = find_kind(base->learnt, path);
    pthread_mutex_unlock(&proxy->lock);
    return kind < 0 ? well_known(path) : kind;
}

bool gmq__reflect_due(const gmq__base *base)
{
    return !base->ask_again_at || gmq__proxy_now() >= base->ask_again_at;
}

/* ---- The question's life ---- */

static void forget_names(question *q)
{
    for (size_t i = 0; q->names && i < q->count; i++)
        free(q->names[i]);
    free(q->names);
    q->names = NULL;
    q->count = q->at = 0;
}

static void question_free(question *q)
{
    forget_names(q);
    gmq_method_map_free(q->map);
    gmq_call_unref(q->call);
    gmq__base_release(q->base);
    free(q);
}

/* Tells everybody: the methods, or why there are none. Takes `*map`, where that is the answer; NULL
 * = there is none. */
static void answer(gmq__base *base, gmq_method_map **map, int32_t code, const char *why)
{
    pthread_mutex_lock(&base->proxy->lock);
    if (map) {
        gmq_method_map_free(base->learnt);
        base->learnt = *map;
        *map = NULL;
        base->reflects = true;
    }
    base->asking = false;
    base->ask_again_at = code == GMQ_CODE_OK ? gmq__proxy_now() + AGAIN_MS : 0;
    pthread_mutex_unlock(&base->proxy->lock);
    gmq__pcall_resume(base, code, why);
}

/* The answer is complete, or there will be none. */
static void settle(question *q, gmq_method_map **map, int32_t code, const char *why)
{
    if (q->over)
        return;
    q->over = true;
    if (q->call)
        gmq_call_cancel(q->call);
    answer(q->base, map, code, why);
}

/* Whether the server could not be asked. Any other status is an answer: none is to be had of it. */
static bool unreached(int32_t code)
{
    return code == GMQ_CODE_UNAVAILABLE || code == GMQ_CODE_DEADLINE_EXCEEDED ||
           code == GMQ_CODE_CANCELLED || code == GMQ_CODE_RESOURCE_EXHAUSTED;
}

static void settle_failed(question *q, int32_t code, const char *text)
{
    if (!unreached(code)) { /* what came before the end counts */
        settle(q, q->names ? &q->map : NULL, GMQ_CODE_OK, "");
        return;
    }
    settle(q, NULL, code == GMQ_CODE_DEADLINE_EXCEEDED ? GMQ_CODE_UNAVAILABLE : code, text);
}

/* ---- The dialogue: the list of services, then one after the other the files of each ---- */

static gmq_status ask(question *q, unsigned field, const char *text)
{
    uint8_t request[NAME_MAX_LEN + 8];
    size_t len = gmq__reflect_request(request, sizeof request, field, text);
    gmq_status status = gmq_call_send(q->call, request, len);
    return status == GMQ_OK ? gmq_call_read(q->call, 1) : status;
}

static gmq_status open_call(question *q)
{
    gmq_status status =
        gmq_call_start(&q->call, q->base->client, services[q->version], GMQ_RPC_BIDI_STREAMING,
                       NULL, ANSWER_MS, NULL, (uint64_t)(uintptr_t)&q->sink);
    if (status == GMQ_OK)
        ask(q, GMQ__REFLECT_ASK_LIST, "*"); /* failed: FINISHED says why */
    return status;
}

static bool has_service(const gmq_method_map *map, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < gmq_method_map_count(map); i++) {
        const char *path = gmq_method_map_path(map, i);
        if (strncmp(path + 1, name, len) == 0 && path[1 + len] == '/')
            return true;
    }
    return false;
}

/* Asks for the next service that no file so far has; at the end, that was it. */
static void ask_next(question *q)
{
    while (q->at < q->count && has_service(q->map, q->names[q->at]))
        q->at++;
    if (q->at < q->count)
        ask(q, GMQ__REFLECT_ASK_SYMBOL, q->names[q->at++]);
    else
        settle(q, &q->map, GMQ_CODE_OK, "");
}

/* Name of a ServiceResponse; NULL = none, or one that cannot be. */
static char *service_name(const gmq__reflect_field *service)
{
    gmq__reflect_field name;
    if (!gmq__reflect_find(service->data, service->len, 1, &name) || name.len == 0 ||
        name.len > NAME_MAX_LEN || memchr(name.data, '\0', name.len))
        return NULL;
    return strndup((const char *)name.data, name.len);
}

static void take_list(question *q, const gmq__reflect_field *list)
{
    gmq__reflect_field service;
    const uint8_t *at = list->data;
    size_t len = list->len;
    q->names = calloc(MAX_SERVICES, sizeof *q->names);
    while (q->names && q->count < MAX_SERVICES && gmq__reflect_next(&at, &len, &service)) {
        char *name = service.number == 1 && service.data ? service_name(&service) : NULL;
        if (name)
            q->names[q->count++] = name;
    }
    if (q->names)
        ask_next(q);
    else
        settle(q, NULL, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory");
}

static void take_answer(question *q, gmq_buf *message)
{
    gmq__reflect_field field;
    const uint8_t *data = gmq_buf_data(message);
    size_t len = gmq_buf_len(message);
    if (q->over)
        return;
    if (!q->names && gmq__reflect_find(data, len, GMQ__REFLECT_LIST, &field)) {
        take_list(q, &field);
        return;
    }
    if (!q->names) { /* no list of services */
        settle(q, NULL, GMQ_CODE_OK, "");
        return;
    }
    if (gmq__reflect_find(data, len, GMQ__REFLECT_FILES, &field))
        gmq_method_map_add_descriptors(q->map, field.data, field.len); /* one that is no good
                                              leaves its methods unknown */
    ask_next(q);
}

static void take_end(question *q, int32_t code, const char *text)
{
    gmq_call_unref(q->call);
    q->call = NULL;
    if (!q->over && code == GMQ_CODE_UNIMPLEMENTED && q->version + 1 < VERSIONS) {
        q->version++;
        forget_names(q);
        if (open_call(q) == GMQ_OK)
            return;
        text = gmq_error_text();
        code = GMQ_CODE_UNAVAILABLE;
    }
    settle_failed(q, code, text);
    question_free(q);
}

void gmq__reflect_event(gmq__sink *sink, gmq_event *event)
{
    question *q = (question *)sink;
    switch (gmq_event_type_of(event)) {
    case GMQ_EVENT_MESSAGE:
        take_answer(q, gmq_event_message(event));
        break;
    case GMQ_EVENT_FINISHED:
        take_end(q, gmq_event_code(event), gmq_event_text(event));
        break;
    default:
        break;
    }
}

static question *question_make(gmq__base *base)
{
    question *q = calloc(1, sizeof *q);
    if (!q || gmq_method_map_new(&q->map) != GMQ_OK) {
        free(q);
        return NULL;
    }
    q->sink = GMQ__SINK_REFLECT;
    q->base = base;
    return q;
}

void gmq__reflect_begin(gmq__base *base)
{
    question *q = question_make(base);
    if (!q) {
        answer(base, NULL, GMQ_CODE_RESOURCE_EXHAUSTED, "the proxy is out of memory");
        gmq__base_release(base);
    } else if (open_call(q) != GMQ_OK) {
        settle_failed(q, GMQ_CODE_UNAVAILABLE, gmq_error_text());
        question_free(q);
    }
}

gmq_status gmq__reflect_start(gmq__base *base)
{
    gmq_proxy *proxy = base->proxy;
    gmq_status status =
        gmq_queue_post(proxy->queue, GMQ__EVENT_ASK, (uint64_t)(uintptr_t)base, 0, NULL);
    pthread_mutex_lock(&proxy->lock);
    if (status == GMQ_OK)
        base->uses++; /* the caller's use is one, so the order does not matter */
    else
        base->asking = false;
    pthread_mutex_unlock(&proxy->lock);
    return status;
}
