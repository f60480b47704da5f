/* The external loop: when to be called, what to read, write and ping. */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/error.h"
#include "transport/mosquitto/client.h"

#define READ_BUDGET     64 /* calls of mosquitto_loop_read before what was read is dealt with */
#define CLOSE_WRITES_NS (2 * GMQ__NS_PER_S) /* for DISCONNECT and what is before it */
/* So many PUBACKs wait so long for company: the answer to a call, the next call. */
#define ACKS_HELD    4
#define ACKS_HELD_NS (GMQ__NS_PER_MS / 2)

static void set_tcp(int fd, int option, int on)
{
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, option, &on, sizeof on);
}

/* ---- reading and writing ---- */

static bool more_to_read(const gmq__mclient *c)
{
    SSL *ssl = c->target.tls ? mosquitto_ssl_get(c->handle) : NULL;
    int bytes = 0;
    return (ssl && SSL_pending(ssl) > 0) ||
           (ioctl(mosquitto_socket(c->handle), FIONREAD, &bytes) == 0 && bytes > 0);
}

/* One call of mosquitto_loop_read() may read one packet or many. What TLS holds already makes no
 * descriptor readable, so that the budget does not count for it. */
int gmq__mstep_read(gmq__mclient *c)
{
    int rc = MOSQ_ERR_SUCCESS;
    c->last_in = gmq__os_now_ns();
    c->ack_owed = true;
    for (int i = 0; !rc && c->state != GMQ__M_IDLE; i++) {
        SSL *ssl = c->target.tls ? mosquitto_ssl_get(c->handle) : NULL;
        if (i && (i < READ_BUDGET ? !more_to_read(c) : !ssl || SSL_pending(ssl) <= 0))
            break;
        rc = mosquitto_loop_read(c->handle, 1);
    }
    return rc;
}

/* Held acknowledgements cost a broker that has a small window its time; so they are held only as
 * long as it pays. */
static void learn(gmq__mclient *c, int64_t now)
{
    if (c->unsent && (c->acks || now < c->acks_alone + ACKS_HELD_NS)) {
        c->holds_acks = true;
    } else if (c->acks) {
        c->holds_acks = c->holds_acks && now < c->acks_since + ACKS_HELD_NS;
        c->acks_alone = now;
    }
}

/* libmosquitto makes a system call for each packet; corked they leave together, and the broker
 * wakes up once for all. */
int gmq__mstep_write(gmq__mclient *c)
{
    if (!mosquitto_want_write(c->handle))
        return MOSQ_ERR_SUCCESS;
#ifdef TCP_CORK
    bool cork = c->unsent + c->acks > 1;
    if (cork)
        set_tcp(mosquitto_socket(c->handle), TCP_CORK, 1);
#endif
    int rc = mosquitto_loop_write(c->handle, 1);
#ifdef TCP_CORK
    if (cork)
        set_tcp(mosquitto_socket(c->handle), TCP_CORK, 0);
#endif
    c->last_out = gmq__os_now_ns();
    learn(c, c->last_out);
    c->unsent = c->acks = 0;
    c->ack_owed = false;
    c->blocked = c->state != GMQ__M_IDLE && mosquitto_want_write(c->handle);
    return rc;
}

/* A broker without TCP_NODELAY holds its next packet back until the last one is acknowledged, which
 * our kernel puts off when we have nothing to say. */
static void acknowledge(gmq__mclient *c)
{
    if (!c->ack_owed)
        return;
    c->ack_owed = false;
#ifdef TCP_QUICKACK
    set_tcp(mosquitto_socket(c->handle), TCP_QUICKACK, 1);
#endif
}

/* ---- what is due ---- */

static int64_t keep_alive(const gmq__mclient *c) { return c->limits.keep_alive_s * GMQ__NS_PER_S; }

/* libmosquitto looks at seconds: asked too early it does nothing, so that it is asked again then.
 */
static int64_t ping_due(const gmq__mclient *c)
{
    int64_t due = (c->last_in < c->last_out ? c->last_in : c->last_out) + keep_alive(c);
    int64_t again = c->last_misc + GMQ__NS_PER_S;
    return due > again ? due : again;
}

/* One and a half keep alives, and at least 2 s for the answer to a ping. */
static int64_t dead_due(const gmq__mclient *c)
{
    int64_t half = keep_alive(c) / 2, least = 2 * GMQ__NS_PER_S;
    return c->last_in + keep_alive(c) + (half > least ? half : least);
}

static void keep(gmq__mclient *c, int64_t now)
{
    if (!c->limits.keep_alive_s)
        return;
    if (now >= dead_due(c)) {
        gmq__mclient_end(c, GMQ__T_LOST, GMQ__MQTT_UNSPECIFIED,
                         "connection lost: nothing was heard for one and a half keep alives");
    } else if (now >= ping_due(c)) {
        c->last_misc = now;
        c->unsent++;
        mosquitto_loop_misc(c->handle);
    }
}

static bool publishes(const gmq__mclient *c) { return c->inflight || c->inflight_qos0; }

static void closing(gmq__mclient *c, int64_t now)
{
    bool late = now >= c->deadline;
    if (c->disconnects && late) {
        gmq__mclient_end(c, GMQ__T_CLOSED, GMQ__MQTT_OK, "closed");
    } else if (!c->disconnects && (late || !publishes(c))) {
        c->disconnects = true;
        c->unsent++;
        c->deadline = now + CLOSE_WRITES_NS;
        mosquitto_disconnect_v5(c->handle, 0, NULL); /* on_disconnect() when it is written */
    }
}

/* A PUBACK by itself would wake the broker up for nothing that anybody waits for. */
static bool acks_wait(const gmq__mclient *c, int64_t now)
{
    return c->holds_acks && !c->unsent && c->acks && c->acks < ACKS_HELD &&
           now < c->acks_since + ACKS_HELD_NS;
}

static void connected(gmq__mclient *c, int64_t now, unsigned ready)
{
    if (ready & GMQ__OS_WRITE)
        c->blocked = false;
    if ((ready & GMQ__OS_READ) && !c->disconnects)
        gmq__mstep_read(c);
    if (ready && !(ready & GMQ__OS_WRITE))
        return; /* what is to be sent waits for what the owner makes of it */
    if (c->state == GMQ__M_CLOSING)
        closing(c, now);
    else if (c->state == GMQ__M_CONNECTED)
        keep(c, now);
    if (c->state == GMQ__M_IDLE || acks_wait(c, now))
        return;
    if (!c->blocked)
        gmq__mstep_write(c);
    if (c->state != GMQ__M_IDLE)
        acknowledge(c);
}

/* ---- for the owner ---- */

static int64_t due(const gmq__mclient *c)
{
    switch (c->state) {
    case GMQ__M_IDLE:
    case GMQ__M_DIAGNOSING:
        return INT64_MAX;
    case GMQ__M_REACHING:
        if (c->next_address < c->addresses.n && c->address_deadline < c->deadline)
            return c->address_deadline;
        return c->deadline;
    case GMQ__M_CONNECTED:
        if (c->acks && !c->blocked)
            return c->acks_since + ACKS_HELD_NS;
        if (!c->limits.keep_alive_s)
            return INT64_MAX;
        return ping_due(c) < dead_due(c) ? ping_due(c) : dead_due(c);
    case GMQ__M_PREPARING:
    case GMQ__M_GREETING:
    case GMQ__M_CLOSING:
        break;
    }
    return c->deadline;
}

int64_t gmq__mstep(gmq__transport *t, int64_t now, unsigned ready)
{
    gmq__mclient *c = (gmq__mclient *)t;
    if (c->state == GMQ__M_CONNECTED || c->state == GMQ__M_CLOSING)
        connected(c, now, ready);
    else if (c->state != GMQ__M_IDLE)
        gmq__mattempt_step(c, now, ready);
    if (c->state == GMQ__M_IDLE && (c->handle || c->errand))
        gmq__mclient_sweep(c);
    return due(c);
}

static unsigned greeting_wants(const gmq__mclient *c)
{
    SSL *ssl = c->target.tls ? mosquitto_ssl_get(c->handle) : NULL;
    bool write = gmq__mattempt_in_tls(c) ? SSL_want_write(ssl) : mosquitto_want_write(c->handle);
    return GMQ__OS_READ | (write ? GMQ__OS_WRITE : 0);
}

void gmq__mstep_io(const gmq__transport *t, gmq__tio *out)
{
    const gmq__mclient *c = (const gmq__mclient *)t;
    *out = (gmq__tio){.fd = -1, .epoch = c->epoch};
    if (c->errand) {
        out->fd = gmq__errand_fd(c->errand);
        out->want = GMQ__OS_READ;
        return;
    }
    if (c->state == GMQ__M_IDLE || !c->handle)
        return;
    out->fd = mosquitto_socket(c->handle);
    if (c->state == GMQ__M_REACHING)
        out->want = GMQ__OS_WRITE;
    else if (c->state == GMQ__M_GREETING)
        out->want = greeting_wants(c);
    else
        out->want = (c->disconnects ? 0 : GMQ__OS_READ) | (c->blocked ? GMQ__OS_WRITE : 0);
}
