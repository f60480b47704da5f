#include "certificates.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILES = 3, PEM_MAX = 1 << 20 };

/* What tells one version of a file from another. */
typedef struct stamp {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
} stamp;

struct gmq__certificates {
    pthread_mutex_t lock; /* gRPC asks from threads of its own */
    char *files[FILES];   /* certificate, key, authorities of clients or NULL */
    stamp stamps[FILES];
    grpc_ssl_server_certificate_config *ready; /* read and not fetched yet; NULL = none */
    gmq_queue *queue;
    uint64_t tag;
};

static void free_secret(char *text)
{
    if (text)
        memset(text, 0, strlen(text));
    free(text);
}

static gmq_status fail_file(const char *file, const char *why)
{
    char text[512];
    snprintf(text, sizeof text, "%s: %s", file, why);
    return gmq_error_set(GMQ_E_IO, text);
}

static gmq_status read_pem(const char *file, char **out)
{
    FILE *f = fopen(file, "r");
    if (!f)
        return fail_file(file, strerror(errno));
    char *text = malloc(PEM_MAX);
    size_t len = text ? fread(text, 1, PEM_MAX - 1, f) : 0;
    bool failed = ferror(f) != 0;
    fclose(f);
    if (!text)
        return gmq_error_set(GMQ_E_NOMEM, "out of memory");
    text[len] = '\0';
    if (failed || !strstr(text, "-----BEGIN ")) {
        free_secret(text);
        return fail_file(file, failed ? "cannot be read" : "not a PEM file");
    }
    *out = text;
    return GMQ_OK;
}

static void stamp_files(const gmq__certificates *c, stamp *out)
{
    memset(out, 0, FILES * sizeof *out);
    for (size_t i = 0; i < FILES; i++) {
        struct stat info;
        if (c->files[i] && stat(c->files[i], &info) == 0)
            out[i] = (stamp){info.st_dev, info.st_ino, info.st_size, info.st_mtim};
    }
}

static bool stamps_equal(const stamp *a, const stamp *b)
{
    for (size_t i = 0; i < FILES; i++)
        if (a[i].device != b[i].device || a[i].inode != b[i].inode || a[i].size != b[i].size ||
            a[i].changed.tv_sec != b[i].changed.tv_sec ||
            a[i].changed.tv_nsec != b[i].changed.tv_nsec)
            return false;
    return true;
}

/* gRPC serves with it, and clients refuse it without saying much. */
static void tell_validity(const gmq__certificates *c, const char *pem)
{
    ERR_set_mark(); /* errors left behind would be taken for those of gRPC's handshake */
    BIO *in = BIO_new_mem_buf(pem, -1), *date = BIO_new(BIO_s_mem());
    X509 *first = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
    bool early = first && X509_cmp_current_time(X509_get0_notBefore(first)) > 0;
    bool late = first && X509_cmp_current_time(X509_get0_notAfter(first)) < 0;
    char when[64] = "", line[600];
    if (date && (early || late)) {
        ASN1_TIME_print(date, late ? X509_get0_notAfter(first) : X509_get0_notBefore(first));
        BIO_gets(date, when, sizeof when);
        snprintf(line, sizeof line, "%s: the certificate %s %s: clients refuse it; %s", c->files[0],
                 late ? "expired on" : "is not valid before", when,
                 late ? "renew it" : "is a clock wrong?");
        gmq_queue_post(c->queue, GMQ_EVENT_LOG, c->tag, 1, line);
    }
    X509_free(first);
    BIO_free(date);
    BIO_free(in);
    ERR_pop_to_mark();
}

static gmq_status load(gmq__certificates *c)
{
    char *texts[FILES] = {0};
    gmq_status status = GMQ_OK;
    for (size_t i = 0; i < FILES && status == GMQ_OK; i++)
        if (c->files[i])
            status = read_pem(c->files[i], &texts[i]);
    if (status == GMQ_OK) {
        tell_validity(c, texts[0]);
        grpc_ssl_pem_key_cert_pair pair = {.cert_chain = texts[0], .private_key = texts[1]};
        if (c->ready)
            grpc_ssl_server_certificate_config_destroy(c->ready);
        /* gRPC insists on authorities, also where it asks for no certificate: then any will do. */
        c->ready =
            grpc_ssl_server_certificate_config_create(texts[2] ? texts[2] : texts[0], &pair, 1);
    }
    for (size_t i = 0; i < FILES; i++)
        free_secret(texts[i]);
    return status;
}

static void complain(const gmq__certificates *c)
{
    char line[600];
    snprintf(line, sizeof line, "the certificate stays the former one: %s", gmq_error_text());
    gmq_queue_post(c->queue, GMQ_EVENT_LOG, c->tag, 1, line);
}

/* Asked at each new connection. */
static grpc_ssl_certificate_config_reload_status fetch(void *user_data,
                                                       grpc_ssl_server_certificate_config **out)
{
    gmq__certificates *c = user_data;
    grpc_ssl_certificate_config_reload_status result = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    stamp now[FILES];
    pthread_mutex_lock(&c->lock);
    stamp_files(c, now);
    if (!stamps_equal(now, c->stamps)) {
        memcpy(c->stamps, now, sizeof now); /* complained of once */
        if (load(c) != GMQ_OK)
            complain(c);
    }
    if (c->ready) {
        *out = c->ready;
        c->ready = NULL;
        result = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
    }
    pthread_mutex_unlock(&c->lock);
    return result;
}

gmq_status gmq__certificates_new(gmq__certificates **out, const gmq__listen *row, gmq_queue *queue,
                                 uint64_t tag)
{
    gmq__certificates *c = calloc(1, sizeof *c);
    if (!c)
        return gmq_error_set(GMQ_E_NOMEM, "out of memory");
    pthread_mutex_init(&c->lock, NULL);
    c->queue = gmq_queue_ref(queue);
    c->tag = tag;
    c->files[0] = strdup(row->cert_file);
    c->files[1] = strdup(row->key_file ? row->key_file : row->cert_file);
    c->files[2] = row->client_ca_file ? strdup(row->client_ca_file) : NULL;
    gmq_status status = GMQ_OK;
    if (!c->files[0] || !c->files[1] || (row->client_ca_file && !c->files[2]))
        status = gmq_error_set(GMQ_E_NOMEM, "out of memory");
    stamp_files(c, c->stamps);
    if (status == GMQ_OK)
        status = load(c);
    if (status == GMQ_OK)
        *out = c;
    else
        gmq__certificates_free(c);
    return status;
}

void gmq__certificates_free(gmq__certificates *c)
{
    if (!c)
        return;
    if (c->ready)
        grpc_ssl_server_certificate_config_destroy(c->ready);
    for (size_t i = 0; i < FILES; i++)
        free(c->files[i]);
    gmq_queue_unref(c->queue);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

grpc_server_credentials *gmq__certificates_use(gmq__certificates *c)
{
    grpc_ssl_client_certificate_request_type request =
        c->files[2] ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                    : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
    return grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(request, fetch, c));
}
