/* Descriptor sets in files. */
#ifndef GMQ_METHODS_DESCRIPTOR_FILE_H
#define GMQ_METHODS_DESCRIPTOR_FILE_H

#include <grpc_mqtt/base.h>

#include "base/bytes.h"

/* The file's bytes, one more than the limit of a set at most; `out` is to be freed in any case.
 * Errors: GMQ_E_IO, GMQ_E_NOMEM. */
gmq_status gmq__descriptor_file_read(gmq__bytes *out, const char *file);

/* Puts the file's name before the error text of a set that was not taken; returns `status`. */
gmq_status gmq__descriptor_file_fail(gmq_status status, const char *file);

#endif
