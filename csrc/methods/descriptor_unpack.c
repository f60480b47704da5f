#include "methods/descriptor_unpack.h"

#include "base/error.h"
#include "methods/descriptor_scan.h"

/* protobuf-c's structs take more than a hundred times the bytes of an empty message, but an honest
 * set, most of it names, takes 4 to 12 times its size. */
static size_t memory_for(size_t set_len)
{
    size_t memory = ((size_t)1 << 20) + 24 * set_len;
    return memory < GMQ__DESCRIPTOR_MEMORY_MAX ? memory : GMQ__DESCRIPTOR_MEMORY_MAX;
}

gmq_status gmq__descriptor_fail(const gmq__budget *budget)
{
    if (budget->exceeded)
        return gmq__fail(GMQ_E_TOO_LARGE,
                         "reading the descriptor set takes more than %zu bytes of memory",
                         budget->total);
    return gmq__fail_nomem();
}

gmq_status gmq__descriptor_unpack(Google__Protobuf__FileDescriptorSet **out, gmq__span set,
                                  gmq__budget *budget)
{
    *out = NULL;
    *budget = gmq__budget_of(memory_for(set.len));
    if (set.len > GMQ__DESCRIPTOR_SET_MAX)
        return gmq__fail(GMQ_E_TOO_LARGE, "descriptor set of %zu bytes is above the limit of %zu",
                         set.len, GMQ__DESCRIPTOR_SET_MAX);
    if (!set.len)
        return GMQ_OK;
    gmq_status status = gmq__descriptor_scan(set);
    if (status)
        return status;
    ProtobufCAllocator allocator = gmq__budget_allocator(budget);
    *out = google__protobuf__file_descriptor_set__unpack(&allocator, set.len, set.data);
    if (*out)
        return GMQ_OK;
    if (budget->exceeded || budget->no_memory)
        return gmq__descriptor_fail(budget);
    return gmq__fail(GMQ_E_PARSE, "not a serialized FileDescriptorSet (%zu bytes)", set.len);
}

void gmq__descriptor_free(Google__Protobuf__FileDescriptorSet *set, gmq__budget *budget)
{
    ProtobufCAllocator allocator = gmq__budget_allocator(budget);
    google__protobuf__file_descriptor_set__free_unpacked(set, &allocator);
}
