/* The matrix's server in C, by the generated functions: peer_server URL */
#include <signal.h>

#include "peer.h"

static volatile sig_atomic_t stop;
static int waiting;

static void on_signal(int number)
{
    (void)number;
    stop = 1;
}

/* What a call is to do, from its metadata: "echo", "fail", "wait", "count". */
static const char *task_of(const Demo__V1__Demo_Call *call)
{
    size_t len;
    for (size_t i = 0; i < gmq_metadata_count(call->metadata); i++)
        if (strcmp(gmq_metadata_key(call->metadata, i), "x-do") == 0)
            return gmq_metadata_value(call->metadata, i, &len);
    return "";
}

static int is_to(const Demo__V1__Demo_Call *call, const char *task)
{
    return strcmp(task_of(call), task) == 0;
}

/* The pairs of the request whose keys begin with x-. */
static gmq_metadata *own_metadata(const Demo__V1__Demo_Call *call)
{
    gmq_metadata *own;
    check(gmq_metadata_new(&own));
    for (size_t i = 0; i < gmq_metadata_count(call->metadata); i++) {
        const char *key = gmq_metadata_key(call->metadata, i);
        size_t len;
        const void *value = gmq_metadata_value(call->metadata, i, &len);
        if (strncmp(key, "x-", 2) == 0)
            check(gmq_metadata_add(own, key, value, len));
    }
    return own;
}

static void finish(Demo__V1__Demo_Call *call)
{
    gmq_metadata *own = own_metadata(call);
    gmq_call_finish(call->call, GMQ_CODE_OK, NULL, own);
    gmq_metadata_free(own);
}

/* What is no echo: 1 when it was that. */
static int done_otherwise(Demo__V1__Demo_Call *call)
{
    if (is_to(call, "wait")) {
        call->data = &waiting; /* until it is over */
        waiting++;
        return 1;
    }
    if (!is_to(call, "fail"))
        return 0;
    gmq_metadata *trailing;
    check(gmq_metadata_new(&trailing));
    check(gmq_metadata_add(trailing, "x-why-bin", "\0\xff", 2));
    check(gmq_metadata_add(trailing, DETAILS_KEY, "\x08\x0a", 2));
    gmq_call_finish(call->call, GMQ_CODE_ABORTED, "as asked: \xc3\xbc", trailing);
    gmq_metadata_free(trailing);
    return 1;
}

static void over(Demo__V1__Demo_Call *call) { waiting -= call->data == &waiting; }

static void begin(Demo__V1__Demo_Call *call)
{
    gmq_metadata *initial = own_metadata(call);
    int64_t left_ms = gmq_call_time_remaining_ms(call->call);
    const char *timed = left_ms > 0 && left_ms <= 20000 ? "yes" : "no";
    check(gmq_metadata_add(initial, "x-timed", timed, strlen(timed)));
    gmq_call_send_initial_metadata(call->call, initial);
    gmq_metadata_free(initial);
}

static void say_hello(void *self, Demo__V1__Demo__SayHello_Call *call,
                      Demo__V1__HelloRequest *request)
{
    (void)self;
    char count[16];
    Demo__V1__HelloReply reply = DEMO__V1__HELLO_REPLY__INIT;
    begin(&call->base);
    if (!done_otherwise(&call->base)) {
        snprintf(count, sizeof count, "%d", waiting);
        reply.text = is_to(&call->base, "count") ? count : request->name;
        demo__v1__demo__say_hello__write(call, &reply);
        finish(&call->base);
    }
    demo__v1__hello_request__free_unpacked(request, NULL);
}

static void say_hello_finished(void *self, Demo__V1__Demo__SayHello_Call *call)
{
    (void)self;
    over(&call->base);
}

static void collect_started(void *self, Demo__V1__Demo__Collect_Call *call)
{
    (void)self;
    begin(&call->base);
    if (done_otherwise(&call->base))
        return;
    Demo__V1__CollectReply *sum = call->base.data = calloc(1, sizeof *sum);
    if (!sum)
        abort();
    demo__v1__collect_reply__init(sum);
}

static void collect(void *self, Demo__V1__Demo__Collect_Call *call,
                    Demo__V1__CollectRequest *request)
{
    (void)self;
    if (is_to(&call->base, "echo")) {
        Demo__V1__CollectReply *sum = call->base.data;
        sum->sum += request->value;
        sum->count++;
        gmq_call_read(call->base.call, 1);
    }
    demo__v1__collect_request__free_unpacked(request, NULL);
}

static void collect_half_closed(void *self, Demo__V1__Demo__Collect_Call *call)
{
    (void)self;
    if (!is_to(&call->base, "echo"))
        return;
    demo__v1__demo__collect__write(call, call->base.data);
    finish(&call->base);
}

static void collect_finished(void *self, Demo__V1__Demo__Collect_Call *call)
{
    (void)self;
    over(&call->base);
    if (call->base.data != &waiting)
        free(call->base.data);
}

static void count(void *self, Demo__V1__Demo__Count_Call *call, Demo__V1__CountRequest *request)
{
    (void)self;
    begin(&call->base);
    for (uint32_t value = request->from; value <= request->to; value++) {
        Demo__V1__CountReply reply = DEMO__V1__COUNT_REPLY__INIT;
        reply.value = value;
        demo__v1__demo__count__write(call, &reply);
    }
    if (!done_otherwise(&call->base))
        finish(&call->base);
    demo__v1__count_request__free_unpacked(request, NULL);
}

static void count_finished(void *self, Demo__V1__Demo__Count_Call *call)
{
    (void)self;
    over(&call->base);
}

static void chat_started(void *self, Demo__V1__Demo__Chat_Call *call)
{
    (void)self;
    begin(&call->base);
    done_otherwise(&call->base);
}

static void chat(void *self, Demo__V1__Demo__Chat_Call *call, Demo__V1__ChatMessage *request)
{
    (void)self;
    if (is_to(&call->base, "echo")) {
        demo__v1__demo__chat__write(call, request);
        gmq_call_read(call->base.call, 1);
    }
    demo__v1__chat_message__free_unpacked(request, NULL);
}

static void chat_half_closed(void *self, Demo__V1__Demo__Chat_Call *call)
{
    (void)self;
    if (is_to(&call->base, "echo"))
        finish(&call->base);
}

static void chat_finished(void *self, Demo__V1__Demo__Chat_Call *call)
{
    (void)self;
    over(&call->base);
}

static const Demo__V1__Demo_Handlers handlers = {
    .say_hello = {.request = say_hello, .finished = say_hello_finished},
    .collect = {.started = collect_started,
                .request = collect,
                .half_closed = collect_half_closed,
                .finished = collect_finished},
    .count = {.request = count, .finished = count_finished},
    .chat = {.started = chat_started,
             .request = chat,
             .half_closed = chat_half_closed,
             .finished = chat_finished},
};

/* 1: the server has ended. */
static int of_server(const gmq_event *event)
{
    if (gmq_event_type_of(event) == GMQ_EVENT_STATE && gmq_event_code(event) == GMQ_STATE_READY)
        puts("ready: ");
    fflush(stdout);
    return gmq_event_type_of(event) == GMQ_EVENT_CLOSED;
}

static void serve(gmq_queue *queue, gmq_server *server, Demo__V1__Demo_Server *demo)
{
    int closing = 0, closed = 0;
    while (!closed) {
        gmq_event *events[32];
        size_t n;
        if (stop && !closing) {
            closing = 1;
            gmq_server_close(server, 1000);
        }
        check(gmq_queue_wait(queue, 200, events, 32, &n)); /* a signal does not go unseen */
        for (size_t i = 0; i < n; i++) {
            if (!demo__v1__demo_server__serve_event(demo, events[i]))
                closed |= of_server(events[i]);
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
    if (argc != 2)
        return 2;
    signal(SIGTERM, on_signal);
    check(gmq_queue_new(&queue));
    check(gmq_method_map_new(&methods));
    check(demo__v1__demo_methods__add(methods));
    check(demo__v1__demo_server__new(&demo, &handlers, NULL));
    check(gmq_server_new(&server, argv[1], NULL, methods, queue, 0));
    gmq_method_map_free(methods);
    serve(queue, server, demo);
    demo__v1__demo_server__free(demo);
    gmq_server_unref(server);
    gmq_queue_unref(queue);
    return 0;
}
