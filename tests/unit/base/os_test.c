#include "base/os.h"

#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka_all.h"

static bool readable(const gmq__os_wake *wake)
{
    struct pollfd p = {.fd = wake->fd[0], .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void wake_ups_are_level_triggered(void **state)
{
    (void)state;
    gmq__os_wake wake;
    assert_true(gmq__os_wake_open(&wake));
    assert_false(readable(&wake));
    gmq__os_wake_clear(&wake); /* does not block */
    for (int i = 0; i < 100000; i++)
        gmq__os_wake_set(&wake);
    assert_true(readable(&wake));
    assert_true(readable(&wake));
    gmq__os_wake_clear(&wake);
    assert_false(readable(&wake));
    gmq__os_wake_set(&wake);
    assert_true(readable(&wake));
    gmq__os_wake_close(&wake);
    gmq__os_wake_close(&wake);
}

static void deadlines_that_are_over(void **state)
{
    (void)state;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t cond;
    gmq__os_cond_init(&cond);
    pthread_mutex_lock(&mutex);
    const int64_t past[] = {0, 1, -1, INT64_MIN, gmq__os_now_ns()};
    for (size_t i = 0; i < sizeof past / sizeof *past; i++)
        assert_false(gmq__os_cond_wait_until(&cond, &mutex, past[i]));
    pthread_mutex_unlock(&mutex);
    pthread_cond_destroy(&cond);
}

static void waits_for_descriptors(void **state)
{
    (void)state;
    gmq__os_wake a, b;
    assert_true(gmq__os_wake_open(&a) && gmq__os_wake_open(&b));
    gmq__os_watch watches[] = {{.fd = a.fd[0], .want = GMQ__OS_READ},
                               {.fd = b.fd[0], .want = GMQ__OS_READ},
                               {.fd = -1, .want = GMQ__OS_READ}};
    const int64_t soon[] = {INT64_MIN, 0, 1, gmq__os_now_ns(), gmq__os_now_ns() + 1000};
    for (size_t i = 0; i < sizeof soon / sizeof *soon; i++) {
        gmq__os_wait_ready(watches, 3, soon[i]);
        assert_int_equal(watches[0].got | watches[1].got | watches[2].got, 0);
    }
    gmq__os_wake_set(&b);
    gmq__os_wait_ready(watches, 3, INT64_MAX);
    assert_int_equal(watches[0].got, 0);
    assert_int_equal(watches[1].got, GMQ__OS_READ);
    watches[0].want = GMQ__OS_READ | GMQ__OS_WRITE;
    gmq__os_wait_ready(watches, 2, INT64_MAX);
    assert_int_equal(watches[0].got, GMQ__OS_WRITE);
    gmq__os_wake_close(&a);
    gmq__os_wake_close(&b);
}

static void a_hang_up_counts_as_what_is_wanted(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    close(ends[1]);
    gmq__os_watch watch = {.fd = ends[0], .want = GMQ__OS_READ};
    gmq__os_wait_ready(&watch, 1, INT64_MAX);
    assert_int_equal(watch.got, GMQ__OS_READ);
    close(ends[0]);
}

#ifdef __linux__
static void a_poller_shows_any(void **state)
{
    (void)state;
    gmq__os_wake a, b;
    int poller = gmq__os_poller_open();
    assert_true(poller >= 0 && gmq__os_wake_open(&a) && gmq__os_wake_open(&b));
    gmq__os_watch watch = {.fd = poller, .want = GMQ__OS_READ};
    assert_true(gmq__os_poller_set(poller, a.fd[0], GMQ__OS_READ));
    assert_true(gmq__os_poller_set(poller, b.fd[0], GMQ__OS_READ));
    assert_true(gmq__os_poller_set(poller, b.fd[0], GMQ__OS_READ)); /* once more */
    gmq__os_wake_set(&b);
    gmq__os_wait_ready(&watch, 1, INT64_MAX);
    assert_int_equal(watch.got, GMQ__OS_READ);
    assert_true(gmq__os_poller_set(poller, b.fd[0], 0));
    assert_false(gmq__os_poller_set(poller, b.fd[0], 0));
    gmq__os_wait_ready(&watch, 1, 0);
    assert_int_equal(watch.got, 0);
    gmq__os_wake_set(&a);
    gmq__os_wait_ready(&watch, 1, 0);
    assert_int_equal(watch.got, GMQ__OS_READ);
    gmq__os_wake_close(&a); /* leaves by itself */
    gmq__os_wait_ready(&watch, 1, 0);
    assert_int_equal(watch.got, 0);
    gmq__os_wake_close(&b);
    gmq__os_poller_close(poller);
}
#endif

typedef struct shared {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool done, signals_blocked;
} shared;

static void *run(void *arg)
{
    shared *s = arg;
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    pthread_mutex_lock(&s->mutex);
    s->signals_blocked = sigismember(&mask, SIGTERM) && sigismember(&mask, SIGINT);
    s->done = true;
    pthread_cond_signal(&s->cond);
    pthread_mutex_unlock(&s->mutex);
    return arg;
}

static void threads_block_signals(void **state)
{
    (void)state;
    shared s = {.mutex = PTHREAD_MUTEX_INITIALIZER};
    gmq__os_cond_init(&s.cond);
    pthread_t thread;
    void *result = NULL;
    pthread_mutex_lock(&s.mutex);
    assert_true(gmq__os_thread_start(&thread, run, &s, "gmq-test"));
    while (!s.done)
        assert_true(gmq__os_cond_wait_until(&s.cond, &s.mutex, INT64_MAX));
    pthread_mutex_unlock(&s.mutex);
    pthread_join(thread, &result);
    assert_ptr_equal(result, &s);
    assert_true(s.signals_blocked);
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    assert_false(sigismember(&mask, SIGTERM)); /* ours is as it was */
    pthread_cond_destroy(&s.cond);
}

static void random_bytes(void **state)
{
    (void)state;
    uint8_t a[1000] = {0}, b[1000] = {0};
    gmq__os_random(NULL, a, sizeof a);
    gmq__os_random(NULL, b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    size_t zeros = 0;
    for (size_t i = 0; i < sizeof a; i++)
        zeros += a[i] == 0;
    assert_true(zeros < 100); /* filled to the end */
    gmq__os_random(NULL, a, 0);
}

static void the_clock_does_not_go_back(void **state)
{
    (void)state;
    int64_t last = gmq__os_now_ns();
    for (int i = 0; i < 10000; i++) {
        int64_t now = gmq__os_now_ns();
        assert_true(now >= last);
        last = now;
    }
}

static void forks_are_counted_in_the_child(void **state)
{
    (void)state;
    unsigned before = gmq__os_fork_generation();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(gmq__os_fork_generation() == before + 1 ? 0 : 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(gmq__os_fork_generation(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wake_ups_are_level_triggered),
        cmocka_unit_test(deadlines_that_are_over),
        cmocka_unit_test(waits_for_descriptors),
        cmocka_unit_test(a_hang_up_counts_as_what_is_wanted),
#ifdef __linux__
        cmocka_unit_test(a_poller_shows_any),
#endif
        cmocka_unit_test(threads_block_signals),
        cmocka_unit_test(random_bytes),
        cmocka_unit_test(the_clock_does_not_go_back),
        cmocka_unit_test(forks_are_counted_in_the_child),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
