/* Any bytes as a message of a type of the fixtures message2 and message3: the first byte chooses.
 */
#include "fuzz/fuzz_messages.h"

static const gmq_type *choose(uint8_t choice)
{
    static gmq_schema *schemas[2];
    for (int i = 0; i < 2; i++)
        check(schemas[i] ||
              gmq_schema_open(&schemas[i], i ? GMQ_BUILD_DIR "/fixtures/message3.protoset"
                                             : GMQ_BUILD_DIR
                                               "/fixtures/message2.protoset") == GMQ_OK);
    const gmq_schema *schema = schemas[choice & 1];
    return gmq_schema_type(schema, (choice >> 1) % gmq_schema_type_count(schema));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len)
        decode_twice(choose(data[0]), data + 1, len - 1);
    return 0;
}
