/**
 * @file schema.h
 * Schema: the messages, enums and services of a set of .proto files, known at run time.
 *
 * Built from a serialized google.protobuf.FileDescriptorSet (`protoc --include_imports
 * --descriptor_set_out=FILE`, or what server reflection gives). A schema never changes: any number
 * of threads may read it. gmq_type, gmq_field, gmq_enum, gmq_service and gmq_method are parts of
 * it: pointers to them, and every string that they give, are borrowed and valid as long as the
 * schema is. Messages (message.h) hold a reference of their own on it.
 *
 * Full names are written without a leading dot, "pkg.Outer.Inner"; where one is asked for, a
 * leading dot is ignored. Indexes count from 0, in the order of the .proto file.
 * Not supported: editions (such a file is refused). Groups are listed, but their values cannot be
 * read or written: on decoding they are kept like unknown fields. So are extensions.
 */
#ifndef GRPC_MQTT_SCHEMA_H
#define GRPC_MQTT_SCHEMA_H

#include <grpc_mqtt/base.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gmq_schema gmq_schema;
typedef struct gmq_type gmq_type;       /**< a message type */
typedef struct gmq_field gmq_field;     /**< a field of a message type */
typedef struct gmq_enum gmq_enum;       /**< an enum type */
typedef struct gmq_service gmq_service; /**< a service */
typedef struct gmq_method gmq_method;   /**< a method of a service */

/** What a field holds. Values are those of FieldDescriptorProto.Type and never change. */
typedef enum gmq_field_type {
    GMQ_FIELD_DOUBLE = 1,
    GMQ_FIELD_FLOAT = 2,
    GMQ_FIELD_INT64 = 3,
    GMQ_FIELD_UINT64 = 4,
    GMQ_FIELD_INT32 = 5,
    GMQ_FIELD_FIXED64 = 6,
    GMQ_FIELD_FIXED32 = 7,
    GMQ_FIELD_BOOL = 8,
    GMQ_FIELD_STRING = 9,
    GMQ_FIELD_GROUP = 10,
    GMQ_FIELD_MESSAGE = 11,
    GMQ_FIELD_BYTES = 12,
    GMQ_FIELD_UINT32 = 13,
    GMQ_FIELD_ENUM = 14,
    GMQ_FIELD_SFIXED32 = 15,
    GMQ_FIELD_SFIXED64 = 16,
    GMQ_FIELD_SINT32 = 17,
    GMQ_FIELD_SINT64 = 18
} gmq_field_type;

/** How often a field stands. Values are those of FieldDescriptorProto.Label and never change. */
typedef enum gmq_label {
    GMQ_LABEL_OPTIONAL = 1,
    GMQ_LABEL_REQUIRED = 2, /**< proto2 */
    GMQ_LABEL_REPEATED = 3  /**< maps too, see gmq_field_is_map() */
} gmq_label;

/** Reads a serialized FileDescriptorSet into a new schema with one reference. Files may stand in
 *  any order; where two have the same name the first counts.
 *  Errors: GMQ_E_PARSE (no descriptor set; an import is missing, a type is not defined, a number is
 *  out of range or stands twice, a default value does not parse, ...; the text names the file, the
 *  element and its value), GMQ_E_UNSUPPORTED (editions), GMQ_E_TOO_LARGE (above 64 MiB, or out of
 *  all proportion more memory to read it), GMQ_E_NOMEM. Since 0.1. */
GMQ_API gmq_status gmq_schema_new(gmq_schema **out, const void *data, size_t len);

/** The same from a file. Blocks on the file. Errors: as above, and GMQ_E_IO; the text names the
 *  file. Since 0.1. */
GMQ_API gmq_status gmq_schema_open(gmq_schema **out, const char *file);

/** Adds a reference and returns `schema`. Any thread. Since 0.1. */
GMQ_API gmq_schema *gmq_schema_ref(gmq_schema *schema);

/** Drops a reference; the last one frees. NULL is fine. Any thread. Since 0.1. */
GMQ_API void gmq_schema_unref(gmq_schema *schema);

/** Number of message types, nested ones and the entries of maps among them. Since 0.1. */
GMQ_API size_t gmq_schema_type_count(const gmq_schema *schema);
/** Message type `index`; NULL out of range. Since 0.1. */
GMQ_API const gmq_type *gmq_schema_type(const gmq_schema *schema, size_t index);
/** Message type by full name; NULL when there is none. Since 0.1. */
GMQ_API const gmq_type *gmq_schema_find_type(const gmq_schema *schema, const char *name);

/** Number of enum types, nested ones among them. Since 0.1. */
GMQ_API size_t gmq_schema_enum_count(const gmq_schema *schema);
/** Enum type `index`; NULL out of range. Since 0.1. */
GMQ_API const gmq_enum *gmq_schema_enum(const gmq_schema *schema, size_t index);
/** Enum type by full name; NULL when there is none. Since 0.1. */
GMQ_API const gmq_enum *gmq_schema_find_enum(const gmq_schema *schema, const char *name);

/** Number of services. Since 0.1. */
GMQ_API size_t gmq_schema_service_count(const gmq_schema *schema);
/** Service `index`; NULL out of range. Since 0.1. */
GMQ_API const gmq_service *gmq_schema_service(const gmq_schema *schema, size_t index);
/** Service by full name; NULL when there is none. Since 0.1. */
GMQ_API const gmq_service *gmq_schema_find_service(const gmq_schema *schema, const char *name);
/** Method by path, "/pkg.Svc/Method", as a CALL event tells it; NULL when there is none.
 *  Since 0.1. */
GMQ_API const gmq_method *gmq_schema_find_method(const gmq_schema *schema, const char *path);

/** The schema that a type is part of. Borrowed. Since 0.1. */
GMQ_API gmq_schema *gmq_type_schema(const gmq_type *type);
/** Full name, "pkg.Message". Since 0.1. */
GMQ_API const char *gmq_type_name(const gmq_type *type);
/** 1 for the type of a map's entries, whose fields are `key` (1) and `value` (2); else 0.
 *  Since 0.1. */
GMQ_API int gmq_type_is_map_entry(const gmq_type *type);
/** Number of fields, those of oneofs among them. Since 0.1. */
GMQ_API size_t gmq_type_field_count(const gmq_type *type);
/** Field `index`; NULL out of range. Since 0.1. */
GMQ_API const gmq_field *gmq_type_field(const gmq_type *type, size_t index);
/** Field by its name in the .proto file or else by its JSON name; NULL when there is none.
 *  Since 0.1. */
GMQ_API const gmq_field *gmq_type_find_field(const gmq_type *type, const char *name);
/** Field by number; NULL when there is none. Since 0.1. */
GMQ_API const gmq_field *gmq_type_find_number(const gmq_type *type, int32_t number);
/** Number of oneofs; those that only stand for a proto3 `optional` do not count. Since 0.1. */
GMQ_API size_t gmq_type_oneof_count(const gmq_type *type);
/** Name of oneof `index`; NULL out of range. Since 0.1. */
GMQ_API const char *gmq_type_oneof_name(const gmq_type *type, size_t index);

/** The message type that a field belongs to. Since 0.1. */
GMQ_API const gmq_type *gmq_field_owner(const gmq_field *field);
/** Name in the .proto file. Since 0.1. */
GMQ_API const char *gmq_field_name(const gmq_field *field);
/** Name in JSON; lowerCamelCase unless the .proto file says otherwise. Since 0.1. */
GMQ_API const char *gmq_field_json_name(const gmq_field *field);
/** Number on the wire, 1 to 536870911. Since 0.1. */
GMQ_API int32_t gmq_field_number(const gmq_field *field);
/** What it holds. Since 0.1. */
GMQ_API gmq_field_type gmq_field_type_of(const gmq_field *field);
/** Optional, required or repeated. Since 0.1. */
GMQ_API gmq_label gmq_field_label(const gmq_field *field);
/** 1 for a map: a repeated field of entries with `key` and `value`; else 0. Since 0.1. */
GMQ_API int gmq_field_is_map(const gmq_field *field);
/** 1 for a repeated field that is written packed, else 0. Both forms are read. Since 0.1. */
GMQ_API int gmq_field_is_packed(const gmq_field *field);
/** 1 when unset differs from zero (gmq_message_has() tells which): proto2, `optional` of proto3,
 *  oneofs, messages; 0 for repeated fields and the plain ones of proto3. Since 0.1. */
GMQ_API int gmq_field_has_presence(const gmq_field *field);
/** Type of a GMQ_FIELD_MESSAGE or GMQ_FIELD_GROUP, of a map its entry's; else NULL. Since 0.1. */
GMQ_API const gmq_type *gmq_field_message(const gmq_field *field);
/** Type of a GMQ_FIELD_ENUM; else NULL. Since 0.1. */
GMQ_API const gmq_enum *gmq_field_enum(const gmq_field *field);
/** Index of its oneof in its owner; -1 when it is in none. Since 0.1. */
GMQ_API int64_t gmq_field_oneof(const gmq_field *field);
/** Its `default` as a descriptor writes it ("1", "true", "RED"; bytes with C escapes); NULL when
 *  the .proto file gives none. Since 0.1. */
GMQ_API const char *gmq_field_default_text(const gmq_field *field);

/** The schema that an enum is part of. Borrowed. Since 0.1. */
GMQ_API gmq_schema *gmq_enum_schema(const gmq_enum *type);
/** Full name, "pkg.Enum". Since 0.1. */
GMQ_API const char *gmq_enum_name(const gmq_enum *type);
/** 1 when it is closed (proto2): other numbers than its own cannot be set, and when read they are
 *  kept like unknown fields; 0 when it is open (proto3). Since 0.1. */
GMQ_API int gmq_enum_is_closed(const gmq_enum *type);
/** Number of its values. Since 0.1. */
GMQ_API size_t gmq_enum_value_count(const gmq_enum *type);
/** Name of value `index`; NULL out of range. Since 0.1. */
GMQ_API const char *gmq_enum_value_name(const gmq_enum *type, size_t index);
/** Number of value `index`; 0 out of range. Since 0.1. */
GMQ_API int32_t gmq_enum_value_number(const gmq_enum *type, size_t index);
/** Index of a value by name, "RED"; -1 when there is none. Since 0.1. */
GMQ_API int64_t gmq_enum_find(const gmq_enum *type, const char *name);
/** Index of the first value with this number; -1 when there is none. Since 0.1. */
GMQ_API int64_t gmq_enum_find_number(const gmq_enum *type, int32_t number);

/** The schema that a service is part of. Borrowed. Since 0.1. */
GMQ_API gmq_schema *gmq_service_schema(const gmq_service *service);
/** Full name, "pkg.Svc". Since 0.1. */
GMQ_API const char *gmq_service_name(const gmq_service *service);
/** Number of its methods. Since 0.1. */
GMQ_API size_t gmq_service_method_count(const gmq_service *service);
/** Method `index`; NULL out of range. Since 0.1. */
GMQ_API const gmq_method *gmq_service_method(const gmq_service *service, size_t index);
/** Method by name, "SayHello"; NULL when there is none. Since 0.1. */
GMQ_API const gmq_method *gmq_service_find_method(const gmq_service *service, const char *name);

/** The service that a method belongs to. Since 0.1. */
GMQ_API const gmq_service *gmq_method_service(const gmq_method *method);
/** Name, "SayHello". Since 0.1. */
GMQ_API const char *gmq_method_name(const gmq_method *method);
/** Path for gmq_call_start(), "/pkg.Svc/SayHello". Since 0.1. */
GMQ_API const char *gmq_method_path(const gmq_method *method);
/** Kind of RPC. Since 0.1. */
GMQ_API gmq_rpc_kind gmq_method_kind(const gmq_method *method);
/** Type of the request. Since 0.1. */
GMQ_API const gmq_type *gmq_method_input(const gmq_method *method);
/** Type of the response. Since 0.1. */
GMQ_API const gmq_type *gmq_method_output(const gmq_method *method);

#ifdef __cplusplus
}
#endif
#endif
