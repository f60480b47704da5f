/* Text with names in it: "$type$ *call;". */
#ifndef GMQ_CODEGEN_TEMPLATE_H
#define GMQ_CODEGEN_TEMPLATE_H

#include "base/bytes.h"

typedef struct gmq__var {
    const char *name; /* NULL ends a list */
    const char *value;
} gmq__var;

/* Appends `text` with each "$name$" replaced by its value. A name that is not in the list is a
 * mistake of ours: `out->failed` is set, as for want of memory. */
void gmq__emit(gmq__bytes *out, const char *text, const gmq__var *vars);

#endif
