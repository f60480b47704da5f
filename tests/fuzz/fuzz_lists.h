/* Comparing lists of metadata. */
#ifndef GMQ_TEST_FUZZ_LISTS_H
#define GMQ_TEST_FUZZ_LISTS_H

#include "fuzz/fuzz.h"
#include "wire/metadata.h"

static inline void check_same_lists(const gmq_metadata *a, const gmq_metadata *b)
{
    check(gmq_metadata_count(a) == gmq_metadata_count(b));
    for (size_t i = 0; i < gmq_metadata_count(a); i++) {
        check(gmq__span_equal(gmq__metadata_key(a, i), gmq__metadata_key(b, i)));
        check(gmq__span_equal(gmq__metadata_value(a, i), gmq__metadata_value(b, i)));
    }
}

#endif
