/**
 * @file base.h
 * What every other header uses: export macro, status codes, error text, RPC kinds.
 *
 * Conventions of the whole API
 *  - Every function is thread-safe unless it says otherwise. None runs user code on any thread.
 *  - Functions do not block unless they say so.
 *  - Pointers may not be NULL unless the comment says "may be NULL". `*_free` and `*_unref` take
 *    NULL.
 *  - Bytes are `(const void *data, size_t len)`; the library copies what it keeps.
 *  - Strings are NUL-terminated UTF-8.
 *  - `out` parameters are written only on GMQ_OK; what they receive belongs to the caller.
 *  - A function that returns a gmq_status other than GMQ_OK has set gmq_error_text() of the thread.
 *  - GMQ_E_INVALID is also what a NULL gives that may not be, where a function returns a
 * gmq_status; elsewhere such a NULL is undefined.
 *  - After fork() the child may not use what the parent made: functions return GMQ_E_FORKED, those
 *    without a status do nothing, frees leak. What the child makes itself works.
 */
#ifndef GRPC_MQTT_BASE_H
#define GRPC_MQTT_BASE_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define GMQ_API
#else
#define GMQ_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** Result of an API function: misuse, resources, transport. Values never change. The outcome of a
 *  *call* is something else: a gRPC status code, 0 to 16, in its FINISHED event. Since 0.1. */
typedef enum gmq_status {
    GMQ_OK = 0,
    GMQ_E_INVALID = -1, /**< an argument is wrong; the text names it and its value */
    GMQ_E_NOMEM = -2,   /**< out of memory; nothing was changed */
    GMQ_E_STATE = -3,   /**< not allowed in the object's present state (call half-closed, ...) */
    GMQ_E_CLOSED = -4,  /**< the object is closed or shut down, for good */
    GMQ_E_OPTION = -5,  /**< unknown option key, wrong type, or value out of range */
    GMQ_E_URL = -6,     /**< the address cannot be parsed; the text says where */
    GMQ_E_IO = -7,      /**< file or socket error; the text has the system's words */
    GMQ_E_TIMEOUT = -8, /**< the time given ran out; nothing was changed */
    GMQ_E_AGAIN = -9,   /**< the send buffer is full: wait for a WRITABLE event, send again */
    GMQ_E_UNSUPPORTED = -10, /**< not built in, or not on this platform */
    GMQ_E_NOT_FOUND = -11,   /**< no such method, file, server, index */
    GMQ_E_TOO_LARGE = -12,   /**< above a configured limit; the text names both sizes */
    GMQ_E_PARSE = -13,       /**< bytes do not parse (descriptor set, message) */
    GMQ_E_FORKED = -14,      /**< the object was made before a fork(); make it in the child */
    GMQ_E_EXISTS = -15       /**< there already is one (two bindings of one method, ...) */
} gmq_status;

/** The four kinds of RPC. Values never change. Since 0.1. */
typedef enum gmq_rpc_kind {
    GMQ_RPC_UNARY = 0,
    GMQ_RPC_CLIENT_STREAMING = 1, /**< bit 0: the client streams */
    GMQ_RPC_SERVER_STREAMING = 2, /**< bit 1: the server streams */
    GMQ_RPC_BIDI_STREAMING = 3
} gmq_rpc_kind;

/** gRPC status codes: the outcome of a call. Values are gRPC's. Since 0.1. */
typedef enum gmq_code {
    GMQ_CODE_OK = 0,
    GMQ_CODE_CANCELLED = 1,
    GMQ_CODE_UNKNOWN = 2,
    GMQ_CODE_INVALID_ARGUMENT = 3,
    GMQ_CODE_DEADLINE_EXCEEDED = 4,
    GMQ_CODE_NOT_FOUND = 5,
    GMQ_CODE_ALREADY_EXISTS = 6,
    GMQ_CODE_PERMISSION_DENIED = 7,
    GMQ_CODE_RESOURCE_EXHAUSTED = 8,
    GMQ_CODE_FAILED_PRECONDITION = 9,
    GMQ_CODE_ABORTED = 10,
    GMQ_CODE_OUT_OF_RANGE = 11,
    GMQ_CODE_UNIMPLEMENTED = 12,
    GMQ_CODE_INTERNAL = 13,
    GMQ_CODE_UNAVAILABLE = 14,
    GMQ_CODE_DATA_LOSS = 15,
    GMQ_CODE_UNAUTHENTICATED = 16
} gmq_code;

/** Version of the library in use, "MAJOR.MINOR.PATCH". Static string. Since 0.1. */
GMQ_API const char *gmq_version(void);

/** One line about the last failure on the calling thread: what was wrong, and with what value.
 *  Never NULL; "" when nothing has failed yet. Borrowed: valid until the next failing call on this
 *  thread. Since 0.1. */
GMQ_API const char *gmq_error_text(void);

/** Sets gmq_error_text() of the calling thread to `text` and returns `status`. For libraries on top
 *  of this one, so that their functions fail as ours do. Since 0.1. */
GMQ_API gmq_status gmq_error_set(gmq_status status, const char *text);

/** Name of a gmq_status, "GMQ_E_OPTION"; "GMQ_E_?" for an unknown value. Static string.
 *  Since 0.1. */
GMQ_API const char *gmq_status_name(gmq_status status);

/** Name of a gRPC status code, "DEADLINE_EXCEEDED"; "CODE_?" above 16. Static string. Since 0.1. */
GMQ_API const char *gmq_code_name(int32_t code);

#ifdef __cplusplus
}
#endif
#endif
