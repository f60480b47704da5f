/* Third step of a schema: where the values lie in memory, told to protobuf-c. */
#include <string.h>

#include "methods/schema_build.h"

static const struct kind {
    gmq__store store;
    ProtobufCType pb;
} kinds[] = {
    [GMQ_FIELD_DOUBLE] = {GMQ__STORE_64, PROTOBUF_C_TYPE_FIXED64},
    [GMQ_FIELD_FLOAT] = {GMQ__STORE_32, PROTOBUF_C_TYPE_FIXED32},
    [GMQ_FIELD_INT64] = {GMQ__STORE_64, PROTOBUF_C_TYPE_INT64},
    [GMQ_FIELD_UINT64] = {GMQ__STORE_64, PROTOBUF_C_TYPE_UINT64},
    [GMQ_FIELD_INT32] = {GMQ__STORE_32, PROTOBUF_C_TYPE_INT32},
    [GMQ_FIELD_FIXED64] = {GMQ__STORE_64, PROTOBUF_C_TYPE_FIXED64},
    [GMQ_FIELD_FIXED32] = {GMQ__STORE_32, PROTOBUF_C_TYPE_FIXED32},
    [GMQ_FIELD_BOOL] = {GMQ__STORE_BOOL, PROTOBUF_C_TYPE_BOOL},
    [GMQ_FIELD_STRING] = {GMQ__STORE_BYTES, PROTOBUF_C_TYPE_BYTES},
    [GMQ_FIELD_GROUP] = {GMQ__STORE_NONE, PROTOBUF_C_TYPE_BYTES},
    [GMQ_FIELD_MESSAGE] = {GMQ__STORE_MESSAGE, PROTOBUF_C_TYPE_MESSAGE},
    [GMQ_FIELD_BYTES] = {GMQ__STORE_BYTES, PROTOBUF_C_TYPE_BYTES},
    [GMQ_FIELD_UINT32] = {GMQ__STORE_32, PROTOBUF_C_TYPE_UINT32},
    [GMQ_FIELD_ENUM] = {GMQ__STORE_32, PROTOBUF_C_TYPE_INT32},
    [GMQ_FIELD_SFIXED32] = {GMQ__STORE_32, PROTOBUF_C_TYPE_SFIXED32},
    [GMQ_FIELD_SFIXED64] = {GMQ__STORE_64, PROTOBUF_C_TYPE_SFIXED64},
    [GMQ_FIELD_SINT32] = {GMQ__STORE_32, PROTOBUF_C_TYPE_SINT32},
    [GMQ_FIELD_SINT64] = {GMQ__STORE_64, PROTOBUF_C_TYPE_SINT64},
};

size_t gmq__store_size(gmq__store store)
{
    static const size_t sizes[] = {0,
                                   sizeof(uint32_t),
                                   sizeof(uint64_t),
                                   sizeof(protobuf_c_boolean),
                                   sizeof(ProtobufCBinaryData),
                                   sizeof(ProtobufCMessage *)};
    return sizes[store];
}

/* Sizes are powers of two; together they stay below what the arena may take. */
static uint32_t reserve(size_t *size, size_t need)
{
    size_t alignment = need < sizeof(uint64_t) ? need : sizeof(uint64_t);
    *size = (*size + alignment - 1) / alignment * alignment;
    uint32_t offset = (uint32_t)*size;
    *size += need;
    return offset;
}

/* A map's entry always has both of its fields on the wire. */
static bool has_flag(const gmq_field *f)
{
    return f->label != GMQ_LABEL_REPEATED && f->oneof < 0 && f->store != GMQ__STORE_MESSAGE &&
           (f->presence || f->owner->map_entry);
}

static void place_field(gmq_field *f, size_t *size)
{
    if (f->label == GMQ_LABEL_REPEATED) {
        f->quantifier = reserve(size, sizeof(size_t));
        f->offset = reserve(size, sizeof(void *));
        f->capacity = reserve(size, sizeof(size_t));
    } else if (f->oneof < 0) {
        f->offset = reserve(size, gmq__store_size(f->store));
        if (has_flag(f))
            f->quantifier = reserve(size, sizeof(protobuf_c_boolean));
    }
}

/* Members of a oneof share one place, large enough for any of them. */
static gmq_status place_oneofs(gmq_type *type, size_t *size)
{
    uint32_t *places = gmq__arena_take(&type->schema->arena, type->n_oneofs, sizeof *places);
    if (!places)
        return gmq__arena_fail(&type->schema->arena);
    for (size_t i = 0; i < type->n_oneofs; i++) {
        places[i] = reserve(size, sizeof(ProtobufCBinaryData));
        type->oneof_cases[i] = reserve(size, sizeof(uint32_t));
    }
    for (size_t i = 0; i < type->n_fields; i++) {
        gmq_field *f = &type->fields[i];
        if (f->oneof < 0 || f->store == GMQ__STORE_NONE)
            continue;
        f->offset = places[f->oneof];
        f->quantifier = type->oneof_cases[f->oneof];
    }
    return GMQ_OK;
}

static ProtobufCFieldDescriptor describe_field(const gmq_field *f)
{
    bool flagged = f->presence || has_flag(f);
    return (ProtobufCFieldDescriptor){
        .name = f->name,
        .id = (uint32_t)f->number,
        .label = f->label == GMQ_LABEL_REPEATED ? PROTOBUF_C_LABEL_REPEATED
                 : flagged                      ? PROTOBUF_C_LABEL_OPTIONAL
                                                : PROTOBUF_C_LABEL_NONE,
        .type = kinds[f->type].pb,
        .quantifier_offset = f->quantifier,
        .offset = f->offset,
        .descriptor = f->message ? &f->message->pb : NULL,
        .flags = (f->packed ? PROTOBUF_C_FIELD_FLAG_PACKED : 0u) |
                 (f->oneof >= 0 ? PROTOBUF_C_FIELD_FLAG_ONEOF : 0u),
    };
}

/* Runs of numbers: protobuf-c finds a field by the run that holds its number. */
static unsigned describe_runs(ProtobufCIntRange *runs, const ProtobufCFieldDescriptor *fields,
                              unsigned n)
{
    unsigned count = 0;
    for (unsigned i = 0; i < n; i++)
        if (i == 0 || fields[i].id != fields[i - 1].id + 1)
            runs[count++] = (ProtobufCIntRange){(int)fields[i].id, i};
    runs[count] = (ProtobufCIntRange){0, n};
    return count;
}

static gmq_status describe(gmq_type *type, size_t size)
{
    gmq__arena *arena = &type->schema->arena;
    ProtobufCFieldDescriptor *fields = gmq__arena_take(arena, type->n_fields, sizeof *fields);
    ProtobufCIntRange *runs = gmq__arena_take(arena, type->n_fields + 1, sizeof *runs);
    if (!fields || !runs)
        return gmq__arena_fail(arena);
    unsigned n = 0;
    for (size_t i = 0; i < type->n_fields; i++)
        if (type->by_number[i]->store != GMQ__STORE_NONE)
            fields[n++] = describe_field(type->by_number[i]);
    type->pb = (ProtobufCMessageDescriptor){
        .magic = PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC,
        .name = type->name,
        .short_name = type->name,
        .c_name = type->name,
        .package_name = "",
        .sizeof_message = size,
        .n_fields = n,
        .fields = fields,
        .n_field_ranges = describe_runs(runs, fields, n),
        .field_ranges = runs,
        .reserved1 = type,
    };
    return GMQ_OK;
}

static gmq_status lay_out(gmq_type *type)
{
    size_t size = sizeof(gmq__node_head);
    for (size_t i = 0; i < type->n_fields; i++)
        type->fields[i].store = kinds[type->fields[i].type].store;
    gmq_status status = place_oneofs(type, &size);
    if (status)
        return status;
    for (size_t i = 0; i < type->n_fields; i++)
        if (type->fields[i].store != GMQ__STORE_NONE)
            place_field(&type->fields[i], &size);
    return describe(type, (size + sizeof(uint64_t) - 1) / sizeof(uint64_t) * sizeof(uint64_t));
}

gmq_status gmq__schema_layout(gmq_schema *schema)
{
    gmq_status status = GMQ_OK;
    for (size_t i = 0; !status && i < schema->types.len; i++)
        status = lay_out(schema->types.at[i]);
    return status;
}
