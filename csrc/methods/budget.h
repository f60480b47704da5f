/* Memory that reading one descriptor set may take: a hostile one must not exhaust the machine's. */
#ifndef GMQ_METHODS_BUDGET_H
#define GMQ_METHODS_BUDGET_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct gmq__budget {
    size_t total,
        left; /* bytes; what was freed again is not given back, so that `left` bounds all work */
    bool exceeded;  /* something was refused for lack of budget */
    bool no_memory; /* something was refused by the system */
} gmq__budget;

gmq__budget gmq__budget_of(size_t total);
bool gmq__budget_take(gmq__budget *budget, size_t size); /* false = exceeded */

/* An allocator for protobuf-c that takes from the budget, which must outlive what is made with it.
 */
ProtobufCAllocator gmq__budget_allocator(gmq__budget *budget);

#endif
