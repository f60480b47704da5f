#include "transport/diagnose.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PATIENCE_MS 2000 /* for TCP, and for each answer of TLS */
#define REFUSAL_MS  300  /* for a server that does not like our certificate to say so */

typedef struct job {
    const gmq__target *target;
    gmq__why *why;
} job;

/* ---- words ---- */

void gmq__why_say(gmq__why *why, const char *what, const char *detail)
{
    snprintf(why->text, sizeof why->text, "%s%s%s", what, detail[0] ? ": " : "", detail);
}

void gmq__why_errno(gmq__why *why, const char *what, int error)
{
    char text[128] = "";
    if (strerror_r(error, text, sizeof text) != 0)
        snprintf(text, sizeof text, "error %d", error);
    if (text[0] >= 'A' && text[0] <= 'Z')
        text[0] = (char)(text[0] - 'A' + 'a');
    if (what[0])
        gmq__why_say(why, what, text);
    else
        gmq__why_say(why, text, "");
}

static void say(job *j, const char *what, const char *detail)
{
    gmq__why_say(j->why, what, detail);
}

static void say_errno(job *j, const char *what, int error) { gmq__why_errno(j->why, what, error); }

/* ---- steps; false = this is it, `why` is written ---- */

static bool readable(job *j, const char *what, const char *path)
{
    if (!path || access(path, R_OK) == 0)
        return true;
    char name[256];
    int error = errno;
    snprintf(name, sizeof name, "%s %s", what, path);
    say_errno(j, name, error);
    return false;
}

static bool files_ok(job *j)
{
    const gmq__target *c = j->target;
    return readable(j, "ca_file", c->ca_file) && readable(j, "cert_file", c->cert_file) &&
           readable(j, "key_file", c->key_file);
}

static bool wait_for(int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};
    return poll(&p, 1, PATIENCE_MS) == 1;
}

static int try_address(job *j, const struct addrinfo *at)
{
    int fd = socket(at->ai_family, SOCK_STREAM, 0);
    if (fd < 0) {
        say_errno(j, "", errno);
        return -1;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    int error = connect(fd, at->ai_addr, at->ai_addrlen) == 0 ? 0 : errno;
    if (error == EINPROGRESS) {
        socklen_t len = sizeof error;
        if (!wait_for(fd, POLLOUT))
            error = ETIMEDOUT;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
            error = errno;
    }
    if (error == 0)
        return fd;
    say_errno(j, "", error);
    close(fd);
    return -1;
}

static int reach(job *j) /* a connected socket, or -1 */
{
    char port[8];
    snprintf(port, sizeof port, "%u", j->target->port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int rc = getaddrinfo(j->target->host, port, &hints, &list);
    if (rc != 0) {
        say(j, "host not found", gai_strerror(rc));
        return -1;
    }
    const struct addrinfo *at = list;
    while (at->ai_family != AF_INET && at->ai_next) /* the one that paho takes */
        at = at->ai_next;
    int fd = try_address(j, at);
    freeaddrinfo(list);
    return fd;
}

/* ---- TLS ---- */

static void say_openssl(job *j, const char *what)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;
    say(j, what, reason ? reason : "");
}

static SSL_CTX *make_context(job *j)
{
    const gmq__target *c = j->target;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context)
        return NULL;
    const char *bad = NULL;
    if (c->ca_file ? SSL_CTX_load_verify_locations(context, c->ca_file, NULL) != 1
                   : SSL_CTX_set_default_verify_paths(context) != 1)
        bad = c->ca_file ? c->ca_file : "the system's CA certificates";
    else if (c->cert_file && SSL_CTX_use_certificate_chain_file(context, c->cert_file) != 1)
        bad = c->cert_file;
    else if (c->cert_file &&
             SSL_CTX_use_PrivateKey_file(context, c->key_file ? c->key_file : c->cert_file,
                                         SSL_FILETYPE_PEM) != 1)
        bad = c->key_file ? c->key_file : c->cert_file;
    if (!bad)
        return context;
    say_openssl(j, bad);
    SSL_CTX_free(context);
    return NULL;
}

static bool set_peer(SSL *ssl, const char *host, int fd)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, host) != 1 &&
        (SSL_set1_host(ssl, host) != 1 || SSL_set_tlsext_host_name(ssl, host) != 1))
        return false;
    return SSL_set_fd(ssl, fd) == 1;
}

static void limit(int fd, int option, int ms)
{
    struct timeval time = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    setsockopt(fd, SOL_SOCKET, option, &time, sizeof time);
}

static bool shake_hands(job *j, SSL *ssl)
{
    if (SSL_connect(ssl) != 1) {
        say_openssl(j, "TLS");
        return false;
    }
    long verified = SSL_get_verify_result(ssl);
    if (verified != X509_V_OK && !j->target->insecure) {
        say(j, "TLS: certificate not accepted", X509_verify_cert_error_string(verified));
        return false;
    }
    char byte;
    limit(SSL_get_fd(ssl), SO_RCVTIMEO, REFUSAL_MS);
    if (SSL_read(ssl, &byte, 1) <= 0 &&
        ERR_peek_last_error()) { /* a server refuses our certificate only now */
        say_openssl(j, "TLS");
        return false;
    }
    return true;
}

static bool tls_ok(job *j, int fd)
{
    fcntl(fd, F_SETFL, 0);
    limit(fd, SO_SNDTIMEO, PATIENCE_MS);
    limit(fd, SO_RCVTIMEO, PATIENCE_MS);
    ERR_clear_error();
    SSL_CTX *context = make_context(j);
    if (!context)
        return false;
    SSL *ssl = SSL_new(context);
    bool ok = ssl && set_peer(ssl, j->target->host, fd) && shake_hands(j, ssl);
    SSL_free(ssl);
    SSL_CTX_free(context);
    return ok;
}

static void find_out(job *j)
{
    if (j->target->tls && !files_ok(j))
        return;
    int fd = reach(j);
    if (fd < 0)
        return;
    if (!j->target->tls || tls_ok(j, fd))
        say(j, "the server closed the connection before it answered CONNECT", "");
    close(fd);
}

void gmq__diagnose(const gmq__target *target, gmq__why *why)
{
    job j = {target, why};
    find_out(&j);
}

SSL_CTX *gmq__tls_context(const gmq__target *target, gmq__why *why)
{
    job j = {target, why};
    if (!files_ok(&j))
        return NULL;
    ERR_clear_error();
    gmq__why_say(why, "TLS", "out of memory");
    return make_context(&j);
}
