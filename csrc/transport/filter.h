/* MQTT topic names and topic filters, as a broker reads them. */
#ifndef GMQ_TRANSPORT_FILTER_H
#define GMQ_TRANSPORT_FILTER_H

#include "base/bytes.h"

/* A name to publish to: 1 to 65535 bytes, no NUL, no wildcard. */
bool gmq__filter_topic_ok(gmq__span topic);

/* A filter to subscribe: `+` and `#` fill whole levels, `#` only the last; $share/<group>/<filter>
 * is checked too. */
bool gmq__filter_ok(gmq__span filter);

bool gmq__filter_has_wildcard(gmq__span filter);

/* `topic` is a valid name, `filter` a valid filter without $share. Wildcards in the first level do
 * not match names that begin with `$`. */
bool gmq__filter_match(gmq__span filter, gmq__span topic);

/* Takes $share/<group>/<filter> apart; false = not a shared filter, outputs untouched. */
bool gmq__filter_shared(gmq__span filter, gmq__span *group, gmq__span *rest);

#endif
