/* Lua tables <-> serialized messages, by the schema. For the SWIG module of Lua alone.
 *
 * A message is a table by field names. Integers are Lua integers (unsigned ones of 2^63 and more
 * negative ones of the same bits), enums names or numbers, string and bytes strings, repeated
 * fields sequences, maps tables. No metamethods are called. */
#ifndef GMQ_LUA_CODEC_H
#define GMQ_LUA_CODEC_H

#include <grpc_mqtt/message.h>
#include <lua.h>

/* Pushes the serialized form of the table at `index`, or nil and a text with the path of the field
 * that is wrong. Their number. */
int gmq__lua_encode(lua_State *L, const gmq_type *type, int index);

/* Pushes a table, or nil and a text. Fields without presence are there in any case, with zero or an
 * empty table; others only when they are set. */
int gmq__lua_decode(lua_State *L, const gmq_type *type, const void *data, size_t len);

/* Pushes a table of the values that unset singular fields have, those of messages left out. */
int gmq__lua_defaults(lua_State *L, const gmq_type *type);

/* Pushes {method = {path=, kind=, input=, output=}}, or nil when there is no such service. */
int gmq__lua_service(lua_State *L, const gmq_schema *schema, const char *name);

/* Pushes {name = number, [number] = name} of an enum, or nil when there is no such one. Of several
 * names of a number the first stands. */
int gmq__lua_enum(lua_State *L, const gmq_schema *schema, const char *name);

/* Pushes the sequence of the names of the services. */
int gmq__lua_services(lua_State *L, const gmq_schema *schema);

#endif
