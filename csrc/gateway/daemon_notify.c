#include "daemon_notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Failures are nobody's business: systemd notices by itself that nothing came. */
static void send_text(const char *text, size_t len)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t path_len = path ? strlen(path) : 0;
    if (path_len == 0 || path_len >= sizeof to.sun_path)
        return;
    memcpy(to.sun_path, path, path_len);
    if (to.sun_path[0] == '@') /* an abstract one */
        to.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path_len);
    sendto(fd, text, len, MSG_NOSIGNAL, (const struct sockaddr *)&to, size);
    close(fd);
}

void gmq__daemon_notify(const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len > 0)
        send_text(text, strlen(text));
}

void gmq__daemon_notify_reloading(void)
{
    gmq__daemon_notify("RELOADING=1\nMONOTONIC_USEC=%lld", (long long)now_us());
}

/* Of an environment variable; -1 = it is not there. */
static long long number_of(const char *name)
{
    const char *text = getenv(name);
    return text ? strtoll(text, NULL, 10) : -1;
}

/* Twice as often as systemd wants it. */
int64_t gmq__daemon_watchdog_ms(void)
{
    long long us = number_of("WATCHDOG_USEC"), pid = number_of("WATCHDOG_PID");
    if (us <= 0 || (pid >= 0 && pid != (long long)getpid()))
        return -1;
    return us < 4000 ? 1 : us / 2000;
}

int64_t gmq__daemon_watchdog(void)
{
    static int64_t due_us;
    int64_t every_ms = gmq__daemon_watchdog_ms(), now = now_us();
    if (every_ms < 0)
        return -1;
    if (now >= due_us) {
        gmq__daemon_notify("WATCHDOG=1");
        due_us = now + every_ms * 1000;
    }
    return (due_us - now + 999) / 1000;
}
