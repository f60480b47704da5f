#include "codegen/reduce.h"

/* Of protobuf-c.proto: extension pb_c_file of FileOptions, and c_package in it. */
enum { PB_C_FILE = 1019, C_PACKAGE = 6 };

gmq__span gmq__reduce_service(gmq__scratch *scratch, const gmq__file_pb *file,
                              gmq__service_pb *service)
{
    gmq__file_pb reduced = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_PROTO__INIT;
    gmq__file_pb *files[] = {&reduced};
    gmq__service_pb *services[] = {service};
    Google__Protobuf__FileDescriptorSet set = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_SET__INIT;
    reduced.name = file->name;
    reduced.package = file->package;
    reduced.syntax = file->syntax;
    reduced.options = file->options;
    reduced.service = services;
    reduced.n_service = 1;
    set.file = files;
    set.n_file = 1;
    size_t len = google__protobuf__file_descriptor_set__get_packed_size(&set);
    uint8_t *bytes = gmq__scratch_alloc(scratch, len, 1);
    if (!bytes)
        return gmq__span_of(NULL, 0);
    return gmq__span_of(bytes, google__protobuf__file_descriptor_set__pack(&set, bytes));
}

static bool varint(gmq__span *in, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; in->len && shift < 64; shift += 7) {
        uint8_t byte = *in->data++;
        in->len--;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

/* The next field of a message; of those without length only the number counts here. */
static bool next_field(gmq__span *in, uint64_t *number, gmq__span *value)
{
    uint64_t key, len = 0;
    if (!in->len || !varint(in, &key))
        return false;
    *number = key >> 3;
    switch (key & 7) {
    case 0:
        *value = gmq__span_of(in->data, 0);
        return varint(in, &len);
    case 1:
        len = 8;
        break;
    case 5:
        len = 4;
        break;
    case 2:
        if (!varint(in, &len))
            return false;
        break;
    default:
        return false;
    }
    if (len > in->len)
        return false;
    *value = gmq__span_of(in->data, (size_t)len);
    *in = gmq__span_of(in->data + len, in->len - (size_t)len);
    return true;
}

const char *gmq__reduce_c_package(gmq__scratch *scratch, const gmq__file_pb *file)
{
    const char *package = NULL;
    size_t count = file->options ? file->options->base.n_unknown_fields : 0;
    for (size_t i = 0; i < count; i++) {
        const ProtobufCMessageUnknownField *field = &file->options->base.unknown_fields[i];
        gmq__span option = gmq__span_of(field->data, field->len), value;
        uint64_t number;
        if (field->tag != PB_C_FILE || !varint(&option, &number)) /* begins with its length */
            continue;
        while (next_field(&option, &number, &value))
            if (number == C_PACKAGE)
                package = gmq__scratch_keep(scratch, value);
    }
    return package;
}
