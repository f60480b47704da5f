/* First step of a schema: what there is. */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/mem.h"
#include "methods/path.h"
#include "methods/schema_build.h"

#define NUMBER_MAX   536870911 /* of a field */
#define RESERVED_MIN 19000     /* numbers that protobuf keeps for itself */
#define RESERVED_MAX 19999

typedef Google__Protobuf__FileDescriptorProto file_pb;
typedef Google__Protobuf__DescriptorProto message_pb;
typedef Google__Protobuf__FieldDescriptorProto field_pb;
typedef Google__Protobuf__EnumDescriptorProto enum_pb;
typedef Google__Protobuf__ServiceDescriptorProto service_pb;
typedef Google__Protobuf__MethodDescriptorProto method_pb;

/* Where the reading stands. */
typedef struct reader {
    gmq_schema *schema;
    gmq__arena *arena;
    const char *file; /* in the arena */
    bool proto3;
} reader;

static const char *text(const char *s) { return s ? s : ""; }

static bool push(gmq__pointers *list, void *pointer)
{
    if (list->len == list->cap) {
        size_t cap = list->cap ? list->cap * 2 : 16;
        void **at = gmq__realloc(list->at, cap * sizeof(void *));
        if (!at)
            return false;
        list->at = at;
        list->cap = cap;
    }
    list->at[list->len++] = pointer;
    return true;
}

static gmq_status fail(const reader *r, const char *what, const char *name, const char *fault)
{
    return gmq__fail(GMQ_E_PARSE, "file \"%s\": %s \"%.200s\" %s", r->file, what, name, fault);
}

/* The full name of something new, and its symbol, to be filled in. */
static gmq_status declare(const reader *r, const char *scope, const char *name, const char *what,
                          const char **full, gmq__symbol **symbol)
{
    if (!gmq__name_valid(text(name)))
        return fail(r, what, text(name), "is not a valid name");
    *full = gmq__name_join(r->arena, scope, name);
    *symbol = gmq__arena_take(r->arena, 1, sizeof **symbol);
    if (!*full || !*symbol)
        return gmq__arena_fail(r->arena);
    if (gmq__schema_symbol(r->schema, *full))
        return fail(r, what, *full, "is defined twice");
    if (!gmq__map_put(&r->schema->symbols, gmq__span_str(*full), *symbol))
        return gmq__fail_nomem();
    return GMQ_OK;
}

/* ---- Enums */

static int by_value_name(const void *a, const void *b)
{
    const gmq__enum_value *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static int by_value_number(const void *a, const void *b)
{
    const gmq__enum_value *x = *(const gmq__enum_value *const *)a;
    const gmq__enum_value *y = *(const gmq__enum_value *const *)b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static gmq_status sort_values(const reader *r, gmq_enum *e)
{
    e->by_name = gmq__arena_take(r->arena, e->n_values, sizeof *e->by_name);
    e->by_number = gmq__arena_take(r->arena, e->n_values, sizeof *e->by_number);
    if (!e->by_name || !e->by_number)
        return gmq__arena_fail(r->arena);
    for (size_t i = 0; i < e->n_values; i++)
        e->by_name[i] = e->by_number[i] = &e->values[i];
    qsort(e->by_name, e->n_values, sizeof(gmq__enum_value *), by_value_name);
    qsort(e->by_number, e->n_values, sizeof(gmq__enum_value *), by_value_number);
    for (size_t i = 1; i < e->n_values; i++)
        if (strcmp(e->by_name[i - 1]->name, e->by_name[i]->name) == 0)
            return gmq__fail(GMQ_E_PARSE, "file \"%s\": enum \"%s\" has two values \"%.200s\"",
                             r->file, e->name, e->by_name[i]->name);
    return GMQ_OK;
}

static gmq_status read_values(const reader *r, gmq_enum *e, const enum_pb *pb)
{
    e->values = gmq__arena_take(r->arena, pb->n_value, sizeof *e->values);
    if (!e->values)
        return gmq__arena_fail(r->arena);
    e->n_values = pb->n_value;
    for (size_t i = 0; i < e->n_values; i++) {
        const char *name = text(pb->value[i]->name);
        if (!gmq__name_valid(name))
            return fail(r, "enum value", name, "is not a valid name");
        e->values[i].name = gmq__arena_text(r->arena, name, strlen(name));
        if (!e->values[i].name)
            return gmq__arena_fail(r->arena);
        e->values[i].number = pb->value[i]->number;
        e->values[i].index = i;
    }
    return sort_values(r, e);
}

static gmq_status read_enum(const reader *r, const enum_pb *pb, const char *scope)
{
    gmq__symbol *symbol = NULL;
    const char *full = NULL;
    gmq_status status = declare(r, scope, pb->name, "enum", &full, &symbol);
    if (status)
        return status;
    gmq_enum *e = gmq__arena_take(r->arena, 1, sizeof *e);
    if (!e)
        return gmq__arena_fail(r->arena);
    symbol->enumeration = e;
    e->schema = r->schema;
    e->name = full;
    e->closed = !r->proto3;
    if (!push(&r->schema->enums, e))
        return gmq__fail_nomem();
    if (!pb->n_value)
        return fail(r, "enum", full, "has no values");
    if (r->proto3 && pb->value[0]->number)
        return fail(r, "enum", full, "does not begin with the value 0, as proto3 asks for");
    return read_values(r, e, pb);
}

/* ---- Messages */

static gmq_status check_field(const gmq_field *f, const field_pb *pb)
{
    if (!gmq__name_valid(f->name))
        return gmq__schema_fail(f, "has no valid name", f->name);
    if (f->number < 1 || f->number > NUMBER_MAX ||
        (f->number >= RESERVED_MIN && f->number <= RESERVED_MAX))
        return gmq__schema_fail_number(
            f, "has a number that is not 1 to 18999 or 20000 to 536870911:", f->number);
    if (f->label < GMQ_LABEL_OPTIONAL || f->label > GMQ_LABEL_REPEATED)
        return gmq__schema_fail_number(f, "has an unknown label:", pb->label);
    if (pb->has_type && (f->type < GMQ_FIELD_DOUBLE || f->type > GMQ_FIELD_SINT64))
        return gmq__schema_fail_number(f, "has an unknown type:", pb->type);
    if (f->label == GMQ_LABEL_REQUIRED && f->owner->proto3)
        return gmq__schema_fail(f, "is required, in", "proto3");
    return GMQ_OK;
}

static gmq_status read_field(const reader *r, gmq_field *f, const field_pb *pb)
{
    const char *name = text(pb->name), *json = pb->json_name;
    f->source = pb;
    f->name = gmq__arena_text(r->arena, name, strlen(name));
    f->json_name = json && *json ? gmq__arena_text(r->arena, json, strlen(json))
                                 : gmq__name_json(r->arena, name);
    if (!f->name || !f->json_name)
        return gmq__arena_fail(r->arena);
    if (pb->default_value) {
        f->default_text = gmq__arena_text(r->arena, pb->default_value, strlen(pb->default_value));
        if (!f->default_text)
            return gmq__arena_fail(r->arena);
    }
    f->number = pb->number;
    f->label = pb->has_label ? (gmq_label)pb->label : GMQ_LABEL_OPTIONAL;
    f->type = pb->has_type ? (gmq_field_type)pb->type : 0;
    f->oneof = f->single = -1;
    return check_field(f, pb);
}

static gmq_status read_fields(const reader *r, gmq_type *type, const message_pb *pb)
{
    gmq_status status = GMQ_OK;
    type->fields = gmq__arena_take(r->arena, pb->n_field, sizeof *type->fields);
    if (!type->fields)
        return gmq__arena_fail(r->arena);
    type->n_fields = pb->n_field;
    for (size_t i = 0; !status && i < pb->n_field; i++) {
        type->fields[i].owner = type;
        status = read_field(r, &type->fields[i], pb->field[i]);
    }
    return status;
}

static gmq_status new_type(const reader *r, gmq_type **out, const message_pb *pb, const char *scope)
{
    gmq__symbol *symbol = NULL;
    const char *full = NULL;
    gmq_status status = declare(r, scope, pb->name, "message", &full, &symbol);
    if (status)
        return status;
    gmq_type *type = gmq__arena_take(r->arena, 1, sizeof *type);
    if (!type)
        return gmq__arena_fail(r->arena);
    *out = symbol->type = type;
    type->schema = r->schema;
    type->name = full;
    type->file = r->file;
    type->source = pb;
    type->proto3 = r->proto3;
    type->map_entry = pb->options && pb->options->map_entry;
    return push(&r->schema->types, type) ? GMQ_OK : gmq__fail_nomem();
}

/* As deep as the scan of the set lets messages nest. */
static gmq_status read_message(const reader *r, const message_pb *pb, const char *scope)
{
    gmq_type *type = NULL;
    gmq_status status = new_type(r, &type, pb, scope);
    if (status || !type)
        return status;
    status = read_fields(r, type, pb);
    for (size_t i = 0; !status && i < pb->n_enum_type; i++)
        status = read_enum(r, pb->enum_type[i], type->name);
    for (size_t i = 0; !status && i < pb->n_nested_type; i++)
        status = read_message(r, pb->nested_type[i], type->name);
    return status;
}

/* ---- Services */

static gmq_status read_method(const reader *r, gmq_service *service, const method_pb *pb)
{
    gmq_method *m = &service->methods[service->n_methods++];
    const char *name = text(pb->name);
    if (!gmq__name_valid(name))
        return fail(r, "method", name, "is not a valid name");
    char *path = gmq__arena_join(r->arena, "/", service->name, "/", name);
    if (!path)
        return gmq__arena_fail(r->arena);
    m->service = service;
    m->path = path;
    m->name = path + strlen(service->name) + 2;
    m->kind = (gmq_rpc_kind)((pb->client_streaming ? GMQ_RPC_CLIENT_STREAMING : 0) |
                             (pb->server_streaming ? GMQ_RPC_SERVER_STREAMING : 0));
    gmq__span key = gmq__span_str(path);
    if (gmq__map_get(&r->schema->methods, key))
        return fail(r, "method", path, "is defined twice");
    return gmq__map_put(&r->schema->methods, key, m) ? GMQ_OK : gmq__fail_nomem();
}

static gmq_status read_service(const reader *r, const service_pb *pb, const char *scope)
{
    gmq__symbol *symbol = NULL;
    const char *full = NULL;
    gmq_status status = declare(r, scope, pb->name, "service", &full, &symbol);
    if (status)
        return status;
    gmq_service *service = gmq__arena_take(r->arena, 1, sizeof *service);
    if (!service)
        return gmq__arena_fail(r->arena);
    symbol->service = service;
    service->schema = r->schema;
    service->name = full;
    service->file = r->file;
    service->source = pb;
    service->methods = gmq__arena_take(r->arena, pb->n_method, sizeof *service->methods);
    if (!service->methods)
        return gmq__arena_fail(r->arena);
    if (!push(&r->schema->services, service))
        return gmq__fail_nomem();
    for (size_t i = 0; !status && i < pb->n_method; i++)
        status = read_method(r, service, pb->method[i]);
    return status;
}

/* ---- Files */

static gmq_status check_file(reader *r, const file_pb *pb)
{
    const char *syntax = pb->syntax && *pb->syntax ? pb->syntax : "proto2";
    const char *package = text(pb->package);
    r->proto3 = strcmp(syntax, "proto3") == 0;
    if (strcmp(syntax, "editions") == 0)
        return gmq__fail(GMQ_E_UNSUPPORTED,
                         "file \"%s\" is written in an edition; only proto2 and proto3 are known",
                         r->file);
    if (!r->proto3 && strcmp(syntax, "proto2") != 0)
        return fail(r, "syntax", syntax, "is neither proto2 nor proto3");
    if (*package && !gmq__name_valid_dotted(package))
        return fail(r, "package", package, "is not a valid name");
    return GMQ_OK;
}

static gmq_status read_file(reader *r, const file_pb *pb)
{
    const char *package = text(pb->package);
    gmq_status status = check_file(r, pb);
    for (size_t i = 0; !status && i < pb->n_enum_type; i++)
        status = read_enum(r, pb->enum_type[i], package);
    for (size_t i = 0; !status && i < pb->n_message_type; i++)
        status = read_message(r, pb->message_type[i], package);
    for (size_t i = 0; !status && i < pb->n_service; i++)
        status = read_service(r, pb->service[i], package);
    return status;
}

gmq_status gmq__schema_declare(gmq_schema *schema, const Google__Protobuf__FileDescriptorSet *set)
{
    reader r = {.schema = schema, .arena = &schema->arena};
    gmq_status status = GMQ_OK;
    for (size_t i = 0; !status && i < set->n_file; i++) {
        const char *name = text(set->file[i]->name);
        gmq__span key = gmq__span_str(name);
        if (gmq__map_get(&schema->files, key))
            continue;
        r.file = gmq__arena_text(r.arena, name, strlen(name));
        if (!r.file)
            return gmq__arena_fail(r.arena);
        if (!gmq__map_put(&schema->files, key, schema))
            return gmq__fail_nomem();
        status = read_file(&r, set->file[i]);
    }
    return status;
}
