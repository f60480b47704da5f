/* What the generator refuses, in words for whoever wrote the .proto. */
#ifndef GMQ_CODEGEN_CHECK_H
#define GMQ_CODEGEN_CHECK_H

#include "codegen/model.h"

/* Syntax and fields that protobuf-c does not know. NULL = nothing wrong. */
const char *gmq__check_file(gmq__scratch *scratch, const gmq__file_pb *pb);

/* Services and methods that protoc-c or this generator would give the same name in C, or protoc-c a
 * keyword. NULL = none. */
const char *gmq__check_names(gmq__scratch *scratch, const gmq__gen_file *file);

#endif
