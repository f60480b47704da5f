#include "transport/filter.h"

#include <string.h>

#define SHARE "$share/"

static size_t level_len(gmq__span s, size_t at)
{
    const uint8_t *slash = at < s.len ? memchr(s.data + at, '/', s.len - at) : NULL;
    return slash ? (size_t)(slash - s.data) - at : s.len - at;
}

static bool contains(gmq__span s, int c) { return s.len && memchr(s.data, c, s.len); }

static bool length_ok(gmq__span s) { return s.len > 0 && s.len <= 65535 && !contains(s, '\0'); }

bool gmq__filter_has_wildcard(gmq__span filter)
{
    return contains(filter, '+') || contains(filter, '#');
}

bool gmq__filter_topic_ok(gmq__span topic)
{
    return length_ok(topic) && !gmq__filter_has_wildcard(topic);
}

bool gmq__filter_shared(gmq__span filter, gmq__span *group, gmq__span *rest)
{
    size_t prefix = sizeof SHARE - 1;
    if (filter.len < prefix || memcmp(filter.data, SHARE, prefix) != 0)
        return false;
    size_t len = level_len(filter, prefix);
    size_t after = prefix + len < filter.len ? prefix + len + 1 : filter.len;
    *group = gmq__span_of(filter.data + prefix, len);
    *rest = gmq__span_of(filter.data + after, filter.len - after);
    return true;
}

bool gmq__filter_ok(gmq__span filter)
{
    if (!length_ok(filter))
        return false;
    gmq__span group, rest;
    if (gmq__filter_shared(filter, &group, &rest)) {
        if (!group.len || !rest.len || gmq__filter_has_wildcard(group))
            return false;
        filter = rest;
    }
    for (size_t at = 0;;) {
        size_t len = level_len(filter, at);
        gmq__span level = gmq__span_of(filter.data + at, len);
        bool last = at + len == filter.len;
        if (len > 1 && gmq__filter_has_wildcard(level))
            return false;
        if (len == 1 && level.data[0] == '#' && !last)
            return false;
        if (last)
            return true;
        at += len + 1;
    }
}

bool gmq__filter_match(gmq__span filter, gmq__span topic)
{
    if (topic.data[0] == '$' && (filter.data[0] == '+' || filter.data[0] == '#'))
        return false;
    size_t f = 0, t = 0;
    for (;;) {
        size_t flen = level_len(filter, f), tlen = level_len(topic, t);
        if (flen == 1 && filter.data[f] == '#')
            return true;
        bool any = flen == 1 && filter.data[f] == '+';
        if (!any && (flen != tlen || (flen && memcmp(filter.data + f, topic.data + t, flen) != 0)))
            return false;
        bool filter_ends = f + flen == filter.len, topic_ends = t + tlen == topic.len;
        if (filter_ends || topic_ends) {
            if (filter_ends && topic_ends)
                return true;
            /* "a/#" matches "a" itself */
            return topic_ends && filter.len - (f + flen) == 2 && filter.data[filter.len - 1] == '#';
        }
        f += flen + 1;
        t += tlen + 1;
    }
}
