/* Handles go in every order and from any thread, with calls live; and fork. ASan, TSan and the leak
 * checker judge. */
#include "unit/runtime/rig_util.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct objects {
    rig r;
    gmq_call *call, *served;
    gmq_event *event; /* one that was taken and not freed */
} objects;

enum { CLIENT, SERVER, CALL, SERVED, EVENT, CLIENT_QUEUE, SERVER_QUEUE, OBJECTS };

static void make(objects *o, const char *query)
{
    memset(o, 0, sizeof *o);
    rig_open(&o->r, query, query);
    o->call = rig_start(&o->r, BIDI, GMQ_RPC_BIDI_STREAMING, 7);
    o->event = rig_pumped_call(&o->r);
    o->served = gmq_event_take_call(o->event);
    ok(gmq_call_send(o->served, "unread", 6));
    ok(gmq_call_send(o->call, "unread", 6));
    ok(gmq_call_read(o->call, 1));
}

static void drop(objects *o, int which)
{
    switch (which) {
    case CLIENT:
        gmq_client_unref(o->r.client);
        break;
    case SERVER:
        gmq_server_unref(o->r.server);
        break;
    case CALL:
        gmq_call_unref(o->call);
        break;
    case SERVED:
        gmq_call_unref(o->served);
        break;
    case EVENT:
        gmq_event_free(o->event);
        break;
    case CLIENT_QUEUE:
        gmq_queue_unref(o->r.client_queue);
        break;
    default:
        gmq_queue_unref(o->r.server_queue);
    }
}

/* The n-th order of all objects, by Lehmer's code; n below 7! */
static void order_of(unsigned n, int order[OBJECTS])
{
    int left[OBJECTS];
    for (int i = 0; i < OBJECTS; i++)
        left[i] = i;
    for (int i = 0, count = OBJECTS; count; i++, count--) {
        int pick = (int)(n % (unsigned)count);
        n /= (unsigned)count;
        order[i] = left[pick];
        memmove(&left[pick], &left[pick + 1], (size_t)(count - pick - 1) * sizeof *left);
    }
}

static void every_order(const char *query, unsigned step)
{
    for (unsigned n = 0; n < 5040; n += step) {
        objects o;
        int order[OBJECTS];
        make(&o, query);
        order_of(n, order);
        for (int i = 0; i < OBJECTS; i++)
            drop(&o, order[i]);
        gmq_method_map_free(o.r.map);
    }
}

static void every_order_test(void **state)
{
    (void)state;
    every_order("", 17);
}

static void every_order_driven_by_the_caller_test(void **state)
{
    (void)state;
    every_order("?drive=caller", 17);
}

typedef struct dropper {
    objects *o;
    int which;
    pthread_barrier_t *start;
} dropper;

static void *drop_there(void *arg)
{
    dropper *d = arg;
    pthread_barrier_wait(d->start);
    drop(d->o, d->which);
    return NULL;
}

static void all_at_once(const char *query)
{
    for (int round = 0; round < 30; round++) {
        objects o;
        pthread_t threads[OBJECTS];
        dropper droppers[OBJECTS];
        pthread_barrier_t start;
        make(&o, query);
        pthread_barrier_init(&start, NULL, OBJECTS);
        for (int i = 0; i < OBJECTS; i++) {
            droppers[i] = (dropper){&o, i, &start};
            assert_int_equal(pthread_create(&threads[i], NULL, drop_there, &droppers[i]), 0);
        }
        for (int i = 0; i < OBJECTS; i++)
            pthread_join(threads[i], NULL);
        pthread_barrier_destroy(&start);
        gmq_method_map_free(o.r.map);
    }
}

static void all_at_once_from_threads_test(void **state)
{
    (void)state;
    all_at_once("");
}

static void all_at_once_driven_by_the_caller_test(void **state)
{
    (void)state;
    all_at_once("?drive=caller");
}

/* What a forked child may expect: a refusal everywhere, and no hang. Its exit status is the line
 * that was wrong. */
#define expect(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            return __LINE__ % 255 + 1;                                                             \
    } while (0)

static int in_the_child(objects *o)
{
    gmq_event *event;
    gmq_call *call;
    gmq_client *client;
    size_t count;
    expect(gmq_call_send(o->call, "x", 1) == GMQ_E_FORKED);
    expect(gmq_call_read(o->call, 1) == GMQ_E_FORKED);
    expect(gmq_call_half_close(o->call) == GMQ_E_FORKED);
    expect(gmq_call_finish(o->served, 0, NULL, NULL) == GMQ_E_FORKED);
    expect(gmq_call_send_initial_metadata(o->served, NULL) == GMQ_E_FORKED);
    expect(gmq_call_start(&call, o->r.client, UNARY, GMQ_RPC_UNARY, NULL, -1, NULL, 1) ==
           GMQ_E_FORKED);
    expect(gmq_queue_poll(o->r.client_queue, &event, 1, &count) == GMQ_E_FORKED);
    expect(gmq_queue_wait(o->r.client_queue, -1, &event, 1, &count) == GMQ_E_FORKED);
    expect(gmq_queue_post(o->r.client_queue, GMQ_EVENT_USER, 1, 0, NULL) == GMQ_E_FORKED);
    expect(gmq_queue_fd(o->r.client_queue) == -1);
    expect(gmq_queue_timeout_ms(o->r.client_queue) == -1);
    expect(gmq_client_new(&client, "loopback://x/y", NULL, NULL, o->r.client_queue, 1) ==
           GMQ_E_FORKED);
    expect(gmq_server_set_methods(o->r.server, o->r.map) == GMQ_E_FORKED);
    expect(gmq_client_state(o->r.client) == GMQ_STATE_SHUTDOWN);
    gmq_call_cancel(o->call);
    gmq_client_close(o->r.client, 0);
    gmq_server_close(o->r.server, 0);
    gmq_queue_shutdown(o->r.client_queue);
    for (int i = 0; i < OBJECTS; i++)
        drop(o, i);
    gmq_queue *fresh; /* made in the child: works */
    expect(gmq_queue_new(&fresh) == GMQ_OK);
    expect(gmq_queue_post(fresh, GMQ_EVENT_USER, 1, 0, NULL) == GMQ_OK);
    expect(gmq_queue_poll(fresh, &event, 1, &count) == GMQ_OK && count == 1);
    gmq_event_free(event);
    gmq_queue_unref(fresh);
    return 0;
}

static void fork_with(const char *query)
{
    objects o;
    int status = -1;
    make(&o, query);
    pid_t child = fork();
    if (child == 0)
        _exit(in_the_child(&o));
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    ok(gmq_call_send(o.call, "the parent goes on", 18));
    for (int i = 0; i < OBJECTS; i++)
        drop(&o, i);
    gmq_method_map_free(o.r.map);
}

static void fork_test(void **state)
{
    (void)state;
    fork_with("");
}

static void fork_driven_by_the_caller_test(void **state)
{
    (void)state;
    fork_with("?drive=caller");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_order_test),
        cmocka_unit_test(every_order_driven_by_the_caller_test),
        cmocka_unit_test(all_at_once_from_threads_test),
        cmocka_unit_test(all_at_once_driven_by_the_caller_test),
        cmocka_unit_test(fork_test),
        cmocka_unit_test(fork_driven_by_the_caller_test),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
