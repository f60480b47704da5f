#include "unit/methods/schema_util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "unit/methods/descriptor_util.h"

gmq_schema *fixture_schema(const char *name)
{
    gmq_schema *schema;
    if (gmq_schema_open(&schema, fixture_path(name)))
        fail_msg("%s", gmq_error_text());
    return schema;
}

const gmq_type *type_of(const gmq_schema *schema, const char *name)
{
    const gmq_type *type = gmq_schema_find_type(schema, name);
    if (!type)
        fail_msg("no type %s", name);
    return type;
}

const gmq_field *field_of(const gmq_type *type, const char *name)
{
    const gmq_field *field = gmq_type_find_field(type, name);
    if (!field)
        fail_msg("no field %s", name);
    return field;
}

static void put_field(gmq__bytes *message, const field_row *row)
{
    gmq__bytes field = {0}, options = {0};
    if (row->name)
        pb_str(&field, 1, row->name);
    if (row->number)
        pb_uint(&field, 3, row->number);
    if (row->label)
        pb_uint(&field, 4, (uint64_t)row->label);
    if (row->type)
        pb_uint(&field, 5, (uint64_t)row->type);
    if (row->type_name)
        pb_str(&field, 6, row->type_name);
    if (row->default_value)
        pb_str(&field, 7, row->default_value);
    if (row->oneof)
        pb_uint(&field, 9, (uint64_t)(int64_t)row->oneof - 1);
    if (row->optional)
        pb_uint(&field, 17, 1);
    if (row->packed) {
        pb_uint(&options, 2, 1);
        pb_sub(&field, 8, &options);
    }
    pb_sub(message, 2, &field);
}

static void put_oneof(gmq__bytes *message, const char *name)
{
    gmq__bytes oneof = {0};
    pb_str(&oneof, 1, name);
    pb_sub(message, 8, &oneof);
}

static void put_value(gmq__bytes *type, const char *name, uint64_t number)
{
    gmq__bytes value = {0};
    pb_str(&value, 1, name);
    pb_uint(&value, 2, number);
    pb_sub(type, 2, &value);
}

static void put_others(gmq__bytes *file)
{
    static const field_row key = {.name = "key", .number = 1, .label = 1, .type = 5};
    static const field_row value = {.name = "value", .number = 2, .label = 1, .type = 5};
    gmq__bytes type = {0}, entry = {0}, options = {0};
    pb_str(&type, 1, "E");
    put_value(&type, "A", 0);
    put_value(&type, "B", 1);
    pb_sub(file, 5, &type);
    pb_str(&entry, 1, "Entry");
    put_field(&entry, &key);
    put_field(&entry, &value);
    pb_uint(&options, 7, 1);
    pb_sub(&entry, 7, &options);
    pb_sub(file, 4, &entry);
}

void message_set(gmq__bytes *out, const char *syntax, const field_row *rows, size_t n)
{
    gmq__bytes content = {0}, message = {0};
    pb_str(&message, 1, "M");
    for (size_t i = 0; i < n; i++)
        put_field(&message, &rows[i]);
    put_oneof(&message, "o1");
    put_oneof(&message, "o2");
    pb_sub(&content, 4, &message);
    put_others(&content);
    file_set(out, syntax, &content);
}

void file_set(gmq__bytes *out, const char *syntax, gmq__bytes *content)
{
    gmq__bytes file = {0};
    pb_str(&file, 1, "t.proto");
    pb_str(&file, 2, "t");
    gmq__bytes_put(&file, content->data, content->len);
    gmq__bytes_free(content);
    if (syntax)
        pb_str(&file, 12, syntax);
    pb_sub(out, 1, &file);
}
