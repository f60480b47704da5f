/* Two texts with a newline between: as base and topic, as filter and topic, as method path. */
#include <string.h>

#include "base/text.h"
#include "fuzz/fuzz.h"
#include "wire/topic.h"

static bool has(gmq__span text, char c)
{
    return text.len && memchr(text.data, c, text.len) != NULL;
}

static void check_parts(gmq__span base, gmq__span topic)
{
    gmq__topic_parts p = gmq__topic_parse(base, topic);
    gmq__bytes out = {0}, path = {0};
    if (p.kind == GMQ__TOPIC_OTHER)
        return;
    check(p.sid.len && !has(p.sid, '/'));
    if (p.kind == GMQ__TOPIC_REQUEST) {
        check(p.service.len && p.rpc.len && !has(p.service, '/') && !has(p.rpc, '/'));
        gmq__topic_path(&path, &p);
        gmq__topic_request(&out, base, p.sid, gmq__bytes_span(&path));
    } else if (p.kind == GMQ__TOPIC_SESSION) {
        gmq__topic_session(&out, base, p.sid);
    } else {
        gmq__topic_control(&out, base, p.sid);
    }
    /* A dot in the service is the one thing that is read but not written. */
    check(has(p.service, '.') || gmq__span_equal(gmq__bytes_span(&out), topic));
    check(out.len == topic.len);
    gmq__bytes_free(&out);
    gmq__bytes_free(&path);
}

/* What passes the checks makes a topic that is found again, and that the filter catches. */
static void check_built(gmq__span base, gmq__span path)
{
    if (gmq__topic_check_base(base) != GMQ_OK || gmq__topic_check_path(path) != GMQ_OK)
        return;
    gmq__bytes topic = {0}, filter = {0}, again = {0};
    gmq__span sid = gmq__span_str("abcdefghijklmnopqrstuvwx");
    gmq__topic_request(&topic, base, sid, path);
    gmq__topic_request_filter(&filter, base);
    check(topic.len <= 65535 && gmq__utf8_valid(gmq__bytes_span(&topic)));
    check(!has(gmq__bytes_span(&topic), '+') && !has(gmq__bytes_span(&topic), '#'));
    check(gmq__topic_matches(gmq__bytes_span(&filter), gmq__bytes_span(&topic)));
    gmq__topic_parts p = gmq__topic_parse(base, gmq__bytes_span(&topic));
    check(p.kind == GMQ__TOPIC_REQUEST && gmq__span_equal(p.sid, sid));
    gmq__topic_path(&again, &p);
    check(gmq__span_equal(gmq__bytes_span(&again), path));
    gmq__bytes_free(&topic);
    gmq__bytes_free(&filter);
    gmq__bytes_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const uint8_t *newline = len ? memchr(data, '\n', len) : NULL;
    size_t first = newline ? (size_t)(newline - data) : len;
    gmq__span a = gmq__span_of(data, first),
              b = newline ? gmq__span_of(newline + 1, len - first - 1) : gmq__span_of(NULL, 0);
    check_parts(a, b);
    check_built(a, b);
    if (!has(a, '+') && !has(a, '#'))
        check(gmq__topic_matches(a, b) == gmq__span_equal(a, b));
    else
        gmq__topic_matches(a, b);
    return 0;
}
