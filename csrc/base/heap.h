/* Intrusive binary min-heap of deadlines. A node that is in no heap has index 0. */
#ifndef GMQ_BASE_HEAP_H
#define GMQ_BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct gmq__heap_node {
    int64_t key;
    size_t index; /* 1-based place; 0 = in no heap */
} gmq__heap_node;

typedef struct gmq__heap {
    gmq__heap_node **nodes; /* 1-based */
    size_t len, cap;
} gmq__heap; /* all zero is empty */

/* Inserts or moves; false = no memory. */
bool gmq__heap_set(gmq__heap *heap, gmq__heap_node *node, int64_t key);
void gmq__heap_remove(gmq__heap *heap, gmq__heap_node *node); /* fine when in no heap */
gmq__heap_node *gmq__heap_first(const gmq__heap *heap);       /* least key, NULL = empty */
void gmq__heap_free(gmq__heap *heap);

#endif
