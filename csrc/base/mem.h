/* Memory. All of the library's heap goes through here, so that tests can fail the n-th allocation.
 * The hooks are process-wide and set once, before anything is made (tests only). */
#ifndef GMQ_BASE_MEM_H
#define GMQ_BASE_MEM_H

#include <stddef.h>

typedef struct gmq__mem_hooks {
    /* size > 0; old may be NULL; NULL = out of memory */
    void *(*realloc_fn)(void *old, size_t size);
    void (*free_fn)(void *p);
} gmq__mem_hooks;

void gmq__mem_set_hooks(const gmq__mem_hooks *given); /* NULL: back to the C library's */

void *gmq__malloc(size_t size); /* size 0 gives a unique pointer; NULL = out of memory */
void *gmq__calloc(size_t count, size_t size); /* zeroed; NULL also when count * size overflows */
void *gmq__realloc(void *old, size_t size);
void gmq__free(void *p); /* NULL is fine */

/* Blocks of up to `largest` bytes will come and go. The GNU C library gives the end of the heap
 * back to the system whenever it is larger than twice the largest block that was ever freed, at
 * first 128 KiB, so that every large message would be paged in anew; this frees such a block. */
void gmq__mem_expect(size_t largest);
char *gmq__strdup(const char *s);
char *gmq__strndup(const char *s, size_t len); /* copies exactly len bytes, adds NUL */

#endif
