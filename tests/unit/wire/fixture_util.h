/* Recorded tables of tests/fixtures/reference, hex, and failing allocations. */
#ifndef GMQ_TEST_WIRE_FIXTURE_UTIL_H
#define GMQ_TEST_WIRE_FIXTURE_UTIL_H

#include "base/bytes.h"

typedef struct table { /* rows of tab-separated cells */
    char *text;
    char **cells;
    size_t nrows, ncells;
} table;

table table_load(const char *name,
                 size_t ncells); /* tests/fixtures/reference/<name>.txt; fails the test */
const char *table_cell(const table *t, size_t row, size_t cell);
const char *table_find(const table *t, const char *name,
                       size_t cell); /* by the first cell; fails the test */
void table_free(table *t);

/* Bytes of a hex string, in a block of exactly their size so that a sanitizer sees every step
 * beyond it. */
gmq__span hex_decode(const char *hex);
void hex_free(gmq__span bytes);
char *hex_encode(gmq__span bytes); /* to be free()d */

/* Frees `got` and compares; a difference prints both under `name`. */
void expect_hex(gmq__bytes *got, const char *hex, const char *name);

/* Lets `after` allocations of base/mem.h succeed and the next one fail, until nomem_off().
 * Everything made in between must have been freed by then. */
void nomem_on(size_t after);
bool nomem_off(void); /* did one fail? */

#endif
