/* Descriptor sets for tests: from the build's fixtures, and written byte by byte. */
#ifndef GMQ_TESTS_METHODS_DESCRIPTOR_UTIL_H
#define GMQ_TESTS_METHODS_DESCRIPTOR_UTIL_H

#include "base/bytes.h"
#include "methods/method_map.h"

/* Path of the descriptor set of fixture `name`, static. */
const char *fixture_path(const char *name);
void fixture_bytes(gmq__bytes *out, const char *name); /* its bytes, appended */

/* A map of it; fails the test when there is none. */
gmq_method_map *fixture_map(const char *name);

void pb_varint(gmq__bytes *out, uint64_t value);
void pb_uint(gmq__bytes *out, uint32_t number, uint64_t value);
void pb_bytes(gmq__bytes *out, uint32_t number, const void *data, size_t len);
void pb_str(gmq__bytes *out, uint32_t number, const char *s);
void pb_sub(gmq__bytes *out, uint32_t number, gmq__bytes *sub); /* frees `sub` */

/* A set of one file with one service of one method. The options are bytes of the three options
 * messages. */
typedef struct one_method {
    const char *package, *service, *method;
    size_t method_len; /* 0 = strlen(method) */
    gmq__span file_options, service_options, method_options;
} one_method;
void one_method_set(gmq__bytes *out, const one_method *m);

#endif
