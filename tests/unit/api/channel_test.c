/* Blocking calls: a server on a thread of its own, over the loopback broker. */
#include <grpc_mqtt/grpc_mqtt.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_all.h"

#define ok(expression) assert_int_equal((expression), GMQ_OK)

#define ECHO   "/t.T/Echo"
#define JOIN   "/t.T/Join"
#define REPEAT "/t.T/Repeat"
#define CHAT   "/t.T/Chat"
#define HANG   "/t.T/Hang"
#define FAIL   "/t.T/Fail"

enum { REPEATS = 100 };

typedef struct rig {
    char url[96];
    gmq_queue *queue;
    gmq_server *server;
    pthread_t thread;
    gmq_channel *channel;
} rig;

static const struct {
    const char *path;
    gmq_rpc_kind kind;
} methods[] = {
    {ECHO, GMQ_RPC_UNARY},
    {JOIN, GMQ_RPC_CLIENT_STREAMING},
    {REPEAT, GMQ_RPC_SERVER_STREAMING},
    {CHAT, GMQ_RPC_BIDI_STREAMING},
    {HANG, GMQ_RPC_BIDI_STREAMING},
    {FAIL, GMQ_RPC_UNARY},
};

static void finish_failed(gmq_call *call)
{
    gmq_metadata *trailing;
    gmq_metadata_new(&trailing);
    gmq_metadata_add(trailing, "why", "so", 2);
    gmq_call_finish(call, GMQ_CODE_NOT_FOUND, "not here", trailing);
    gmq_metadata_free(trailing);
}

static void accept_call(gmq_event *event)
{
    gmq_call *call = gmq_event_take_call(event);
    const gmq_metadata *asked = gmq_event_metadata(event);
    if (gmq_metadata_count(asked))
        gmq_call_send_initial_metadata(call, asked); /* sent back */
    gmq_call_read(call, UINT32_MAX);
}

static void handle(gmq_event *event)
{
    gmq_call *call = gmq_event_call(event);
    gmq_buf *message = gmq_event_message(event);
    const char *path = call ? gmq_call_path(call) : "";
    if (gmq_event_type_of(event) == GMQ_EVENT_CALL) {
        accept_call(event);
    } else if (message && strcmp(path, FAIL) == 0) {
        finish_failed(call);
    } else if (message && strcmp(path, REPEAT) == 0) {
        for (int i = 0; i < REPEATS; i++)
            gmq_call_send(call, gmq_buf_data(message), gmq_buf_len(message));
        gmq_call_finish(call, GMQ_CODE_OK, NULL, NULL);
    } else if (message && (strcmp(path, ECHO) == 0 || strcmp(path, CHAT) == 0)) {
        gmq_call_send(call, gmq_buf_data(message), gmq_buf_len(message));
        if (strcmp(path, ECHO) == 0)
            gmq_call_finish(call, GMQ_CODE_OK, NULL, NULL);
    } else if (gmq_event_type_of(event) == GMQ_EVENT_HALF_CLOSED && strcmp(path, HANG) != 0) {
        if (strcmp(path, JOIN) == 0)
            gmq_call_send(call, "joined", 6);
        gmq_call_finish(call, GMQ_CODE_OK, NULL, NULL);
    } else if (gmq_event_type_of(event) == GMQ_EVENT_FINISHED) {
        gmq_call_unref(call);
    }
}

static void *serve(void *arg)
{
    rig *r = arg;
    bool stop = false;
    while (!stop) {
        gmq_event *event;
        size_t count;
        if (gmq_queue_wait(r->queue, -1, &event, 1, &count) != GMQ_OK)
            break;
        stop = gmq_event_type_of(event) == GMQ_EVENT_CLOSED;
        handle(event);
        gmq_event_free(event);
    }
    return NULL;
}

static const char *dialect; /* what the channel speaks */

static int set_up(void **state)
{
    static rig one;
    static int number;
    rig *r = &one;
    gmq_method_map *map;
    snprintf(r->url, sizeof r->url, "loopback://channel-%d-%d/base", (int)getpid(), number++);
    ok(gmq_method_map_new(&map));
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        ok(gmq_method_map_add(map, methods[i].path, methods[i].kind));
    ok(gmq_queue_new(&r->queue));
    ok(gmq_server_new(&r->server, r->url, NULL, map, r->queue, 0));
    gmq_method_map_free(map);
    for (bool ready = false; !ready;) {
        gmq_event *event;
        size_t count;
        ok(gmq_queue_wait(r->queue, 60000, &event, 1, &count));
        assert_int_equal(count, 1);
        ready =
            gmq_event_type_of(event) == GMQ_EVENT_STATE && gmq_event_code(event) == GMQ_STATE_READY;
        gmq_event_free(event);
    }
    assert_int_equal(pthread_create(&r->thread, NULL, serve, r), 0);
    strcat(strcat(r->url, "?dialect="), dialect);
    ok(gmq_channel_new(&r->channel, r->url, NULL, NULL));
    *state = r;
    return 0;
}

static int tear_down(void **state)
{
    rig *r = *state;
    gmq_channel_free(r->channel);
    gmq_server_close(r->server, 0);
    pthread_join(r->thread, NULL);
    gmq_server_unref(r->server);
    gmq_queue_unref(r->queue);
    return 0;
}

static gmq_rpc *new_rpc(rig *r)
{
    gmq_rpc *rpc;
    ok(gmq_rpc_new(&rpc, r->channel));
    ok(gmq_rpc_set_timeout_ms(rpc, 60000));
    return rpc;
}

static void expect_message(gmq_rpc *rpc, const char *text)
{
    gmq_buf *message = NULL;
    ok(gmq_rpc_recv(rpc, &message));
    assert_non_null(message);
    assert_int_equal(gmq_buf_len(message), strlen(text));
    assert_memory_equal(gmq_buf_data(message), text, strlen(text));
    gmq_buf_unref(message);
}

static void expect_end(gmq_rpc *rpc, int32_t code)
{
    gmq_buf *message = (gmq_buf *)rpc;
    ok(gmq_rpc_recv(rpc, &message));
    assert_null(message);
    assert_int_equal(gmq_rpc_code(rpc), code);
}

static void unary_test(void **state)
{
    gmq_rpc *rpc = new_rpc(*state);
    assert_int_equal(gmq_rpc_code(rpc), -1);
    assert_string_equal(gmq_rpc_details(rpc), "");
    assert_null(gmq_rpc_trailing_metadata(rpc));
    ok(gmq_rpc_start_with(rpc, ECHO, GMQ_RPC_UNARY, "hello", 5));
    expect_message(rpc, "hello");
    expect_end(rpc, GMQ_CODE_OK);
    ok(gmq_rpc_finish(rpc));
    ok(gmq_rpc_finish(rpc));
    expect_end(rpc, GMQ_CODE_OK);
    gmq_rpc_free(rpc);
}

static void error_test(void **state)
{
    gmq_rpc *rpc = new_rpc(*state);
    size_t len;
    ok(gmq_rpc_start_with(rpc, FAIL, GMQ_RPC_UNARY, NULL, 0));
    ok(gmq_rpc_finish(rpc));
    assert_int_equal(gmq_rpc_code(rpc), GMQ_CODE_NOT_FOUND);
    assert_string_equal(gmq_rpc_details(rpc), "not here");
    const gmq_metadata *trailing = gmq_rpc_trailing_metadata(rpc);
    assert_int_equal(gmq_metadata_count(trailing), 1);
    assert_string_equal(gmq_metadata_value(trailing, 0, &len), "so");
    gmq_rpc_cancel_with(rpc, GMQ_CODE_ABORTED, "too late"); /* the error that was there stays */
    assert_int_equal(gmq_rpc_code(rpc), GMQ_CODE_NOT_FOUND);
    gmq_rpc_free(rpc);
}

static void streams_test(void **state)
{
    gmq_rpc *up = new_rpc(*state), *down = new_rpc(*state), *chat = new_rpc(*state);
    ok(gmq_rpc_start(up, JOIN, GMQ_RPC_CLIENT_STREAMING));
    ok(gmq_rpc_start_with(down, REPEAT, GMQ_RPC_SERVER_STREAMING, "again", 5));
    ok(gmq_rpc_start(chat, CHAT, GMQ_RPC_BIDI_STREAMING));
    for (int i = 0; i < REPEATS; i++) { /* the three at once, on one thread */
        char word[16];
        snprintf(word, sizeof word, "word %d", i);
        ok(gmq_rpc_send(up, word, strlen(word)));
        ok(gmq_rpc_send(chat, word, strlen(word)));
        expect_message(down, "again");
        expect_message(chat, word);
    }
    ok(gmq_rpc_close_send(chat));
    assert_int_equal(gmq_rpc_send(chat, "x", 1), GMQ_E_STATE);
    expect_end(chat, GMQ_CODE_OK);
    expect_end(down, GMQ_CODE_OK);
    ok(gmq_rpc_close_send(up));
    expect_message(up, "joined");
    ok(gmq_rpc_finish(up));
    assert_int_equal(gmq_rpc_code(up), GMQ_CODE_OK);
    gmq_rpc_free(up);
    gmq_rpc_free(down);
    gmq_rpc_free(chat);
}

static void finish_drops_what_was_not_received_test(void **state)
{
    gmq_rpc *rpc = new_rpc(*state);
    ok(gmq_rpc_start_with(rpc, REPEAT, GMQ_RPC_SERVER_STREAMING, "again", 5));
    expect_message(rpc, "again");
    ok(gmq_rpc_finish(rpc));
    assert_int_equal(gmq_rpc_code(rpc), GMQ_CODE_OK);
    gmq_rpc_free(rpc);
}

static void metadata_test(void **state)
{
    gmq_rpc *rpc = new_rpc(*state), *plain = new_rpc(*state);
    const gmq_metadata *initial = NULL;
    size_t len;
    ok(gmq_rpc_add_metadata(rpc, "colour", "blue", 4));
    ok(gmq_rpc_add_metadata(rpc, "raw-bin", "\0\1", 2));
    assert_int_equal(gmq_rpc_add_metadata(rpc, "Bad Key", "x", 1), GMQ_E_INVALID);
    ok(gmq_rpc_start(rpc, CHAT, GMQ_RPC_BIDI_STREAMING));
    ok(gmq_rpc_initial_metadata(rpc, &initial)); /* before anything is said */
    assert_int_equal(gmq_metadata_count(initial), 2);
    assert_string_equal(gmq_metadata_value(initial, 0, &len), "blue");
    assert_memory_equal(gmq_metadata_value(initial, 1, &len), "\0\1", 2);
    ok(gmq_rpc_finish(rpc));
    ok(gmq_rpc_start_with(plain, ECHO, GMQ_RPC_UNARY, "x", 1));
    ok(gmq_rpc_initial_metadata(plain, &initial));
    assert_int_equal(gmq_metadata_count(initial), 0);
    ok(gmq_rpc_finish(plain));
    gmq_rpc_free(rpc);
    gmq_rpc_free(plain);
}

static void misuse_test(void **state)
{
    rig *r = *state;
    gmq_rpc *rpc = new_rpc(r), *none = NULL;
    gmq_channel *channel = NULL;
    gmq_buf *message;
    assert_int_equal(gmq_rpc_new(NULL, r->channel), GMQ_E_INVALID);
    assert_int_equal(gmq_rpc_new(&none, NULL), GMQ_E_INVALID);
    assert_int_equal(gmq_rpc_start(none, CHAT, GMQ_RPC_BIDI_STREAMING), GMQ_E_INVALID);
    assert_int_equal(gmq_rpc_send(rpc, "x", 1), GMQ_E_STATE);
    assert_int_equal(gmq_rpc_recv(rpc, &message), GMQ_E_STATE);
    assert_int_equal(gmq_rpc_close_send(rpc), GMQ_E_STATE);
    assert_int_equal(gmq_rpc_finish(rpc), GMQ_E_STATE);
    assert_int_equal(gmq_rpc_start(rpc, "Chat", GMQ_RPC_BIDI_STREAMING), GMQ_E_INVALID);
    ok(gmq_rpc_start(rpc, CHAT, GMQ_RPC_BIDI_STREAMING)); /* a failed start was none */
    assert_int_equal(gmq_rpc_start(rpc, CHAT, GMQ_RPC_BIDI_STREAMING), GMQ_E_STATE);
    assert_non_null(strstr(gmq_error_text(), "for one call"));
    assert_int_equal(gmq_rpc_set_timeout_ms(rpc, 1), GMQ_E_STATE);
    assert_int_equal(gmq_rpc_set_options(rpc, NULL), GMQ_E_STATE);
    assert_int_equal(gmq_rpc_add_metadata(rpc, "a", "b", 1), GMQ_E_STATE);
    assert_int_equal(gmq_rpc_recv(rpc, NULL), GMQ_E_INVALID);
    gmq_rpc_free(rpc);
    gmq_rpc_free(NULL);
    gmq_rpc_cancel(NULL);
    gmq_channel_free(NULL);
    assert_int_equal(gmq_channel_state(NULL), GMQ_STATE_SHUTDOWN);
    assert_int_equal(gmq_channel_close(NULL, 0), GMQ_E_INVALID);
    assert_int_equal(gmq_channel_new(NULL, r->url, NULL, NULL), GMQ_E_INVALID);
    assert_int_equal(gmq_channel_new(&channel, "nothing", NULL, NULL), GMQ_E_URL);
    assert_null(channel);
}

static void *cancel(void *rpc)
{
    gmq_rpc_cancel(rpc);
    return NULL;
}

static void cancel_wakes_who_waits_test(void **state)
{
    gmq_rpc *rpc = new_rpc(*state);
    pthread_t thread;
    gmq_rpc_cancel(rpc); /* not started: nothing */
    ok(gmq_rpc_start(rpc, HANG, GMQ_RPC_BIDI_STREAMING));
    assert_int_equal(pthread_create(&thread, NULL, cancel, rpc), 0);
    expect_end(rpc, GMQ_CODE_CANCELLED);
    pthread_join(thread, NULL);
    assert_int_equal(gmq_rpc_send(rpc, "x", 1), GMQ_E_CLOSED);
    gmq_rpc_free(rpc);
}

static void status_of_ones_own_test(void **state)
{
    gmq_rpc *open = new_rpc(*state), *over = new_rpc(*state);
    ok(gmq_rpc_start(open, HANG, GMQ_RPC_BIDI_STREAMING));
    gmq_rpc_cancel_with(open, GMQ_CODE_DATA_LOSS, "no sense in it");
    ok(gmq_rpc_finish(open));
    assert_int_equal(gmq_rpc_code(open), GMQ_CODE_DATA_LOSS);
    assert_string_equal(gmq_rpc_details(open), "no sense in it");
    ok(gmq_rpc_start_with(over, ECHO, GMQ_RPC_UNARY, "x", 1));
    ok(gmq_rpc_finish(over));
    gmq_rpc_cancel_with(over, 99, NULL);
    assert_int_equal(gmq_rpc_code(over), GMQ_CODE_UNKNOWN);
    assert_string_equal(gmq_rpc_details(over), "");
    gmq_rpc_free(open);
    gmq_rpc_free(over);
}

static void deadline_test(void **state)
{
    gmq_rpc *rpc = new_rpc(*state);
    ok(gmq_rpc_set_timeout_ms(rpc, 30));
    ok(gmq_rpc_start(rpc, HANG, GMQ_RPC_BIDI_STREAMING));
    expect_end(rpc, GMQ_CODE_DEADLINE_EXCEEDED);
    gmq_rpc_free(rpc);
}

static void full_buffer_blocks_test(void **state)
{
    rig *r = *state;
    char url[128];
    static uint8_t block[4096];
    gmq_channel *channel;
    gmq_rpc *rpc;
    snprintf(url, sizeof url, "%s&send_buffer=8192", r->url);
    ok(gmq_channel_new(&channel, url, NULL, NULL));
    ok(gmq_rpc_new(&rpc, channel));
    ok(gmq_rpc_set_timeout_ms(rpc, 60000));
    ok(gmq_rpc_start(rpc, JOIN, GMQ_RPC_CLIENT_STREAMING));
    for (int i = 0; i < 200; i++)
        ok(gmq_rpc_send(rpc, block, sizeof block)); /* never GMQ_E_AGAIN */
    ok(gmq_rpc_close_send(rpc));
    expect_message(rpc, "joined");
    expect_end(rpc, GMQ_CODE_OK);
    gmq_rpc_free(rpc);
    gmq_channel_free(channel);
}

enum { THREADS = 6, CALLS_EACH = 25 };

static void *call_often(void *arg)
{
    rig *r = arg;
    uintptr_t good = 0;
    for (int i = 0; i < CALLS_EACH; i++) {
        gmq_rpc *rpc;
        gmq_buf *reply = NULL;
        char word[32];
        int len = snprintf(word, sizeof word, "%p %d", (void *)&good, i);
        if (gmq_rpc_new(&rpc, r->channel) == GMQ_OK &&
            gmq_rpc_start_with(rpc, ECHO, GMQ_RPC_UNARY, word, (size_t)len) == GMQ_OK &&
            gmq_rpc_recv(rpc, &reply) == GMQ_OK && reply && gmq_rpc_finish(rpc) == GMQ_OK)
            good += gmq_buf_len(reply) == (size_t)len &&
                    memcmp(gmq_buf_data(reply), word, (size_t)len) == 0 &&
                    gmq_rpc_code(rpc) == GMQ_CODE_OK;
        gmq_buf_unref(reply);
        gmq_rpc_free(rpc);
    }
    return (void *)good;
}

static void threads_share_a_channel_test(void **state)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, *state), 0);
    for (int i = 0; i < THREADS; i++) {
        void *good;
        pthread_join(threads[i], &good);
        assert_int_equal((uintptr_t)good, CALLS_EACH);
    }
}

static void *receive_all(void *rpc)
{
    uintptr_t count = 0;
    gmq_buf *message = NULL;
    while (gmq_rpc_recv(rpc, &message) == GMQ_OK && message) {
        count++;
        gmq_buf_unref(message);
    }
    return (void *)count;
}

static void one_sends_one_receives_test(void **state)
{
    gmq_rpc *rpc = new_rpc(*state);
    pthread_t thread;
    void *count;
    ok(gmq_rpc_start(rpc, CHAT, GMQ_RPC_BIDI_STREAMING));
    assert_int_equal(pthread_create(&thread, NULL, receive_all, rpc), 0);
    for (int i = 0; i < 500; i++)
        ok(gmq_rpc_send(rpc, "word", 4));
    ok(gmq_rpc_close_send(rpc));
    pthread_join(thread, &count);
    assert_int_equal((uintptr_t)count, 500);
    assert_int_equal(gmq_rpc_code(rpc), GMQ_CODE_OK);
    gmq_rpc_free(rpc);
}

static void close_test(void **state)
{
    rig *r = *state;
    gmq_rpc *open = new_rpc(r), *late = new_rpc(r);
    ok(gmq_rpc_start(open, HANG, GMQ_RPC_BIDI_STREAMING));
    ok(gmq_channel_close(r->channel, 0));
    ok(gmq_channel_close(r->channel, 0));
    expect_end(open, GMQ_CODE_CANCELLED);
    assert_int_equal(gmq_rpc_start(late, CHAT, GMQ_RPC_BIDI_STREAMING), GMQ_E_CLOSED);
    assert_int_equal(gmq_channel_state(r->channel), GMQ_STATE_SHUTDOWN);
    gmq_rpc_free(open);
    gmq_rpc_free(late);
}

static void rpcs_keep_the_channel_test(void **state)
{
    rig *r = *state;
    gmq_rpc *rpc = new_rpc(r), *unused = new_rpc(r);
    ok(gmq_rpc_start(rpc, CHAT, GMQ_RPC_BIDI_STREAMING));
    gmq_channel_free(r->channel);
    r->channel = NULL;
    ok(gmq_rpc_send(rpc, "still", 5));
    expect_message(rpc, "still");
    gmq_rpc_free(rpc); /* open: cancelled */
    gmq_rpc_free(unused);
}

static void drive_caller_test(void **state)
{
    rig *r = *state;
    char url[128];
    gmq_channel *channel;
    gmq_rpc *rpc;
    snprintf(url, sizeof url, "%s&drive=caller", r->url);
    ok(gmq_channel_new(&channel, url, NULL, NULL));
    for (int i = 0; i < 3; i++) {
        ok(gmq_rpc_new(&rpc, channel));
        ok(gmq_rpc_start_with(rpc, ECHO, GMQ_RPC_UNARY, "x", 1));
        expect_message(rpc, "x");
        expect_end(rpc, GMQ_CODE_OK);
        gmq_rpc_free(rpc);
    }
    ok(gmq_channel_close(channel, 1000));
    gmq_channel_free(channel);
}

/* What is the parent's is refused in a child, and left alone. */
static int in_child(rig *r, gmq_rpc *rpc)
{
    gmq_rpc *fresh;
    gmq_buf *message;
    bool good = gmq_rpc_new(&fresh, r->channel) == GMQ_E_FORKED &&
                gmq_rpc_recv(rpc, &message) == GMQ_E_FORKED &&
                gmq_rpc_send(rpc, "x", 1) == GMQ_E_FORKED && gmq_rpc_code(rpc) == -1 &&
                gmq_channel_close(r->channel, 0) == GMQ_E_FORKED;
    gmq_rpc_cancel(rpc);
    gmq_rpc_cancel_with(rpc, GMQ_CODE_ABORTED, NULL);
    gmq_rpc_free(rpc);
    gmq_channel_free(r->channel);
    return good ? 0 : 1;
}

static void fork_test(void **state)
{
    rig *r = *state;
    gmq_rpc *rpc = new_rpc(r);
    ok(gmq_rpc_start(rpc, CHAT, GMQ_RPC_BIDI_STREAMING));
    pid_t child = fork();
    if (child == 0)
        _exit(in_child(r, rpc));
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    ok(gmq_rpc_finish(rpc));
    assert_int_equal(gmq_rpc_code(rpc), GMQ_CODE_OK);
    gmq_rpc_free(rpc);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(unary_test),
        TEST(error_test),
        TEST(streams_test),
        TEST(finish_drops_what_was_not_received_test),
        TEST(metadata_test),
        TEST(misuse_test),
        TEST(cancel_wakes_who_waits_test),
        TEST(status_of_ones_own_test),
        TEST(deadline_test),
        TEST(full_buffer_blocks_test),
        TEST(threads_share_a_channel_test),
        TEST(one_sends_one_receives_test),
        TEST(close_test),
        TEST(rpcs_keep_the_channel_test),
        TEST(drive_caller_test),
        TEST(fork_test),
    };
    dialect = "session";
    int failed = cmocka_run_group_tests_name("session", tests, NULL, NULL);
    dialect = "link";
    return failed + cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
