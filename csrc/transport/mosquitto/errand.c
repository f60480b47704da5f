#include "transport/mosquitto/errand.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/os.h"

struct gmq__errand {
    atomic_uint refs; /* the client's and the thread's */
    atomic_bool done; /* what follows `wake` is written before */
    gmq__os_wake wake;
    gmq__errand_kind kind;
    gmq__target target; /* its strings are ours */
    gmq__addresses addresses;
    SSL_CTX *tls;
    gmq__why why;
};

static void release(gmq__errand *e)
{
    if (atomic_fetch_sub(&e->refs, 1) != 1)
        return;
    const char *strings[] = {e->target.host, e->target.ca_file, e->target.cert_file,
                             e->target.key_file};
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++)
        gmq__free((char *)(uintptr_t)strings[i]);
    SSL_CTX_free(e->tls);
    gmq__os_wake_close(&e->wake);
    gmq__free(e);
}

/* ---- on the thread ---- */

static void resolve(gmq__errand *e)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list = NULL;
    int rc = getaddrinfo(e->target.host, NULL, &hints, &list);
    if (rc != 0) {
        gmq__why_say(&e->why, "host not found", gai_strerror(rc));
        return;
    }
    for (const struct addrinfo *at = list; at && e->addresses.n < GMQ__ADDRESSES;
         at = at->ai_next) {
        char *text = e->addresses.text[e->addresses.n];
        if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof e->addresses.text[0], NULL, 0,
                        NI_NUMERICHOST) == 0)
            e->addresses.n++;
    }
    freeaddrinfo(list);
    if (!e->addresses.n)
        gmq__why_say(&e->why, "host not found", "it has no address");
}

/* libmosquitto, given a numeric address, would put that into the client's hello. */
static void name_the_host(const SSL *ssl, int where, int ret)
{
    (void)ret;
    if (!(where & SSL_CB_HANDSHAKE_START))
        return;
    char *host = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct in6_addr address;
    bool numeric =
        inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
    SSL_set_tlsext_host_name((SSL *)(uintptr_t)ssl, numeric ? NULL : host);
}

static void check_peer(const gmq__target *target, SSL_CTX *context)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(context);
    if (X509_VERIFY_PARAM_set1_ip_asc(param, target->host) != 1)
        X509_VERIFY_PARAM_set1_host(param, target->host, 0);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
}

static void make_tls(gmq__errand *e)
{
    e->tls = gmq__tls_context(&e->target, &e->why);
    if (!e->tls)
        return;
    SSL_CTX_set_min_proto_version(e->tls, TLS1_2_VERSION);
    SSL_CTX_set_mode(e->tls, SSL_MODE_RELEASE_BUFFERS); /* 34 KB less for an idle connection */
    SSL_CTX_set_info_callback(e->tls, name_the_host);
    if (!e->target.insecure)
        check_peer(&e->target, e->tls);
}

static void *run(void *arg)
{
    gmq__errand *e = arg;
    if (e->kind == GMQ__ERRAND_DIAGNOSE) {
        gmq__diagnose(&e->target, &e->why);
    } else {
        if (e->target.tls)
            make_tls(e);
        if (!e->target.tls || e->tls)
            resolve(e);
    }
    atomic_store(&e->done, true);
    gmq__os_wake_set(&e->wake);
    release(e);
    return NULL;
}

/* ---- on the owner's ---- */

static bool copy(const char **to, const char *from)
{
    *to = from ? gmq__strdup(from) : NULL;
    return !from || *to;
}

static gmq_status begin(gmq__errand *e, const gmq__target *target)
{
    e->target = *target;
    bool ok = copy(&e->target.host, target->host);
    ok &= copy(&e->target.ca_file, target->ca_file);
    ok &= copy(&e->target.cert_file, target->cert_file);
    ok &= copy(&e->target.key_file, target->key_file);
    if (!ok)
        return gmq__fail_nomem();
    if (!gmq__os_wake_open(&e->wake)) {
        e->wake.fd[0] = e->wake.fd[1] = -1;
        return gmq__fail(GMQ_E_IO, "no descriptor: %s", strerror(errno));
    }
    pthread_t thread;
    atomic_fetch_add(&e->refs, 1);
    if (gmq__os_thread_start(&thread, run, e, "gmq-errand")) {
        pthread_detach(thread);
        return GMQ_OK;
    }
    atomic_fetch_sub(&e->refs, 1);
    return gmq__fail(GMQ_E_IO, "cannot start a thread: %s", strerror(errno));
}

gmq_status gmq__errand_start(gmq__errand **out, gmq__errand_kind kind, const gmq__target *target)
{
    gmq__errand *e = gmq__calloc(1, sizeof *e);
    if (!e)
        return gmq__fail_nomem();
    atomic_init(&e->refs, 1);
    atomic_init(&e->done, false);
    e->wake = (gmq__os_wake){{-1, -1}};
    e->kind = kind;
    gmq_status status = begin(e, target);
    if (status == GMQ_OK)
        *out = e;
    else
        release(e);
    return status;
}

int gmq__errand_fd(const gmq__errand *e) { return e->wake.fd[0]; }
bool gmq__errand_done(gmq__errand *e) { return atomic_load(&e->done); }
const gmq__addresses *gmq__errand_addresses(const gmq__errand *e) { return &e->addresses; }
SSL_CTX *gmq__errand_tls(const gmq__errand *e) { return e->tls; }
const char *gmq__errand_why(const gmq__errand *e) { return e->why.text; }

void gmq__errand_drop(gmq__errand *e)
{
    if (e)
        release(e);
}
