/* gmq_observer over the loopback broker: sees what passes, publishes, reconnects, ends. */
#include "unit/runtime/rig_util.h"

enum { OBSERVER_TAG = 7 };

typedef struct watch {
    rig r;
    gmq_queue *queue;
    gmq_observer *observer;
} watch;

static void open_watch(watch *w, const char *query)
{
    char url[256];
    memset(w, 0, sizeof *w);
    rig_open_server(&w->r, "");
    rig_url(&w->r, query, url);
    ok(gmq_queue_new(&w->queue));
    ok(gmq_observer_new(&w->observer, url, NULL, w->queue, OBSERVER_TAG));
}

static void until_closed(gmq_queue *queue)
{
    for (bool more = true; more;) {
        gmq_event *event = rig_next(queue);
        more = gmq_event_type_of(event) != GMQ_EVENT_CLOSED;
        gmq_event_free(event);
    }
}

static void close_watch(watch *w)
{
    gmq_observer_close(w->observer);
    until_closed(w->queue);
    assert_int_equal(gmq_observer_state(w->observer), GMQ_STATE_SHUTDOWN);
    assert_int_equal(gmq_observer_subscribe(w->observer, "a", 0), GMQ_E_CLOSED);
    gmq_observer_unref(w->observer);
    gmq_queue_unref(w->queue);
    rig_close(&w->r);
}

/* The next event is of `type`, and says `text` and `code`. To be freed. */
static gmq_event *expected(watch *w, int32_t type, const char *text, int32_t code)
{
    gmq_event *event = rig_expect(w->queue, type);
    assert_string_equal(gmq_event_text(event), text);
    assert_int_equal(gmq_event_code(event), code);
    assert_int_equal(gmq_event_tag(event), OBSERVER_TAG);
    return event;
}

static void told(watch *w, int32_t type, const char *text, int32_t code)
{
    gmq_event_free(expected(w, type, text, code));
}

/* The next two events: what is seen, and an answer. They may come in either order. */
static void next_two(watch *w, gmq_event **seen, gmq_event **answer)
{
    *seen = rig_next(w->queue);
    *answer = rig_next(w->queue);
    if (gmq_event_type_of(*seen) != GMQ_EVENT_OBSERVED) {
        gmq_event *first = *seen;
        *seen = *answer;
        *answer = first;
    }
    assert_int_equal(gmq_event_type_of(*seen), GMQ_EVENT_OBSERVED);
}

static void sees_and_publishes_test(void **state)
{
    watch w;
    size_t len;
    gmq_metadata *properties;
    (void)state;
    open_watch(&w, "");
    ok(gmq_observer_subscribe(w.observer, "watched/+", 1));
    told(&w, GMQ_EVENT_SUBSCRIBED, "watched/+", 1);
    ok(gmq_metadata_new(&properties));
    ok(gmq_metadata_add(properties, "i", "5", 1));
    ok(gmq_observer_publish(w.observer, "watched/a", "hello", 5, properties, 0, 1));
    gmq_metadata_free(properties);
    gmq_event *seen, *answer;
    next_two(&w, &seen, &answer);
    assert_int_equal(gmq_event_type_of(answer), GMQ_EVENT_PUBLISHED);
    assert_int_equal(gmq_event_code(answer), 0);
    assert_string_equal(gmq_event_text(seen), "watched/a");
    assert_int_equal(gmq_event_code(seen), 1);
    assert_memory_equal(gmq_buf_data(gmq_event_message(seen)), "hello", 5);
    assert_string_equal(gmq_metadata_key(gmq_event_metadata(seen), 0), "i");
    assert_memory_equal(gmq_metadata_value(gmq_event_metadata(seen), 0, &len), "5", 1);
    gmq_event_free(seen);
    gmq_event_free(answer);
    close_watch(&w);
}

static void retained_and_nobody_test(void **state)
{
    watch w;
    (void)state;
    open_watch(&w, "");
    ok(gmq_observer_publish(w.observer, "kept/a", "x", 1, NULL, 1, 1));
    told(&w, GMQ_EVENT_PUBLISHED, "kept/a", 0x10); /* nobody subscribes */
    ok(gmq_observer_subscribe(w.observer, "kept/#", 0));
    gmq_event *seen, *answer;
    next_two(&w, &seen, &answer);
    assert_int_equal(gmq_event_type_of(answer), GMQ_EVENT_SUBSCRIBED);
    assert_string_equal(gmq_event_text(seen), "kept/a");
    assert_int_equal(gmq_event_code(seen), 4);
    gmq_event_free(seen);
    gmq_event_free(answer);
    close_watch(&w);
}

/* What a client says to a server passes by. */
static void sees_calls_test(void **state)
{
    watch w;
    (void)state;
    open_watch(&w, "");
    ok(gmq_observer_subscribe(w.observer, "+/+/grpc/request/#", 1));
    told(&w, GMQ_EVENT_SUBSCRIBED, "+/+/grpc/request/#", 1);
    rig_open_client(&w.r, "?dialect=session");
    gmq_call *call = rig_start(&w.r, UPLOAD, GMQ_RPC_CLIENT_STREAMING, 1);
    gmq_event *event = rig_expect(w.queue, GMQ_EVENT_OBSERVED);
    assert_non_null(strstr(gmq_event_text(event), "/demo-v1-Demo/Collect"));
    gmq_event_free(event);
    gmq_call_unref(call);
    close_watch(&w);
}

static void subscribes_again_test(void **state)
{
    watch w;
    (void)state;
    open_watch(&w, "");
    ok(gmq_observer_subscribe(w.observer, "a", 0));
    ok(gmq_observer_subscribe(w.observer, "b", 1));
    told(&w, GMQ_EVENT_SUBSCRIBED, "a", 0);
    told(&w, GMQ_EVENT_SUBSCRIBED, "b", 1);
    gmq__loopback_broker *broker = gmq__loopback_broker_get(w.r.broker);
    gmq__loopback_broker_cut(broker);
    told(&w, GMQ_EVENT_SUBSCRIBED, "a", 0);
    told(&w, GMQ_EVENT_SUBSCRIBED, "b", 1);
    gmq__loopback_broker_release(broker);
    close_watch(&w);
}

static void no_connection_test(void **state)
{
    watch w;
    (void)state;
    memset(&w, 0, sizeof w);
    ok(gmq_queue_new(&w.queue));
    ok(gmq_observer_new(&w.observer, "mqtt://127.0.0.1:1/a", NULL, w.queue, OBSERVER_TAG));
    ok(gmq_observer_publish(w.observer, "t", NULL, 0, NULL, 0, 1));
    told(&w, GMQ_EVENT_PUBLISHED, "t", 0x88);
    gmq_observer_unref(w.observer); /* without a close: it ends by itself */
    until_closed(w.queue);
    gmq_queue_unref(w.queue);
}

static void caller_drives_test(void **state)
{
    watch w;
    (void)state;
    open_watch(&w, "?drive=caller");
    ok(gmq_observer_publish(w.observer, "t", "x", 1, NULL, 0, 0));
    told(&w, GMQ_EVENT_PUBLISHED, "t", 0);
    close_watch(&w);
}

static void refused_test(void **state)
{
    static const char *const filters[] = {"", "a+", "+a", "a/#/b", "a#", "a/+b"};
    watch w;
    gmq_observer *none = NULL;
    (void)state;
    open_watch(&w, "");
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        assert_int_equal(gmq_observer_subscribe(w.observer, filters[i], 0), GMQ_E_INVALID);
    assert_int_equal(gmq_observer_subscribe(w.observer, NULL, 0), GMQ_E_INVALID);
    assert_int_equal(gmq_observer_subscribe(w.observer, "a", 2), GMQ_E_INVALID);
    assert_int_equal(gmq_observer_subscribe(NULL, "a", 0), GMQ_E_INVALID);
    assert_int_equal(gmq_observer_publish(w.observer, "a/+", "", 0, NULL, 0, 0), GMQ_E_INVALID);
    assert_non_null(strstr(gmq_error_text(), "a/+"));
    assert_int_equal(gmq_observer_publish(w.observer, "a", NULL, 1, NULL, 0, 0), GMQ_E_INVALID);
    assert_int_equal(gmq_observer_publish(w.observer, "a", "", SIZE_MAX, NULL, 0, 0),
                     GMQ_E_TOO_LARGE);
    assert_int_equal(gmq_observer_new(NULL, "mqtt://h/a", NULL, w.queue, 1), GMQ_E_INVALID);
    assert_int_equal(gmq_observer_new(&none, "mqtt://h", NULL, w.queue, 1), GMQ_E_URL);
    assert_null(none);
    gmq_observer_close(NULL);
    gmq_observer_unref(NULL);
    assert_int_equal(gmq_observer_state(NULL), GMQ_STATE_SHUTDOWN);
    close_watch(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sees_and_publishes_test),
        cmocka_unit_test(retained_and_nobody_test),
        cmocka_unit_test(sees_calls_test),
        cmocka_unit_test(subscribes_again_test),
        cmocka_unit_test(no_connection_test),
        cmocka_unit_test(caller_drives_test),
        cmocka_unit_test(refused_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
