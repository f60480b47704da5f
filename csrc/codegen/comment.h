/* Comments of the .proto, for the generated header. */
#ifndef GMQ_CODEGEN_COMMENT_H
#define GMQ_CODEGEN_COMMENT_H

#include "codegen/model.h"

/* What stands above a service (`method` -1) or a method, made fit for a C comment: lines after the
 * first begin with " * ". "" = nothing stands there. */
const char *gmq__comment_of(gmq__scratch *scratch, const gmq__file_pb *file, int32_t service,
                            int32_t method);

#endif
