/* From a file's descriptor to what the method map of one service needs of it. */
#ifndef GMQ_CODEGEN_REDUCE_H
#define GMQ_CODEGEN_REDUCE_H

#include "codegen/model.h"

/* A serialized FileDescriptorSet: the file without its messages and imports, with this service
 * alone; all options as they were, known and unknown. Empty = out of memory. */
gmq__span gmq__reduce_service(gmq__scratch *scratch, const gmq__file_pb *file,
                              gmq__service_pb *service);

/* protobuf-c's file option c_package; NULL where the file does not have it. */
const char *gmq__reduce_c_package(gmq__scratch *scratch, const gmq__file_pb *file);

#endif
