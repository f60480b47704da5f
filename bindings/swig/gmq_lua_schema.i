/* Schemas for Lua, and tables <-> serialized messages. */
GMQ_NOUN(gmq_schema, Schema)
GMQ_FREED_BY(gmq_schema, gmq_schema_unref)

/* file or bytes -> schema */
GMQ_FALLIBLE(schema_from_bytes)
GMQ_FALLIBLE(schema_from_file)
%newobject schema_from_bytes;
%newobject schema_from_file;
%{
static gmq_schema *schema_from_bytes(const void *data, size_t len)
{
    gmq_schema *schema = NULL;

    gmq_swig_check(gmq_schema_new(&schema, data, len));
    return schema;
}

static gmq_schema *schema_from_file(const char *file)
{
    gmq_schema *schema = NULL;

    gmq_swig_check(gmq_schema_open(&schema, file));
    return schema;
}

/* The type `name`, argument 2, of the schema, argument 1; otherwise a Lua error. */
static const gmq_type *gmq_lua_type(lua_State *L, const char *function)
{
    void *schema;
    const char *name;
    const gmq_type *type;

    if (!gmq_lua_object(L, 1, SWIGTYPE_p_gmq_schema, function, false, &schema) ||
        !gmq_lua_text(L, 2, function, false, &name))
        lua_error(L);
    type = gmq_schema_find_type(schema, name);
    if (!type) {
        luaL_where(L, 2); /* who called Schema:encode() */
        lua_pushfstring(L, "the schema has no message type '%s'", name);
        lua_concat(L, 2);
        lua_error(L);
    }
    return type;
}

static int gmq_lua_encode(lua_State *L)
{
    const gmq_type *type = gmq_lua_type(L, "encode");

    return gmq__lua_encode(L, type, 3);
}

static int gmq_lua_decode(lua_State *L)
{
    const void *data;
    size_t len;
    const gmq_type *type = gmq_lua_type(L, "decode");

    if (!gmq_lua_bytes(L, 3, "bytes to decode", &data, &len))
        return lua_error(L);
    return gmq__lua_decode(L, type, data, len);
}

static int gmq_lua_defaults(lua_State *L)
{
    return gmq__lua_defaults(L, gmq_lua_type(L, "defaults"));
}

static int gmq_lua_service(lua_State *L)
{
    void *schema;
    const char *name;

    if (!gmq_lua_object(L, 1, SWIGTYPE_p_gmq_schema, "service", false, &schema) ||
        !gmq_lua_text(L, 2, "name of a service", false, &name))
        return lua_error(L);
    return gmq__lua_service(L, schema, name);
}

static int gmq_lua_enum(lua_State *L)
{
    void *schema;
    const char *name;

    if (!gmq_lua_object(L, 1, SWIGTYPE_p_gmq_schema, "enum", false, &schema) ||
        !gmq_lua_text(L, 2, "name of an enum", false, &name))
        return lua_error(L);
    return gmq__lua_enum(L, schema, name);
}

static int gmq_lua_services(lua_State *L)
{
    void *schema;

    if (!gmq_lua_object(L, 1, SWIGTYPE_p_gmq_schema, "services", false, &schema))
        return lua_error(L);
    return gmq__lua_services(L, schema);
}
%}
gmq_schema *schema_from_bytes(const void *data, size_t len);
gmq_schema *schema_from_file(const char *file);
%native(encode) int gmq_lua_encode(lua_State *L);
%native(decode) int gmq_lua_decode(lua_State *L);
%native(defaults) int gmq_lua_defaults(lua_State *L);
%native(service) int gmq_lua_service(lua_State *L);
%native(enum_values) int gmq_lua_enum(lua_State *L);
%native(services) int gmq_lua_services(lua_State *L);
