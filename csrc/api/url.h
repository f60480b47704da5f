/* Addresses: scheme://user:password@host:port/base/topic?key=value. */
#ifndef GMQ_API_URL_H
#define GMQ_API_URL_H

#include <grpc_mqtt/options.h>

#include "base/bytes.h"

typedef struct gmq__url {
    char *scheme; /* "mqtt", "mqtts", "ws", "wss", "loopback" */
    char *host;   /* without the brackets of IPv6; loopback: the broker's name */
    uint16_t port;
    char *username, *password; /* NULL = none; percent-decoded */
    char *base;                /* base topic, checked, percent-decoded, no '/' at its beginning */
    gmq_options *query;        /* never NULL after a success */
    bool tls, ipv6;
} gmq__url;

/* Errors: GMQ_E_URL (says at which character; shows nothing that may be a secret), GMQ_E_INVALID
 * (the base topic is none), GMQ_E_NOMEM. */
gmq_status gmq__url_parse(gmq__url *out, const char *text);
void gmq__url_clear(gmq__url *url);

#endif
