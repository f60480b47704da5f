/* The operating system: threads, clock, wake-up descriptors, randomness, fork. Everything that is
 * not plain computation is behind this header, so that wire, engine and methods stay without it. */
#ifndef GMQ_BASE_OS_H
#define GMQ_BASE_OS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GMQ__NS_PER_MS INT64_C(1000000)
#define GMQ__NS_PER_S  INT64_C(1000000000)

int64_t gmq__os_now_ns(void); /* monotonic */
int64_t gmq__os_unix_s(void); /* wall clock, for people */

/* Fills from the system's generator for keys and ids. ctx is unused. */
void gmq__os_random(void *ctx, void *out, size_t len);

/* Condition variables on the monotonic clock. */
void gmq__os_cond_init(pthread_cond_t *cond);
/* false = time is up */
bool gmq__os_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, int64_t deadline_ns);

/* A level-triggered wake-up descriptor. */
typedef struct gmq__os_wake {
    int fd[2]; /* readable end, writable end (the same with eventfd) */
} gmq__os_wake;
bool gmq__os_wake_open(gmq__os_wake *wake); /* false: errno says why */
void gmq__os_wake_set(gmq__os_wake *wake);
void gmq__os_wake_clear(gmq__os_wake *wake);
void gmq__os_wake_close(gmq__os_wake *wake);

/* Waiting for descriptors. An error or a hang-up counts as whatever was wanted. */
enum { GMQ__OS_READ = 1, GMQ__OS_WRITE = 2 };
typedef struct gmq__os_watch {
    int fd; /* < 0: none, never ready */
    unsigned want, got;
} gmq__os_watch;
#define GMQ__OS_WATCHES 4
/* Fills in `got` of at most GMQ__OS_WATCHES; waits until one is ready or the deadline is over, 0:
 * only looks. May return early with nothing. */
void gmq__os_wait_ready(gmq__os_watch *watches, size_t n, int64_t deadline_ns);

/* One descriptor that is readable while one of several is ready (epoll). */
int gmq__os_poller_open(void); /* -1: errno says why; ENOSYS where the system has none */
/* want 0: no longer. A descriptor that is closed leaves by itself. false: errno says why. */
bool gmq__os_poller_set(int poller, int fd, unsigned want);
void gmq__os_poller_close(int poller);

/* The thread has all signals blocked. */
bool gmq__os_thread_start(pthread_t *thread, void *(*run)(void *), void *arg, const char *name);

/* Number of forks since the process of the library's first use; objects remember theirs. */
unsigned gmq__os_fork_generation(void);

#endif
