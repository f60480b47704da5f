#define _GNU_SOURCE
#include "base/os.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/epoll.h>
#include <sys/eventfd.h>
#endif

int64_t gmq__os_unix_s(void) { return (int64_t)time(NULL); }

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

static int poll_until(struct pollfd *fds, size_t n, int64_t deadline_ns)
{
    if (deadline_ns == INT64_MAX)
        return poll(fds, n, -1);
    int64_t left = deadline_ns > 0 ? deadline_ns - gmq__os_now_ns() : 0;
    if (left <= 0)
        return poll(fds, n, 0);
#ifdef __linux__
    struct timespec ts = {left / GMQ__NS_PER_S, left % GMQ__NS_PER_S};
    return ppoll(fds, n, &ts, NULL);
#else
    int64_t ms = (left + GMQ__NS_PER_MS - 1) / GMQ__NS_PER_MS;
    return poll(fds, n, ms > INT32_MAX ? INT32_MAX : (int)ms);
#endif
}

void gmq__os_wait_ready(gmq__os_watch *watches, size_t n, int64_t deadline_ns)
{
    struct pollfd fds[GMQ__OS_WATCHES];
    for (size_t i = 0; i < n; i++) {
        fds[i] = (struct pollfd){.fd = watches[i].fd};
        fds[i].events = (short)((watches[i].want & GMQ__OS_READ ? POLLIN : 0) |
                                (watches[i].want & GMQ__OS_WRITE ? POLLOUT : 0));
    }
    bool any = poll_until(fds, n, deadline_ns) > 0;
    for (size_t i = 0; i < n; i++) {
        short got = any ? fds[i].revents : 0;
        watches[i].got = (got & POLLIN ? GMQ__OS_READ : 0) | (got & POLLOUT ? GMQ__OS_WRITE : 0);
        if (got & ~(POLLIN | POLLOUT))
            watches[i].got |= watches[i].want;
    }
}

#ifdef __linux__
int gmq__os_poller_open(void) { return epoll_create1(EPOLL_CLOEXEC); }

bool gmq__os_poller_set(int poller, int fd, unsigned want)
{
    struct epoll_event event = {.data = {.fd = fd}};
    event.events = (want & GMQ__OS_READ ? (uint32_t)EPOLLIN : 0) |
                   (want & GMQ__OS_WRITE ? (uint32_t)EPOLLOUT : 0);
    if (!want)
        return epoll_ctl(poller, EPOLL_CTL_DEL, fd, &event) == 0;
    if (epoll_ctl(poller, EPOLL_CTL_MOD, fd, &event) == 0)
        return true;
    return errno == ENOENT && epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) == 0;
}
#else
int gmq__os_poller_open(void)
{
    errno = ENOSYS;
    return -1;
}

bool gmq__os_poller_set(int poller, int fd, unsigned want)
{
    (void)poller, (void)fd, (void)want;
    errno = ENOSYS;
    return false;
}
#endif

void gmq__os_poller_close(int poller)
{
    if (poller >= 0)
        close(poller);
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
