#define GMQ__ERROR_C
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static _Thread_local char error_text[512];

/* A text is shown, logged and turned into strings of other languages: valid UTF-8 without control
 * characters. */
static void clean(char *text)
{
    gmq__span rest = gmq__span_str(text);
    while (rest.len) {
        size_t len = gmq__utf8_char(rest);
        if (len == 0 || (len == 1 && (rest.data[0] < 0x20 || rest.data[0] == 0x7f))) {
            text[(const char *)rest.data - text] = '?';
            len = 1;
        }
        rest = gmq__span_of(rest.data + len, rest.len - len);
    }
}

gmq_status gmq__fail(gmq_status status, const char *format, ...)
{
    char text[sizeof error_text]; /* not in place: an argument may be the text of before */
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    clean(text);
    memcpy(error_text, text, strlen(text) + 1);
    return status;
}

gmq_status gmq__fail_nomem(void) { return gmq__fail(GMQ_E_NOMEM, "out of memory"); }

gmq_status gmq_error_set(gmq_status status, const char *text)
{
    return gmq__fail(status, "%s", text);
}

const char *gmq_error_text(void) { return error_text; }
