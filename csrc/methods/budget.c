#include "methods/budget.h"

#include "base/mem.h"

#define ALLOCATION_OVERHEAD 16 /* of the heap, for each allocation */

gmq__budget gmq__budget_of(size_t total) { return (gmq__budget){total, total, false, false}; }

bool gmq__budget_take(gmq__budget *budget, size_t size)
{
    if (budget->left < ALLOCATION_OVERHEAD || budget->left - ALLOCATION_OVERHEAD < size) {
        budget->exceeded = true;
        return false;
    }
    budget->left -= size + ALLOCATION_OVERHEAD;
    return true;
}

static void *allocate(void *data, size_t size)
{
    gmq__budget *budget = data;
    if (!gmq__budget_take(budget, size))
        return NULL;
    void *p = gmq__malloc(size);
    if (!p)
        budget->no_memory = true;
    return p;
}

static void release(void *data, void *p)
{
    (void)data;
    gmq__free(p);
}

ProtobufCAllocator gmq__budget_allocator(gmq__budget *budget)
{
    return (ProtobufCAllocator){allocate, release, budget};
}
