/* What systemd is told, by its own protocol (sd_notify(3)): nothing, where it does not ask. */
#ifndef GMQ_GATEWAY_DAEMON_NOTIFY_H
#define GMQ_GATEWAY_DAEMON_NOTIFY_H

#include <stdint.h>

/* Lines NAME=VALUE. */
void gmq__daemon_notify(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* READY=1 follows when the reload is over. */
void gmq__daemon_notify_reloading(void);

/* How often WATCHDOG=1 is wanted; -1 = not at all. */
int64_t gmq__daemon_watchdog_ms(void);

/* Sends WATCHDOG=1 if it is due. Returns the milliseconds until the next one, -1 = none. */
int64_t gmq__daemon_watchdog(void);

#endif
