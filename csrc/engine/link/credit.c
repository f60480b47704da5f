#include "engine/link/credit.h"

#define MOST (INT64_C(1) << 62)

void gmq__budget_add(gmq__budget *b, uint64_t bytes)
{
    int64_t more = bytes < (uint64_t)MOST ? (int64_t)bytes : MOST;
    b->left = b->left > MOST - more ? MOST : b->left + more;
}

size_t gmq__budget_body(const gmq__budget *call, const gmq__budget *link)
{
    int64_t least = call->left < link->left ? call->left : link->left;
    return least < GMQ__CREDIT_FRAME ? SIZE_MAX : (size_t)(least - GMQ__CREDIT_FRAME);
}

void gmq__grant_init(gmq__grant *g, uint64_t window)
{
    g->window = g->open = window;
    g->owed = g->pending = 0;
}

bool gmq__grant_use(gmq__grant *g, uint64_t cost)
{
    if (cost > g->open)
        return false;
    g->open -= cost;
    g->owed += cost;
    return true;
}

void gmq__grant_back(gmq__grant *g, uint64_t cost)
{
    if (cost > g->owed)
        cost = g->owed;
    g->owed -= cost;
    g->pending += cost;
}

uint64_t gmq__grant_announce(gmq__grant *g)
{
    uint64_t lump = g->pending;
    if (!lump || lump < g->window / 4)
        return 0;
    g->open += lump;
    g->pending = 0;
    return lump;
}
