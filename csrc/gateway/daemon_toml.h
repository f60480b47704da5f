/* A configuration file in TOML as a list of keys and values; toml++ behind an interface for C. */
#ifndef GMQ_GATEWAY_DAEMON_TOML_H
#define GMQ_GATEWAY_DAEMON_TOML_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gmq__toml_entry {
    const char *table; /* "" = none */
    size_t element;    /* of [[table]], from 1; 0 = [table] */
    const char *key;
    const char *value; /* NULL = a switch that is off */
    bool is_switch;    /* "1" or NULL */
    unsigned line, column;
} gmq__toml_entry;

enum { GMQ__TOML_ERROR = 256 };

/* Calls `each` with the entries in order of the file, an array of values as one entry a value; ends
 * when it returns false. What `entry` points to lives until it returns. false = the text is not
 * TOML, or holds what no option can be; then `error`, `line`, `column` say so. */
bool gmq__toml_read(const char *text, size_t len,
                    bool (*each)(void *context, const gmq__toml_entry *entry), void *context,
                    char error[GMQ__TOML_ERROR], unsigned *line, unsigned *column);

#ifdef __cplusplus
}
#endif
#endif
