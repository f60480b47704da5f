/* Messages to tables. Lua may raise "not enough memory" anywhere: the handles of messages are kept
 * in a userdata, which frees them. */
#include <lauxlib.h>
#include <stdbool.h>

#include "codec.h"

enum { HANDLES_MAX = 256, STACK_NEEDED = 8 }; /* messages nest 100 deep, entries of maps between */

typedef struct handles {
    int count;
    gmq_message *open[HANDLES_MAX]; /* from the top of the tree to where we are */
} handles;

typedef struct decoder {
    lua_State *L;
    handles *handles;
} decoder;

static void push_message(decoder *d, gmq_message *message);

static void close_handles(handles *h, int count)
{
    while (h->count > count)
        gmq_message_unref(h->open[--h->count]);
}

static int free_handles(lua_State *L)
{
    close_handles(lua_touserdata(L, 1), 0);
    return 0;
}

static handles *push_handles(lua_State *L)
{
    handles *h = lua_newuserdatauv(L, sizeof *h, 0);
    h->count = 0;
    if (luaL_newmetatable(L, "grpc_mqtt decoding")) {
        lua_pushcfunction(L, free_handles);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return h;
}

/* No value of a message that was decoded can fail to be read, but for lack of memory. */
static void checked(decoder *d, gmq_status status)
{
    if (status != GMQ_OK)
        luaL_error(d->L, "%s", gmq_error_text());
}

static gmq_message *open_child(decoder *d, gmq_message *message, const gmq_field *field,
                               size_t index)
{
    if (d->handles->count == HANDLES_MAX)
        luaL_error(d->L, "messages nested too deep");
    gmq_message **child = &d->handles->open[d->handles->count];
    checked(d, gmq_message_get_message(message, field, index, child));
    d->handles->count++;
    return *child;
}

/* ---- Values ---- */

static void push_integer(decoder *d, const gmq_message *message, const gmq_field *field,
                         size_t index)
{
    gmq_field_type type = gmq_field_type_of(field);
    int64_t number = 0;
    uint64_t bits = 0;
    if (type == GMQ_FIELD_UINT64 || type == GMQ_FIELD_FIXED64) {
        checked(d, gmq_message_get_uint64(message, field, index, &bits));
        lua_pushinteger(d->L, (lua_Integer)bits);
    } else {
        checked(d, gmq_message_get_int64(message, field, index, &number));
        lua_pushinteger(d->L, number);
    }
}

static void push_number(decoder *d, const gmq_message *message, const gmq_field *field,
                        size_t index)
{
    double number = 0;
    checked(d, gmq_message_get_double(message, field, index, &number));
    lua_pushnumber(d->L, number);
}

static void push_bool(decoder *d, const gmq_message *message, const gmq_field *field, size_t index)
{
    int flag = 0;
    checked(d, gmq_message_get_bool(message, field, index, &flag));
    lua_pushboolean(d->L, flag);
}

static void push_bytes(decoder *d, const gmq_message *message, const gmq_field *field, size_t index)
{
    const void *data = NULL;
    size_t len = 0;
    checked(d, gmq_message_get_bytes(message, field, index, &data, &len));
    lua_pushlstring(d->L, data, len);
}

/* The name, or the number where the enum has none for it. */
static void push_enum(decoder *d, const gmq_message *message, const gmq_field *field, size_t index)
{
    const gmq_enum *type = gmq_field_enum(field);
    int64_t number = 0;
    checked(d, gmq_message_get_int64(message, field, index, &number));
    int64_t known = gmq_enum_find_number(type, (int32_t)number);
    if (known < 0)
        lua_pushinteger(d->L, number);
    else
        lua_pushstring(d->L, gmq_enum_value_name(type, (size_t)known));
}

static void push_value(decoder *d, gmq_message *message, const gmq_field *field, size_t index)
{
    int open = d->handles->count;
    switch (gmq_field_type_of(field)) {
    case GMQ_FIELD_DOUBLE:
    case GMQ_FIELD_FLOAT:
        push_number(d, message, field, index);
        break;
    case GMQ_FIELD_BOOL:
        push_bool(d, message, field, index);
        break;
    case GMQ_FIELD_STRING:
    case GMQ_FIELD_BYTES:
        push_bytes(d, message, field, index);
        break;
    case GMQ_FIELD_ENUM:
        push_enum(d, message, field, index);
        break;
    case GMQ_FIELD_MESSAGE:
        push_message(d, open_child(d, message, field, index));
        close_handles(d->handles, open);
        break;
    default:
        push_integer(d, message, field, index);
    }
}

/* ---- Repeated fields, maps, messages ---- */

static void push_sequence(decoder *d, gmq_message *message, const gmq_field *field)
{
    size_t count = gmq_message_count(message, field);
    lua_createtable(d->L, count < 1 << 20 ? (int)count : 0, 0);
    for (size_t i = 0; i < count; i++) {
        push_value(d, message, field, i);
        lua_rawseti(d->L, -2, (lua_Integer)i + 1);
    }
}

/* The value of an entry whose message was not written: an empty one. */
static void push_entry_value(decoder *d, gmq_message *entry, const gmq_field *field)
{
    if (gmq_field_message(field) && !gmq_message_has(entry, field)) {
        gmq_message *made = NULL;
        checked(d, gmq_message_make_message(entry, field, 0, &made));
        gmq_message_unref(made);
    }
    push_value(d, entry, field, 0);
}

static void push_map(decoder *d, gmq_message *message, const gmq_field *field)
{
    const gmq_type *type = gmq_field_message(field);
    size_t count = gmq_message_count(message, field);
    int open = d->handles->count;
    lua_createtable(d->L, 0, count < 1 << 20 ? (int)count : 0);
    for (size_t i = 0; i < count; i++) {
        gmq_message *entry = open_child(d, message, field, i);
        push_value(d, entry, gmq_type_find_number(type, 1), 0);
        push_entry_value(d, entry, gmq_type_find_number(type, 2));
        lua_rawset(d->L, -3);
        close_handles(d->handles, open);
    }
}

static void push_field(decoder *d, gmq_message *message, const gmq_field *field)
{
    if (gmq_field_is_map(field))
        push_map(d, message, field);
    else if (gmq_field_label(field) == GMQ_LABEL_REPEATED)
        push_sequence(d, message, field);
    else
        push_value(d, message, field, 0);
}

static void push_message(decoder *d, gmq_message *message)
{
    const gmq_type *type = gmq_message_type_of(message);
    size_t count = gmq_type_field_count(type);
    luaL_checkstack(d->L, STACK_NEEDED, "message");
    lua_createtable(d->L, 0, count < 64 ? (int)count : 64);
    for (size_t i = 0; i < count; i++) {
        const gmq_field *field = gmq_type_field(type, i);
        if (gmq_field_type_of(field) == GMQ_FIELD_GROUP ||
            (gmq_field_has_presence(field) && !gmq_message_has(message, field)))
            continue;
        push_field(d, message, field);
        lua_setfield(d->L, -2, gmq_field_name(field));
    }
}

int gmq__lua_defaults(lua_State *L, const gmq_type *type)
{
    decoder d = {L, push_handles(L)};
    checked(&d, gmq_message_new(&d.handles->open[0], type));
    d.handles->count = 1;
    lua_newtable(L);
    for (size_t i = 0; i < gmq_type_field_count(type); i++) {
        const gmq_field *field = gmq_type_field(type, i);
        if (gmq_field_message(field) || gmq_field_label(field) == GMQ_LABEL_REPEATED)
            continue;
        push_value(&d, d.handles->open[0], field, 0);
        lua_setfield(L, -2, gmq_field_name(field));
    }
    close_handles(d.handles, 0);
    return 1;
}

int gmq__lua_decode(lua_State *L, const gmq_type *type, const void *data, size_t len)
{
    decoder d = {L, push_handles(L)};
    gmq_status status = gmq_message_decode(&d.handles->open[0], type, data, len, 0);
    if (status != GMQ_OK) {
        lua_pushnil(L);
        lua_pushstring(L, gmq_error_text());
        return 2;
    }
    d.handles->count = 1;
    push_message(&d, d.handles->open[0]);
    close_handles(d.handles, 0);
    return 1;
}
