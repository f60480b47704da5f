#include "methods/schema.h"

#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "methods/descriptor_file.h"
#include "methods/descriptor_unpack.h"
#include "methods/schema_build.h"

/* Our tables take more than the text of a descriptor; of an honest set 5 to 30 times its bytes. */
static size_t memory_for(size_t set_len)
{
    size_t memory = ((size_t)4 << 20) + 64 * set_len;
    return memory < 2 * GMQ__DESCRIPTOR_MEMORY_MAX ? memory : 2 * GMQ__DESCRIPTOR_MEMORY_MAX;
}

static gmq_schema *new_schema(size_t set_len) /* NULL = out of memory */
{
    gmq_schema *schema = gmq__calloc(1, sizeof *schema);
    if (!schema)
        return NULL;
    atomic_init(&schema->refs, 1);
    schema->arena = gmq__arena_of(memory_for(set_len));
    /* The place in memory is random enough to spoil collisions that were computed beforehand. */
    uint64_t seed = (uint64_t)(uintptr_t)schema * 0x9e3779b97f4a7c15u;
    schema->symbols.seed = schema->files.seed = schema->methods.seed = seed;
    return schema;
}

static gmq_status build(gmq_schema *schema, gmq__span set)
{
    gmq__budget budget;
    Google__Protobuf__FileDescriptorSet *pb;
    gmq_status status = gmq__descriptor_unpack(&pb, set, &budget);
    if (status || !pb)
        return status;
    status = gmq__schema_declare(schema, pb);
    if (!status)
        status = gmq__schema_resolve(schema);
    if (!status)
        status = gmq__schema_layout(schema);
    gmq__descriptor_free(pb, &budget);
    return status;
}

gmq_status gmq_schema_new(gmq_schema **out, const void *data, size_t len)
{
    if (!out || (!data && len))
        return gmq__fail(GMQ_E_INVALID, "gmq_schema_new: %s is NULL", out ? "data" : "out");
    gmq_schema *schema = new_schema(len);
    if (!schema)
        return gmq__fail_nomem();
    gmq_status status = build(schema, gmq__span_of(data, len));
    if (status)
        gmq_schema_unref(schema);
    else
        *out = schema;
    return status;
}

gmq_status gmq_schema_open(gmq_schema **out, const char *file)
{
    if (!out || !file)
        return gmq__fail(GMQ_E_INVALID, "gmq_schema_open: %s is NULL", out ? "file" : "out");
    gmq__bytes bytes = {0};
    gmq_status status = gmq__descriptor_file_read(&bytes, file);
    if (!status)
        status = gmq__descriptor_file_fail(gmq_schema_new(out, bytes.data, bytes.len), file);
    gmq__bytes_free(&bytes);
    return status;
}

gmq_schema *gmq_schema_ref(gmq_schema *schema)
{
    atomic_fetch_add_explicit(&schema->refs, 1, memory_order_relaxed);
    return schema;
}

void gmq_schema_unref(gmq_schema *schema)
{
    if (!schema || atomic_fetch_sub_explicit(&schema->refs, 1, memory_order_acq_rel) != 1)
        return;
    gmq__map_free(&schema->symbols);
    gmq__map_free(&schema->files);
    gmq__map_free(&schema->methods);
    gmq__free(schema->types.at);
    gmq__free(schema->enums.at);
    gmq__free(schema->services.at);
    gmq__arena_free(&schema->arena);
    gmq__free(schema);
}
