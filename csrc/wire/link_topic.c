#include "wire/link_topic.h"

#include <string.h>

#include "base/text.h"
#include "wire/topic.h"

#define TOPIC_MAX 65535

static bool name_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.' || c == '-';
}

bool gmq__link_name_valid(gmq__span name)
{
    if (!name.len || name.len > GMQ__LINK_NAME_MAX)
        return false;
    for (size_t at = 0; at < name.len; at++)
        if (!name_char(name.data[at]))
            return false;
    return true;
}

/* ---- Building ---- */

static void put(gmq__bytes *out, gmq__span base, const char *between, gmq__span name)
{
    gmq__bytes_put(out, base.data, base.len);
    gmq__bytes_put_str(out, between);
    gmq__bytes_put(out, name.data, name.len);
}

void gmq__link_topic_presence(gmq__bytes *out, gmq__span base, gmq__span server)
{
    put(out, base, "/grpc/server/", server);
}

void gmq__link_topic_opening(gmq__bytes *out, gmq__span base, gmq__span client)
{
    put(out, base, "/grpc/link/", client);
}

void gmq__link_topic_pinned(gmq__bytes *out, gmq__span base, gmq__span client, gmq__span server)
{
    gmq__link_topic_opening(out, base, client);
    put(out, gmq__span_of(NULL, 0), "/", server);
}

void gmq__link_topic_gone(gmq__bytes *out, gmq__span base, gmq__span client)
{
    put(out, base, "/grpc/gone/", client);
}

void gmq__link_topic_inbox(gmq__bytes *out, gmq__span inbox, gmq__span client)
{
    put(out, inbox, "/", client);
}

void gmq__link_topic_opening_filter(gmq__bytes *out, gmq__span base, gmq__span group)
{
    if (group.len) {
        put(out, gmq__span_str("$share"), "/", group);
        gmq__bytes_put_u8(out, '/');
    }
    gmq__link_topic_opening(out, base, gmq__span_str("+"));
}

/* ---- Parsing ---- */

static bool take_prefix(gmq__span *in, gmq__span prefix)
{
    if (in->len < prefix.len || !gmq__span_equal(gmq__span_of(in->data, prefix.len), prefix))
        return false;
    if (prefix.len)
        *in = gmq__span_of(in->data + prefix.len, in->len - prefix.len);
    return true;
}

static gmq__link_topic parse_link(gmq__span rest)
{
    gmq__link_topic topic = {GMQ__LINK_TOPIC_OPENING, rest, {NULL, 0}};
    const uint8_t *slash = rest.len ? memchr(rest.data, '/', rest.len) : NULL;
    if (!slash)
        return topic;
    topic.kind = GMQ__LINK_TOPIC_PINNED;
    topic.client.len = (size_t)(slash - rest.data);
    topic.server = gmq__span_of(slash + 1, rest.len - topic.client.len - 1);
    return topic;
}

static bool names_valid(const gmq__link_topic *t)
{
    bool has_client = t->kind != GMQ__LINK_TOPIC_PRESENCE;
    bool has_server = t->kind == GMQ__LINK_TOPIC_PRESENCE || t->kind == GMQ__LINK_TOPIC_PINNED;
    return (!has_client || gmq__link_name_valid(t->client)) &&
           (!has_server || gmq__link_name_valid(t->server));
}

gmq__link_topic gmq__link_topic_parse(gmq__span base, gmq__span topic)
{
    gmq__link_topic none = {0}, found = {0};
    if (!take_prefix(&topic, base) || !take_prefix(&topic, gmq__span_str("/grpc/")))
        return none;
    if (take_prefix(&topic, gmq__span_str("link/"))) {
        found = parse_link(topic);
    } else if (take_prefix(&topic, gmq__span_str("server/"))) {
        found.kind = GMQ__LINK_TOPIC_PRESENCE;
        found.server = topic;
    } else if (take_prefix(&topic, gmq__span_str("gone/"))) {
        found.kind = GMQ__LINK_TOPIC_GONE;
        found.client = topic;
    }
    return found.kind != GMQ__LINK_TOPIC_OTHER && names_valid(&found) ? found : none;
}

bool gmq__link_inbox_allowed(gmq__span pattern, gmq__span inbox, gmq__span client)
{
    if (!gmq__link_name_valid(client) || inbox.len <= client.len || inbox.len > TOPIC_MAX)
        return false;
    size_t from = inbox.len - client.len;
    if (inbox.data[from - 1] != '/' ||
        !gmq__span_equal(gmq__span_of(inbox.data + from, client.len), client))
        return false;
    for (size_t at = 0; at < inbox.len; at++)
        if (inbox.data[at] == '+' || inbox.data[at] == '#' || inbox.data[at] == '\0')
            return false;
    return gmq__utf8_valid(inbox) && gmq__topic_matches(pattern, inbox);
}
