/* Where paho waits too long, and says too little. Linked statically, its calls from one of its
 * files to another can be led through here by the linker (--wrap), which puts right what its public
 * interface cannot:
 *  - The reason code of a PUBACK that is no error is dropped, and with it 0x10, "nobody is
 * subscribed".
 *  - A wake-up of the send thread that comes just before it begins to wait is lost: the publish
 * leaves a second later.
 *  - The receive thread does not look at a new or a writable socket until its poll of a second
 * ends, and sleeps a tenth of a second after each that brought nothing: connecting takes a second,
 * and a large publish stalls. Linked dynamically all works as well, with these waits.
 */
#define _GNU_SOURCE /* pthread_cond_clockwait */
#include "transport/paho/client.h"

#ifdef GMQ_PAHO_WRAPPED

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <sys/socket.h>

#define BUSY_POLL_MS 2 /* while something is to be noticed that paho's poll does not wait for */
#define NO_SOCKET    (-2)
#define MAX_WRITES   64

/* ---- what paho's files offer each other; the same in all of 1.3 ---- */

typedef struct paho_ack { /* the beginning of it */
    unsigned header;
    int id;
    unsigned char reason;
    int version;
} paho_ack;

typedef struct paho_cond {
    pthread_cond_t cond;
    pthread_mutex_t mutex;
} paho_cond;

int __real_MQTTProtocol_handlePubacks(void *ack, int fd, void *publication);
int __wrap_MQTTProtocol_handlePubacks(void *ack, int fd, void *publication);
int __wrap_Thread_signal_cond(paho_cond *cond);
int __wrap_Thread_wait_cond(paho_cond *cond, int timeout_ms);
int __real_Socket_getReadySocket(int more_work, int timeout_ms, pthread_mutex_t *mutex, int *rc);
int __wrap_Socket_getReadySocket(int more_work, int timeout_ms, pthread_mutex_t *mutex, int *rc);
int __real_Socket_new(const char *address, size_t len, int port, int *fd, long timeout);
int __wrap_Socket_new(const char *address, size_t len, int port, int *fd, long timeout);
int __real_SocketBuffer_pendingWrite(int fd, void *ssl, int n, void *iovecs, int *frees,
                                     size_t total, size_t done);
int __wrap_SocketBuffer_pendingWrite(int fd, void *ssl, int n, void *iovecs, int *frees,
                                     size_t total, size_t done);
void __real_SocketBuffer_cleanup(int fd);
void __wrap_SocketBuffer_cleanup(int fd);
void __real_MQTTAsync_writeComplete(int fd, int rc);
void __wrap_MQTTAsync_writeComplete(int fd, int rc);
int Socket_addSocket(int fd);

/* ---- PUBACK ---- */

static _Thread_local int puback_reason;

int __wrap_MQTTProtocol_handlePubacks(void *packet, int fd, void *publication)
{
    const paho_ack *ack = packet;
    puback_reason = ack->version >= MQTTVERSION_5 ? ack->reason : 0;
    return __real_MQTTProtocol_handlePubacks(packet, fd, publication);
}

int gmq__phook_puback_reason(void) { return puback_reason; }

/* ---- the send thread's wake-up ---- */

static _Atomic(paho_cond *) send_cond;
static bool signalled; /* under the mutex of send_cond, the only one there is */

int __wrap_Thread_signal_cond(paho_cond *cond)
{
    pthread_mutex_lock(&cond->mutex);
    signalled = true;
    int rc = pthread_cond_signal(&cond->cond);
    pthread_mutex_unlock(&cond->mutex);
    return rc;
}

int __wrap_Thread_wait_cond(paho_cond *cond, int timeout_ms)
{
    int64_t deadline = gmq__os_now_ns() + timeout_ms * GMQ__NS_PER_MS;
    struct timespec ts = {deadline / GMQ__NS_PER_S, deadline % GMQ__NS_PER_S};
    atomic_store(&send_cond, cond);
    int rc = 0;
    pthread_mutex_lock(&cond->mutex);
    while (!signalled && rc == 0)
        rc = pthread_cond_clockwait(&cond->cond, &cond->mutex, CLOCK_MONOTONIC, &ts);
    signalled = false;
    pthread_mutex_unlock(&cond->mutex);
    return rc;
}

/* ---- the receive thread's poll ---- */

static gmq__os_wake wake = {{-1, -1}};
static atomic_int connecting;

/* Sockets with a write that is not finished. Rows come with SocketBuffer_pendingWrite, go with its
 * completion or the socket; what finds no room is only slower. */
static pthread_mutex_t writes_lock = PTHREAD_MUTEX_INITIALIZER;
static int writes[MAX_WRITES];
static size_t nwrites;

static void forget_write(int fd)
{
    pthread_mutex_lock(&writes_lock);
    for (size_t i = 0; i < nwrites; i++)
        if (writes[i] == fd)
            writes[i--] = writes[--nwrites];
    pthread_mutex_unlock(&writes_lock);
}

static void note_write(int fd)
{
    pthread_mutex_lock(&writes_lock);
    if (nwrites < MAX_WRITES)
        writes[nwrites++] = fd;
    pthread_mutex_unlock(&writes_lock);
}

static bool busy(void)
{
    pthread_mutex_lock(&writes_lock);
    bool writing = nwrites > 0;
    pthread_mutex_unlock(&writes_lock);
    return writing || atomic_load(&connecting) > 0;
}

void gmq__phook_start(void)
{
    if (gmq__os_wake_open(&wake) && Socket_addSocket(wake.fd[0]) != 0)
        gmq__os_wake_close(&wake);
}

void gmq__phook_connecting(int change) { atomic_fetch_add(&connecting, change); }

static void wake_receiver(void)
{
    if (wake.fd[1] >= 0)
        gmq__os_wake_set(&wake);
}

static void acknowledge_now(int fd)
{
#ifdef TCP_QUICKACK
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
#else
    (void)fd;
#endif
}

/* No socket is told as NO_SOCKET: paho finds no client for it and goes on without its sleep. */
int __wrap_Socket_getReadySocket(int more_work, int timeout_ms, pthread_mutex_t *mutex, int *rc)
{
    if (timeout_ms > BUSY_POLL_MS && busy())
        timeout_ms = BUSY_POLL_MS;
    int fd = __real_Socket_getReadySocket(more_work, timeout_ms, mutex, rc);
    if (fd > 0 && fd != wake.fd[0])
        acknowledge_now(fd);
    if (wake.fd[0] < 0 || (fd != 0 && fd != wake.fd[0]))
        return fd;
    if (fd == wake.fd[0])
        gmq__os_wake_clear(&wake);
    return *rc == 0 ? NO_SOCKET : fd;
}

int __wrap_Socket_new(const char *address, size_t len, int port, int *fd, long timeout)
{
    int rc = __real_Socket_new(address, len, port, fd, timeout);
    int on = 1;
    if (*fd >= 0)
        setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    wake_receiver();
    return rc;
}

int __wrap_SocketBuffer_pendingWrite(int fd, void *ssl, int n, void *iovecs, int *frees,
                                     size_t total, size_t done)
{
    int rc = __real_SocketBuffer_pendingWrite(fd, ssl, n, iovecs, frees, total, done);
    note_write(fd);
    wake_receiver();
    return rc;
}

void __wrap_SocketBuffer_cleanup(int fd)
{
    forget_write(fd);
    __real_SocketBuffer_cleanup(fd);
}

void __wrap_MQTTAsync_writeComplete(int fd, int rc)
{
    forget_write(fd);
    __real_MQTTAsync_writeComplete(fd, rc);
    paho_cond *cond = atomic_load(&send_cond);
    if (cond)
        __wrap_Thread_signal_cond(cond); /* publishes wait behind the write that is finished now */
}

#else

int gmq__phook_puback_reason(void) { return 0; }
void gmq__phook_start(void) {}
void gmq__phook_connecting(int change) { (void)change; }

#endif
