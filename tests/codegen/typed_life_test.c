/* Generated servers: answers that come later, from other threads, or never; whose event is whose;
 * and the method map of a file. */
#include <grpc_mqtt/grpc_mqtt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/typed_util.h"
#include "golden.grpc-mqtt.h"
#include "keywords.grpc-mqtt.h"
#include "messages_only.grpc-mqtt.h"
#include "no_package.grpc-mqtt.h"
#include "odd-name.v1.grpc-mqtt.h"
#include "old.grpc-mqtt.h"
#include "options_file.grpc-mqtt.h"
#include "options_other_name.grpc-mqtt.h"
#include "options_service.grpc-mqtt.h"

/* ---- Answers from another thread ---- */

typedef struct desk {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    Demo__V1__Demo__SayHello_Call *calls[64]; /* a reference of each */
    size_t waiting;
    int finished;
} desk;

static void hand_over(void *self, Demo__V1__Demo__SayHello_Call *call,
                      Demo__V1__HelloRequest *request)
{
    desk *d = self;
    demo__v1__hello_request__free_unpacked(request, NULL);
    demo__v1__demo_call__ref(&call->base);
    pthread_mutex_lock(&d->lock);
    d->calls[d->waiting++] = call;
    pthread_cond_signal(&d->cond);
    pthread_mutex_unlock(&d->lock);
}

static void count_finished(void *self, Demo__V1__Demo__SayHello_Call *call)
{
    desk *d = self;
    (void)call;
    pthread_mutex_lock(&d->lock);
    d->finished++;
    pthread_cond_signal(&d->cond);
    pthread_mutex_unlock(&d->lock);
}

static Demo__V1__Demo__SayHello_Call *take(desk *d)
{
    pthread_mutex_lock(&d->lock);
    while (!d->waiting)
        pthread_cond_wait(&d->cond, &d->lock);
    Demo__V1__Demo__SayHello_Call *call = d->calls[--d->waiting];
    pthread_mutex_unlock(&d->lock);
    return call;
}

static void wait_finished(desk *d, int count)
{
    pthread_mutex_lock(&d->lock);
    while (d->finished < count)
        pthread_cond_wait(&d->cond, &d->lock);
    pthread_mutex_unlock(&d->lock);
}

static const Demo__V1__Demo_Handlers later = {
    .say_hello = {.request = hand_over, .finished = count_finished}};

enum { CLIENTS = 4, CALLS_EACH = 25 };

static void *work(void *arg)
{
    char text[] = "from a worker";
    for (int i = 0; i < CLIENTS * CALLS_EACH; i++) {
        Demo__V1__HelloReply reply = DEMO__V1__HELLO_REPLY__INIT;
        Demo__V1__Demo__SayHello_Call *call = take(arg);
        reply.text = text;
        demo__v1__demo__say_hello__reply(call, &reply);
        demo__v1__demo_call__unref(&call->base);
    }
    return NULL;
}

static void *ask(void *arg)
{
    uintptr_t good = 0;
    Demo__V1__HelloRequest request = rig_hello("you");
    for (int i = 0; i < CALLS_EACH; i++) {
        Demo__V1__HelloReply *reply = NULL;
        gmq_rpc *rpc = NULL;
        if (gmq_rpc_new(&rpc, ((rig *)arg)->channel) == GMQ_OK &&
            demo__v1__demo__say_hello__call(rpc, &request, &reply) == GMQ_OK && reply)
            good += strcmp(reply->text, "from a worker") == 0;
        demo__v1__hello_reply__free_unpacked(reply, NULL);
        gmq_rpc_free(rpc);
    }
    return (void *)good;
}

static void answers_of_another_thread_test(void **state)
{
    desk d = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    rig r;
    pthread_t worker, clients[CLIENTS];
    (void)state;
    rig_open(&r, &later, &d);
    assert_int_equal(pthread_create(&worker, NULL, work, &d), 0);
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&clients[i], NULL, ask, &r), 0);
    for (int i = 0; i < CLIENTS; i++) {
        void *good;
        pthread_join(clients[i], &good);
        assert_int_equal((uintptr_t)good, CALLS_EACH);
    }
    pthread_join(worker, NULL);
    rig_close(&r);
    assert_int_equal(d.finished, CLIENTS * CALLS_EACH);
}

/* A unary call without waiting for its answer. */
static gmq_rpc *start_hello(rig *r)
{
    gmq_rpc *rpc = rig_rpc(r);
    ok(gmq_rpc_start_with(rpc, "/demo.v1.Demo/SayHello", GMQ_RPC_UNARY, NULL, 0));
    return rpc;
}

static void an_answer_too_late_test(void **state)
{
    desk d = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    Demo__V1__HelloReply reply = DEMO__V1__HELLO_REPLY__INIT;
    rig r;
    (void)state;
    rig_open(&r, &later, &d);
    gmq_rpc *rpc = start_hello(&r);
    Demo__V1__Demo__SayHello_Call *call = take(&d);
    gmq_rpc_cancel(rpc);
    wait_finished(&d, 1); /* the server's table has forgotten it; the reference holds it */
    assert_int_equal(demo__v1__demo__say_hello__reply(call, &reply), GMQ_E_CLOSED);
    assert_string_equal(gmq_call_path(call->base.call), "/demo.v1.Demo/SayHello");
    demo__v1__demo_call__unref(&call->base);
    ok(gmq_rpc_finish(rpc));
    rig_expect_code(rpc, GMQ_CODE_CANCELLED, "");
    rig_close(&r);
}

static void freed_with_calls_open_test(void **state)
{
    enum { OPEN = 12 };
    desk d = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    gmq_queue *queue;
    gmq_server *server;
    gmq_channel *channel;
    gmq_method_map *map;
    gmq_rpc *rpcs[OPEN];
    Demo__V1__Demo_Server *demo;
    (void)state;
    ok(gmq_method_map_new(&map));
    ok(demo__v1__demo_methods__add(map));
    ok(gmq_queue_new(&queue));
    ok(gmq_server_new(&server, "loopback://freed-open/base", NULL, map, queue, 0));
    ok(gmq_channel_new(&channel, "loopback://freed-open/base?wait_for_ready=on", NULL, NULL));
    gmq_method_map_free(map);
    ok(demo__v1__demo_server__new(&demo, &later, &d));
    for (int i = 0; i < OPEN; i++) {
        ok(gmq_rpc_new(&rpcs[i], channel));
        ok(gmq_rpc_start_with(rpcs[i], "/demo.v1.Demo/SayHello", GMQ_RPC_UNARY, NULL, 0));
    }
    while (d.waiting < OPEN) { /* on this thread */
        gmq_event *event;
        size_t count;
        ok(gmq_queue_wait(queue, 60000, &event, 1, &count));
        assert_int_equal(count, 1);
        demo__v1__demo_server__serve_event(demo, event);
        gmq_event_free(event);
    }
    demo__v1__demo_server__free(demo);
    assert_int_equal(d.finished, OPEN);
    for (int i = 0; i < OPEN; i++) {
        demo__v1__demo_call__unref(&d.calls[i]->base);
        ok(gmq_rpc_finish(rpcs[i]));
        assert_int_equal(gmq_rpc_code(rpcs[i]), GMQ_CODE_CANCELLED);
        gmq_rpc_free(rpcs[i]);
    }
    gmq_channel_free(channel);
    gmq_server_unref(server);
    gmq_queue_unref(queue);
}

/* ---- Whose event it is ---- */

static void turn(void *self, Turner__Turn_Call *call, Outer *request)
{
    Outer__Inner *inner = request->inner;
    (void)self;
    ok(turner__turn__reply(call, inner));
    outer__free_unpacked(request, NULL);
}

static void turn_one_of_all(void *self, Turner__TurnAll_Call *call, Outer *request)
{
    ok(turner__turn_all__write(call, request->inner));
    outer__free_unpacked(request, NULL);
    ++*(int *)self;
    gmq_call_read(call->base.call, 1);
}

static void all_are_turned(void *self, Turner__TurnAll_Call *call)
{
    (void)self;
    ok(gmq_call_finish(call->base.call, GMQ_CODE_OK, NULL, NULL));
}

/* Servers of two services and a client, on one queue and thread. */
typedef struct shared {
    gmq_queue *queue;
    gmq_server *server;
    gmq_client *client;
    Turner_Server *turner;
    Demo__V1__Demo_Server *demo;
    int turned;
} shared;

static void shared_open(shared *s)
{
    static const Turner_Handlers turners = {
        .turn = {.request = turn},
        .turn_all = {.request = turn_one_of_all, .half_closed = all_are_turned}};
    static const Demo__V1__Demo_Handlers none;
    gmq_method_map *map;
    s->turned = 0;
    ok(gmq_method_map_new(&map));
    ok(grpc_mqtt__no_5fpackage_2eproto__add_methods(map));
    ok(demo__v1__demo_methods__add(map));
    assert_int_equal(gmq_method_map_count(map), 6);
    ok(gmq_queue_new(&s->queue));
    ok(turner_server__new(&s->turner, &turners, &s->turned));
    ok(demo__v1__demo_server__new(&s->demo, &none, NULL));
    ok(gmq_server_new(&s->server, "loopback://shared-queue/base", NULL, map, s->queue, 100));
    ok(gmq_client_new(&s->client, "loopback://shared-queue/base?wait_for_ready=on", NULL, NULL,
                      s->queue, 101));
    gmq_method_map_free(map);
}

static void shared_close(shared *s)
{
    turner_server__free(s->turner);
    demo__v1__demo_server__free(s->demo);
    gmq_client_unref(s->client);
    gmq_server_unref(s->server);
    gmq_queue_unref(s->queue);
}

/* The next event of this call at the client, which no server may have taken for its own. */
static gmq_event *shared_next(shared *s, const gmq_call *call)
{
    for (;;) {
        gmq_event *event;
        size_t count;
        ok(gmq_queue_wait(s->queue, 60000, &event, 1, &count));
        assert_int_equal(count, 1);
        int taken = demo__v1__demo_server__serve_event(s->demo, event) ||
                    turner_server__serve_event(s->turner, event);
        if (gmq_event_call(event) == call) {
            assert_int_equal(taken, 0);
            return event;
        }
        gmq_event_free(event);
    }
}

static void expect_turned(shared *s, const gmq_call *call, const char *text)
{
    gmq_event *event = shared_next(s, call);
    while (gmq_event_type_of(event) == GMQ_EVENT_INITIAL_METADATA) {
        gmq_event_free(event);
        event = shared_next(s, call);
    }
    assert_int_equal(gmq_event_type_of(event), GMQ_EVENT_MESSAGE);
    Outer__Inner *inner = turner__turn__reply_of(event);
    assert_string_equal(inner->text, text);
    protobuf_c_message_free_unpacked(&inner->base, NULL); /* nested: no function of its own */
    gmq_event_free(event);
}

static void expect_ok(shared *s, gmq_call *call)
{
    gmq_event *event = shared_next(s, call);
    assert_int_equal(gmq_event_type_of(event), GMQ_EVENT_FINISHED);
    assert_int_equal(gmq_event_code(event), GMQ_CODE_OK);
    assert_null(turner__turn__reply_of(event));
    gmq_event_free(event);
    gmq_call_unref(call);
}

/* The calls of the client have the tags that the servers give to their own. */
static void client_and_servers_share_a_queue_test(void **state)
{
    shared s;
    gmq_call *call;
    char text[] = "in";
    Outer outer = OUTER__INIT;
    Outer__Inner inner = OUTER__INNER__INIT;
    (void)state;
    inner.text = text;
    outer.inner = &inner;
    shared_open(&s);
    ok(turner__turn__begin(&call, s.client, &outer, NULL, 60000, NULL, 0));
    expect_turned(&s, call, "in");
    expect_ok(&s, call);
    ok(turner__turn_all__begin(&call, s.client, NULL, 60000, NULL, 0));
    for (int i = 1; i <= 50; i++) {
        ok(turner__turn_all__post(call, &outer));
        expect_turned(&s, call, "in");
        ok(gmq_call_read(call, 1));
    }
    ok(gmq_call_half_close(call));
    assert_int_equal(turner__turn_all__post(call, &outer), GMQ_E_STATE);
    assert_int_equal(turner__turn_all__post(NULL, &outer), GMQ_E_INVALID);
    assert_int_equal(turner__turn__begin(NULL, s.client, &outer, NULL, 1, NULL, 0), GMQ_E_INVALID);
    assert_null(turner__turn_all__reply_of(NULL));
    expect_ok(&s, call);
    assert_int_equal(s.turned, 50);
    shared_close(&s);
}

static void count_turned(void *self, Turner__Turn_Call *call, Outer *request)
{
    ++*(int *)self;
    turn(NULL, call, request);
}

/* A server without a map is offered every call; the generated one knows of what kind it is, which
 * the session dialect does not say. */
static void offered_calls_test(void **state)
{
    static const Turner_Handlers handlers = {.turn = {.request = count_turned}};
    shared s = {.turned = 0};
    gmq_call *call;
    char text[] = "in";
    Outer outer = OUTER__INIT;
    Outer__Inner inner = OUTER__INNER__INIT;
    (void)state;
    inner.text = text;
    outer.inner = &inner;
    ok(gmq_queue_new(&s.queue));
    ok(turner_server__new(&s.turner, &handlers, &s.turned));
    ok(gmq_server_new(&s.server, "loopback://offered/base?unknown_methods=offer", NULL, NULL,
                      s.queue, 0));
    ok(gmq_client_new(&s.client, "loopback://offered/base?wait_for_ready=on&dialect=session", NULL,
                      NULL, s.queue, 0));
    ok(turner__turn__begin(&call, s.client, &outer, NULL, 60000, NULL, 0));
    expect_turned(&s, call, "in");
    expect_ok(&s, call);
    assert_int_equal(s.turned, 1);
    shared_close(&s);
}

/* ---- The method map ---- */

static void expect_same(const gmq_method_map *a, const gmq_method_map *b)
{
    assert_int_equal(gmq_method_map_count(a), gmq_method_map_count(b));
    for (size_t i = 0; i < gmq_method_map_count(a); i++) {
        assert_string_equal(gmq_method_map_path(a, i), gmq_method_map_path(b, i));
        assert_string_equal(gmq_method_map_input_type(a, i), gmq_method_map_input_type(b, i));
        assert_string_equal(gmq_method_map_output_type(a, i), gmq_method_map_output_type(b, i));
        assert_int_equal(gmq_method_map_kind(a, i), gmq_method_map_kind(b, i));
        assert_int_equal(gmq_method_map_batched_stream(a, i), gmq_method_map_batched_stream(b, i));
        assert_int_equal(gmq_method_map_server_clevel(a, i), gmq_method_map_server_clevel(b, i));
        assert_int_equal(gmq_method_map_client_clevel(a, i), gmq_method_map_client_clevel(b, i));
    }
}

static void method_maps_test(void **state)
{
    static const struct {
        gmq_status (*add)(gmq_method_map *map);
        const char *protoset;
    } rows[] = {
        {grpc_mqtt__golden_2eproto__add_methods, "golden"},
        {grpc_mqtt__demo_2eproto__add_methods, "demo"},
        {grpc_mqtt__options_5fservice_2eproto__add_methods, "options_service"},
        {grpc_mqtt__options_5ffile_2eproto__add_methods, "options_file"},
        {grpc_mqtt__options_5fother_5fname_2eproto__add_methods, "options_other_name"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        gmq_method_map *made, *read;
        char file[512];
        snprintf(file, sizeof file, "%s/fixtures/%s.protoset", GMQ_BUILD_DIR, rows[i].protoset);
        ok(gmq_method_map_new(&made));
        ok(gmq_method_map_new(&read));
        ok(rows[i].add(made));
        ok(gmq_method_map_add_descriptor_file(read, file));
        expect_same(made, read);
        ok(rows[i].add(made)); /* nothing twice */
        expect_same(made, read);
        gmq_method_map_free(made);
        gmq_method_map_free(read);
        assert_int_equal(rows[i].add(NULL), GMQ_E_INVALID);
    }
}

static void odd_names_test(void **state)
{
    static const char *const paths[] = {"/typed.v1.HTTPService/GetHTTPThing",
                                        "/typed.v1.HTTPService/snake_case",
                                        "/typed.v1.HTTPService/Reply",
                                        "/typed.v1.HTTPService/ReplyEvent",
                                        "/typed.v1.Keywords/New",
                                        "/typed.v1.Keywords/Delete",
                                        "/typed.v1.Keywords/Class",
                                        "/typed.v1.Keywords/Try",
                                        "/old.v1.Veteran/Serve"};
    gmq_method_map *map;
    (void)state;
    ok(gmq_method_map_new(&map));
    ok(grpc_mqtt__messages_5fonly_2eproto__add_methods(map));
    assert_int_equal(gmq_method_map_count(map), 0);
    ok(grpc_mqtt__odd_2dname_2ev1_2eproto__add_methods(map));
    ok(typed__v1__keywords_methods__add(map));
    ok(very__old__veteran_methods__add(map));
    assert_int_equal(gmq_method_map_count(map), sizeof paths / sizeof *paths);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        assert_string_equal(gmq_method_map_path(map, i), paths[i]);
    gmq_method_map_free(map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_of_another_thread_test),
        cmocka_unit_test(an_answer_too_late_test),
        cmocka_unit_test(freed_with_calls_open_test),
        cmocka_unit_test(client_and_servers_share_a_queue_test),
        cmocka_unit_test(offered_calls_test),
        cmocka_unit_test(method_maps_test),
        cmocka_unit_test(odd_names_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
