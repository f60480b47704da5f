/* Paths of methods, "/pkg.Svc/Method", and patterns over them. */
#ifndef GMQ_METHODS_PATH_H
#define GMQ_METHODS_PATH_H

#include <grpc_mqtt/base.h>

#include "base/bytes.h"

#define GMQ__PATH_MAX                                                                              \
    4096 /* bytes of a path; with base and session id it stays far below a topic's 65535 */

/* What keeps a service or method name from being one topic level, as words for an error text; NULL
 * = fine. A '-' in a service is refused, because it comes back from the topic as a dot. */
const char *gmq__path_service_fault(gmq__span service);
const char *gmq__path_method_fault(gmq__span method);

/* The same for a whole path. Errors: GMQ_E_INVALID naming path and fault. */
gmq_status gmq__path_check(const char *path);

/* A pattern begins with '/' or '*'; NULL stands for "*". Errors: GMQ_E_INVALID naming the pattern.
 */
gmq_status gmq__path_check_pattern(const char *pattern);

/* '*' stands for any run of characters, slashes too; NULL matches everything. Time is at most
 * pattern * path. */
bool gmq__path_matches(const char *pattern, const char *path);

#endif
