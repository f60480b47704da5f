/* Schemas and dynamic messages, for a module that has included common.i. (Lua has a codec of its own over the C functions.)
 *
 * Types, fields, enums, services and methods belong to a schema: each object of a script that stands for one holds a
 * reference on it. A language says what becomes of gmq_bytes (borrowed; NULL data: none, after a failure) and of a returned gmq_buf
 * (owned).
 */
%{
typedef struct gmq_bytes {
    const void *data;
    size_t len;
} gmq_bytes;

static gmq_type *gmq_swig_hold_type(const gmq_type *type)
{
    if (type)
        gmq_schema_ref(gmq_type_schema(type));
    return (gmq_type *)type;
}

static gmq_field *gmq_swig_hold_field(const gmq_field *field)
{
    if (field)
        gmq_schema_ref(gmq_type_schema(gmq_field_owner(field)));
    return (gmq_field *)field;
}

static gmq_enum *gmq_swig_hold_enum(const gmq_enum *type)
{
    if (type)
        gmq_schema_ref(gmq_enum_schema(type));
    return (gmq_enum *)type;
}

static gmq_service *gmq_swig_hold_service(const gmq_service *service)
{
    if (service)
        gmq_schema_ref(gmq_service_schema(service));
    return (gmq_service *)service;
}

static gmq_method *gmq_swig_hold_method(const gmq_method *method)
{
    if (method)
        gmq_schema_ref(gmq_service_schema(gmq_method_service(method)));
    return (gmq_method *)method;
}

static void gmq_swig_drop_type(gmq_type *type) { gmq_schema_unref(gmq_type_schema(type)); }
static void gmq_swig_drop_field(gmq_field *field) { gmq_schema_unref(gmq_type_schema(gmq_field_owner(field))); }
static void gmq_swig_drop_enum(gmq_enum *type) { gmq_schema_unref(gmq_enum_schema(type)); }
static void gmq_swig_drop_service(gmq_service *service) { gmq_schema_unref(gmq_service_schema(service)); }
static void gmq_swig_drop_method(gmq_method *method)
{
    gmq_schema_unref(gmq_service_schema(gmq_method_service(method)));
}
%}

GMQ_CONSTANT(FIELD_DOUBLE)
GMQ_CONSTANT(FIELD_FLOAT)
GMQ_CONSTANT(FIELD_INT64)
GMQ_CONSTANT(FIELD_UINT64)
GMQ_CONSTANT(FIELD_INT32)
GMQ_CONSTANT(FIELD_FIXED64)
GMQ_CONSTANT(FIELD_FIXED32)
GMQ_CONSTANT(FIELD_BOOL)
GMQ_CONSTANT(FIELD_STRING)
GMQ_CONSTANT(FIELD_GROUP)
GMQ_CONSTANT(FIELD_MESSAGE)
GMQ_CONSTANT(FIELD_BYTES)
GMQ_CONSTANT(FIELD_UINT32)
GMQ_CONSTANT(FIELD_ENUM)
GMQ_CONSTANT(FIELD_SFIXED32)
GMQ_CONSTANT(FIELD_SFIXED64)
GMQ_CONSTANT(FIELD_SINT32)
GMQ_CONSTANT(FIELD_SINT64)

GMQ_CONSTANT(LABEL_OPTIONAL)
GMQ_CONSTANT(LABEL_REQUIRED)
GMQ_CONSTANT(LABEL_REPEATED)

GMQ_NOUN(gmq_schema, Schema)
GMQ_NOUN(gmq_type, MessageType)
GMQ_NOUN(gmq_field, Field)
GMQ_NOUN(gmq_enum, EnumType)
GMQ_NOUN(gmq_service, Service)
GMQ_NOUN(gmq_method, Method)
GMQ_NOUN(gmq_message, Message)

GMQ_FREED_BY(gmq_schema, gmq_schema_unref)
GMQ_FREED_BY(gmq_type, gmq_swig_drop_type)
GMQ_FREED_BY(gmq_field, gmq_swig_drop_field)
GMQ_FREED_BY(gmq_enum, gmq_swig_drop_enum)
GMQ_FREED_BY(gmq_service, gmq_swig_drop_service)
GMQ_FREED_BY(gmq_method, gmq_swig_drop_method)
GMQ_FREED_BY(gmq_message, gmq_message_unref)

/* A member that gives a part of the schema, or nothing. */
%define GMQ_PART(owner, member)
%newobject owner::member;
%enddef

/* A member with a body whose name the C library has, too. */
%define GMQ_AS(owner, member, name)
%rename(name) owner::member;
%enddef

GMQ_FALLIBLE(gmq_schema::gmq_schema)
GMQ_PART(gmq_schema, type_at)
GMQ_PART(gmq_schema, type_named)
GMQ_PART(gmq_schema, enum_at)
GMQ_PART(gmq_schema, enum_named)
GMQ_PART(gmq_schema, service_at)
GMQ_PART(gmq_schema, service_named)
GMQ_PART(gmq_schema, method_by_path)
GMQ_AS(gmq_schema, type_named, find_type)
GMQ_AS(gmq_schema, enum_named, find_enum)
GMQ_AS(gmq_schema, service_named, find_service)
GMQ_AS(gmq_schema, method_by_path, find_method)
%extend gmq_schema {
    gmq_schema(const void *data, size_t len)
    {
        gmq_schema *schema = NULL;
        gmq_swig_check(gmq_schema_new(&schema, data, len));
        return schema;
    }
    size_t type_count() const;
    gmq_type *type_at(size_t index) { return gmq_swig_hold_type(gmq_schema_type($self, index)); }
    gmq_type *type_named(const char *name) { return gmq_swig_hold_type(gmq_schema_find_type($self, name)); }
    size_t enum_count() const;
    gmq_enum *enum_at(size_t index) { return gmq_swig_hold_enum(gmq_schema_enum($self, index)); }
    gmq_enum *enum_named(const char *name) { return gmq_swig_hold_enum(gmq_schema_find_enum($self, name)); }
    size_t service_count() const;
    gmq_service *service_at(size_t index) { return gmq_swig_hold_service(gmq_schema_service($self, index)); }
    gmq_service *service_named(const char *name) { return gmq_swig_hold_service(gmq_schema_find_service($self, name)); }
    gmq_method *method_by_path(const char *path) { return gmq_swig_hold_method(gmq_schema_find_method($self, path)); }
}

%newobject open_schema;
GMQ_FALLIBLE(open_schema)
%inline %{
static gmq_schema *open_schema(const char *file)
{
    gmq_schema *schema = NULL;
    gmq_swig_check(gmq_schema_open(&schema, file));
    return schema;
}
%}

GMQ_PART(gmq_type, field_at)
GMQ_PART(gmq_type, field_named)
GMQ_PART(gmq_type, field_numbered)
GMQ_AS(gmq_type, field_named, find_field)
GMQ_AS(gmq_type, field_numbered, find_number)
%extend gmq_type {
    const char *name() const;
    int is_map_entry() const;
    size_t field_count() const;
    gmq_field *field_at(size_t index) { return gmq_swig_hold_field(gmq_type_field($self, index)); }
    gmq_field *field_named(const char *name) { return gmq_swig_hold_field(gmq_type_find_field($self, name)); }
    gmq_field *field_numbered(int32_t number) { return gmq_swig_hold_field(gmq_type_find_number($self, number)); }
    size_t oneof_count() const;
    const char *oneof_name(size_t index) const;
}

GMQ_PART(gmq_field, message_type)
GMQ_PART(gmq_field, enum_type)
GMQ_AS(gmq_field, type_number, type)
GMQ_AS(gmq_field, label_number, label)
%extend gmq_field {
    const char *name() const;
    const char *json_name() const;
    int32_t number() const;
    int32_t type_number() { return gmq_field_type_of($self); }
    int32_t label_number() { return gmq_field_label($self); }
    int is_map() const;
    int is_packed() const;
    int has_presence() const;
    gmq_type *message_type() { return gmq_swig_hold_type(gmq_field_message($self)); }
    gmq_enum *enum_type() { return gmq_swig_hold_enum(gmq_field_enum($self)); }
    int64_t oneof() const;
    const char *default_text() const;
}

%extend gmq_enum {
    const char *name() const;
    int is_closed() const;
    size_t value_count() const;
    const char *value_name(size_t index) const;
    int32_t value_number(size_t index) const;
    int64_t find(const char *name) const;
    int64_t find_number(int32_t number) const;
}

GMQ_PART(gmq_service, method_at)
GMQ_PART(gmq_service, method_named)
GMQ_AS(gmq_service, method_named, find_method)
%extend gmq_service {
    const char *name() const;
    size_t method_count() const;
    gmq_method *method_at(size_t index) { return gmq_swig_hold_method(gmq_service_method($self, index)); }
    gmq_method *method_named(const char *name) { return gmq_swig_hold_method(gmq_service_find_method($self, name)); }
}

GMQ_PART(gmq_method, input_type)
GMQ_PART(gmq_method, output_type)
GMQ_AS(gmq_method, input_type, input)
GMQ_AS(gmq_method, output_type, output)
GMQ_AS(gmq_method, kind_number, kind)
%extend gmq_method {
    const char *name() const;
    const char *path() const;
    int32_t kind_number() { return gmq_method_kind($self); }
    gmq_type *input_type() { return gmq_swig_hold_type(gmq_method_input($self)); }
    gmq_type *output_type() { return gmq_swig_hold_type(gmq_method_output($self)); }
}

/* Values go by kind, as in message.h; which kind a field is of says Field.type(). */
GMQ_FALLIBLE(gmq_message::gmq_message)
GMQ_FALLIBLE(gmq_message::encoded)
GMQ_FALLIBLE(gmq_message::int64_at)
GMQ_FALLIBLE(gmq_message::uint64_at)
GMQ_FALLIBLE(gmq_message::double_at)
GMQ_FALLIBLE(gmq_message::bool_at)
GMQ_FALLIBLE(gmq_message::bytes_at)
GMQ_FALLIBLE(gmq_message::message_at)
GMQ_FALLIBLE(gmq_message::made_message)
GMQ_AS(gmq_message, encoded, encode)
GMQ_AS(gmq_message, int64_at, get_int64)
GMQ_AS(gmq_message, uint64_at, get_uint64)
GMQ_AS(gmq_message, double_at, get_double)
GMQ_AS(gmq_message, bool_at, get_bool)
GMQ_AS(gmq_message, bytes_at, get_bytes)
GMQ_AS(gmq_message, message_at, get_message)
GMQ_AS(gmq_message, made_message, make_message)
%newobject gmq_message::message_at;
%newobject gmq_message::made_message;
GMQ_PART(gmq_message, type)
GMQ_AS(gmq_message, set_of, which)
%newobject gmq_message::set_of;
%extend gmq_message {
    gmq_message(const gmq_type *type)
    {
        gmq_message *message = NULL;
        gmq_swig_check(gmq_message_new(&message, type));
        return message;
    }
    gmq_type *type() { return gmq_swig_hold_type(gmq_message_type_of($self)); }
    gmq_buf *encoded()
    {
        gmq_buf *buf = NULL;
        gmq_swig_check(gmq_message_encode($self, &buf));
        return buf;
    }
    size_t count(const gmq_field *field) const;
    int has(const gmq_field *field) const;
    gmq_field *set_of(size_t oneof) { return gmq_swig_hold_field(gmq_message_which($self, oneof)); }
    gmq_status clear(const gmq_field *field);
    gmq_status clear_all() { return gmq_message_clear($self, NULL); }
    gmq_status remove(const gmq_field *field, size_t index);
    int64_t int64_at(const gmq_field *field, size_t index)
    {
        int64_t value = 0;
        gmq_swig_check(gmq_message_get_int64($self, field, index, &value));
        return value;
    }
    uint64_t uint64_at(const gmq_field *field, size_t index)
    {
        uint64_t value = 0;
        gmq_swig_check(gmq_message_get_uint64($self, field, index, &value));
        return value;
    }
    double double_at(const gmq_field *field, size_t index)
    {
        double value = 0;
        gmq_swig_check(gmq_message_get_double($self, field, index, &value));
        return value;
    }
    int bool_at(const gmq_field *field, size_t index)
    {
        int value = 0;
        gmq_swig_check(gmq_message_get_bool($self, field, index, &value));
        return value;
    }
    gmq_bytes bytes_at(const gmq_field *field, size_t index)
    {
        gmq_bytes value = {NULL, 0};
        gmq_swig_check(gmq_message_get_bytes($self, field, index, &value.data, &value.len));
        return value;
    }
    gmq_message *message_at(const gmq_field *field, size_t index)
    {
        gmq_message *child = NULL;
        gmq_swig_check(gmq_message_get_message($self, field, index, &child));
        return child;
    }
    gmq_message *made_message(const gmq_field *field, size_t index)
    {
        gmq_message *child = NULL;
        gmq_swig_check(gmq_message_make_message($self, field, index, &child));
        return child;
    }
    gmq_status set_int64(const gmq_field *field, size_t index, int64_t value);
    gmq_status set_uint64(const gmq_field *field, size_t index, uint64_t value);
    gmq_status set_double(const gmq_field *field, size_t index, double value);
    gmq_status set_bool(const gmq_field *field, size_t index, int value);
    gmq_status set_bytes(const gmq_field *field, size_t index, const void *data, size_t len);
}

%newobject decode_message;
GMQ_FALLIBLE(decode_message)
%inline %{
static gmq_message *decode_message(const gmq_type *type, const void *data, size_t len, size_t memory_max)
{
    gmq_message *message = NULL;
    gmq_swig_check(gmq_message_decode(&message, type, data, len, memory_max));
    return message;
}
%}
