#include "daemon_log.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINE_MAX_LEN = 1024 };

static int max_level = LOG_INFO;
static bool with_time = true;
static bool as_json;

void gmq__daemon_log_open(int level, bool json)
{
    max_level = level;
    as_json = json;
    with_time = getenv("JOURNAL_STREAM") == NULL; /* systemd sets it where stderr is the journal */
}

static void format_time(char *out, size_t size)
{
    struct timespec now;
    struct tm utc;
    char text[32];
    *out = '\0';
    clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &utc) && strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc))
        snprintf(out, size, "%s.%03dZ", text, (int)(now.tv_nsec / 1000000));
}

/* Bytes of the character at `at`; 0 = not UTF-8. */
static size_t character(const unsigned char *at)
{
    size_t len = *at < 0x80   ? 1
                 : *at < 0xc2 ? 0
                 : *at < 0xe0 ? 2
                 : *at < 0xf0 ? 3
                 : *at < 0xf5 ? 4
                              : 0;
    for (size_t i = 1; i < len; i++)
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    bool bad = (at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
               (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f);
    return bad ? 0 : len;
}

static void print_string(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    fputc('"', stderr);
    while (*at) {
        size_t len = character(at);
        if (*at < 0x20 || *at == '"' || *at == '\\' || *at == 0x7f)
            fprintf(stderr, "\\u%04x", *at);
        else
            fprintf(stderr, "%.*s", len ? (int)len : 1, len ? (const char *)at : "?");
        at += len ? len : 1;
    }
    fputc('"', stderr);
}

static void print_json(const char *time, const char *level, const char *text,
                       const char *const *fields)
{
    fprintf(stderr, "{\"time\":\"%s\",\"level\":\"%s\",\"text\":", time, level);
    print_string(text);
    for (; fields && fields[0]; fields += 2) {
        fputc(',', stderr);
        print_string(fields[0]);
        fputc(':', stderr);
        print_string(fields[1]);
    }
    fputs("}\n", stderr);
}

static void print(int level, const char *const *fields, const char *format, va_list args)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    const char *name = names[level < LOG_ERROR ? LOG_ERROR : level > LOG_DEBUG ? LOG_DEBUG : level];
    char line[LINE_MAX_LEN], time[64];
    if (level > max_level)
        return;
    vsnprintf(line, sizeof line, format, args);
    format_time(time, sizeof time);
    flockfile(stderr);
    if (as_json) {
        print_json(time, name, line, fields);
    } else {
        for (char *p = line; *p; p++)
            if ((unsigned char)*p < 0x20 || *p == 0x7f)
                *p = '?'; /* one event, one line, whatever a peer put into it */
        fprintf(stderr, "%s%s%s %s\n", with_time ? time : "", with_time ? " " : "", name, line);
    }
    funlockfile(stderr);
}

void gmq__daemon_log(int level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print(level, NULL, format, args);
    va_end(args);
}

void gmq__daemon_log_fields(int level, const char *const *fields, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print(level, fields, format, args);
    va_end(args);
}
