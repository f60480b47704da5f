/* Any bytes as a descriptor set: refused, or a schema that holds together. Messages of its types
 * are filled, written and read; the set's own bytes serve as a message of unknown content. */
#include "fuzz/fuzz_messages.h"

#define TYPES_MAX 20 /* that are looked into */

static void set_value(gmq_message *message, const gmq_field *field)
{
    gmq_message *child;
    int good = gmq_message_set_int64(message, field, 0, 1) == GMQ_OK;
    const gmq_enum *type = gmq_field_enum(field);
    if (type && !good)
        good = gmq_message_set_int64(message, field, 0, gmq_enum_value_number(type, 0)) == GMQ_OK;
    good += gmq_message_set_double(message, field, 0, 1.5) == GMQ_OK;
    good += gmq_message_set_bool(message, field, 0, 1) == GMQ_OK;
    good += gmq_message_set_bytes(message, field, 0, "text", 4) == GMQ_OK;
    if (gmq_message_make_message(message, field, 0, &child) == GMQ_OK) {
        good++;
        gmq_message_unref(child);
    }
    check(good == (gmq_field_type_of(field) != GMQ_FIELD_GROUP));
    check(!good || gmq_message_has(message, field));
}

static void check_field(const gmq_type *type, const gmq_field *field)
{
    check(gmq_type_find_field(type, gmq_field_name(field)) == field);
    check(gmq_type_find_field(type, gmq_field_json_name(field)) != NULL);
    check(gmq_type_find_number(type, gmq_field_number(field)) == field);
    check(gmq_field_owner(field) == type);
    check(gmq_field_oneof(field) < (int64_t)gmq_type_oneof_count(type));
}

static void check_type(const gmq_schema *schema, const gmq_type *type)
{
    gmq_message *message;
    gmq_buf *buf = NULL;
    check(gmq_schema_find_type(schema, gmq_type_name(type)) == type);
    check(gmq_message_new(&message, type) == GMQ_OK);
    read_message(message);
    for (size_t i = 0; i < gmq_type_field_count(type); i++) {
        check_field(type, gmq_type_field(type, i));
        set_value(message, gmq_type_field(type, i));
    }
    read_message(message);
    gmq_status status = gmq_message_encode(message, &buf);
    check(!status || status == GMQ_E_STATE);
    if (!status)
        decode_twice(type, gmq_buf_data(buf), gmq_buf_len(buf));
    gmq_buf_unref(buf);
    gmq_message_unref(message);
}

static void check_enum(const gmq_schema *schema, const gmq_enum *type)
{
    check(gmq_schema_find_enum(schema, gmq_enum_name(type)) == type);
    for (size_t i = 0; i < gmq_enum_value_count(type); i++) {
        check(gmq_enum_find(type, gmq_enum_value_name(type, i)) == (int64_t)i);
        int64_t first = gmq_enum_find_number(type, gmq_enum_value_number(type, i));
        check(first >= 0 && first <= (int64_t)i);
    }
}

static void check_service(const gmq_schema *schema, const gmq_service *service)
{
    check(gmq_schema_find_service(schema, gmq_service_name(service)) == service);
    for (size_t i = 0; i < gmq_service_method_count(service); i++) {
        const gmq_method *method = gmq_service_method(service, i);
        check(gmq_schema_find_method(schema, gmq_method_path(method)) == method);
        check(gmq_method_input(method) && gmq_method_output(method));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    gmq_schema *schema;
    gmq_status status = gmq_schema_new(&schema, data, len);
    check(!status || status == GMQ_E_PARSE || status == GMQ_E_TOO_LARGE ||
          status == GMQ_E_UNSUPPORTED);
    check(!status || gmq_error_text()[0]);
    if (status)
        return 0;
    for (size_t i = 0; i < gmq_schema_type_count(schema) && i < TYPES_MAX; i++) {
        check_type(schema, gmq_schema_type(schema, i));
        decode_twice(gmq_schema_type(schema, i), data, len);
    }
    for (size_t i = 0; i < gmq_schema_enum_count(schema); i++)
        check_enum(schema, gmq_schema_enum(schema, i));
    for (size_t i = 0; i < gmq_schema_service_count(schema); i++)
        check_service(schema, gmq_schema_service(schema, i));
    gmq_schema_unref(schema);
    return 0;
}
