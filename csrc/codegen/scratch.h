/* Memory of one run of the generator: never given back singly, freed all at once. When it runs out,
 * `failed` is set and what was asked for is NULL or "": who made it looks at the end. */
#ifndef GMQ_CODEGEN_SCRATCH_H
#define GMQ_CODEGEN_SCRATCH_H

#include "base/bytes.h"

typedef struct gmq__scratch_block gmq__scratch_block;
typedef struct gmq__scratch {
    gmq__scratch_block *blocks;
    bool failed;
} gmq__scratch; /* all zero is an empty one */

void *gmq__scratch_alloc(gmq__scratch *scratch, size_t count,
                         size_t size); /* zeroed; NULL = failed */
const char *gmq__scratch_text(gmq__scratch *scratch, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
const char *gmq__scratch_keep(gmq__scratch *scratch, gmq__span text);
void gmq__scratch_free(gmq__scratch *scratch);

#endif
