/* What the fuzz targets share. A target is one file fuzz_<name>.c: libFuzzer drives it in a
 * GMQ_BUILD_FUZZERS build, replay.c runs it over tests/fuzz/corpus/<name> in every build. */
#ifndef GMQ_TEST_FUZZ_H
#define GMQ_TEST_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static inline void check(bool holds)
{
    if (!holds)
        abort();
}

#endif
