#define _GNU_SOURCE
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/eventfd.h>
#endif

int64_t gmq__os_now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * GMQ__NS_PER_S + ts.tv_nsec;
}

void gmq__os_random(void *ctx, void *out, size_t len)
{
    (void)ctx;
    uint8_t *at = out;
    while (len) {
        ssize_t got = getrandom(at, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            abort(); /* no randomness: no id would be unguessable */
        at += got;
        len -= (size_t)got;
    }
}

void gmq__os_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

bool gmq__os_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ns)
{
    if (deadline_ns == INT64_MAX)
        return pthread_cond_wait(cond, mutex) == 0;
    if (deadline_ns < 0) /* would be refused as no time at all, and the caller's loop would spin */
        deadline_ns = 0;
    struct timespec ts = {deadline_ns / GMQ__NS_PER_S, deadline_ns % GMQ__NS_PER_S};
    return pthread_cond_timedwait(cond, mutex, &ts) != ETIMEDOUT;
}

#ifdef __linux__
bool gmq__os_wake_open(gmq__os_wake *wake)
{
    wake->fd[0] = wake->fd[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return wake->fd[0] >= 0;
}
#else
bool gmq__os_wake_open(gmq__os_wake *wake)
{
    if (pipe(wake->fd) != 0)
        return false;
    for (int i = 0; i < 2; i++) {
        fcntl(wake->fd[i], F_SETFD, FD_CLOEXEC);
        fcntl(wake->fd[i], F_SETFL, O_NONBLOCK);
    }
    return true;
}
#endif

void gmq__os_wake_set(gmq__os_wake *wake)
{
    uint64_t one = 1;
    while (write(wake->fd[1], &one, sizeof one) < 0 && errno == EINTR) {
    }
}

void gmq__os_wake_clear(gmq__os_wake *wake)
{
    uint64_t bin[8];
    ssize_t got;
    do
        got = read(wake->fd[0], bin, sizeof bin);
    while ((got < 0 && errno == EINTR) || got == (ssize_t)sizeof bin);
}

void gmq__os_wake_close(gmq__os_wake *wake)
{
    if (wake->fd[0] >= 0)
        close(wake->fd[0]);
    if (wake->fd[1] >= 0 && wake->fd[1] != wake->fd[0])
        close(wake->fd[1]);
    wake->fd[0] = wake->fd[1] = -1;
}

bool gmq__os_thread_start(pthread_t *thread, void *(*run)(void *), void *arg, const char *name)
{
    sigset_t all, old;
    sigfillset(&all); /* signals are the program's affair: never delivered on our threads */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
#ifdef __linux__
    if (rc == 0)
        pthread_setname_np(*thread, name);
#else
    (void)name;
#endif
    errno = rc;
    return rc == 0;
}

static atomic_uint forks;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static void count_fork(void) { atomic_fetch_add(&forks, 1); }
static void watch_forks(void) { pthread_atfork(NULL, NULL, count_fork); }

unsigned gmq__os_fork_generation(void)
{
    pthread_once(&fork_once, watch_forks);
    return atomic_load(&forks);
}
