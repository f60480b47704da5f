#include "wire/topic.h"

#include <string.h>

#include "base/error.h"
#include "base/text.h"

/* What is put around a base topic: "/grpc/request/" + sid + '/' + path without its slash. A base
 * and a path that each pass their check make a topic within MQTT's 65535 bytes. */
enum {
    TOPIC_MAX = 65535,
    ROOM = 512,
    PATH_MAX_LEN = ROOM - (int)(sizeof "/grpc/request/" - 1) - GMQ__SID_LEN - 1 + 1,
};

static const char *fault_of_base(gmq__span base)
{
    if (!base.len)
        return "is empty";
    if (base.len > TOPIC_MAX - ROOM)
        return "is longer than 65023 bytes";
    uint8_t last = '/';
    for (size_t i = 0; i < base.len; i++) {
        uint8_t c = base.data[i];
        if (c == '+' || c == '#')
            return "contains a wildcard";
        if (c == '\0')
            return "contains NUL";
        if (c == '/' && last == '/')
            return "has an empty level";
        last = c;
    }
    if (last == '/')
        return "has an empty level";
    return gmq__utf8_valid(base) ? NULL : "is not UTF-8";
}

gmq_status gmq__topic_check_base(gmq__span base)
{
    const char *fault = fault_of_base(base);
    return fault ? gmq__fail(GMQ_E_INVALID, "base topic \"%s\" %s", gmq__show(base).text, fault)
                 : GMQ_OK;
}

static const char *fault_of_path_char(uint8_t c, bool in_service)
{
    if (c == '+' || c == '#')
        return "contains a wildcard of MQTT";
    if (c < 0x20 || c == 0x7f)
        return "contains a control character";
    if (c == '-' && in_service)
        return "has '-' in the service, which MQTT topics use for '.'";
    return NULL;
}

static const char *fault_of_path(gmq__span path)
{
    if (!path.len || path.data[0] != '/')
        return "does not begin with '/'";
    if (path.len > PATH_MAX_LEN)
        return "is longer than 474 bytes";
    size_t slash = 0; /* the second one; 0 = not seen yet */
    for (size_t i = 1; i < path.len; i++) {
        if (path.data[i] == '/') {
            if (slash)
                return "has more than two parts";
            slash = i;
            continue;
        }
        const char *fault = fault_of_path_char(path.data[i], !slash);
        if (fault)
            return fault;
    }
    if (slash < 2 || slash + 1 == path.len)
        return "is not /service/method";
    return gmq__utf8_valid(path) ? NULL : "is not UTF-8";
}

gmq_status gmq__topic_check_path(gmq__span path)
{
    const char *fault = fault_of_path(path);
    return fault ? gmq__fail(GMQ_E_INVALID, "method path \"%s\" %s", gmq__show(path).text, fault)
                 : GMQ_OK;
}

void gmq__sid_encode(const uint8_t random[18], char sid[GMQ__SID_LEN + 1])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    char *to = sid;
    for (size_t i = 0; i < 18; i += 3) {
        uint32_t group = (uint32_t)random[i] << 16 | (uint32_t)random[i + 1] << 8 | random[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6)
            *to++ = digits[group >> shift & 63];
    }
    *to = '\0';
}

/* An empty span may have no address to add to. */
static gmq__span drop(gmq__span in, size_t n)
{
    return n ? gmq__span_of(in.data + n, in.len - n) : in;
}

static void put_span(gmq__bytes *out, gmq__span span) { gmq__bytes_put(out, span.data, span.len); }

static void put_replaced(gmq__bytes *out, gmq__span span, uint8_t from, uint8_t to)
{
    for (size_t i = 0; i < span.len; i++)
        gmq__bytes_put_u8(out, span.data[i] == from ? to : span.data[i]);
}

void gmq__topic_request(gmq__bytes *out, gmq__span base, gmq__span sid, gmq__span path)
{
    size_t slash = path.len != 0;
    while (slash < path.len && path.data[slash] != '/')
        slash++;
    put_span(out, base);
    gmq__bytes_put_str(out, "/grpc/request/");
    put_span(out, sid);
    put_replaced(out, gmq__span_of(path.data, slash), '.', '-');
    put_span(out, drop(path, slash));
}

void gmq__topic_session(gmq__bytes *out, gmq__span base, gmq__span sid)
{
    put_span(out, base);
    gmq__bytes_put_str(out, "/grpc/session/");
    put_span(out, sid);
}

void gmq__topic_control(gmq__bytes *out, gmq__span base, gmq__span sid)
{
    gmq__topic_session(out, base, sid);
    gmq__bytes_put_str(out, "/control");
}

void gmq__topic_request_filter(gmq__bytes *out, gmq__span base)
{
    put_span(out, base);
    gmq__bytes_put_str(out, "/grpc/request/+/+/+");
}

void gmq__topic_control_filter(gmq__bytes *out, gmq__span base)
{
    gmq__topic_control(out, base, gmq__span_str("+"));
}

/* Takes `prefix` off the front. */
static bool take_prefix(gmq__span *in, gmq__span prefix)
{
    if (in->len < prefix.len || !gmq__span_equal(gmq__span_of(in->data, prefix.len), prefix))
        return false;
    *in = drop(*in, prefix.len);
    return true;
}

/* Takes a level and the '/' after it; false = it is empty. `*more`: there was a '/'. */
static bool take_level(gmq__span *in, gmq__span *level, bool *more)
{
    size_t len = 0;
    while (len < in->len && in->data[len] != '/')
        len++;
    *level = gmq__span_of(in->data, len);
    *more = len < in->len;
    len += *more;
    *in = drop(*in, len);
    return level->len != 0;
}

static gmq__topic_kind parse_request(gmq__span in, gmq__topic_parts *parts)
{
    bool more;
    if (!take_level(&in, &parts->sid, &more) || !more || !take_level(&in, &parts->service, &more) ||
        !more || !take_level(&in, &parts->rpc, &more) || more)
        return GMQ__TOPIC_OTHER;
    return GMQ__TOPIC_REQUEST;
}

static gmq__topic_kind parse_session(gmq__span in, gmq__topic_parts *parts)
{
    bool more;
    if (!take_level(&in, &parts->sid, &more))
        return GMQ__TOPIC_OTHER;
    if (!more)
        return GMQ__TOPIC_SESSION;
    return gmq__span_equal_str(in, "control") ? GMQ__TOPIC_CONTROL : GMQ__TOPIC_OTHER;
}

gmq__topic_parts gmq__topic_parse(gmq__span base, gmq__span topic)
{
    gmq__topic_parts parts = {0};
    if (!take_prefix(&topic, base))
        return parts;
    if (take_prefix(&topic, gmq__span_str("/grpc/request/")))
        parts.kind = parse_request(topic, &parts);
    else if (take_prefix(&topic, gmq__span_str("/grpc/session/")))
        parts.kind = parse_session(topic, &parts);
    if (parts.kind == GMQ__TOPIC_OTHER)
        memset(&parts, 0, sizeof parts);
    return parts;
}

void gmq__topic_path(gmq__bytes *out, const gmq__topic_parts *parts)
{
    gmq__bytes_put_u8(out, '/');
    put_replaced(out, parts->service, '-', '.');
    gmq__bytes_put_u8(out, '/');
    put_span(out, parts->rpc);
}

bool gmq__topic_matches(gmq__span filter, gmq__span topic)
{
    bool wild = filter.len && (filter.data[0] == '+' || filter.data[0] == '#');
    if (wild && topic.len && topic.data[0] == '$')
        return false;
    for (;;) {
        gmq__span want, have;
        bool want_more, have_more;
        take_level(&filter, &want, &want_more);
        if (gmq__span_equal_str(want, "#"))
            return true;
        take_level(&topic, &have, &have_more);
        if (!gmq__span_equal_str(want, "+") && !gmq__span_equal(want, have))
            return false;
        if (want_more && !have_more) /* "a/#" is "a" too */
            return gmq__span_equal_str(filter, "#");
        if (want_more != have_more)
            return false;
        if (!want_more)
            return true;
    }
}
