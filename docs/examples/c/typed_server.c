/* Serves demo.v1.Demo by the functions that protoc-gen-grpc-mqtt-c makes of demo.proto:
 * typed_server mqtt://127.0.0.1:1883/fleet/device42 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "demo.grpc-mqtt.h"

static volatile sig_atomic_t stop;
static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

static void check(gmq_status status) /* GMQ_OK is 0 */
{
    if (status == GMQ_OK)
        return;
    fprintf(stderr, "%s: %s\n", gmq_status_name(status), gmq_error_text());
    exit(1);
}

static void end_call(const Demo__V1__Demo_Call *call, int32_t code, const char *details)
{
    gmq_call_finish(call->call, code, details, NULL);
}

/* What a call needs in memory; without it, it ends. */
static void *memory_for(Demo__V1__Demo_Call *call, size_t size)
{
    call->data = calloc(1, size);
    if (!call->data)
        end_call(call, GMQ_CODE_RESOURCE_EXHAUSTED, "out of memory");
    return call->data;
}

/* ---- SayHello: may be answered later ---- */

typedef struct greeting {
    Demo__V1__Demo__SayHello_Call *call;
    Demo__V1__HelloRequest *request;
    int64_t due;
    struct greeting *next;
} greeting;

static greeting *waiting;

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void greet(Demo__V1__Demo__SayHello_Call *call, const Demo__V1__HelloRequest *request)
{
    char text[256];
    Demo__V1__HelloReply reply = DEMO__V1__HELLO_REPLY__INIT;
    snprintf(text, sizeof text, "Hello, %.200s!", request->name);
    reply.text = text;
    demo__v1__demo__say_hello__reply(call, &reply);
}

static void say_hello(void *self, Demo__V1__Demo__SayHello_Call *call,
                      Demo__V1__HelloRequest *request)
{
    (void)self;
    greeting *later = NULL;
    if (!*request->name)
        end_call(&call->base, GMQ_CODE_INVALID_ARGUMENT, "a name is needed");
    else if (!request->delay_ms)
        greet(call, request);
    else if ((later = memory_for(&call->base, sizeof *later)))
        *later = (greeting){call, request, now_ms() + request->delay_ms, waiting};
    if (later)
        waiting = later;
    else
        demo__v1__hello_request__free_unpacked(request, NULL);
}

/* However it ended: answered, cancelled, too late. */
static void say_hello_finished(void *self, Demo__V1__Demo__SayHello_Call *call)
{
    (void)self;
    greeting *later = call->base.data, **at = &waiting;
    if (!later)
        return;
    while (*at != later)
        at = &(*at)->next;
    *at = later->next;
    demo__v1__hello_request__free_unpacked(later->request, NULL);
    free(later);
}

/* Answers what is due, and says for how many milliseconds nothing will be: 200 at most, so that a
 * signal does not go unseen. */
static int64_t answer_due(void)
{
    int64_t now = now_ms(), least = 200;
    for (greeting *g = waiting; g; g = g->next) {
        if (g->due <= now) {
            g->due = INT64_MAX; /* it leaves the list when its end has come */
            greet(g->call, g->request);
        } else if (g->due - now < least) {
            least = g->due - now;
        }
    }
    return least;
}

/* ---- Collect: adds up ---- */

static void collect_started(void *self, Demo__V1__Demo__Collect_Call *call)
{
    (void)self;
    Demo__V1__CollectReply *sum = memory_for(&call->base, sizeof *sum);
    if (sum)
        demo__v1__collect_reply__init(sum);
}

static void collect(void *self, Demo__V1__Demo__Collect_Call *call,
                    Demo__V1__CollectRequest *request)
{
    (void)self;
    Demo__V1__CollectReply *sum = call->base.data;
    if (sum) {
        sum->sum += request->value;
        sum->count++;
    }
    demo__v1__collect_request__free_unpacked(request, NULL);
    gmq_call_read(call->base.call, 1); /* the next one, please */
}

static void collect_half_closed(void *self, Demo__V1__Demo__Collect_Call *call)
{
    (void)self;
    demo__v1__demo__collect__reply(call, call->base.data);
}

static void collect_finished(void *self, Demo__V1__Demo__Collect_Call *call)
{
    (void)self;
    free(call->base.data);
}

/* ---- Count: as fast as it is read ---- */

typedef struct counting {
    uint64_t next, last;
} counting;

static void count_on(void *self, Demo__V1__Demo__Count_Call *call)
{
    (void)self;
    counting *c = call->base.data;
    for (; c->next <= c->last; c->next++) {
        Demo__V1__CountReply reply = DEMO__V1__COUNT_REPLY__INIT;
        reply.value = (uint32_t)c->next;
        if (demo__v1__demo__count__write(call, &reply) != GMQ_OK)
            return; /* GMQ_E_AGAIN: comes back as writable; anything else: the call is over */
    }
    end_call(&call->base, GMQ_CODE_OK, NULL);
}

static void count(void *self, Demo__V1__Demo__Count_Call *call, Demo__V1__CountRequest *request)
{
    counting *c = memory_for(&call->base, sizeof *c);
    if (c) {
        *c = (counting){request->from, request->to};
        count_on(self, call);
    }
    demo__v1__count_request__free_unpacked(request, NULL);
}

static void count_finished(void *self, Demo__V1__Demo__Count_Call *call)
{
    (void)self;
    free(call->base.data);
}

/* ---- Chat: sends back what it is sent ---- */

typedef struct conversation {
    Demo__V1__ChatMessage *echo; /* waits for room */
    int no_more;                 /* the client has said everything */
} conversation;

static void chat_on(void *self, Demo__V1__Demo__Chat_Call *call)
{
    (void)self;
    conversation *c = call->base.data;
    if (c->echo) {
        if (demo__v1__demo__chat__write(call, c->echo) == GMQ_E_AGAIN)
            return; /* nothing more is read meanwhile: a slow reader slows the sender down */
        demo__v1__chat_message__free_unpacked(c->echo, NULL);
        c->echo = NULL;
        gmq_call_read(call->base.call, 1);
    }
    if (c->no_more)
        end_call(&call->base, GMQ_CODE_OK, NULL);
}

static void chat(void *self, Demo__V1__Demo__Chat_Call *call, Demo__V1__ChatMessage *request)
{
    conversation *c = call->base.data ? call->base.data : memory_for(&call->base, sizeof *c);
    if (!c) {
        demo__v1__chat_message__free_unpacked(request, NULL);
        return;
    }
    c->echo = request;
    chat_on(self, call);
}

static void chat_half_closed(void *self, Demo__V1__Demo__Chat_Call *call)
{
    conversation *c = call->base.data;
    if (!c) {
        end_call(&call->base, GMQ_CODE_OK, NULL); /* nothing was said */
        return;
    }
    c->no_more = 1;
    chat_on(self, call);
}

static void chat_finished(void *self, Demo__V1__Demo__Chat_Call *call)
{
    (void)self;
    conversation *c = call->base.data;
    if (c)
        demo__v1__chat_message__free_unpacked(c->echo, NULL);
    free(c);
}

static const Demo__V1__Demo_Handlers handlers = {
    .say_hello = {.request = say_hello, .finished = say_hello_finished},
    .collect = {.started = collect_started,
                .request = collect,
                .half_closed = collect_half_closed,
                .finished = collect_finished},
    .count = {.request = count, .writable = count_on, .finished = count_finished},
    .chat = {.request = chat,
             .half_closed = chat_half_closed,
             .writable = chat_on,
             .finished = chat_finished},
};

/* Of the server itself; 1: it has ended. */
static int handle_state(const gmq_event *event)
{
    if (gmq_event_type_of(event) == GMQ_EVENT_STATE && gmq_event_code(event) == GMQ_STATE_READY)
        printf("ready: %s\n", gmq_event_text(event));
    if (gmq_event_type_of(event) == GMQ_EVENT_STATE &&
        gmq_event_code(event) == GMQ_STATE_TRANSIENT_FAILURE)
        printf("not connected: %s\n", gmq_event_text(event)); /* it is tried again */
    fflush(stdout);
    return gmq_event_type_of(event) == GMQ_EVENT_CLOSED;
}

static void serve(gmq_queue *queue, gmq_server *server, Demo__V1__Demo_Server *demo)
{
    int closing = 0, closed = 0;
    while (!closed) {
        gmq_event *events[32];
        size_t count;
        if (stop && !closing) {
            closing = 1;
            gmq_server_close(server, 1000); /* open calls have a second to end */
        }
        check(gmq_queue_wait(queue, answer_due(), events, 32, &count));
        for (size_t i = 0; i < count; i++) {
            if (!demo__v1__demo_server__serve_event(demo, events[i]))
                closed |= handle_state(events[i]);
            gmq_event_free(events[i]);
        }
    }
}

int main(int argc, char **argv)
{
    gmq_queue *queue;
    gmq_method_map *methods;
    gmq_server *server;
    Demo__V1__Demo_Server *demo;
    if (argc != 2) {
        fprintf(stderr, "usage: %s URL\n", argv[0]);
        return 2;
    }
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    check(gmq_queue_new(&queue));
    check(gmq_method_map_new(&methods));
    check(demo__v1__demo_methods__add(methods));
    check(demo__v1__demo_server__new(&demo, &handlers, NULL));
    check(gmq_server_new(&server, argv[1], NULL, methods, queue, 0));
    gmq_method_map_free(methods); /* the server has a copy */
    serve(queue, server, demo);
    demo__v1__demo_server__free(demo);
    gmq_server_unref(server);
    gmq_queue_unref(queue);
    return 0;
}
