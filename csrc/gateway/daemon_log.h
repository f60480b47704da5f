/* Log of a daemon: stderr, one line an event. As text, with a time in front, unless the journal
 * adds its own; or an object of JSON: time, level, text, fields. */
#ifndef GMQ_GATEWAY_DAEMON_LOG_H
#define GMQ_GATEWAY_DAEMON_LOG_H

#include <stdbool.h>

enum { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

void gmq__daemon_log_open(int level, bool json); /* what is above `level` is not shown */
void gmq__daemon_log(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with fields, which only JSON shows: name, value, name, value, NULL. */
void gmq__daemon_log_fields(int level, const char *const *fields, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
