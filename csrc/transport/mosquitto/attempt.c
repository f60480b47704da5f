/* From connect() to CONNACK: addresses, TCP, TLS, CONNECT. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/mem.h"
#include "transport/mosquitto/client.h"

#define SEND_MAXIMUM 65535 /* the window is ours to keep; libmosquitto's must not be narrower */

static void refuse(gmq__mclient *c, const char *why)
{
    gmq__mclient_end(c, GMQ__T_REFUSED, GMQ__MQTT_UNSPECIFIED, why);
}

/* ---- libmosquitto's client ---- */

static int set_options(gmq__mclient *c)
{
    struct mosquitto *m = c->handle;
    int rc = mosquitto_int_option(m, MOSQ_OPT_PROTOCOL_VERSION, c->version);
    if (!rc)
        rc = mosquitto_int_option(m, MOSQ_OPT_TCP_NODELAY, 1);
    if (!rc)
        rc = mosquitto_int_option(m, MOSQ_OPT_RECEIVE_MAXIMUM, (int)c->receive_max);
    if (!rc)
        rc = mosquitto_int_option(m, MOSQ_OPT_SEND_MAXIMUM, SEND_MAXIMUM);
    if (!rc)
        rc = mosquitto_threaded_set(m, true); /* so that a publish only queues */
    if (!rc && (c->username || c->password))
        rc = mosquitto_username_pw_set(m, c->username, c->password);
    if (!rc && c->will) {
        const gmq__mqtt_message *will = &c->will->message;
        rc = mosquitto_will_set(m, c->will_topic, (int)will->payload.len, will->payload.data,
                                will->qos, will->retain);
    }
    return rc;
}

static gmq_status make_handle(gmq__mclient *c)
{
    c->handle = mosquitto_new(c->client_id, true, c);
    if (!c->handle)
        return errno == EINVAL ? gmq__fail(GMQ_E_INVALID, "%s: client id \"%s\" is not UTF-8",
                                           c->name, c->client_id)
                               : gmq__fail_nomem();
    int rc = set_options(c);
    if (rc != MOSQ_ERR_SUCCESS)
        return rc == MOSQ_ERR_NOMEM ? gmq__fail_nomem()
                                    : gmq__fail(GMQ_E_INVALID, "%s: cannot make a client: %s",
                                                c->name, mosquitto_strerror(rc));
    gmq__mevent_set_all(c);
    return GMQ_OK;
}

/* ---- failure above TCP ---- */

static gmq_status start_errand(gmq__mclient *c, gmq__errand_kind kind, gmq__mstate state)
{
    gmq_status status = gmq__errand_start(&c->errand, kind, &c->target);
    if (status == GMQ_OK) {
        c->state = state;
        c->epoch++;
    }
    return status;
}

static void failed(gmq__mclient *c, int rc)
{
    if (c->state == GMQ__M_IDLE)
        return; /* CONNACK has said why */
    if (c->target.tls && start_errand(c, GMQ__ERRAND_DIAGNOSE, GMQ__M_DIAGNOSING) == GMQ_OK) {
        mosquitto_destroy(c->handle);
        c->handle = NULL;
    } else if (c->target.tls) {
        refuse(c, "TLS");
    } else {
        refuse(c, rc == MOSQ_ERR_CONN_LOST || rc == MOSQ_ERR_ERRNO
                      ? "the server closed the connection before it answered CONNECT"
                      : mosquitto_strerror(rc));
    }
}

/* ---- TCP ---- */

static int begin_address(gmq__mclient *c, int64_t now) /* libmosquitto's code; see c->why */
{
    const char *address = c->addresses.text[c->next_address++];
    int64_t left = c->deadline - now;
    c->address_deadline = now + left / (int64_t)(c->addresses.n - c->next_address + 1);
    c->epoch++;
    int rc =
        mosquitto_connect_bind_async(c->handle, address, c->target.port, c->keep_alive_s, NULL);
    if (rc == MOSQ_ERR_ERRNO)
        gmq__why_errno(&c->why, "", errno);
    else if (rc != MOSQ_ERR_SUCCESS)
        gmq__why_say(&c->why, mosquitto_strerror(rc), "");
    else
        fcntl(mosquitto_socket(c->handle), F_SETFD, FD_CLOEXEC);
    return rc;
}

static void reach_next(gmq__mclient *c, int64_t now)
{
    c->state = GMQ__M_REACHING;
    while (c->next_address < c->addresses.n) {
        int rc = begin_address(c, now);
        if (rc == MOSQ_ERR_TLS) /* so quick is the other end at times */
            failed(c, rc);
        if (rc == MOSQ_ERR_SUCCESS || rc == MOSQ_ERR_TLS)
            return;
    }
    refuse(c, c->why.text);
}

static int socket_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

/* TCP was up, and went down again before this was looked at. */
static bool tls_begun(const gmq__mclient *c)
{
    SSL *ssl = c->target.tls ? mosquitto_ssl_get(c->handle) : NULL;
    return ssl && BIO_number_written(SSL_get_wbio(ssl)) > 0;
}

static void reaching(gmq__mclient *c, int64_t now, unsigned ready)
{
    if (!ready) {
        if (now >= c->address_deadline && c->next_address < c->addresses.n)
            reach_next(c, now);
        return;
    }
    int error = socket_error(mosquitto_socket(c->handle));
    if (error && tls_begun(c)) {
        failed(c, MOSQ_ERR_TLS);
    } else if (error) {
        gmq__why_errno(&c->why, "", error);
        reach_next(c, now);
    } else {
        c->state = GMQ__M_GREETING;
        c->last_in = c->last_out = now;
        c->holds_acks = true;
    }
}

/* ---- PREPARING, DIAGNOSING ---- */

static bool numeric(const char *host)
{
    return strspn(host, "0123456789.") == strlen(host) || strchr(host, ':');
}

gmq_status gmq__mattempt_begin(gmq__mclient *c)
{
    int64_t now = gmq__os_now_ns();
    c->deadline = now + c->connect_timeout_ms * GMQ__NS_PER_MS;
    c->addresses.n = c->next_address = 0;
    gmq_status status = make_handle(c);
    if (status != GMQ_OK)
        return status;
    if (c->target.tls || !numeric(c->host))
        return start_errand(c, GMQ__ERRAND_PREPARE, GMQ__M_PREPARING);
    c->addresses.n = 1;
    snprintf(c->addresses.text[0], sizeof c->addresses.text[0], "%s", c->host);
    c->state = GMQ__M_REACHING; /* step() does it, so that the answer is never in this call */
    c->address_deadline = now;
    return GMQ_OK;
}

static void preparing(gmq__mclient *c, int64_t now)
{
    if (!gmq__errand_done(c->errand))
        return;
    gmq__errand *errand = c->errand;
    c->errand = NULL;
    struct ssl_ctx_st *tls = gmq__errand_tls(errand);
    c->addresses = *gmq__errand_addresses(errand);
    if (tls) { /* libmosquitto takes a reference */
        SSL_CTX_set_app_data(tls, c->host);
        mosquitto_int_option(c->handle, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0);
        mosquitto_void_option(c->handle, MOSQ_OPT_SSL_CTX, tls);
    }
    if (c->addresses.n)
        reach_next(c, now);
    else
        refuse(c, gmq__errand_why(errand));
    gmq__errand_drop(errand);
}

static void diagnosing(gmq__mclient *c)
{
    if (gmq__errand_done(c->errand))
        refuse(c, gmq__errand_why(c->errand));
}

/* ---- GREETING ---- */

bool gmq__mattempt_in_tls(const gmq__mclient *c)
{
    SSL *ssl = c->target.tls ? mosquitto_ssl_get(c->handle) : NULL;
    return ssl && !SSL_is_init_finished(ssl);
}

/* libmosquitto takes a peer that hangs up during the handshake for one that has nothing to say. */
static bool hung_up(gmq__mclient *c)
{
    char byte;
    ssize_t got = recv(mosquitto_socket(c->handle), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static void greeting(gmq__mclient *c, unsigned ready)
{
    int rc = MOSQ_ERR_SUCCESS;
    if (gmq__mattempt_in_tls(c)) {
        rc = mosquitto_loop_read(c->handle, 1);
        if (!rc && gmq__mattempt_in_tls(c) && (ready & GMQ__OS_READ) && hung_up(c))
            rc = MOSQ_ERR_CONN_LOST;
    } else if (ready & GMQ__OS_READ) {
        rc = gmq__mstep_read(c);
    }
    if (!rc && c->state == GMQ__M_GREETING && !gmq__mattempt_in_tls(c))
        rc = gmq__mstep_write(c);
    if (rc)
        failed(c, rc);
}

void gmq__mattempt_step(gmq__mclient *c, int64_t now, unsigned ready)
{
    char why[64];
    switch (c->state) {
    case GMQ__M_PREPARING:
        preparing(c, now);
        break;
    case GMQ__M_REACHING:
        reaching(c, now, ready);
        break;
    case GMQ__M_GREETING:
        greeting(c, ready);
        break;
    default:
        diagnosing(c);
        return; /* it has a limit of its own */
    }
    if (c->state == GMQ__M_IDLE || c->state >= GMQ__M_DIAGNOSING || now < c->deadline)
        return;
    bool whole = c->connect_timeout_ms % 1000 == 0;
    snprintf(why, sizeof why, whole ? "no answer within %lld s" : "no answer within %lld ms",
             (long long)(whole ? c->connect_timeout_ms / 1000 : c->connect_timeout_ms));
    refuse(c, why);
}
