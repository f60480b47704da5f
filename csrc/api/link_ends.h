/* What the link dialect asks of an address and options: ids, inbox, Will; and whether it can be
 * spoken with them (docs/design/protocol.md, section 1). */
#ifndef GMQ_API_LINK_ENDS_H
#define GMQ_API_LINK_ENDS_H

#include "api/options.h"
#include "runtime/runtime.h"

#define GMQ__CLIENT_ID_LEN 23 /* what every MQTT broker takes */

typedef struct gmq__link_ends {
    char generated[GMQ__CLIENT_ID_LEN + 1];
    const char *client_id; /* the one given, or `generated` */
    const char *id;        /* the name of this end in the dialect */
    const char *inbox;
    bool spoken;           /* else */
    char refusal[256];     /* why not, for people; empty: it was not asked for */
    gmq__bytes will;       /* topic */
    uint8_t instance[8];   /* random */
    uint64_t started_at_s; /* Unix time */
} gmq__link_ends;

/* `settings` and `base` are borrowed. Errors: GMQ_E_OPTION (a value that is none, or `dialect` is
 * link and cannot be spoken), GMQ_E_NOMEM. */
gmq_status gmq__link_ends_make(gmq__link_ends *out, gmq__role role, const char *base,
                               const gmq__settings *settings);
void gmq__link_ends_clear(gmq__link_ends *ends);

/* Fills in config->speak and config->link. */
void gmq__link_ends_fill(const gmq__link_ends *ends, const gmq__settings *settings,
                         gmq__engine_config *config);

#endif
