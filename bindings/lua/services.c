/* What Lua has to know of services and enums. */
#include "codec.h"

static void set_string(lua_State *L, const char *key, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, key);
}

static void set_string_at(lua_State *L, lua_Integer index, const char *value)
{
    lua_pushstring(L, value);
    lua_rawseti(L, -2, index);
}

int gmq__lua_service(lua_State *L, const gmq_schema *schema, const char *name)
{
    const gmq_service *service = gmq_schema_find_service(schema, name);
    if (!service) {
        lua_pushnil(L);
        return 1;
    }
    lua_newtable(L);
    for (size_t i = 0; i < gmq_service_method_count(service); i++) {
        const gmq_method *method = gmq_service_method(service, i);
        lua_newtable(L);
        set_string(L, "path", gmq_method_path(method));
        set_string(L, "input", gmq_type_name(gmq_method_input(method)));
        set_string(L, "output", gmq_type_name(gmq_method_output(method)));
        lua_pushinteger(L, gmq_method_kind(method));
        lua_setfield(L, -2, "kind");
        lua_setfield(L, -2, gmq_method_name(method));
    }
    return 1;
}

int gmq__lua_enum(lua_State *L, const gmq_schema *schema, const char *name)
{
    const gmq_enum *type = gmq_schema_find_enum(schema, name);
    if (!type) {
        lua_pushnil(L);
        return 1;
    }
    lua_newtable(L);
    for (size_t i = gmq_enum_value_count(type); i-- > 0;) {
        int32_t number = gmq_enum_value_number(type, i);
        set_string_at(L, number, gmq_enum_value_name(type, i));
        lua_pushinteger(L, number);
        lua_setfield(L, -2, gmq_enum_value_name(type, i));
    }
    return 1;
}

int gmq__lua_services(lua_State *L, const gmq_schema *schema)
{
    lua_newtable(L);
    for (size_t i = 0; i < gmq_schema_service_count(schema); i++) {
        lua_pushstring(L, gmq_service_name(gmq_schema_service(schema, i)));
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}
