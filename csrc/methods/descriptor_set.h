/* google.protobuf.FileDescriptorSet -> rows of a method map. */
#ifndef GMQ_METHODS_DESCRIPTOR_SET_H
#define GMQ_METHODS_DESCRIPTOR_SET_H

#include "base/bytes.h"
#include "methods/method_rows.h"

#define GMQ__DESCRIPTOR_METHODS_MAX 65536 /* methods of a set */

/* Adds every method of the set that `map` does not have; of a method that stands twice, the first
 * counts. After an error the map holds some of them. Errors: GMQ_E_PARSE, GMQ_E_TOO_LARGE,
 * GMQ_E_NOMEM. */
gmq_status gmq__descriptor_set_read(gmq_method_map *map, gmq__span set);

#endif
