#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char error_text[512];

gmq_status gmq__fail(gmq_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error_text, sizeof error_text, format, args);
    va_end(args);
    for (char *p = error_text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            *p = '?';
    return status;
}

gmq_status gmq__fail_nomem(void) { return gmq__fail(GMQ_E_NOMEM, "out of memory"); }

gmq_status gmq_error_set(gmq_status status, const char *text) { return gmq__fail(status, "%s", text); }

const char *gmq_error_text(void) { return error_text; }
