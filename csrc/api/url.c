#include "api/url.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "wire/topic.h"

/* Where parsing stands. Texts show pieces of the address only where they cannot be a secret: after
 * the last '@'. */
typedef struct reader {
    const char *start, *at;
} reader;

typedef struct scheme_row {
    const char *name;
    uint16_t port;
    bool tls;
} scheme_row;

static const scheme_row schemes[] = {
    {"mqtt", 1883, false}, {"mqtts", 8883, true},  {"ws", 80, false},
    {"wss", 443, true},    {"loopback", 0, false},
};

static gmq_status fail_at(const reader *r, const char *at, const char *what)
{
    return gmq__fail(GMQ_E_URL, "address, character %zu: %s", (size_t)(at - r->start) + 1, what);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decoded copy of [from, to). */
static gmq_status decode(const reader *r, const char *from, const char *to, char **out)
{
    char *text = gmq__malloc((size_t)(to - from) + 1);
    if (!text)
        return gmq__fail_nomem();
    size_t len = 0;
    for (const char *p = from; p < to; p++) {
        char c = *p;
        if (c == '%') {
            int high = to - p > 2 ? hex_digit(p[1]) : -1, low = to - p > 2 ? hex_digit(p[2]) : -1;
            if (high < 0 || low < 0 || high + low == 0) {
                gmq__free(text);
                return fail_at(r, p,
                               "\"%\" is not followed by two hexadecimal digits, or they are 00");
            }
            c = (char)(high * 16 + low);
            p += 2;
        }
        text[len++] = c;
    }
    text[len] = '\0';
    gmq__free(*out);
    *out = text;
    return GMQ_OK;
}

static gmq_status read_scheme(reader *r, gmq__url *out)
{
    const char *end = strstr(r->at, "://");
    if (!end)
        return fail_at(r, r->at, "no \"scheme://\" (mqtt, mqtts, ws, wss or loopback)");
    gmq__span name = gmq__span_of(r->at, (size_t)(end - r->at));
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        if (!gmq__span_equal_str(name, schemes[i].name))
            continue;
        out->port = schemes[i].port;
        out->tls = schemes[i].tls;
        out->scheme = gmq__strdup(schemes[i].name);
        r->at = end + 3;
        return out->scheme ? GMQ_OK : gmq__fail_nomem();
    }
    if (strcspn(r->at, ":@") < name.len)
        return fail_at(r, r->at, "unknown scheme (known: mqtt, mqtts, ws, wss, loopback)");
    return gmq__fail(GMQ_E_URL,
                     "address: unknown scheme \"%.*s\" (known: mqtt, mqtts, ws, wss, loopback)",
                     (int)(name.len > 40 ? 40 : name.len), (const char *)name.data);
}

static gmq_status read_user(reader *r, const char *end, gmq__url *out)
{
    const char *mark = NULL;
    for (const char *p = r->at; p < end; p++)
        if (*p == '@')
            mark = p;
    if (!mark)
        return GMQ_OK;
    const char *colon = memchr(r->at, ':', (size_t)(mark - r->at));
    gmq_status status = decode(r, r->at, colon ? colon : mark, &out->username);
    if (status == GMQ_OK && colon)
        status = decode(r, colon + 1, mark, &out->password);
    r->at = mark + 1;
    return status;
}

static gmq_status read_port(reader *r, const char *end, gmq__url *out)
{
    if (r->at == end)
        return GMQ_OK;
    if (*r->at != ':')
        return fail_at(r, r->at, "\":\" and a port, or \"/\", must follow the host");
    const char *digits = ++r->at;
    unsigned long port = 0;
    for (; r->at < end && *r->at >= '0' && *r->at <= '9' && port <= 65535; r->at++)
        port = port * 10 + (unsigned long)(*r->at - '0');
    if (r->at == end && port >= 1 && port <= 65535) {
        out->port = (uint16_t)port;
        return GMQ_OK;
    }
    if (strchr(end, '@')) /* then this is rather a password with a bare '/' in it */
        return fail_at(r, digits,
                       "the port is not from 1 to 65535 (\"/\" in a password is written %2F)");
    return gmq__fail(GMQ_E_URL, "address, character %zu: port \"%.*s\" is not from 1 to 65535",
                     (size_t)(digits - r->start) + 1, (int)(end - digits > 40 ? 40 : end - digits),
                     digits);
}

static gmq_status read_host(reader *r, const char *end, gmq__url *out)
{
    const char *from = r->at, *to;
    if (*from == '[') {
        from++;
        to = memchr(from, ']', (size_t)(end - from));
        if (!to)
            return fail_at(r, r->at, "\"[\" without \"]\"");
        out->ipv6 = true;
        r->at = to + 1;
    } else {
        to = memchr(from, ':', (size_t)(end - from));
        if (!to)
            to = end;
        r->at = to;
    }
    if (from == to)
        return fail_at(r, from, "the host is missing");
    return decode(r, from, to, &out->host);
}

static gmq_status read_authority(reader *r, gmq__url *out)
{
    const char *end = r->at + strcspn(r->at, "/?#");
    gmq_status status = read_user(r, end, out);
    if (status == GMQ_OK)
        status = read_host(r, end, out);
    if (status == GMQ_OK && strcmp(out->scheme, "loopback") == 0 && r->at != end)
        return fail_at(r, r->at, "loopback takes no port");
    return status == GMQ_OK ? read_port(r, end, out) : status;
}

static gmq_status read_base(reader *r, gmq__url *out)
{
    const char *end = r->at + strcspn(r->at, "?#");
    if (*end == '#')
        return fail_at(r, end, "\"#\" is no part of an address");
    if (end - r->at < 2)
        return fail_at(r, r->at, "the base topic is missing (\"/fleet/device42\" after the host)");
    gmq_status status = decode(r, r->at + 1, end, &out->base);
    r->at = end;
    return status == GMQ_OK ? gmq__topic_check_base(gmq__span_str(out->base)) : status;
}

static gmq_status read_pair(reader *r, gmq__url *out)
{
    const char *end = r->at + strcspn(r->at, "&#");
    const char *equal = memchr(r->at, '=', (size_t)(end - r->at));
    if (!equal || equal == r->at)
        return fail_at(r, r->at, "an option is written key=value");
    char *key = NULL, *value = NULL;
    gmq_status status = decode(r, r->at, equal, &key);
    if (status == GMQ_OK)
        status = decode(r, equal + 1, end, &value);
    if (status == GMQ_OK)
        status = gmq_options_set_string(out->query, key, value);
    if (value)
        memset(value, 0, strlen(value));
    gmq__free(key);
    gmq__free(value);
    r->at = end;
    return status;
}

static gmq_status read_query(reader *r, gmq__url *out)
{
    gmq_status status = gmq_options_new(&out->query);
    while (status == GMQ_OK && (*r->at == '?' || *r->at == '&')) {
        if (*++r->at)
            status = read_pair(r, out);
    }
    if (status == GMQ_OK && *r->at)
        return fail_at(r, r->at, "\"#\" is no part of an address");
    return status;
}

gmq_status gmq__url_parse(gmq__url *out, const char *text)
{
    memset(out, 0, sizeof *out);
    if (!text)
        return gmq__fail(GMQ_E_INVALID, "url is NULL");
    reader r = {text, text};
    gmq_status status = read_scheme(&r, out);
    if (status == GMQ_OK)
        status = read_authority(&r, out);
    if (status == GMQ_OK)
        status = read_base(&r, out);
    if (status == GMQ_OK)
        status = read_query(&r, out);
    if (status != GMQ_OK)
        gmq__url_clear(out);
    return status;
}

void gmq__url_clear(gmq__url *url)
{
    if (url->password)
        memset(url->password, 0, strlen(url->password));
    gmq__free(url->scheme);
    gmq__free(url->host);
    gmq__free(url->username);
    gmq__free(url->password);
    gmq__free(url->base);
    gmq_options_free(url->query);
    memset(url, 0, sizeof *url);
}
