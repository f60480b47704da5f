/* The event queue alone: order, descriptor, shutdown, tags, references. */
#include "cmocka_all.h"

#include <grpc_mqtt/queue.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#define ok(expression) assert_int_equal((expression), GMQ_OK)

static gmq_queue *new_queue(void)
{
    gmq_queue *queue;
    ok(gmq_queue_new(&queue));
    return queue;
}

static void post(gmq_queue *queue, uint64_t tag)
{
    ok(gmq_queue_post(queue, GMQ_EVENT_USER, tag, 5, "text"));
}

static size_t poll_tags(gmq_queue *queue, uint64_t *tags, size_t max)
{
    gmq_event *events[16];
    size_t count = 99;
    ok(gmq_queue_poll(queue, events, max, &count));
    for (size_t i = 0; i < count; i++) {
        tags[i] = gmq_event_tag(events[i]);
        gmq_event_free(events[i]);
    }
    return count;
}

static bool readable(gmq_queue *queue)
{
    struct pollfd fd = {.fd = gmq_queue_fd(queue), .events = POLLIN};
    assert_true(fd.fd >= 0);
    return poll(&fd, 1, 0) == 1 && (fd.revents & POLLIN);
}

static void posted_test(void **state)
{
    (void)state;
    gmq_queue *queue = new_queue();
    gmq_event *event;
    size_t count;
    ok(gmq_queue_post(queue, GMQ_EVENT_LOG, UINT64_MAX, -7, "line"));
    ok(gmq_queue_wait(queue, -1, &event, 1, &count));
    assert_int_equal(count, 1);
    assert_int_equal(gmq_event_type_of(event), GMQ_EVENT_LOG);
    assert_true(gmq_event_tag(event) == UINT64_MAX);
    assert_int_equal(gmq_event_code(event), -7);
    assert_string_equal(gmq_event_text(event), "line");
    assert_null(gmq_event_message(event));
    assert_null(gmq_event_metadata(event));
    assert_null(gmq_event_call(event));
    assert_null(gmq_event_take_call(event));
    gmq_event_free(event);
    ok(gmq_queue_post(queue, GMQ_EVENT_USER + 5, 1, 0, NULL));
    ok(gmq_queue_poll(queue, &event, 1, &count));
    assert_string_equal(gmq_event_text(event), "");
    gmq_event_free(event);
    gmq_event_free(NULL);
    gmq_queue_unref(queue);
    gmq_queue_unref(NULL);
}

static void order_and_batches_test(void **state)
{
    (void)state;
    gmq_queue *queue = new_queue();
    uint64_t tags[16];
    for (uint64_t i = 0; i < 10; i++)
        post(queue, i);
    assert_int_equal(poll_tags(queue, tags, 4), 4);
    assert_int_equal(poll_tags(queue, tags + 4, 12), 6);
    for (uint64_t i = 0; i < 10; i++)
        assert_int_equal(tags[i], i);
    assert_int_equal(poll_tags(queue, tags, 1), 0);
    gmq_queue_unref(queue);
}

static void descriptor_test(void **state)
{
    (void)state;
    gmq_queue *queue = new_queue();
    uint64_t tags[4];
    post(queue, 1); /* before the descriptor was asked for */
    assert_true(readable(queue));
    assert_true(readable(queue)); /* level-triggered */
    post(queue, 2);
    assert_int_equal(poll_tags(queue, tags, 1), 1);
    assert_true(readable(queue));
    assert_int_equal(poll_tags(queue, tags, 1), 1);
    assert_false(readable(queue));
    post(queue, 3);
    assert_true(readable(queue));
    assert_int_equal(poll_tags(queue, tags, 4), 1);
    assert_false(readable(queue));
    gmq_queue_shutdown(queue);
    assert_true(readable(queue));
    assert_int_equal(gmq_queue_timeout_ms(queue), -1);
    gmq_queue_unref(queue);
}

static void shutdown_test(void **state)
{
    (void)state;
    gmq_queue *queue = new_queue();
    gmq_event *event;
    size_t count;
    uint64_t tag;
    post(queue, 1);
    gmq_queue_shutdown(queue);
    gmq_queue_shutdown(queue);
    assert_int_equal(gmq_queue_post(queue, GMQ_EVENT_USER, 2, 0, NULL), GMQ_E_CLOSED);
    assert_int_equal(poll_tags(queue, &tag, 1), 1);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(gmq_queue_poll(queue, &event, 1, &count), GMQ_E_CLOSED);
        assert_int_equal(gmq_queue_wait(queue, -1, &event, 1, &count), GMQ_E_CLOSED);
    }
    gmq_queue_unref(queue);
}

static void timeout_test(void **state)
{
    (void)state;
    gmq_queue *queue = new_queue();
    gmq_event *event;
    size_t count = 7;
    ok(gmq_queue_wait(queue, 1, &event, 1, &count));
    assert_int_equal(count, 0);
    count = 7;
    ok(gmq_queue_poll(queue, &event, 1, &count));
    assert_int_equal(count, 0);
    gmq_queue_unref(queue);
}

static void bad_arguments_test(void **state)
{
    (void)state;
    gmq_queue *queue = new_queue();
    gmq_event *event;
    size_t count;
    assert_int_equal(gmq_queue_new(NULL), GMQ_E_INVALID);
    assert_int_equal(gmq_queue_poll(NULL, &event, 1, &count), GMQ_E_INVALID);
    assert_int_equal(gmq_queue_poll(queue, NULL, 1, &count), GMQ_E_INVALID);
    assert_int_equal(gmq_queue_poll(queue, &event, 0, &count), GMQ_E_INVALID);
    assert_int_equal(gmq_queue_poll(queue, &event, 1, NULL), GMQ_E_INVALID);
    static const int32_t own[] = {0,  -1, GMQ_EVENT_CALL, GMQ_EVENT_MESSAGE, GMQ_EVENT_FINISHED,
                                  999};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        assert_int_equal(gmq_queue_post(queue, own[i], 1, 0, NULL), GMQ_E_INVALID);
    assert_int_equal(gmq_queue_fd(NULL), -1);
    gmq_queue_unref(queue);
}

static void last_handle_frees_what_waits_test(void **state) /* the leak checker judges */
{
    (void)state;
    gmq_queue *queue = new_queue();
    assert_ptr_equal(gmq_queue_ref(queue), queue);
    post(queue, 1);
    gmq_queue_unref(queue);
    post(queue, 2);
    gmq_queue_unref(queue);
}

typedef struct crowd {
    gmq_queue *queue;
    atomic_size_t taken;
} crowd;

static void *take_until_closed(void *arg)
{
    crowd *c = arg;
    gmq_event *events[3];
    for (size_t count; gmq_queue_wait(c->queue, -1, events, 3, &count) == GMQ_OK;) {
        for (size_t i = 0; i < count; i++)
            gmq_event_free(events[i]);
        atomic_fetch_add(&c->taken, count);
    }
    return NULL;
}

static void each_event_goes_to_one_waiter_test(void **state)
{
    (void)state;
    crowd c = {.queue = new_queue()};
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_until_closed, &c), 0);
    for (uint64_t i = 0; i < 1000; i++)
        post(c.queue, i);
    gmq_queue_shutdown(c.queue);
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&c.taken), 1000);
    gmq_queue_unref(c.queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(posted_test),
        cmocka_unit_test(order_and_batches_test),
        cmocka_unit_test(descriptor_test),
        cmocka_unit_test(shutdown_test),
        cmocka_unit_test(timeout_test),
        cmocka_unit_test(bad_arguments_test),
        cmocka_unit_test(last_handle_frees_what_waits_test),
        cmocka_unit_test(each_event_goes_to_one_waiter_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
