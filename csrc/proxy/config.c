#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CALLS = 10000, MAX_BASES = 1000, BASE_IDLE_MS = 300000 };

static gmq_status nomem(void) { return gmq_error_set(GMQ_E_NOMEM, "out of memory"); }

__attribute__((format(printf, 1, 2))) static gmq_status invalid(const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return gmq_error_set(GMQ_E_INVALID, text);
}

gmq_status gmq_proxy_config_new(gmq_proxy_config **out)
{
    if (!out)
        return invalid("gmq_proxy_config_new: out is NULL");
    gmq_proxy_config *config = calloc(1, sizeof *config);
    if (!config)
        return nomem();
    config->max_calls = MAX_CALLS;
    config->max_bases = MAX_BASES;
    config->base_idle_ms = BASE_IDLE_MS;
    *out = config;
    return GMQ_OK;
}

static void listen_clear(gmq__listen *listen)
{
    free(listen->address);
    free(listen->cert_file);
    free(listen->key_file);
    free(listen->client_ca_file);
}

void gmq_proxy_config_free(gmq_proxy_config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->listen_count; i++)
        listen_clear(&config->listens[i]);
    for (size_t i = 0; i < config->template_count; i++) {
        free(config->templates[i].pattern);
        free(config->templates[i].base);
    }
    for (size_t i = 0; i < config->allowed_count; i++)
        free(config->allowed[i]);
    free(config->listens);
    free(config->templates);
    free(config->allowed);
    gmq_method_map_free(config->methods);
    free(config);
}

/* Room for one more row in `*rows`; false = no memory. */
static bool grow(void **rows, size_t count, size_t size)
{
    void *more = realloc(*rows, (count + 1) * size);
    if (!more)
        return false;
    *rows = more;
    memset((char *)more + count * size, 0, size);
    return true;
}

/* A copy of `text`; NULL stays NULL. false = no memory. */
static bool copy_text(char **out, const char *text)
{
    *out = text ? strdup(text) : NULL;
    return *out || !text;
}

/* ---- Addresses ---- */

static gmq_status check_listen(const char *address, const char *cert_file, const char *key_file,
                               const char *client_ca_file)
{
    const char *colon = strrchr(address, ':');
    char *end = NULL;
    if (!cert_file && (key_file || client_ca_file))
        return invalid("listen \"%s\": a key or authorities of clients, but no certificate",
                       address);
    if (strncmp(address, "unix:", 5) == 0 && address[5])
        return GMQ_OK;
    if (!colon || colon == address || colon[1] < '0' || colon[1] > '9')
        return invalid("listen \"%s\": wanted is HOST:PORT (0.0.0.0:50051, [::]:50051) or "
                       "unix:PATH",
                       address);
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (*end || port > 65535)
        return invalid("listen \"%s\": the port is not from 0 to 65535", address);
    return GMQ_OK;
}

gmq_status gmq_proxy_config_listen(gmq_proxy_config *config, const char *address,
                                   const char *cert_file, const char *key_file,
                                   const char *client_ca_file)
{
    if (!config || !address)
        return invalid("gmq_proxy_config_listen: %s is NULL", config ? "address" : "config");
    gmq_status status = check_listen(address, cert_file, key_file, client_ca_file);
    if (status != GMQ_OK)
        return status;
    gmq__listen row = {0};
    if (!grow((void **)&config->listens, config->listen_count, sizeof row) ||
        !copy_text(&row.address, address) || !copy_text(&row.cert_file, cert_file) ||
        !copy_text(&row.key_file, key_file) || !copy_text(&row.client_ca_file, client_ca_file)) {
        listen_clear(&row);
        return nomem();
    }
    config->listens[config->listen_count++] = row;
    return GMQ_OK;
}

/* ---- Rules ---- */

/* Whether `name` stands in braces in `pattern`. */
static bool has_name(const char *pattern, const char *name, size_t len)
{
    for (const char *p = strchr(pattern, '{'); p; p = strchr(p + 1, '{'))
        if (strncmp(p + 1, name, len) == 0 && p[1 + len] == '}')
            return true;
    return false;
}

/* Length of the name in braces at `p` ("{name}"), 0 = there is none. */
static size_t name_len(const char *p)
{
    size_t len = strspn(p + 1, "abcdefghijklmnopqrstuvwxyz0123456789_");
    return p[1 + len] == '}' ? len : 0;
}

static gmq_status check_pattern(const char *pattern)
{
    for (const char *p = pattern; *p; p++) {
        size_t len = *p == '{' ? name_len(p) : 0;
        if (len == 0 && (*p == '{' || *p == '}'))
            return invalid("authority \"%s\", at \"%s\": a name in braces is written {name}, of "
                           "a-z, 0-9 and _",
                           pattern, p);
        if (len == 0)
            continue;
        const char *after = p + len + 2;
        if (*after && *after != '.')
            return invalid("authority \"%s\", at \"%s\": a name in braces ends its label; a dot or "
                           "nothing follows",
                           pattern, p);
        if (has_name(after, p + 1, len))
            return invalid("authority \"%s\": {%.*s} stands in it twice", pattern, (int)len, p + 1);
        p = after - 1;
    }
    return *pattern ? GMQ_OK : invalid("authority: the pattern is empty");
}

/* A base topic: no wildcards, no empty level, nothing of the broker's own. */
static bool base_legal(const char *base)
{
    size_t len = strlen(base);
    if (len == 0 || len >= GMQ__BASE_MAX || base[0] == '$' || base[0] == '/' ||
        base[len - 1] == '/' || strstr(base, "//"))
        return false;
    for (const char *p = base; *p; p++)
        if (*p == '+' || *p == '#' || (unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    return true;
}

static gmq_status check_template(const char *pattern, const char *base)
{
    for (const char *p = strchr(base, '{'); p; p = strchr(p + 1, '{')) {
        size_t len = name_len(p);
        if (len == 0 || !has_name(pattern, p + 1, len))
            return invalid("authority \"%s\" to \"%s\": at \"%s\" stands no name of the pattern",
                           pattern, base, p);
    }
    return base_legal(base) ? GMQ_OK
                            : invalid("authority \"%s\": \"%s\" is not a base topic (empty, \"$\" "
                                      "in front, an empty level, \"+\" or \"#\")",
                                      pattern, base);
}

gmq_status gmq_proxy_config_authority(gmq_proxy_config *config, const char *pattern,
                                      const char *base)
{
    if (!config || !pattern || !base)
        return invalid("gmq_proxy_config_authority: %s is NULL", !config    ? "config"
                                                                 : !pattern ? "pattern"
                                                                            : "base");
    gmq_status status = check_pattern(pattern);
    if (status == GMQ_OK)
        status = check_template(pattern, base);
    if (status != GMQ_OK)
        return status;
    gmq__template row = {0};
    if (!grow((void **)&config->templates, config->template_count, sizeof row) ||
        !copy_text(&row.pattern, pattern) || !copy_text(&row.base, base)) {
        free(row.pattern);
        return nomem();
    }
    config->templates[config->template_count++] = row;
    return GMQ_OK;
}

/* "+" and "#" fill a level, "#" the last one. */
static bool filter_legal(const char *filter)
{
    for (const char *p = filter; *p; p++) {
        bool first = p == filter || p[-1] == '/', last = !p[1] || p[1] == '/';
        if ((*p == '+' && !(first && last)) || (*p == '#' && (!first || p[1])))
            return false;
    }
    return *filter != '\0';
}

gmq_status gmq_proxy_config_allow(gmq_proxy_config *config, const char *filter)
{
    if (!config || !filter)
        return invalid("gmq_proxy_config_allow: %s is NULL", config ? "filter" : "config");
    if (!filter_legal(filter))
        return invalid("allow \"%s\": not a topic filter (\"+\" and \"#\" stand alone in a level, "
                       "\"#\" in the last)",
                       filter);
    char *copy = NULL;
    if (!grow((void **)&config->allowed, config->allowed_count, sizeof copy) ||
        !copy_text(&copy, filter))
        return nomem();
    config->allowed[config->allowed_count++] = copy;
    return GMQ_OK;
}

gmq_status gmq_proxy_config_methods(gmq_proxy_config *config, const gmq_method_map *map)
{
    gmq_method_map *copy = NULL;
    if (!config)
        return invalid("gmq_proxy_config_methods: config is NULL");
    gmq_status status = map ? gmq_method_map_merge(&copy, map, NULL) : GMQ_OK;
    if (status != GMQ_OK)
        return status;
    gmq_method_map_free(config->methods);
    config->methods = copy;
    return GMQ_OK;
}

gmq_status gmq_proxy_config_limits(gmq_proxy_config *config, int64_t max_calls, int64_t max_bases,
                                   int64_t base_idle_ms)
{
    if (!config)
        return invalid("gmq_proxy_config_limits: config is NULL");
    if (max_calls == 0 || max_bases == 0)
        return invalid("%s is 0: at least 1", max_calls ? "max_bases" : "max_calls");
    config->max_calls = max_calls < 0 ? config->max_calls : max_calls;
    config->max_bases = max_bases < 0 ? config->max_bases : max_bases;
    config->base_idle_ms = base_idle_ms < 0 ? config->base_idle_ms : base_idle_ms;
    return GMQ_OK;
}

static gmq_status copy_rows(gmq_proxy_config *to, const gmq_proxy_config *from)
{
    gmq_status status = GMQ_OK;
    for (size_t i = 0; status == GMQ_OK && i < from->listen_count; i++) {
        const gmq__listen *row = &from->listens[i];
        status = gmq_proxy_config_listen(to, row->address, row->cert_file, row->key_file,
                                         row->client_ca_file);
    }
    for (size_t i = 0; status == GMQ_OK && i < from->template_count; i++)
        status =
            gmq_proxy_config_authority(to, from->templates[i].pattern, from->templates[i].base);
    for (size_t i = 0; status == GMQ_OK && i < from->allowed_count; i++)
        status = gmq_proxy_config_allow(to, from->allowed[i]);
    return status;
}

gmq_status gmq__proxy_config_copy(gmq_proxy_config **out, const gmq_proxy_config *config)
{
    gmq_proxy_config *copy = NULL;
    gmq_status status = gmq_proxy_config_new(&copy);
    if (status == GMQ_OK)
        status = copy_rows(copy, config);
    if (status == GMQ_OK)
        status = gmq_proxy_config_methods(copy, config->methods);
    if (status == GMQ_OK)
        status = gmq_proxy_config_limits(copy, config->max_calls, config->max_bases,
                                         config->base_idle_ms);
    if (status == GMQ_OK)
        *out = copy;
    else
        gmq_proxy_config_free(copy);
    return status;
}

/* ---- Choice ---- */

/* Length of `authority` without its port. */
static size_t host_len(const char *authority)
{
    const char *colon = strrchr(authority, ':');
    size_t len = strlen(authority);
    if (colon && strspn(colon + 1, "0123456789") == strlen(colon + 1))
        len = (size_t)(colon - authority);
    return len;
}

static bool same_letter(char a, char b)
{
    a = (char)(a >= 'A' && a <= 'Z' ? a + ('a' - 'A') : a);
    b = (char)(b >= 'A' && b <= 'Z' ? b + ('a' - 'A') : b);
    return a == b;
}

/* What a name in braces may stand for. */
static size_t label_len(const char *at, const char *end)
{
    size_t len = strspn(at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return len <= (size_t)(end - at) ? len : (size_t)(end - at);
}

/* Whether `pattern` fits; with `name`, `*value` and `*len` become what that name stands for. */
static bool fits(const char *pattern, const char *host, size_t host_size, const char *name,
                 size_t name_size, const char **value, size_t *len)
{
    const char *at = host, *end = host + host_size;
    for (const char *p = pattern; *p; p++) {
        if (*p != '{') {
            if (at == end || !same_letter(*p, *at++))
                return false;
            continue;
        }
        size_t size = name_len(p), found = label_len(at, end);
        if (found == 0)
            return false;
        if (name && size == name_size && memcmp(p + 1, name, size) == 0) {
            *value = at;
            *len = found;
        }
        at += found;
        p += size + 1;
    }
    return at == end;
}

/* `row->base` with the names replaced; false = it gets too long. */
static bool fill_in(const gmq__template *row, const char *host, size_t host_size, char *out)
{
    size_t used = 0;
    for (const char *p = row->base; *p; p++) {
        const char *piece = p;
        size_t len = 1, size = *p == '{' ? name_len(p) : 0;
        if (size) {
            fits(row->pattern, host, host_size, p + 1, size, &piece, &len);
            p += size + 1;
        }
        if (used + len >= GMQ__BASE_MAX)
            return false;
        memcpy(out + used, piece, len);
        used += len;
    }
    out[used] = '\0';
    return true;
}

static gmq__route by_authority(const gmq_proxy_config *config, const char *authority, char *out)
{
    size_t len = host_len(authority);
    for (size_t i = 0; i < config->template_count; i++) {
        const gmq__template *row = &config->templates[i];
        if (fits(row->pattern, authority, len, NULL, 0, NULL, NULL))
            return fill_in(row, authority, len, out) ? GMQ__ROUTE_TO : GMQ__ROUTE_BAD;
    }
    return GMQ__ROUTE_NONE;
}

static bool filter_matches(const char *filter, const char *topic)
{
    for (;;) {
        size_t f = strcspn(filter, "/"), t = strcspn(topic, "/");
        if (strcmp(filter, "#") == 0)
            return true;
        bool any = f == 1 && *filter == '+';
        if (!any && (f != t || memcmp(filter, topic, f) != 0))
            return false;
        if (!topic[t]) /* "a/#" is "a" too */
            return !filter[f] || strcmp(filter + f, "/#") == 0;
        if (!filter[f])
            return false;
        filter += f + 1;
        topic += t + 1;
    }
}

static bool allowed(const gmq_proxy_config *config, const char *base)
{
    for (size_t i = 0; i < config->allowed_count; i++)
        if (filter_matches(config->allowed[i], base))
            return true;
    return false;
}

gmq__route gmq__proxy_route(const gmq_proxy_config *config, const char *asked,
                            const char *authority, const char *fixed, char *out)
{
    if (asked) {
        if (!base_legal(asked))
            return GMQ__ROUTE_BAD;
        snprintf(out, GMQ__BASE_MAX, "%s", asked);
        bool own = fixed && strcmp(asked, fixed) == 0; /* no choice at all */
        return own || allowed(config, out) ? GMQ__ROUTE_TO : GMQ__ROUTE_REFUSED;
    }
    gmq__route found = authority ? by_authority(config, authority, out) : GMQ__ROUTE_NONE;
    if (found == GMQ__ROUTE_TO && config->allowed_count && !allowed(config, out))
        return GMQ__ROUTE_REFUSED;
    if (found != GMQ__ROUTE_NONE || !fixed)
        return found;
    snprintf(out, GMQ__BASE_MAX, "%s", fixed);
    return GMQ__ROUTE_TO;
}
