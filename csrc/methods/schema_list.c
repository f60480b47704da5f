/* Reading a schema: its parts by index, by name and by number. */
#include <stdlib.h>
#include <string.h>

#include "methods/schema_build.h"

static void *at(const gmq__pointers *list, size_t index)
{
    return index < list->len ? list->at[index] : NULL;
}

static const gmq__symbol *find(const gmq_schema *schema, const char *name)
{
    static const gmq__symbol none = {NULL, NULL, NULL};
    const gmq__symbol *symbol = name ? gmq__schema_symbol(schema, name + (*name == '.')) : NULL;
    return symbol ? symbol : &none;
}

size_t gmq_schema_type_count(const gmq_schema *schema) { return schema->types.len; }
const gmq_type *gmq_schema_type(const gmq_schema *schema, size_t index)
{
    return at(&schema->types, index);
}
const gmq_type *gmq_schema_find_type(const gmq_schema *schema, const char *name)
{
    return find(schema, name)->type;
}

size_t gmq_schema_enum_count(const gmq_schema *schema) { return schema->enums.len; }
const gmq_enum *gmq_schema_enum(const gmq_schema *schema, size_t index)
{
    return at(&schema->enums, index);
}
const gmq_enum *gmq_schema_find_enum(const gmq_schema *schema, const char *name)
{
    return find(schema, name)->enumeration;
}

size_t gmq_schema_service_count(const gmq_schema *schema) { return schema->services.len; }
const gmq_service *gmq_schema_service(const gmq_schema *schema, size_t index)
{
    return at(&schema->services, index);
}
const gmq_service *gmq_schema_find_service(const gmq_schema *schema, const char *name)
{
    return find(schema, name)->service;
}
const gmq_method *gmq_schema_find_method(const gmq_schema *schema, const char *path)
{
    return path ? gmq__map_get(&schema->methods, gmq__span_str(path)) : NULL;
}

/* ---- Message types */

gmq_schema *gmq_type_schema(const gmq_type *type) { return type->schema; }
const char *gmq_type_name(const gmq_type *type) { return type->name; }
int gmq_type_is_map_entry(const gmq_type *type) { return type->map_entry; }
size_t gmq_type_field_count(const gmq_type *type) { return type->n_fields; }

const gmq_field *gmq_type_field(const gmq_type *type, size_t index)
{
    return index < type->n_fields ? &type->fields[index] : NULL;
}

static int compare_name(const void *key, const void *field)
{
    return strcmp(key, (*(const gmq_field *const *)field)->name);
}

static int compare_json(const void *key, const void *field)
{
    return strcmp(key, (*(const gmq_field *const *)field)->json_name);
}

static int compare_number(const void *key, const void *field)
{
    int32_t wanted = *(const int32_t *)key, number = (*(const gmq_field *const *)field)->number;
    return wanted < number ? -1 : wanted > number;
}

static const gmq_field *search(gmq_field *const *list, size_t n, const void *key,
                               int (*order)(const void *, const void *))
{
    gmq_field *const *found = n ? bsearch(key, list, n, sizeof *list, order) : NULL;
    return found ? *found : NULL;
}

const gmq_field *gmq_type_find_field(const gmq_type *type, const char *name)
{
    if (!name)
        return NULL;
    const gmq_field *field = search(type->by_name, type->n_fields, name, compare_name);
    return field ? field : search(type->by_json, type->n_fields, name, compare_json);
}

const gmq_field *gmq_type_find_number(const gmq_type *type, int32_t number)
{
    size_t n = type->n_fields; /* most types number their fields from 1 */
    if (number > 0 && (size_t)number <= n && type->by_number[number - 1]->number == number)
        return type->by_number[number - 1];
    return search(type->by_number, n, &number, compare_number);
}

size_t gmq_type_oneof_count(const gmq_type *type) { return type->n_oneofs; }
const char *gmq_type_oneof_name(const gmq_type *type, size_t index)
{
    return index < type->n_oneofs ? type->oneofs[index] : NULL;
}

/* ---- Fields */

const gmq_type *gmq_field_owner(const gmq_field *field) { return field->owner; }
const char *gmq_field_name(const gmq_field *field) { return field->name; }
const char *gmq_field_json_name(const gmq_field *field) { return field->json_name; }
int32_t gmq_field_number(const gmq_field *field) { return field->number; }
gmq_field_type gmq_field_type_of(const gmq_field *field) { return field->type; }
gmq_label gmq_field_label(const gmq_field *field) { return field->label; }
int gmq_field_is_map(const gmq_field *field) { return field->map; }
int gmq_field_is_packed(const gmq_field *field) { return field->packed; }
int gmq_field_has_presence(const gmq_field *field) { return field->presence; }
const gmq_type *gmq_field_message(const gmq_field *field) { return field->message; }
const gmq_enum *gmq_field_enum(const gmq_field *field) { return field->enumeration; }
int64_t gmq_field_oneof(const gmq_field *field) { return field->oneof; }
const char *gmq_field_default_text(const gmq_field *field) { return field->default_text; }

/* ---- Enums */

gmq_schema *gmq_enum_schema(const gmq_enum *type) { return type->schema; }
const char *gmq_enum_name(const gmq_enum *type) { return type->name; }
int gmq_enum_is_closed(const gmq_enum *type) { return type->closed; }
size_t gmq_enum_value_count(const gmq_enum *type) { return type->n_values; }

const char *gmq_enum_value_name(const gmq_enum *type, size_t index)
{
    return index < type->n_values ? type->values[index].name : NULL;
}

int32_t gmq_enum_value_number(const gmq_enum *type, size_t index)
{
    return index < type->n_values ? type->values[index].number : 0;
}

int64_t gmq_enum_find(const gmq_enum *type, const char *name)
{
    size_t low = 0, high = name ? type->n_values : 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, type->by_name[middle]->name);
        if (order == 0)
            return (int64_t)type->by_name[middle]->index;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

int64_t gmq_enum_find_number(const gmq_enum *type, int32_t number)
{
    size_t low = 0, high = type->n_values; /* the first that is not below `number` */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (type->by_number[middle]->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < type->n_values && type->by_number[low]->number == number;
    return found ? (int64_t)type->by_number[low]->index : -1;
}

bool gmq__enum_knows(const gmq_enum *type, int32_t number)
{
    return gmq_enum_find_number(type, number) >= 0;
}

/* ---- Services */

gmq_schema *gmq_service_schema(const gmq_service *service) { return service->schema; }
const char *gmq_service_name(const gmq_service *service) { return service->name; }
size_t gmq_service_method_count(const gmq_service *service) { return service->n_methods; }

const gmq_method *gmq_service_method(const gmq_service *service, size_t index)
{
    return index < service->n_methods ? &service->methods[index] : NULL;
}

const gmq_method *gmq_service_find_method(const gmq_service *service, const char *name)
{
    for (size_t i = 0; name && i < service->n_methods; i++)
        if (strcmp(service->methods[i].name, name) == 0)
            return &service->methods[i];
    return NULL;
}

const gmq_service *gmq_method_service(const gmq_method *method) { return method->service; }
const char *gmq_method_name(const gmq_method *method) { return method->name; }
const char *gmq_method_path(const gmq_method *method) { return method->path; }
gmq_rpc_kind gmq_method_kind(const gmq_method *method) { return method->kind; }
const gmq_type *gmq_method_input(const gmq_method *method) { return method->input; }
const gmq_type *gmq_method_output(const gmq_method *method) { return method->output; }
