#include "daemon_log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int max_level = LOG_INFO;
static bool with_time = true;

void gmq__daemon_log_open(int level)
{
    max_level = level;
    with_time = getenv("JOURNAL_STREAM") == NULL; /* systemd sets it where stderr is the journal */
}

static void print_time(void)
{
    struct timespec now;
    struct tm utc;
    char text[32];
    clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &utc) && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc))
        fprintf(stderr, "%s.%03dZ ", text, (int)(now.tv_nsec / 1000000));
}

void gmq__daemon_log(int level, const char *format, ...)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    char line[1024];
    va_list args;
    if (level > max_level)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    for (char *p = line; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?'; /* one event, one line, whatever a peer put into it */
    if (with_time)
        print_time();
    fprintf(stderr, "%s %s\n", names[level < 0 ? 0 : level], line);
}
