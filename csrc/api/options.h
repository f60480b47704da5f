/* Options from the inside: the table of all keys, and the values that hold for one object. */
#ifndef GMQ_API_OPTIONS_H
#define GMQ_API_OPTIONS_H

#include <grpc_mqtt/options.h>

#include "base/bytes.h"

typedef enum gmq__option_id { /* order of the table and of docs/guide/options.md */
                              GMQ__OPT_DIALECT,
                              GMQ__OPT_TRANSPORT,
                              GMQ__OPT_MQTT_VERSION,
                              GMQ__OPT_CLIENT_ID,
                              GMQ__OPT_SERVER_ID,
                              GMQ__OPT_GROUP,
                              GMQ__OPT_INBOX,
                              GMQ__OPT_SERVICES,
                              GMQ__OPT_WS_PATH,
                              GMQ__OPT_USERNAME,
                              GMQ__OPT_PASSWORD,
                              GMQ__OPT_PASSWORD_FILE,
                              GMQ__OPT_PASSWORD_ENV,
                              GMQ__OPT_CA_FILE,
                              GMQ__OPT_CERT_FILE,
                              GMQ__OPT_KEY_FILE,
                              GMQ__OPT_INSECURE,
                              GMQ__OPT_KEEP_ALIVE_S,
                              GMQ__OPT_CONNECT_TIMEOUT_MS,
                              GMQ__OPT_RECONNECT_MAX_MS,
                              GMQ__OPT_QOS,
                              GMQ__OPT_DRIVE,
                              GMQ__OPT_LOG_LEVEL,
                              GMQ__OPT_MSG_SIZE_LIMIT,
                              GMQ__OPT_RATE_LIMIT,
                              GMQ__OPT_RECEIVE_LIMIT,
                              GMQ__OPT_SEND_LIMIT,
                              GMQ__OPT_METADATA_LIMIT,
                              GMQ__OPT_REASSEMBLY_LIMIT,
                              GMQ__OPT_RECEIVE_BUFFER,
                              GMQ__OPT_SEND_BUFFER,
                              GMQ__OPT_MAX_CALLS,
                              GMQ__OPT_SUBSCRIPTIONS,
                              GMQ__OPT_POOL_IDLE_MS,
                              GMQ__OPT_HEARTBEAT_MS,
                              GMQ__OPT_WATCHDOG_MS,
                              GMQ__OPT_GAP_TIMEOUT_MS,
                              GMQ__OPT_TOMBSTONE_MS,
                              GMQ__OPT_CALL_WINDOW,
                              GMQ__OPT_LINK_WINDOW,
                              GMQ__OPT_LINK_TIMEOUT_MS,
                              GMQ__OPT_LINK_IDLE_MS,
                              GMQ__OPT_PING_MS,
                              GMQ__OPT_GRACE_MS,
                              GMQ__OPT_BATCHED_STREAM,
                              GMQ__OPT_LINGER_MS,
                              GMQ__OPT_SERVER_CLEVEL,
                              GMQ__OPT_CLIENT_CLEVEL,
                              GMQ__OPT_WAIT_FOR_READY,
                              GMQ__OPT_PROBE,
                              GMQ__OPT_ANY_KIND,
                              GMQ__OPT_UNKNOWN_METHODS,
                              GMQ__OPT_INITIAL_METADATA_WAIT_MS,
                              GMQ__OPT_PASSTHROUGH,
                              GMQ__OPT_COUNT
} gmq__option_id;

typedef enum gmq__option_type {
    GMQ__OPTION_NUMBER,
    GMQ__OPTION_SWITCH,
    GMQ__OPTION_TEXT,
    GMQ__OPTION_CHOICE, /* a number by name */
} gmq__option_type;

enum { /* for what an option is */
       GMQ__FOR_CLIENT = 1,
       GMQ__FOR_SERVER = 2,
       GMQ__FOR_GATEWAY = 4,
       GMQ__FOR_CALL = 8,
};

typedef struct gmq__choice {
    const char *name; /* NULL ends the list */
    int64_t value;
} gmq__choice;

typedef struct gmq__option_row {
    const char *key;
    gmq__option_type type;
    unsigned scopes;
    const char *unit; /* "" = none */
    int64_t min, max, initial;
    const gmq__choice *choices;
    bool secret; /* the value is never shown */
    const char *what;
} gmq__option_row;

extern const gmq__option_row gmq__option_table[GMQ__OPT_COUNT];

enum { GMQ__DIALECT_AUTO, GMQ__DIALECT_SESSION, GMQ__DIALECT_LINK };
enum { GMQ__DRIVE_THREAD, GMQ__DRIVE_CALLER };
enum { GMQ__UNKNOWN_REFUSE, GMQ__UNKNOWN_OFFER };

/* What holds for one object. Texts are NULL where nothing was said. */
typedef struct gmq__settings {
    int64_t number[GMQ__OPT_COUNT];
    char *text[GMQ__OPT_COUNT];
    bool given[GMQ__OPT_COUNT]; /* said by somebody: not the default */
} gmq__settings;

/* Defaults, over them `url` (the query of an address), over them `options`; both may be NULL.
 * `scope` is one GMQ__FOR_*; a server takes a gateway's keys too. Errors: GMQ_E_OPTION naming key
 * and value, GMQ_E_NOMEM. */
gmq_status gmq__settings_resolve(gmq__settings *out, unsigned scope, const gmq_options *url,
                                 const gmq_options *options);
void gmq__settings_clear(gmq__settings *settings);

#endif
