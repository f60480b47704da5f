/* Counts live allocations, and fails the n-th one on demand. */
#ifndef GMQ_TESTS_METHODS_ALLOC_UTIL_H
#define GMQ_TESTS_METHODS_ALLOC_UTIL_H

#include <stddef.h>

void alloc_watch(void);         /* from now on; nothing may be live that is freed later */
void alloc_fail_at(size_t nth); /* the nth from here fails, once; 0 = none */
size_t alloc_count(void);       /* since the last alloc_fail_at() */
size_t alloc_live(void);        /* since alloc_watch() */
void alloc_unwatch(void);

#endif
