/* A service with a method of each kind, as events come. One thread; any number of calls at a time.
 */
#include "demo_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "demo.pb-c.h"

/* What we know of a call. Its address is the call's tag. */
typedef struct job {
    gmq_call *call;
    void (*message)(struct job *job, gmq_buf *message);
    void (*writable)(struct job *job);
    void (*half_closed)(struct job *job);
    Demo__V1__CollectReply sum;  /* Collect */
    uint64_t next, last;         /* Count */
    gmq_buf *echo;               /* Chat: not sent yet */
    int no_more;                 /* Chat: the client has said everything */
    Demo__V1__HelloRequest *ask; /* SayHello: to be answered at `due` */
    int64_t due;
    struct job *next_due;
} job;

static job *waiting; /* SayHello with a delay */

/* Answers are short of memory, too large, or sent to somebody who is gone: each ends the call
 * anyway. */
static void finish(job *j, int32_t code, const char *details)
{
    gmq_call_finish(j->call, code, details, NULL);
}

static gmq_status reply(job *j, const ProtobufCMessage *message)
{
    uint8_t *bytes = malloc(protobuf_c_message_get_packed_size(message) + 1);
    if (!bytes)
        return GMQ_E_NOMEM;
    gmq_status status = gmq_call_send(j->call, bytes, protobuf_c_message_pack(message, bytes));
    free(bytes);
    return status;
}

/* ---- SayHello: unary ---- */

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void say_hello(job *j)
{
    char text[256];
    Demo__V1__HelloReply answer = DEMO__V1__HELLO_REPLY__INIT;
    snprintf(text, sizeof text, "Hello, %.200s!", j->ask->name);
    answer.text = text;
    reply(j, &answer.base);
    finish(j, GMQ_CODE_OK, NULL);
}

static void hello_asked(job *j, gmq_buf *message)
{
    j->ask = demo__v1__hello_request__unpack(NULL, gmq_buf_len(message), gmq_buf_data(message));
    if (!j->ask) {
        finish(j, GMQ_CODE_INTERNAL, "the request does not parse");
    } else if (!*j->ask->name) {
        finish(j, GMQ_CODE_INVALID_ARGUMENT, "a name is needed");
    } else if (j->ask->delay_ms) {
        j->due = now_ms() + j->ask->delay_ms;
        j->next_due = waiting;
        waiting = j;
    } else {
        say_hello(j);
    }
}

static void forget_due(job *j)
{
    for (job **at = &waiting; *at; at = &(*at)->next_due)
        if (*at == j) {
            *at = j->next_due;
            return;
        }
}

int64_t demo_tick(void)
{
    int64_t now = now_ms(), least = -1;
    for (job *j = waiting, *next; j; j = next) {
        next = j->next_due;
        int64_t left = j->due - now;
        if (left <= 0) {
            forget_due(j);
            say_hello(j);
        } else if (least < 0 || left < least) {
            least = left;
        }
    }
    return least;
}

/* ---- Collect: client streaming ---- */

static void collect_value(job *j, gmq_buf *message)
{
    Demo__V1__CollectRequest *request =
        demo__v1__collect_request__unpack(NULL, gmq_buf_len(message), gmq_buf_data(message));
    if (!request) {
        finish(j, GMQ_CODE_INTERNAL, "a request does not parse");
        return;
    }
    j->sum.sum += request->value;
    j->sum.count++;
    demo__v1__collect_request__free_unpacked(request, NULL);
    gmq_call_read(j->call, 1);
}

static void collect_end(job *j)
{
    reply(j, &j->sum.base);
    finish(j, GMQ_CODE_OK, NULL);
}

/* ---- Count: server streaming ---- */

static void count_on(job *j)
{
    for (; j->next <= j->last; j->next++) {
        Demo__V1__CountReply answer = DEMO__V1__COUNT_REPLY__INIT;
        answer.value = (uint32_t)j->next;
        if (reply(j, &answer.base) != GMQ_OK)
            return; /* GMQ_E_AGAIN: goes on when WRITABLE comes; else FINISHED comes */
    }
    finish(j, GMQ_CODE_OK, NULL);
}

static void count_asked(job *j, gmq_buf *message)
{
    Demo__V1__CountRequest *request =
        demo__v1__count_request__unpack(NULL, gmq_buf_len(message), gmq_buf_data(message));
    if (!request) {
        finish(j, GMQ_CODE_INTERNAL, "the request does not parse");
        return;
    }
    j->next = request->from;
    j->last = request->to;
    demo__v1__count_request__free_unpacked(request, NULL);
    count_on(j);
}

/* ---- Chat: bidi ---- */

/* Sends what it has, and only then asks for more: a slow reader slows the sender down, memory stays
 * flat. */
static void chat_on(job *j)
{
    if (j->echo) {
        if (gmq_call_send(j->call, gmq_buf_data(j->echo), gmq_buf_len(j->echo)) == GMQ_E_AGAIN)
            return;
        gmq_buf_unref(j->echo);
        j->echo = NULL;
        gmq_call_read(j->call, 1);
    }
    if (j->no_more)
        finish(j, GMQ_CODE_OK, NULL);
}

static void chat_message(job *j, gmq_buf *message)
{
    j->echo = gmq_buf_ref(message);
    chat_on(j);
}

static void chat_end(job *j)
{
    j->no_more = 1;
    if (!j->echo)
        chat_on(j);
}

/* ---- All of them ---- */

static const struct {
    const char *path;
    gmq_rpc_kind kind;
    void (*message)(job *j, gmq_buf *message);
    void (*writable)(job *j);
    void (*half_closed)(job *j);
} methods[] = {
    {"/demo.v1.Demo/SayHello", GMQ_RPC_UNARY, hello_asked, NULL, NULL},
    {"/demo.v1.Demo/Collect", GMQ_RPC_CLIENT_STREAMING, collect_value, NULL, collect_end},
    {"/demo.v1.Demo/Count", GMQ_RPC_SERVER_STREAMING, count_asked, count_on, NULL},
    {"/demo.v1.Demo/Chat", GMQ_RPC_BIDI_STREAMING, chat_message, chat_on, chat_end},
};

gmq_status demo_methods(gmq_method_map **out)
{
    gmq_status status = gmq_method_map_new(out);
    for (size_t i = 0; status == GMQ_OK && i < sizeof methods / sizeof *methods; i++)
        status = gmq_method_map_add(*out, methods[i].path, methods[i].kind);
    return status;
}

static void accept_call(gmq_event *event)
{
    job *j = calloc(1, sizeof *j);
    if (!j)
        return; /* the call is not taken: the library cancels it */
    j->sum = (Demo__V1__CollectReply)DEMO__V1__COLLECT_REPLY__INIT;
    j->call = gmq_event_take_call(event);
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(methods[i].path, gmq_event_text(event)) == 0) {
            j->message = methods[i].message;
            j->writable = methods[i].writable;
            j->half_closed = methods[i].half_closed;
        }
    gmq_call_set_tag(j->call, (uint64_t)(uintptr_t)j);
    gmq_call_read(j->call, 1);
}

static void end_job(job *j)
{
    forget_due(j);
    gmq_call_unref(j->call);
    gmq_buf_unref(j->echo);
    demo__v1__hello_request__free_unpacked(j->ask, NULL);
    free(j);
}

void demo_handle(gmq_event *event)
{
    job *j = gmq_event_call(event) ? (job *)(uintptr_t)gmq_event_tag(event) : NULL;
    switch (gmq_event_type_of(event)) {
    case GMQ_EVENT_CALL:
        accept_call(event);
        break;
    case GMQ_EVENT_MESSAGE:
        j->message(j, gmq_event_message(event));
        break;
    case GMQ_EVENT_WRITABLE:
        if (j->writable)
            j->writable(j);
        break;
    case GMQ_EVENT_HALF_CLOSED:
        if (j->half_closed)
            j->half_closed(j);
        break;
    case GMQ_EVENT_FINISHED: /* the last event of every call, however it ended */
        if (j)
            end_job(j);
        break;
    default:
        break;
    }
}
