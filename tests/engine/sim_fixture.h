/* For cmocka: a world for each test of a program. */
#ifndef GMQ_TESTS_SIM_FIXTURE_H
#define GMQ_TESTS_SIM_FIXTURE_H

#include "engine/sim_record.h"
#include "engine/sim_world.h"

extern world *w;

/* Makes it, with defaults; it is not opened yet. */
int setup(void **state);
/* Frees it, and clears the recorder. */
int teardown(void **state);

#endif
