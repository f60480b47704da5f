/* gmq_proxy_config from the inside: addresses, rules, limits; and the choice of a call's base
 * topic, which is a function of the rules and the call's words alone. */
#ifndef GMQ_PROXY_CONFIG_H
#define GMQ_PROXY_CONFIG_H

#include <grpc_mqtt/proxy.h>
#include <stdbool.h>

enum { GMQ__BASE_MAX = 512 }; /* bytes of a base topic, with its NUL */

typedef struct gmq__listen {
    char *address;
    char *cert_file, *key_file, *client_ca_file; /* NULL = none */
} gmq__listen;

typedef struct gmq__template {
    char *pattern, *base;
} gmq__template;

struct gmq_proxy_config {
    gmq__listen *listens;
    size_t listen_count;
    gmq__template *templates;
    size_t template_count;
    char **allowed; /* topic filters */
    size_t allowed_count;
    gmq_method_map *methods; /* NULL = none */
    int64_t max_calls, max_bases, base_idle_ms;
};

gmq_status gmq__proxy_config_copy(gmq_proxy_config **out, const gmq_proxy_config *config);

typedef enum gmq__route {
    GMQ__ROUTE_TO,      /* `out` is the base */
    GMQ__ROUTE_NONE,    /* nothing says which base */
    GMQ__ROUTE_REFUSED, /* `out` is the base, which is not allowed */
    GMQ__ROUTE_BAD,     /* what the call asks for cannot be a base */
} gmq__route;

/* The base of a call. `asked` is the value of its metadata key, `authority` its authority, `fixed`
 * the base of the proxy's address; NULL = none. `out` has GMQ__BASE_MAX bytes. */
gmq__route gmq__proxy_route(const gmq_proxy_config *config, const char *asked,
                            const char *authority, const char *fixed, char *out);

#endif
