/* Second step of a schema: what refers to what. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "methods/schema_build.h"

typedef Google__Protobuf__DescriptorProto message_pb;
typedef Google__Protobuf__FieldDescriptorProto field_pb;
typedef Google__Protobuf__ServiceDescriptorProto service_pb;

/* Bytes of names that may be compared: what it takes grows with the square of a name's length. */
#define WORK_MAX ((size_t)1 << 30)

/* Looks for "a.b.C" as "scope.a.b.C" first, then with one level of scope less. NULL = unknown, out
 * of memory, too much work. */
static gmq__symbol *find_relative(gmq_schema *schema, const char *scope, const char *name,
                                  gmq__bytes *scratch)
{
    size_t scope_len = strlen(scope);
    while (schema->work <= WORK_MAX) {
        gmq__bytes_clear(scratch);
        gmq__bytes_put(scratch, scope, scope_len);
        gmq__bytes_put_str(scratch, scope_len ? "." : "");
        gmq__bytes_put_str(scratch, name);
        if (scratch->failed)
            return NULL;
        schema->work += scratch->len;
        gmq__symbol *symbol = gmq__map_get(&schema->symbols, gmq__bytes_span(scratch));
        if (symbol || !scope_len)
            return symbol;
        while (scope_len && scope[scope_len - 1] != '.')
            scope_len--;
        scope_len -= scope_len != 0;
    }
    return NULL;
}

/* Descriptors of protoc have full names, with a dot in front; others may not. */
static gmq_status find(gmq__symbol **out, gmq_schema *schema, const char *scope, const char *name)
{
    if (*name == '.') {
        *out = gmq__schema_symbol(schema, name + 1);
        return GMQ_OK;
    }
    gmq__bytes scratch = {0};
    *out = find_relative(schema, scope, name, &scratch);
    bool failed = scratch.failed;
    gmq__bytes_free(&scratch);
    if (failed)
        return gmq__fail_nomem();
    if (schema->work > WORK_MAX)
        return gmq__fail(GMQ_E_TOO_LARGE, "type names without a leading dot take too long to find");
    return GMQ_OK;
}

/* ---- Types of fields */

static gmq_status fail_type(const gmq_field *f, const char *name)
{
    return gmq__schema_fail(
        f, "has a type that the set does not define (protoc --include_imports?):", name);
}

static gmq_status refer(gmq_field *f, const gmq__symbol *symbol, const char *name)
{
    if (!symbol || symbol->service)
        return fail_type(f, name);
    if (!f->type)
        f->type = symbol->type ? GMQ_FIELD_MESSAGE : GMQ_FIELD_ENUM;
    if ((f->type == GMQ_FIELD_ENUM) != (symbol->enumeration != NULL))
        return gmq__schema_fail(f,
                                symbol->type ? "should be an enum, and this is a message:"
                                             : "should be a message, and this is an enum:",
                                name);
    f->message = symbol->type;
    f->enumeration = symbol->enumeration;
    return GMQ_OK;
}

static gmq_status resolve_type(gmq_field *f, const field_pb *pb)
{
    const char *name = pb->type_name ? pb->type_name : "";
    bool refers = !f->type || f->type == GMQ_FIELD_MESSAGE || f->type == GMQ_FIELD_GROUP ||
                  f->type == GMQ_FIELD_ENUM;
    if (!refers)
        return *name ? gmq__schema_fail(f, "is a scalar and has a type name:", name) : GMQ_OK;
    if (!*name)
        return gmq__schema_fail(f, "has no type, type_name is", "");
    gmq__symbol *symbol = NULL;
    gmq_status status = find(&symbol, f->owner->schema, f->owner->name, name);
    return status ? status : refer(f, symbol, name);
}

static bool packable(gmq_field_type type)
{
    return type != GMQ_FIELD_STRING && type != GMQ_FIELD_BYTES && type != GMQ_FIELD_MESSAGE &&
           type != GMQ_FIELD_GROUP;
}

static gmq_status set_packed(gmq_field *f, const field_pb *pb)
{
    bool asked = pb->options && pb->options->has_packed && pb->options->packed;
    bool can = f->label == GMQ_LABEL_REPEATED && packable(f->type);
    if (asked && !can)
        return gmq__schema_fail(f, "cannot be packed;", "packed");
    f->packed = can && (pb->options && pb->options->has_packed ? asked : f->owner->proto3);
    return GMQ_OK;
}

static gmq_status set_map(gmq_field *f)
{
    if (f->type != GMQ_FIELD_MESSAGE || !f->message->map_entry)
        return GMQ_OK;
    if (f->label != GMQ_LABEL_REPEATED)
        return gmq__schema_fail(f, "is not repeated but of a map's entry type", f->message->name);
    f->map = true;
    return GMQ_OK;
}

static gmq_status check_default(const gmq_field *f)
{
    if (!f->default_text)
        return GMQ_OK;
    if (f->owner->proto3)
        return gmq__schema_fail(f, "has a default, which proto3 does not know:", f->default_text);
    if (f->label == GMQ_LABEL_REPEATED || f->message)
        return gmq__schema_fail(f, "can have no default:", f->default_text);
    return GMQ_OK;
}

static gmq_status resolve_field(gmq_type *type, gmq_field *f)
{
    const field_pb *pb = f->source;
    gmq_status status = resolve_type(f, pb);
    if (!status)
        status = set_packed(f, pb);
    if (!status)
        status = set_map(f);
    if (!status)
        status = check_default(f);
    if (!status)
        status = gmq__schema_default(f);
    if (status)
        return status;
    bool repeated = f->label == GMQ_LABEL_REPEATED;
    f->presence =
        !repeated && (!type->proto3 || pb->proto3_optional || f->oneof >= 0 || f->message);
    if (f->type == GMQ_FIELD_MESSAGE && !repeated)
        f->single = (int32_t)type->n_singles++;
    if (f->label == GMQ_LABEL_REQUIRED)
        type->schema->has_required = true;
    return GMQ_OK;
}

/* ---- Oneofs */

/* Counts the members of each declared oneof into `members`, and the `optional` ones of proto3. */
static gmq_status count_members(const gmq_type *type, const message_pb *pb, uint32_t *members,
                                uint32_t *optional)
{
    for (size_t i = 0; i < type->n_fields; i++) {
        const gmq_field *f = &type->fields[i];
        const field_pb *field = f->source;
        if (!field->has_oneof_index)
            continue;
        if (field->oneof_index < 0 || (size_t)field->oneof_index >= pb->n_oneof_decl)
            return gmq__schema_fail_number(f,
                                           "is of a oneof that there is not:", field->oneof_index);
        if (f->label != GMQ_LABEL_OPTIONAL)
            return gmq__schema_fail(f, "is required or repeated in oneof",
                                    pb->oneof_decl[field->oneof_index]->name);
        members[field->oneof_index]++;
        optional[field->oneof_index] += field->proto3_optional != 0;
        if (optional[field->oneof_index] && members[field->oneof_index] > 1)
            return gmq__schema_fail(f, "shares a oneof with an `optional` one:",
                                    pb->oneof_decl[field->oneof_index]->name);
    }
    return GMQ_OK;
}

/* Gives the real oneofs their names and indexes, and the fields theirs. */
static gmq_status number_oneofs(gmq_type *type, const message_pb *pb, uint32_t *real,
                                const uint32_t *optional)
{
    gmq__arena *arena = &type->schema->arena;
    for (size_t i = 0; i < pb->n_oneof_decl; i++) {
        const char *name = pb->oneof_decl[i]->name ? pb->oneof_decl[i]->name : "";
        if (!gmq__name_valid(name))
            return gmq__fail(GMQ_E_PARSE, "file \"%s\": oneof \"%.200s\" of \"%s\": no valid name",
                             type->file, name, type->name);
        real[i] = (uint32_t)type->n_oneofs;
        if (optional[i])
            continue;
        type->oneofs[type->n_oneofs] = gmq__arena_text(arena, name, strlen(name));
        if (!type->oneofs[type->n_oneofs++])
            return gmq__arena_fail(arena);
    }
    for (size_t i = 0; i < type->n_fields; i++) {
        const field_pb *field = type->fields[i].source;
        if (field->has_oneof_index && !optional[field->oneof_index])
            type->fields[i].oneof = (int32_t)real[field->oneof_index];
    }
    return GMQ_OK;
}

static gmq_status resolve_oneofs(gmq_type *type)
{
    const message_pb *pb = type->source;
    gmq__arena *arena = &type->schema->arena;
    uint32_t *members = gmq__arena_take(arena, pb->n_oneof_decl, sizeof *members);
    uint32_t *optional = gmq__arena_take(arena, pb->n_oneof_decl, sizeof *optional);
    type->oneofs = gmq__arena_take(arena, pb->n_oneof_decl, sizeof(char *));
    type->oneof_cases = gmq__arena_take(arena, pb->n_oneof_decl, sizeof *type->oneof_cases);
    if (!members || !optional || !type->oneofs || !type->oneof_cases)
        return gmq__arena_fail(arena);
    gmq_status status = count_members(type, pb, members, optional);
    return status ? status : number_oneofs(type, pb, members, optional);
}

/* ---- Tables of the fields */

static int by_number(const void *a, const void *b)
{
    const gmq_field *x = *(const gmq_field *const *)a, *y = *(const gmq_field *const *)b;
    return x->number < y->number ? -1 : x->number > y->number;
}

static int by_name(const void *a, const void *b)
{
    const gmq_field *x = *(const gmq_field *const *)a, *y = *(const gmq_field *const *)b;
    return strcmp(x->name, y->name);
}

static int by_json(const void *a, const void *b)
{
    const gmq_field *x = *(const gmq_field *const *)a, *y = *(const gmq_field *const *)b;
    return strcmp(x->json_name, y->json_name);
}

static gmq_field **sorted(gmq_type *type, int (*order)(const void *, const void *))
{
    gmq_field **list = gmq__arena_take(&type->schema->arena, type->n_fields, sizeof(gmq_field *));
    if (!list)
        return NULL;
    for (size_t i = 0; i < type->n_fields; i++)
        list[i] = &type->fields[i];
    qsort(list, type->n_fields, sizeof(gmq_field *), order);
    return list;
}

static gmq_status sort_fields(gmq_type *type)
{
    type->by_number = sorted(type, by_number);
    type->by_name = sorted(type, by_name);
    type->by_json = sorted(type, by_json);
    if (!type->by_number || !type->by_name || !type->by_json)
        return gmq__arena_fail(&type->schema->arena);
    for (size_t i = 1; i < type->n_fields; i++) {
        if (type->by_number[i - 1]->number == type->by_number[i]->number)
            return gmq__schema_fail(type->by_number[i], "has the number of field",
                                    type->by_number[i - 1]->name);
        if (by_name(&type->by_name[i - 1], &type->by_name[i]) == 0)
            return gmq__schema_fail(type->by_name[i], "stands twice:", type->by_name[i]->name);
    }
    return GMQ_OK;
}

static bool can_be_key(gmq_field_type type)
{
    return type != GMQ_FIELD_DOUBLE && type != GMQ_FIELD_FLOAT && type != GMQ_FIELD_GROUP &&
           type != GMQ_FIELD_MESSAGE && type != GMQ_FIELD_BYTES && type != GMQ_FIELD_ENUM;
}

/* A map's entry is a message of exactly this form. */
static gmq_status check_entry(const gmq_type *type)
{
    const gmq_field *const *f = (const gmq_field *const *)type->by_number;
    if (type->n_fields == 2 && f[0]->number == 1 && f[1]->number == 2 &&
        f[0]->label == GMQ_LABEL_OPTIONAL && f[1]->label == GMQ_LABEL_OPTIONAL && f[0]->oneof < 0 &&
        f[1]->oneof < 0 && can_be_key(f[0]->type) && f[1]->type != GMQ_FIELD_GROUP)
        return GMQ_OK;
    return gmq__fail(GMQ_E_PARSE,
                     "file \"%s\": message \"%s\" has the option map_entry, but not the form of a "
                     "map's entry: key = 1 (integer, bool or string) and value = 2",
                     type->file, type->name);
}

static gmq_status resolve_message(gmq_type *type)
{
    gmq_status status = resolve_oneofs(type);
    for (size_t i = 0; !status && i < type->n_fields; i++)
        status = resolve_field(type, &type->fields[i]);
    if (!status)
        status = sort_fields(type);
    if (!status && type->map_entry)
        status = check_entry(type);
    return status;
}

/* ---- Services */

static gmq_status find_message(const gmq_type **out, const gmq_method *m, const char *name)
{
    gmq__symbol *symbol = NULL;
    const gmq_service *service = m->service;
    gmq_status status = find(&symbol, service->schema, service->name, name ? name : "");
    if (status)
        return status;
    if (!symbol || !symbol->type)
        return gmq__fail(GMQ_E_PARSE,
                         "file \"%s\": method %s has a message that the set does not define "
                         "(protoc --include_imports?): \"%.200s\"",
                         service->file, m->path, name ? name : "");
    *out = symbol->type;
    return GMQ_OK;
}

static gmq_status resolve_service(gmq_service *service)
{
    const service_pb *pb = service->source;
    gmq_status status = GMQ_OK;
    for (size_t i = 0; !status && i < service->n_methods; i++) {
        gmq_method *m = &service->methods[i];
        status = find_message(&m->input, m, pb->method[i]->input_type);
        if (!status)
            status = find_message(&m->output, m, pb->method[i]->output_type);
    }
    return status;
}

gmq_status gmq__schema_resolve(gmq_schema *schema)
{
    gmq_status status = GMQ_OK;
    for (size_t i = 0; !status && i < schema->types.len; i++)
        status = resolve_message(schema->types.at[i]);
    for (size_t i = 0; !status && i < schema->services.len; i++)
        status = resolve_service(schema->services.at[i]);
    return status;
}
