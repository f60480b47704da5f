/* Connections that are lent to whoever waits on the queue: to whom, for how long, and how they come
 * home. A counter stands for the connection. */
#include "cmocka_all.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/os.h"
#include "runtime/event.h"
#include "runtime/queue.h"

#define ok(expression) assert_int_equal((expression), GMQ_OK)
#define QUIT           99
#define PATIENCE_NS    (20 * GMQ__NS_PER_S)

typedef struct connection {
    gmq__driven driven;
    gmq_queue *queue;
    atomic_int pumped;
    _Atomic int64_t answer; /* of pump() */
    pthread_t pumper;       /* the last one; read when it is home */
} connection;

static int64_t pump(gmq__driven *driven)
{
    connection *c = GMQ__CONTAINER(driven, connection, driven);
    c->pumper = pthread_self();
    atomic_fetch_add(&c->pumped, 1);
    return atomic_load(&c->answer);
}

static void never(gmq__driven *driven, bool orphaned)
{
    (void)driven, (void)orphaned;
    fail_msg("an owned connection is not released by the queue");
}

static void set_up(connection *c, int owners)
{
    *c = (connection){.driven = {.owned = true, .home = true, .pump = pump, .release = never}};
    atomic_init(&c->answer, INT64_MAX);
    ok(gmq_queue_new(&c->queue));
    gmq__queue_owners(c->queue, owners);
}

/* Takes events until it is told to QUIT. */
static void *wait_on(void *arg)
{
    gmq_queue *queue = arg;
    for (bool quit = false; !quit;) {
        gmq_event *event;
        size_t count;
        if (gmq_queue_wait(queue, -1, &event, 1, &count) != GMQ_OK)
            return NULL;
        quit = count && gmq_event_tag(event) == QUIT;
        if (count)
            gmq_event_free(event);
    }
    return NULL;
}

static pthread_t waiter(gmq_queue *queue)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wait_on, queue), 0);
    return thread;
}

static void quit(gmq_queue *queue, pthread_t thread)
{
    ok(gmq_queue_post(queue, GMQ_EVENT_USER, QUIT, 0, NULL));
    pthread_join(thread, NULL);
}

/* As soon as somebody waits. */
static void lend(connection *c)
{
    int64_t end = gmq__os_now_ns() + PATIENCE_NS;
    while (!gmq__queue_lend(c->queue, &c->driven)) {
        assert_true(gmq__os_now_ns() < end);
        sched_yield();
    }
}

static void until_pumped(connection *c, int times)
{
    int64_t end = gmq__os_now_ns() + PATIENCE_NS;
    while (atomic_load(&c->pumped) < times) {
        assert_true(gmq__os_now_ns() < end);
        sched_yield();
    }
}

static void the_waiter_works_and_it_comes_home_test(void **state)
{
    (void)state;
    connection c;
    set_up(&c, 1);
    pthread_t thread = waiter(c.queue);
    lend(&c);
    until_pumped(&c, 1);
    gmq__queue_kick(c.queue);
    until_pumped(&c, 2);
    quit(c.queue, thread);
    gmq__queue_await(c.queue, &c.driven); /* nobody waits any more */
    assert_true(pthread_equal(c.pumper, thread));
    assert_int_not_equal(c.driven.deadline, GMQ__DRIVEN_ENDED);
    int before = atomic_load(&c.pumped);
    gmq__queue_kick(c.queue);
    gmq_event *event;
    size_t count;
    ok(gmq_queue_poll(c.queue, &event, 1, &count));
    assert_int_equal(atomic_load(&c.pumped), before); /* it is not the queue's affair now */
    gmq_queue_unref(c.queue);
}

static void go_home(connection *c)
{
    atomic_store(&c->answer, GMQ__DRIVEN_HOME);
    gmq__queue_kick(c->queue);
    gmq__queue_await(c->queue, &c->driven);
    atomic_store(&c->answer, INT64_MAX);
}

static void to_whom_it_is_not_lent_test(void **state)
{
    (void)state;
    connection c;
    set_up(&c, 1);
    assert_false(gmq__queue_lend(c.queue, &c.driven)); /* nobody waits */
    assert_true(c.driven.home);
    pthread_t thread = waiter(c.queue);
    lend(&c);
    go_home(&c);
    gmq__queue_owners(c.queue, 1); /* a second connection: one waiter cannot be two threads */
    assert_false(gmq__queue_lend(c.queue, &c.driven));
    gmq__queue_owners(c.queue, -1);
    lend(&c);
    go_home(&c);
    assert_true(gmq_queue_fd(c.queue) >= 0); /* an event loop, which may poll when it likes */
    assert_false(gmq__queue_lend(c.queue, &c.driven));
    quit(c.queue, thread);
    gmq_queue_unref(c.queue);
}

static void home_when_it_asks_for_it_test(void **state)
{
    (void)state;
    connection c;
    set_up(&c, 1);
    pthread_t thread = waiter(c.queue);
    for (int i = 0; i < 3; i++) { /* the waiter is inside all the time */
        lend(&c);
        go_home(&c);
    }
    quit(c.queue, thread);
    gmq_queue_unref(c.queue);
}

static void home_when_it_has_ended_test(void **state)
{
    (void)state;
    connection c;
    set_up(&c, 1);
    pthread_t thread = waiter(c.queue);
    atomic_store(&c.answer, GMQ__DRIVEN_ENDED);
    lend(&c);
    gmq__queue_await(c.queue, &c.driven);
    assert_true(c.driven.deadline == GMQ__DRIVEN_ENDED);
    quit(c.queue, thread);
    gmq_queue_unref(c.queue);
}

static void home_when_the_descriptor_is_asked_for_test(void **state)
{
    (void)state;
    connection c;
    set_up(&c, 1);
    pthread_t thread = waiter(c.queue);
    lend(&c);
    until_pumped(&c, 1);
    assert_true(gmq_queue_fd(c.queue) >= 0);
    gmq__queue_kick(c.queue); /* the next pumping notices */
    gmq__queue_await(c.queue, &c.driven);
    quit(c.queue, thread);
    gmq_queue_unref(c.queue);
}

static void *orphan(void *arg)
{
    gmq_queue_unref(arg);
    return NULL;
}

static void home_when_the_queue_goes_test(void **state)
{
    (void)state;
    connection c;
    set_up(&c, 1);
    gmq__queue_hold(c.queue);
    pthread_t thread = waiter(c.queue), end;
    lend(&c);
    quit(c.queue, thread);
    assert_int_equal(pthread_create(&end, NULL, orphan, c.queue), 0);
    gmq__queue_await(c.queue, &c.driven); /* in time, or by the last handle */
    pthread_join(end, NULL);
    assert_false(gmq__queue_lend(c.queue, &c.driven));
    gmq__queue_release(c.queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_waiter_works_and_it_comes_home_test),
        cmocka_unit_test(to_whom_it_is_not_lent_test),
        cmocka_unit_test(home_when_it_asks_for_it_test),
        cmocka_unit_test(home_when_it_has_ended_test),
        cmocka_unit_test(home_when_the_descriptor_is_asked_for_test),
        cmocka_unit_test(home_when_the_queue_goes_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
