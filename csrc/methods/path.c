#include "methods/path.h"

#include <string.h>

#include "base/error.h"

static const char *name_fault(gmq__span name)
{
    if (!name.len)
        return "is empty";
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.data[i];
        if (c == '/' || c == '+' || c == '#')
            return c == '/' ? "contains '/'" : c == '+' ? "contains '+'" : "contains '#'";
        if (c < 0x20 || c == 0x7f)
            return c ? "contains a control character" : "contains NUL";
    }
    return NULL;
}

const char *gmq__path_service_fault(gmq__span service)
{
    if (service.len && memchr(service.data, '-', service.len))
        return "contains '-', which topics use for '.'";
    return name_fault(service);
}

const char *gmq__path_method_fault(gmq__span method) { return name_fault(method); }

gmq_status gmq__path_check(const char *path)
{
    const char *slash = path && path[0] == '/' ? strchr(path + 1, '/') : NULL;
    if (!slash)
        return gmq__fail(GMQ_E_INVALID, "method path \"%s\" is not of the form /service/method",
                         path ? path : "");
    if (strlen(path) > GMQ__PATH_MAX)
        return gmq__fail(GMQ_E_INVALID, "method path \"%.60s...\" is longer than %d bytes", path,
                         GMQ__PATH_MAX);
    const char *fault = gmq__path_service_fault(gmq__span_of(path + 1, (size_t)(slash - path - 1)));
    if (fault)
        return gmq__fail(GMQ_E_INVALID, "method path \"%s\": the service %s", path, fault);
    fault = gmq__path_method_fault(gmq__span_str(slash + 1));
    if (fault)
        return gmq__fail(GMQ_E_INVALID, "method path \"%s\": the method %s", path, fault);
    return GMQ_OK;
}

gmq_status gmq__path_check_pattern(const char *pattern)
{
    if (!pattern || pattern[0] == '/' || pattern[0] == '*')
        return GMQ_OK;
    return gmq__fail(GMQ_E_INVALID, "pattern \"%s\" begins neither with '/' nor with '*'", pattern);
}

bool gmq__path_matches(const char *pattern, const char *path)
{
    const char *star = NULL,
               *resume = NULL; /* the last asterisk, and where its run ends if tried once more */
    if (!pattern)
        return true;
    while (*path) {
        if (*pattern == '*') {
            star = ++pattern;
            resume = path;
        } else if (*pattern == *path) {
            pattern++;
            path++;
        } else if (star) {
            pattern = star;
            path = ++resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}
