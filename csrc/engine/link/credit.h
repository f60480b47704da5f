/* Flow control in bytes, of a call or of a link. `gmq__budget` is what this side may still send;
 * `gmq__grant` is what it has allowed the other side. */
#ifndef GMQ_ENGINE_LINK_CREDIT_H
#define GMQ_ENGINE_LINK_CREDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GMQ__CREDIT_FRAME  16             /* what a MESSAGE frame costs on top of its body */
#define GMQ__CREDIT_CALL_0 INT64_C(65536) /* what a client assumes before ACCEPT has come */
#define GMQ__CREDIT_LINK_0 INT64_C(262144)

typedef struct gmq__budget {
    int64_t left; /* below 0 after a peer that announced less than was assumed */
} gmq__budget;

void gmq__budget_add(gmq__budget *b, uint64_t bytes); /* stays below 2^62 */
/* Most body bytes of a MESSAGE that both allow; SIZE_MAX = not even an empty one. */
size_t gmq__budget_body(const gmq__budget *call, const gmq__budget *link);

typedef struct gmq__grant {
    uint64_t window;
    uint64_t open;    /* granted, not used yet */
    uint64_t owed;    /* used, not given back: what this side still holds */
    uint64_t pending; /* given back, not announced yet */
} gmq__grant;

void gmq__grant_init(gmq__grant *g, uint64_t window);
bool gmq__grant_use(gmq__grant *g, uint64_t cost); /* false = more than was granted */
void gmq__grant_back(gmq__grant *g,
                     uint64_t cost); /* taken or dropped; at most what is owed counts */
/* What is to be announced now, 0 = too little yet: lumps of a quarter of the window. */
uint64_t gmq__grant_announce(gmq__grant *g);

#endif
