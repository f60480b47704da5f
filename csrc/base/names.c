/* Names of public enum values, and the version. */
#include <grpc_mqtt/base.h>

#ifndef GMQ_VERSION
#define GMQ_VERSION "0.0.0"
#endif

static const char *const status_names[] = {
    "GMQ_OK",          "GMQ_E_INVALID", "GMQ_E_NOMEM",       "GMQ_E_STATE",
    "GMQ_E_CLOSED",    "GMQ_E_OPTION",  "GMQ_E_URL",         "GMQ_E_IO",
    "GMQ_E_TIMEOUT",   "GMQ_E_AGAIN",   "GMQ_E_UNSUPPORTED", "GMQ_E_NOT_FOUND",
    "GMQ_E_TOO_LARGE", "GMQ_E_PARSE",   "GMQ_E_FORKED",      "GMQ_E_EXISTS",
};

static const char *const code_names[] = {
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
};

const char *gmq_version(void) { return GMQ_VERSION; }

const char *gmq_status_name(gmq_status status)
{
    const int count = (int)(sizeof status_names / sizeof *status_names);
    int value = (int)status; /* compared before it is negated: any int may come */
    return value <= 0 && value > -count ? status_names[-value] : "GMQ_E_?";
}

const char *gmq_code_name(int32_t code)
{
    return code >= 0 && code < (int32_t)(sizeof code_names / sizeof *code_names) ? code_names[code]
                                                                                 : "CODE_?";
}
