/* Any bytes as a descriptor set: refused with the map unchanged, or read into a consistent map. */
#include "fuzz/fuzz.h"
#include "methods/method_map.h"

static void check_rows(const gmq_method_map *map)
{
    for (size_t i = 0; i < gmq_method_map_count(map); i++) {
        check(gmq_method_map_find(map, gmq_method_map_path(map, i)) == (int64_t)i);
        int32_t kind = gmq_method_map_kind(map, i), batched = gmq_method_map_batched_stream(map, i);
        int32_t server = gmq_method_map_server_clevel(map, i);
        int32_t client = gmq_method_map_client_clevel(map, i);
        check(kind >= 0 && kind <= 3 && batched >= -1 && batched <= 1);
        check(server >= -1 && server <= 22 && client >= -1 && client <= 22);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    gmq_method_map *map, *twice;
    check(gmq_method_map_new(&map) == GMQ_OK);
    gmq_status status = gmq_method_map_add_descriptors(map, data, len);
    check(!status || status == GMQ_E_PARSE || status == GMQ_E_TOO_LARGE);
    check(!status || (gmq_method_map_count(map) == 0 && gmq_error_text()[0]));
    check_rows(map);
    check(gmq_method_map_merge(&twice, map, map) == GMQ_OK);
    check(gmq_method_map_count(twice) == gmq_method_map_count(map));
    gmq_method_map_free(twice);
    gmq_method_map_free(map);
    return 0;
}
