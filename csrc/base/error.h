/* The thread's error text, and the way every function fails. */
#ifndef GMQ_BASE_ERROR_H
#define GMQ_BASE_ERROR_H

#include <grpc_mqtt/base.h>

/* Sets gmq_error_text() of this thread (cut at 511 bytes; control characters and bytes that are no
 * UTF-8 become '?'; an argument may be gmq_error_text() itself) and returns `status`. A text says
 * what was wrong and with what value, without a full stop. */
gmq_status gmq__fail(gmq_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
gmq_status gmq__fail_nomem(void); /* GMQ_E_NOMEM, "out of memory" */

/* The analyzer sees one source at a time: it learns here that a failure is never GMQ_OK. */
#if defined(__clang_analyzer__) && !defined(GMQ__ERROR_C)
void gmq__analyzer_reads(const char *format, ...);
#define gmq__fail(status, ...) (gmq__analyzer_reads(__VA_ARGS__), (status))
#define gmq__fail_nomem()      (GMQ_E_NOMEM)
#endif

#endif
