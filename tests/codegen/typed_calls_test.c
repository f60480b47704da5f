/* Generated clients and servers: calls of each kind, and how they end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/typed_util.h"

static void expect_reply(const Demo__V1__HelloReply *reply, const char *text)
{
    assert_non_null(reply);
    assert_string_equal(reply->text, text);
}

static void end_call(const Demo__V1__Demo_Call *call, int32_t code, const char *details)
{
    gmq_call_finish(call->call, code, details, NULL);
}

/* ---- A server that does as the request's name says ---- */

static void reply_twice(Demo__V1__Demo__SayHello_Call *call, Demo__V1__HelloReply *reply)
{
    char first[] = "first", second[] = "second";
    reply->text = first;
    ok(demo__v1__demo__say_hello__reply(call, reply));
    reply->text = second;
    gmq_status status = demo__v1__demo__say_hello__reply(call, reply);
    assert_true(status == GMQ_E_STATE || status == GMQ_E_CLOSED); /* closed: it is over by now */
}

static void reply_with_trailers(Demo__V1__Demo__SayHello_Call *call, Demo__V1__HelloReply *reply)
{
    gmq_metadata *trailing;
    char text[] = "see below";
    reply->text = text;
    ok(gmq_metadata_new(&trailing));
    ok(gmq_metadata_add(trailing, "below", "here", 4));
    ok(demo__v1__demo__say_hello__write(call, reply));
    ok(gmq_call_finish(call->base.call, GMQ_CODE_OK, NULL, trailing));
    gmq_metadata_free(trailing);
}

static void reply_metadata(Demo__V1__Demo__SayHello_Call *call, Demo__V1__HelloReply *reply)
{
    static char text[64];
    size_t len;
    assert_int_equal(gmq_metadata_count(call->base.metadata), 1);
    assert_string_equal(gmq_metadata_key(call->base.metadata, 0), "who");
    strcpy(text, gmq_metadata_value(call->base.metadata, 0, &len));
    reply->text = text;
    ok(demo__v1__demo__say_hello__reply(call, reply));
}

/* Ends the call behind a reply of these bytes. */
static void end_behind(Demo__V1__Demo__SayHello_Call *call, const char *bytes, int32_t code,
                       const char *details)
{
    ok(gmq_call_send(call->base.call, bytes, strlen(bytes)));
    end_call(&call->base, code, details);
}

static void reply_text(Demo__V1__Demo__SayHello_Call *call, char *text)
{
    Demo__V1__HelloReply reply = DEMO__V1__HELLO_REPLY__INIT;
    reply.text = text;
    ok(demo__v1__demo__say_hello__reply(call, &reply));
}

static void say_hello(void *self, Demo__V1__Demo__SayHello_Call *call,
                      Demo__V1__HelloRequest *request)
{
    Demo__V1__HelloReply reply = DEMO__V1__HELLO_REPLY__INIT;
    const char *name = request->name;
    ++*(int *)self;
    if (strcmp(name, "twice") == 0)
        reply_twice(call, &reply);
    else if (strcmp(name, "trailers") == 0)
        reply_with_trailers(call, &reply);
    else if (strcmp(name, "metadata") == 0)
        reply_metadata(call, &reply);
    else if (strcmp(name, "NULL") == 0)
        assert_int_equal(demo__v1__demo__say_hello__reply(call, NULL), GMQ_E_INVALID);
    else if (strcmp(name, "nonsense") == 0)
        end_behind(call, "\xff", GMQ_CODE_OK, NULL);
    else if (strcmp(name, "error after a reply") == 0)
        end_behind(call, "", GMQ_CODE_ABORTED, "no, not that");
    else if (strcmp(name, "cancel") == 0)
        gmq_call_cancel(call->base.call);
    else
        reply_text(call, request->name);
    demo__v1__hello_request__free_unpacked(request, NULL);
}

static const Demo__V1__Demo_Handlers hello_alone = {.say_hello = {.request = say_hello}};

/* A unary call; *reply is the caller's. */
static gmq_rpc *call_hello(rig *r, const char *name, Demo__V1__HelloReply **reply)
{
    gmq_rpc *rpc = rig_rpc(r);
    Demo__V1__HelloRequest request = rig_hello(name);
    *reply = (Demo__V1__HelloReply *)r; /* is overwritten in any case */
    ok(demo__v1__demo__say_hello__call(rpc, &request, reply));
    return rpc;
}

static void unary_test(void **state)
{
    static const char *const names[] = {"you", "", "twice", "trailers"};
    static const char *const texts[] = {"you", "", "first", "see below"};
    rig r;
    int calls = 0;
    (void)state;
    rig_open(&r, &hello_alone, &calls);
    for (int i = 0; i < 4; i++) {
        Demo__V1__HelloReply *reply;
        gmq_rpc *rpc = call_hello(&r, names[i], &reply);
        expect_reply(reply, texts[i]);
        assert_int_equal(gmq_metadata_count(gmq_rpc_trailing_metadata(rpc)), i == 3);
        rig_expect_code(rpc, GMQ_CODE_OK, "");
        demo__v1__hello_reply__free_unpacked(reply, NULL);
    }
    rig_close(&r);
    assert_int_equal(calls, 4);
}

static void unary_that_fails_test(void **state)
{
    static const struct {
        const char *name;
        int32_t code;
        const char *details;
    } rows[] = {
        {"NULL", GMQ_CODE_INTERNAL, "could not be sent"},
        {"nonsense", GMQ_CODE_INTERNAL, "a reply does not parse"},
        {"error after a reply", GMQ_CODE_ABORTED, "no, not that"},
        {"cancel", GMQ_CODE_CANCELLED, ""},
    };
    rig r;
    int calls = 0;
    (void)state;
    rig_open(&r, &hello_alone, &calls);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Demo__V1__HelloReply *reply;
        gmq_rpc *rpc = call_hello(&r, rows[i].name, &reply);
        assert_null(reply);
        rig_expect_code(rpc, rows[i].code, rows[i].details);
    }
    rig_close(&r);
}

static void metadata_test(void **state)
{
    rig r;
    int calls = 0;
    (void)state;
    rig_open(&r, &hello_alone, &calls);
    gmq_rpc *rpc = rig_rpc(&r);
    Demo__V1__HelloRequest request = rig_hello("metadata");
    Demo__V1__HelloReply *reply;
    ok(gmq_rpc_add_metadata(rpc, "who", "me", 2));
    ok(demo__v1__demo__say_hello__call(rpc, &request, &reply));
    expect_reply(reply, "me");
    demo__v1__hello_reply__free_unpacked(reply, NULL);
    rig_expect_code(rpc, GMQ_CODE_OK, "");
    rig_close(&r);
}

static void a_request_that_does_not_parse_test(void **state)
{
    rig r;
    int calls = 0;
    (void)state;
    rig_open(&r, &hello_alone, &calls);
    gmq_rpc *rpc = rig_rpc(&r);
    ok(gmq_rpc_start_with(rpc, "/demo.v1.Demo/SayHello", GMQ_RPC_UNARY, "\xff", 1));
    ok(gmq_rpc_finish(rpc));
    rig_expect_code(rpc, GMQ_CODE_INTERNAL, "a request does not parse");
    rig_close(&r);
    assert_int_equal(calls, 0);
}

static void methods_without_handlers_test(void **state)
{
    rig r;
    int calls = 0;
    Demo__V1__Demo__Chat_Stream chat;
    Demo__V1__Demo__Count_Stream count;
    Demo__V1__Demo__Collect_Stream collect;
    Demo__V1__CountRequest to = DEMO__V1__COUNT_REQUEST__INIT;
    Demo__V1__CollectReply *sum;
    Demo__V1__ChatMessage *said;
    (void)state;
    rig_open(&r, &hello_alone, &calls);
    ok(demo__v1__demo__chat__start(&chat, rig_rpc(&r)));
    ok(demo__v1__demo__chat__recv(&chat, &said));
    assert_null(said);
    rig_expect_code(chat.rpc, GMQ_CODE_UNIMPLEMENTED, "no handler");
    ok(demo__v1__demo__count__start(&count, rig_rpc(&r), &to));
    ok(demo__v1__demo__count__finish(&count));
    rig_expect_code(count.rpc, GMQ_CODE_UNIMPLEMENTED, "no handler");
    ok(demo__v1__demo__collect__start(&collect, rig_rpc(&r)));
    ok(demo__v1__demo__collect__finish(&collect, &sum));
    assert_null(sum);
    rig_expect_code(collect.rpc, GMQ_CODE_UNIMPLEMENTED, "no handler");
    rig_close(&r);
}

static void misuse_test(void **state)
{
    rig r;
    int calls = 0;
    Demo__V1__HelloRequest request = rig_hello("you");
    static Demo__V1__HelloRequest blank; /* all zero: not initialised */
    Demo__V1__HelloReply *reply;
    Demo__V1__Demo__Chat_Stream chat = {NULL};
    Demo__V1__Demo_Server *server;
    (void)state;
    rig_open(&r, &hello_alone, &calls);
    gmq_rpc *rpc = rig_rpc(&r);
    assert_int_equal(demo__v1__demo__say_hello__call(rpc, &request, NULL), GMQ_E_INVALID);
    assert_int_equal(demo__v1__demo__say_hello__call(rpc, NULL, &reply), GMQ_E_INVALID);
    assert_int_equal(demo__v1__demo__say_hello__call(rpc, &blank, &reply), GMQ_E_INVALID);
    assert_non_null(strstr(gmq_error_text(), "not initialised"));
    assert_int_equal(demo__v1__demo__say_hello__call(NULL, &request, &reply), GMQ_E_INVALID);
    assert_null(reply);
    assert_int_equal(demo__v1__demo__chat__start(NULL, rpc), GMQ_E_INVALID);
    assert_int_equal(demo__v1__demo__chat__send(&chat, NULL), GMQ_E_INVALID);
    assert_int_equal(demo__v1__demo__chat__finish(&chat), GMQ_E_INVALID);
    demo__v1__demo__chat__cancel(&chat);
    demo__v1__demo__chat__cancel(NULL);
    assert_int_equal(demo__v1__demo__say_hello__reply(NULL, NULL), GMQ_E_INVALID);
    assert_int_equal(demo__v1__demo_server__new(&server, NULL, NULL), GMQ_E_INVALID);
    assert_int_equal(demo__v1__demo_server__serve_event(NULL, NULL), 0);
    demo__v1__demo_server__free(NULL);
    demo__v1__demo_call__unref(NULL);
    ok(demo__v1__demo__say_hello__call(rpc, &request, &reply)); /* the rpc was not used up */
    demo__v1__hello_reply__free_unpacked(reply, NULL);
    assert_int_equal(demo__v1__demo__say_hello__call(rpc, &request, &reply), GMQ_E_STATE);
    assert_null(reply);
    gmq_rpc_free(rpc);
    rig_close(&r);
}

/* ---- Streams ---- */

static void collect_started(void *self, Demo__V1__Demo__Collect_Call *call)
{
    (void)self;
    call->base.data = calloc(1, sizeof(Demo__V1__CollectReply));
    demo__v1__collect_reply__init(call->base.data);
}

static void collect(void *self, Demo__V1__Demo__Collect_Call *call,
                    Demo__V1__CollectRequest *request)
{
    (void)self;
    Demo__V1__CollectReply *sum = call->base.data;
    sum->count++;
    sum->sum += request->value;
    if (request->value == 13)
        end_call(&call->base, GMQ_CODE_OUT_OF_RANGE, "thirteen");
    demo__v1__collect_request__free_unpacked(request, NULL);
    gmq_call_read(call->base.call, 1);
}

static void collect_half_closed(void *self, Demo__V1__Demo__Collect_Call *call)
{
    (void)self;
    ok(demo__v1__demo__collect__reply(call, call->base.data));
}

static void collect_finished(void *self, Demo__V1__Demo__Collect_Call *call)
{
    ++*(int *)self;
    free(call->base.data);
}

static void count_on(void *self, Demo__V1__Demo__Count_Call *call)
{
    Demo__V1__CountRequest *range = call->base.data;
    gmq_status status = GMQ_OK;
    (void)self;
    for (; status == GMQ_OK && range->from <= range->to; range->from++) {
        Demo__V1__CountReply reply = DEMO__V1__COUNT_REPLY__INIT;
        reply.value = range->from;
        status = demo__v1__demo__count__write(call, &reply);
        range->from -= status == GMQ_E_AGAIN;
    }
    if (status == GMQ_OK)
        end_call(&call->base, GMQ_CODE_OK, "that is all");
}

static int times_writable; /* the server's thread counts, the test reads when that has ended */

static void count_on_again(void *self, Demo__V1__Demo__Count_Call *call)
{
    times_writable++;
    count_on(self, call);
}

static void count(void *self, Demo__V1__Demo__Count_Call *call, Demo__V1__CountRequest *request)
{
    call->base.data = request;
    count_on(self, call);
}

static void count_finished(void *self, Demo__V1__Demo__Count_Call *call)
{
    ++*(int *)self;
    demo__v1__count_request__free_unpacked(call->base.data, NULL);
}

static void chat(void *self, Demo__V1__Demo__Chat_Call *call, Demo__V1__ChatMessage *request)
{
    (void)self;
    demo__v1__demo__chat__write(call, request);
    demo__v1__chat_message__free_unpacked(request, NULL);
    gmq_call_read(call->base.call, 1);
}

static void chat_half_closed(void *self, Demo__V1__Demo__Chat_Call *call)
{
    (void)self;
    end_call(&call->base, GMQ_CODE_OK, NULL);
}

static void chat_finished(void *self, Demo__V1__Demo__Chat_Call *call)
{
    (void)call;
    ++*(int *)self;
}

static const Demo__V1__Demo_Handlers streams = {
    .collect = {.started = collect_started,
                .request = collect,
                .half_closed = collect_half_closed,
                .finished = collect_finished},
    .count = {.request = count, .writable = count_on_again, .finished = count_finished},
    .chat = {.request = chat, .half_closed = chat_half_closed, .finished = chat_finished},
};

static void client_streaming_test(void **state)
{
    rig r;
    int finished = 0;
    Demo__V1__Demo__Collect_Stream stream;
    Demo__V1__CollectRequest request = DEMO__V1__COLLECT_REQUEST__INIT;
    Demo__V1__CollectReply *reply;
    (void)state;
    rig_open(&r, &streams, &finished);
    ok(demo__v1__demo__collect__start(&stream, rig_rpc(&r)));
    for (request.value = 1000; request.value < 2000; request.value++)
        ok(demo__v1__demo__collect__send(&stream, &request));
    ok(demo__v1__demo__collect__close_send(&stream));
    assert_int_equal(demo__v1__demo__collect__send(&stream, &request), GMQ_E_STATE);
    ok(demo__v1__demo__collect__finish(&stream, &reply));
    assert_int_equal(reply->count, 1000);
    assert_int_equal(reply->sum, 1499500);
    demo__v1__collect_reply__free_unpacked(reply, NULL);
    rig_expect_code(stream.rpc, GMQ_CODE_OK, "");
    rig_close(&r);
    assert_int_equal(finished, 1);
}

static void ended_while_the_client_sends_test(void **state)
{
    rig r;
    int finished = 0;
    gmq_status status = GMQ_OK;
    Demo__V1__Demo__Collect_Stream stream;
    Demo__V1__CollectRequest request = DEMO__V1__COLLECT_REQUEST__INIT;
    Demo__V1__CollectReply *reply;
    (void)state;
    rig_open(&r, &streams, &finished);
    ok(demo__v1__demo__collect__start(&stream, rig_rpc(&r)));
    request.value = 13;
    while (status == GMQ_OK)
        status = demo__v1__demo__collect__send(&stream, &request);
    assert_int_equal(status, GMQ_E_CLOSED);
    ok(demo__v1__demo__collect__finish(&stream, &reply));
    assert_null(reply);
    rig_expect_code(stream.rpc, GMQ_CODE_OUT_OF_RANGE, "thirteen");
    rig_close(&r);
    assert_int_equal(finished, 1);
}

static void server_streaming_test(void **state)
{
    enum { LAST = 10000 }; /* more than the send buffer holds */
    rig r;
    int finished = 0;
    uint32_t expected = 1;
    times_writable = 0;
    Demo__V1__Demo__Count_Stream stream;
    Demo__V1__CountRequest request = DEMO__V1__COUNT_REQUEST__INIT;
    Demo__V1__CountReply *reply;
    (void)state;
    /* driven by the thread of the handlers: nothing leaves the buffer while one of them writes */
    rig_open_with(&r, "?drive=caller&send_buffer=4096", &streams, &finished);
    request.from = 1;
    request.to = LAST;
    ok(demo__v1__demo__count__start(&stream, rig_rpc(&r), &request));
    for (ok(demo__v1__demo__count__recv(&stream, &reply)); reply;
         ok(demo__v1__demo__count__recv(&stream, &reply))) {
        assert_int_equal(reply->value, expected++);
        demo__v1__count_reply__free_unpacked(reply, NULL);
    }
    assert_int_equal(expected, LAST + 1);
    rig_expect_code(stream.rpc, GMQ_CODE_OK, "that is all");
    ok(demo__v1__demo__count__start(&stream, rig_rpc(&r), &request));
    ok(demo__v1__demo__count__recv(&stream, &reply));
    demo__v1__count_reply__free_unpacked(reply, NULL);
    demo__v1__demo__count__cancel(&stream);
    ok(demo__v1__demo__count__finish(&stream));
    rig_expect_code(stream.rpc, GMQ_CODE_CANCELLED, "");
    rig_close(&r);
    assert_int_equal(finished, 2);
    assert_true(times_writable > 0);
}

static void many_conversations_test(void **state)
{
    enum { MANY = 40, ROUNDS = 5 }; /* the table of calls grows, and has holes */
    rig r;
    int finished = 0;
    Demo__V1__Demo__Chat_Stream talks[MANY];
    Demo__V1__ChatMessage message = DEMO__V1__CHAT_MESSAGE__INIT, *reply;
    char text[32];
    (void)state;
    rig_open(&r, &streams, &finished);
    message.text = text;
    for (int i = 0; i < MANY; i++)
        ok(demo__v1__demo__chat__start(&talks[i], rig_rpc(&r)));
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < MANY; i++) {
            snprintf(text, sizeof text, "%d in %d", i, round);
            ok(demo__v1__demo__chat__send(&talks[i], &message));
            ok(demo__v1__demo__chat__recv(&talks[i], &reply));
            assert_string_equal(reply->text, text);
            demo__v1__chat_message__free_unpacked(reply, NULL);
            if (i % ROUNDS != round)
                continue;
            ok(demo__v1__demo__chat__finish(&talks[i])); /* and another one in its place */
            rig_expect_code(talks[i].rpc, GMQ_CODE_OK, "");
            ok(demo__v1__demo__chat__start(&talks[i], rig_rpc(&r)));
        }
    for (int i = 0; i < MANY; i++) {
        ok(demo__v1__demo__chat__finish(&talks[i]));
        rig_expect_code(talks[i].rpc, GMQ_CODE_OK, "");
    }
    rig_close(&r);
    assert_int_equal(finished, 2 * MANY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unary_test),
        cmocka_unit_test(unary_that_fails_test),
        cmocka_unit_test(metadata_test),
        cmocka_unit_test(a_request_that_does_not_parse_test),
        cmocka_unit_test(methods_without_handlers_test),
        cmocka_unit_test(misuse_test),
        cmocka_unit_test(client_streaming_test),
        cmocka_unit_test(ended_while_the_client_sends_test),
        cmocka_unit_test(server_streaming_test),
        cmocka_unit_test(many_conversations_test),
    };
    rig_dialect = "session";
    int failed = cmocka_run_group_tests_name("session", tests, NULL, NULL);
    rig_dialect = "link";
    return failed + cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
