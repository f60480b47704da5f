/* Topics of the link dialect: building, parsing, and what an id may look like.
 * docs/design/protocol.md, section 1. */
#ifndef GMQ_WIRE_LINK_TOPIC_H
#define GMQ_WIRE_LINK_TOPIC_H

#include "base/bytes.h"

#define GMQ__LINK_NAME_MAX 64 /* characters of a client's or server's id */

/* M1: one topic level, 1 to 64 characters of [A-Za-z0-9_.-]. */
bool gmq__link_name_valid(gmq__span name);

/* Builders append to `out`. A name may be "+", which makes a filter. */
void gmq__link_topic_presence(gmq__bytes *out, gmq__span base, gmq__span server);
void gmq__link_topic_opening(gmq__bytes *out, gmq__span base, gmq__span client);
void gmq__link_topic_pinned(gmq__bytes *out, gmq__span base, gmq__span client, gmq__span server);
void gmq__link_topic_gone(gmq__bytes *out, gmq__span base, gmq__span client);
void gmq__link_topic_inbox(gmq__bytes *out, gmq__span inbox, gmq__span client);
/* Opening packets of all clients, shared in `group` when it is not empty. */
void gmq__link_topic_opening_filter(gmq__bytes *out, gmq__span base, gmq__span group);

typedef enum gmq__link_topic_kind {
    GMQ__LINK_TOPIC_OTHER, /* not one of these */
    GMQ__LINK_TOPIC_PRESENCE,
    GMQ__LINK_TOPIC_OPENING,
    GMQ__LINK_TOPIC_PINNED,
    GMQ__LINK_TOPIC_GONE,
} gmq__link_topic_kind;

typedef struct gmq__link_topic { /* names are valid, and borrowed from the topic */
    gmq__link_topic_kind kind;
    gmq__span client; /* all but PRESENCE */
    gmq__span server; /* PRESENCE, PINNED */
} gmq__link_topic;

gmq__link_topic gmq__link_topic_parse(gmq__span base, gmq__span topic);

/* M2: may a server publish to `inbox` for `client`? The pattern is an MQTT filter; the topic must
 * be one that can be published to, and end in the client's id. */
bool gmq__link_inbox_allowed(gmq__span pattern, gmq__span inbox, gmq__span client);

#endif
