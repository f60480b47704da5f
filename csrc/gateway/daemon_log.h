/* Log of a daemon: stderr, one line an event. With a time in front, unless the journal adds its
 * own. */
#ifndef GMQ_GATEWAY_DAEMON_LOG_H
#define GMQ_GATEWAY_DAEMON_LOG_H

enum { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

void gmq__daemon_log_open(int level); /* what is above `level` is not shown */
void gmq__daemon_log(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
