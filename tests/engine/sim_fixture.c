#include "engine/sim_fixture.h"

#include <stdlib.h>

world *w;

int setup(void **state)
{
    (void)state;
    w = calloc(1, sizeof *w);
    world_init(w, 1, NULL);
    return 0;
}

int teardown(void **state)
{
    (void)state;
    world_free(w);
    free(w);
    sim_record_clear();
    return 0;
}
