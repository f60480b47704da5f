/* Why no connection comes about, in words. MQTT libraries say no more of a failed attempt than that
 * it failed; so the same way is gone once more, as far as needed to see where it ends: files, name,
 * TCP, TLS. */
#ifndef GMQ_TRANSPORT_DIAGNOSE_H
#define GMQ_TRANSPORT_DIAGNOSE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct gmq__target { /* all borrowed */
    const char *host;
    uint16_t port;
    bool tls, insecure;
    const char *ca_file, *cert_file, *key_file; /* NULL = none */
} gmq__target;

typedef struct gmq__why {
    char text[320];
} gmq__why;

void gmq__why_say(gmq__why *why, const char *what, const char *detail); /* "what: detail" */
void gmq__why_errno(gmq__why *why, const char *what, int error);        /* what may be "" */

/* Blocks: for DNS, and 2 s each for TCP and TLS. Any thread. */
void gmq__diagnose(const gmq__target *target, gmq__why *why);

/* The target's files in an SSL_CTX that checks nothing yet; NULL: `why` names the file. Blocks for
 * the disk. */
struct ssl_ctx_st *gmq__tls_context(const gmq__target *target, gmq__why *why);

#endif
