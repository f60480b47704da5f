/* The link dialect through the API, over the loopback broker: presence, Wills, goodbyes, the choice
 * of a dialect, groups, slow readers. The four kinds are in kinds_test.c. */
#include "unit/runtime/rig_util.h"

#define LINK   "?dialect=link"
#define QUICK  LINK "&reconnect_max_ms=1"
#define NOBODY "no server is announced at test/base"

/* An observer that has subscribed to `filter`; events of everything that is there follow. */
typedef struct watch {
    gmq_queue *queue;
    gmq_observer *observer;
    gmq_event *early; /* seen before the subscription was answered */
} watch;

static void watch_open(watch *w, const rig *r, const char *filter)
{
    char url[256];
    rig_url(r, "?dialect=session", url);
    w->early = NULL;
    ok(gmq_queue_new(&w->queue));
    ok(gmq_observer_new(&w->observer, url, NULL, w->queue, 77));
    ok(gmq_observer_subscribe(w->observer, filter, 1));
    gmq_event *event = rig_next(w->queue);
    while (gmq_event_type_of(event) != GMQ_EVENT_SUBSCRIBED) {
        if (gmq_event_type_of(event) == GMQ_EVENT_OBSERVED) { /* what is retained may come first */
            assert_null(w->early);
            w->early = event;
        } else {
            gmq_event_free(event);
        }
        event = rig_next(w->queue);
    }
    gmq_event_free(event);
}

static void watch_close(watch *w)
{
    gmq_observer_unref(w->observer);
    gmq_queue_unref(w->queue);
}

/* The next publish that is seen: at `topic`, and with `part` in it; NULL: empty. */
static void seen(watch *w, const char *topic, const char *part)
{
    gmq_event *event = w->early ? w->early : rig_expect(w->queue, GMQ_EVENT_OBSERVED);
    w->early = NULL;
    gmq_buf *payload = gmq_event_message(event);
    assert_string_equal(gmq_event_text(event), topic);
    assert_int_equal(gmq_buf_len(payload) == 0, part == NULL);
    bool found = !part;
    for (size_t at = 0; !found && at + strlen(part) <= gmq_buf_len(payload); at++)
        found = !memcmp((const char *)gmq_buf_data(payload) + at, part, strlen(part));
    assert_true(found);
    gmq_event_free(event);
}

static void unary_fails(rig *r, const char *details)
{
    gmq_call *call;
    ok(gmq_call_start_with(&call, r->client, UNARY, GMQ_RPC_UNARY, NULL, -1, NULL, 9, "x", 1, 1));
    rig_expect_finished(r->client_queue, 9, GMQ_CODE_UNAVAILABLE, details);
    gmq_call_unref(call);
}

/* A call that `queue`'s server answers. */
static void unary_works(rig *r, gmq_queue *queue)
{
    gmq_call *call, *served = NULL;
    ok(gmq_call_start_with(&call, r->client, UNARY, GMQ_RPC_UNARY, NULL, -1, NULL, 9, "x", 1, 1));
    gmq_event *event = rig_expect(queue, GMQ_EVENT_CALL);
    served = gmq_event_take_call(event);
    gmq_event_free(event);
    ok(gmq_call_send(served, "y", 1));
    ok(gmq_call_finish(served, GMQ_CODE_OK, NULL, NULL));
    rig_expect_message(r->client_queue, "y");
    rig_expect_finished(r->client_queue, 9, GMQ_CODE_OK, "");
    rig_skip(queue, GMQ_EVENT_FINISHED);
    gmq_call_unref(call);
    gmq_call_unref(served);
}

static void no_server_then_one(const char *query, const char *details)
{
    rig r = {0};
    gmq_options *waits;
    gmq_call *call;
    rig_open_client(&r, query);
    gmq_event *event = rig_expect(r.client_queue, GMQ_EVENT_STATE);
    while (gmq_event_code(event) != GMQ_STATE_TRANSIENT_FAILURE) {
        gmq_event_free(event);
        event = rig_expect(r.client_queue, GMQ_EVENT_STATE);
    }
    assert_string_equal(gmq_event_text(event), NOBODY);
    gmq_event_free(event);
    unary_fails(&r, details);
    ok(gmq_options_new(&waits));
    ok(gmq_options_set_bool(waits, "wait_for_ready", 1));
    ok(gmq_call_start_with(&call, r.client, UNARY, GMQ_RPC_UNARY, NULL, -1, waits, 7, "x", 1, 1));
    rig_open_server(&r, LINK);
    gmq_call *served = rig_accept(&r, UNARY, 8);
    ok(gmq_call_finish(served, GMQ_CODE_ABORTED, NULL, NULL));
    rig_until_state(r.client_queue, GMQ_STATE_READY);
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_ABORTED, "");
    gmq_call_unref(served);
    gmq_call_unref(call);
    gmq_options_free(waits);
    rig_close(&r);
}

static void no_server_then_one_test(void **state)
{
    (void)state;
    no_server_then_one(LINK, "no server listens"); /* the broker says so */
    no_server_then_one(LINK "&mqtt_version=4", NOBODY);
}

static void a_server_that_ends_in_order_test(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, LINK, LINK);
    unary_works(&r, r.server_queue);
    gmq_server_close(r.server, 0);
    rig_until_state(r.client_queue, GMQ_STATE_TRANSIENT_FAILURE);
    unary_fails(&r, "no server listens");
    rig_close(&r);
}

static void presence_names_the_services_test(void **state)
{
    rig r = {0};
    watch w;
    gmq_method_map *other;
    (void)state;
    rig_open_server(&r, "?server_id=s1&services=more.v1.A,more.v1.B");
    watch_open(&w, &r, "test/base/grpc/server/+");
    seen(&w, "test/base/grpc/server/s1", "demo.v1.Demo*\tmore.v1.A*\tmore.v1.B");
    ok(gmq_method_map_new(&other));
    ok(gmq_method_map_add(other, "/other.v2.Other/Do", GMQ_RPC_UNARY));
    ok(gmq_server_set_methods(r.server, other));
    seen(&w, "test/base/grpc/server/s1", "other.v2.Other*\tmore.v1.A");
    gmq_server_close(r.server, 0);
    seen(&w, "test/base/grpc/server/s1", "s1"); /* drains */
    seen(&w, "test/base/grpc/server/s1", NULL);
    gmq_method_map_free(other);
    rig_close(&r);
    watch_close(&w);
}

static void a_client_that_ends_in_order_is_heard_at_once_test(void **state)
{
    rig r;
    watch w;
    (void)state;
    rig_open(&r, LINK, LINK "&client_id=c1");
    watch_open(&w, &r, "test/base/grpc/gone/+");
    gmq_call *call = rig_start(&r, BIDI, GMQ_RPC_BIDI_STREAMING, 7);
    gmq_call *served = rig_accept(&r, BIDI, 8);
    gmq_client_close(r.client, 0);
    rig_expect_finished(r.server_queue, 8, GMQ_CODE_CANCELLED, "");
    seen(&w, "test/base/grpc/gone/c1", NULL);
    gmq_call_unref(call);
    gmq_call_unref(served);
    rig_close(&r);
    watch_close(&w);
}

/* With drive=caller an end whose queue goes is gone without a word: its Will speaks. */
static void a_client_that_is_killed_test(void **state)
{
    rig r;
    gmq_event *event;
    size_t count;
    (void)state;
    rig_open(&r, LINK "&grace_ms=20", LINK "&drive=caller");
    gmq_call *call = rig_start(&r, BIDI, GMQ_RPC_BIDI_STREAMING, 7);
    for (bool there = false; !there;) {
        ok(gmq_queue_wait(r.client_queue, 5, &event, 1, &count));
        if (count)
            gmq_event_free(event);
        ok(gmq_queue_wait(r.server_queue, 5, &event, 1, &count));
        there = count && gmq_event_type_of(event) == GMQ_EVENT_CALL;
        if (count && !there)
            gmq_event_free(event);
    }
    gmq_call *served = gmq_event_take_call(event);
    gmq_call_set_tag(served, 8);
    gmq_event_free(event);
    gmq_queue_unref(r.client_queue);
    r.client_queue = NULL;
    rig_expect_finished(r.server_queue, 8, GMQ_CODE_UNAVAILABLE, "");
    gmq_call_unref(call);
    gmq_call_unref(served);
    gmq_client_unref(r.client);
    r.client = NULL;
    rig_close(&r);
}

/* A server of its own queue, which its caller drives. */
typedef struct extra {
    gmq_queue *queue;
    gmq_server *server;
} extra;

static void extra_open(extra *e, const rig *r, const char *query)
{
    char url[256];
    rig_url(r, query, url);
    ok(gmq_queue_new(&e->queue));
    ok(gmq_server_new(&e->server, url, NULL, r->map, e->queue, 3));
    rig_until_state(e->queue, GMQ_STATE_READY);
}

static void extra_kill(extra *e)
{
    gmq_queue_unref(e->queue);
    gmq_server_unref(e->server);
}

/* Its next event is a call, which it keeps. */
static bool extra_has_call(extra *e, gmq_call **call)
{
    gmq_event *event;
    size_t count;
    ok(gmq_queue_wait(e->queue, 5, &event, 1, &count));
    if (!count)
        return false;
    *call = gmq_event_take_call(event);
    gmq_event_free(event);
    return *call != NULL;
}

static void a_server_of_a_group_is_killed_test(void **state)
{
    static const char *const queries[] = {LINK "&drive=caller&group=g&server_id=s1",
                                          LINK "&drive=caller&group=g&server_id=s2"};
    rig r = {0};
    extra servers[2];
    gmq_call *served = NULL;
    size_t at = 0;
    (void)state;
    rig_open_client(&r, LINK "&grace_ms=20");
    r.map = rig_map();
    for (size_t i = 0; i < 2; i++)
        extra_open(&servers[i], &r, queries[i]);
    rig_until_state(r.client_queue, GMQ_STATE_READY);
    gmq_call *call = rig_start(&r, BIDI, GMQ_RPC_BIDI_STREAMING, 7);
    while (!extra_has_call(&servers[at], &served))
        at = !at;
    extra_kill(&servers[at]);
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_UNAVAILABLE, "");
    gmq_call_unref(call);
    gmq_call_unref(served);
    served = NULL;
    call = rig_start(&r, BIDI, GMQ_RPC_BIDI_STREAMING, 9); /* the other one's */
    while (!extra_has_call(&servers[!at], &served))
        continue;
    gmq_call_unref(call);
    gmq_call_unref(served);
    extra_kill(&servers[!at]);
    rig_close(&r);
}

static void a_lost_connection_costs_no_call_test(void **state)
{
    rig r;
    (void)state;
    rig_open(&r, QUICK, QUICK);
    gmq__loopback_broker *broker = gmq__loopback_broker_get(r.broker);
    gmq_call *call = rig_start(&r, BIDI, GMQ_RPC_BIDI_STREAMING, 7);
    ok(gmq_call_read(call, 100));
    gmq_call *served = rig_accept(&r, BIDI, 8);
    for (int n = 0; n < 5; n++) {
        gmq__loopback_broker_cut(broker);
        ok(gmq_call_send(call, "up", 2));
        rig_expect_message(r.server_queue, "up");
        gmq__loopback_broker_cut(broker);
        ok(gmq_call_send(served, "down", 4));
        if (!n)
            rig_skip(r.client_queue, GMQ_EVENT_INITIAL_METADATA);
        rig_expect_message(r.client_queue, "down");
    }
    ok(gmq_call_half_close(call));
    rig_skip(r.server_queue, GMQ_EVENT_HALF_CLOSED);
    ok(gmq_call_finish(served, GMQ_CODE_OK, NULL, NULL));
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_OK, "");
    gmq_call_unref(call);
    gmq_call_unref(served);
    gmq__loopback_broker_release(broker);
    rig_close(&r);
}

/* ---- M14: auto ---- */

static void auto_takes_the_link_where_a_server_is_announced_test(void **state)
{
    rig r;
    watch w;
    (void)state;
    rig_open(&r, "?server_id=s1", "?client_id=c1");
    watch_open(&w, &r, "test/base/grpc/link/#");
    unary_works(&r, r.server_queue);
    seen(&w, "test/base/grpc/link/c1", "SayHello"); /* in the opening packet: one round trip */
    watch_close(&w);
    rig_close(&r);
}

static void auto_falls_back_and_remembers_test(void **state)
{
    rig r = {0};
    watch w;
    (void)state;
    rig_open_server(&r, "?dialect=session");
    rig_open_client(&r, "");
    rig_until_state(r.client_queue, GMQ_STATE_READY);
    unary_works(&r, r.server_queue);
    extra both;
    extra_open(&both, &r, "");
    watch_open(&w, &r, "test/base/grpc/request/#");
    gmq_server_close(r.server, 0);
    rig_skip(r.server_queue, GMQ_EVENT_CLOSED);
    gmq_server_unref(r.server);
    r.server = NULL;
    unary_works(&r, both.queue);
    gmq_event *event = rig_expect(w.queue, GMQ_EVENT_OBSERVED);
    assert_non_null(strstr(gmq_event_text(event), "/SayHello"));
    gmq_event_free(event);
    watch_close(&w);
    extra_kill(&both);
    rig_close(&r);
}

static void auto_chooses_with_the_first_call_test(void **state)
{
    rig r = {0};
    watch w;
    (void)state;
    rig_open_client(&r, "?client_id=c1");
    rig_until_state(r.client_queue, GMQ_STATE_READY); /* it might be a session server */
    rig_open_server(&r, "?server_id=s1");
    watch_open(&w, &r, "test/base/grpc/server/+");
    seen(&w, "test/base/grpc/server/s1", "link"); /* it may be announced after it is ready */
    ok(gmq_observer_subscribe(w.observer, "test/base/grpc/link/#", 1));
    rig_skip(w.queue, GMQ_EVENT_SUBSCRIBED); /* what the broker does next: the client is told too */
    for (int n = 0; n < 2; n++)
        unary_works(&r, r.server_queue);
    seen(&w, "test/base/grpc/link/c1", "SayHello");
    watch_close(&w);
    rig_close(&r);
}

static void an_id_that_is_no_name_test(void **state)
{
    rig r = {0};
    (void)state;
    rig_open_server(&r, "?dialect=auto");
    rig_open_client(&r, "?client_id=a%20b");
    gmq_event *event = rig_expect(r.client_queue, GMQ_EVENT_LOG);
    assert_int_equal(gmq_event_code(event), 1);
    assert_string_equal(gmq_event_text(event), "only the session dialect is spoken: client_id "
                                               "\"a b\" is not 1 to 64 of [A-Za-z0-9_.-]");
    gmq_event_free(event);
    unary_works(&r, r.server_queue);
    rig_close(&r);
}

/* ---- Flow control ---- */

static void slow_readers_stall_nobody_test(void **state)
{
    enum { SLOW = 32, MESSAGES = 80 };
    static const char data[8192];
    rig r;
    gmq_call *calls[SLOW], *served[SLOW];
    (void)state;
    rig_open(&r, LINK, LINK "&call_window=262144");
    for (size_t i = 0; i < SLOW; i++) {
        calls[i] = rig_start(&r, STREAM, GMQ_RPC_SERVER_STREAMING, 100 + i);
        ok(gmq_call_send(calls[i], "x", 1));
        ok(gmq_call_half_close(calls[i]));
        gmq_event *event = rig_expect(r.server_queue, GMQ_EVENT_CALL);
        served[i] = gmq_event_take_call(event);
        gmq_event_free(event);
        for (size_t n = 0; n < MESSAGES;
             n++) /* more than a call's window, together than a link's */
            ok(gmq_call_send(served[i], data, sizeof data));
        ok(gmq_call_finish(served[i], GMQ_CODE_OK, NULL, NULL));
    }
    gmq_call *call;
    ok(gmq_call_start_with(&call, r.client, UNARY, GMQ_RPC_UNARY, NULL, -1, NULL, 9, "x", 1, 1));
    gmq_call *answering = rig_accept(&r, UNARY, 8);
    ok(gmq_call_send(answering, "y", 1));
    ok(gmq_call_finish(answering, GMQ_CODE_OK, NULL, NULL));
    gmq_event *event = rig_next(r.client_queue);
    for (; gmq_event_tag(event) != 9; event = rig_next(r.client_queue))
        gmq_event_free(event);
    assert_int_equal(gmq_event_type_of(event), GMQ_EVENT_MESSAGE);
    gmq_event_free(event);
    rig_expect_finished(r.client_queue, 9, GMQ_CODE_OK, "");
    for (size_t i = 0; i < SLOW; i++)
        ok(gmq_call_read(calls[i], MESSAGES));
    size_t messages = 0;
    for (size_t ended = 0; ended < SLOW;) {
        event = rig_next(r.client_queue);
        messages += gmq_event_type_of(event) == GMQ_EVENT_MESSAGE;
        if (gmq_event_type_of(event) == GMQ_EVENT_FINISHED) {
            assert_int_equal(gmq_event_code(event), GMQ_CODE_OK);
            ended++;
        }
        gmq_event_free(event);
    }
    assert_int_equal(messages, SLOW * MESSAGES);
    for (size_t i = 0; i < SLOW; i++) {
        gmq_call_unref(calls[i]);
        gmq_call_unref(served[i]);
    }
    gmq_call_unref(call);
    gmq_call_unref(answering);
    rig_close(&r);
}

/* What ends while packets are made is told at once, not with whatever wakes the owner next. */
static void metadata_that_fits_into_no_packet_test(void **state)
{
    (void)state;
    rig r;
    watch w;
    gmq_metadata *md;
    gmq_call *call;
    static char wide[1000];
    memset(wide, 'v', sizeof wide);
    rig_open(&r, LINK, LINK "&msg_size_limit=300");
    watch_open(&w, &r, "test/base/grpc/link/+/+");
    unary_works(&r, r.server_queue);
    rig_skip(w.queue, GMQ_EVENT_OBSERVED); /* the last acknowledgement: now all is quiet */
    ok(gmq_metadata_new(&md));
    ok(gmq_metadata_add(md, "wide", wide, sizeof wide));
    ok(gmq_call_start_with(&call, r.client, UNARY, GMQ_RPC_UNARY, md, -1, NULL, 7, "x", 1, 1));
    rig_expect_finished(r.client_queue, 7, GMQ_CODE_RESOURCE_EXHAUSTED, "does not fit");
    gmq_metadata_free(md);
    gmq_call_unref(call);
    watch_close(&w);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_server_then_one_test),
        cmocka_unit_test(a_server_that_ends_in_order_test),
        cmocka_unit_test(presence_names_the_services_test),
        cmocka_unit_test(a_client_that_ends_in_order_is_heard_at_once_test),
        cmocka_unit_test(a_client_that_is_killed_test),
        cmocka_unit_test(a_server_of_a_group_is_killed_test),
        cmocka_unit_test(a_lost_connection_costs_no_call_test),
        cmocka_unit_test(auto_takes_the_link_where_a_server_is_announced_test),
        cmocka_unit_test(auto_falls_back_and_remembers_test),
        cmocka_unit_test(auto_chooses_with_the_first_call_test),
        cmocka_unit_test(an_id_that_is_no_name_test),
        cmocka_unit_test(slow_readers_stall_nobody_test),
        cmocka_unit_test(metadata_that_fits_into_no_packet_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
