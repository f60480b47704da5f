/* Tables to messages. Nothing here lets Lua allocate or raise before the message is freed again: a
 * failure is a text in a buffer, which becomes a Lua string at the end. */
#include <inttypes.h>
#include <lauxlib.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "codec.h"

enum {
    TEXT_SIZE = 1024,
    STACK_NEEDED = 8,
    OUTER_SHOWN = 3, /* of a long path: the outermost ... */
    INNER_SHOWN = 6, /* ... and the innermost parts */
};

/* Where we are: one for each message and each element of a repeated field or map on the way. */
typedef struct place {
    const struct place *up;
    const char *name;  /* of the field; NULL: an element of the one above */
    lua_State *L;      /* of an element: ... */
    int key;           /* ... the place on the stack of the key of a map, or 0 */
    lua_Integer index; /* ... or its place in a sequence */
} place;

typedef struct encoder {
    lua_State *L;
    const gmq_type *type; /* of the whole */
    char text[TEXT_SIZE]; /* what is wrong */
    size_t len;
} encoder;

/* What every function here is about: a value of the stack for a field of a message. */
typedef struct slot {
    gmq_message *message;
    const gmq_field *field;
    size_t index;       /* in the message */
    int value;          /* on the stack */
    const place *where; /* for texts */
} slot;

static bool put_message(encoder *e, gmq_message *message, int table, const place *where);

/* ---- Texts ---- */

static void add_text(encoder *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_text(encoder *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int added = vsnprintf(e->text + e->len, TEXT_SIZE - e->len, format, args);
    va_end(args);
    e->len += added > 0 ? (size_t)added : 0;
    if (e->len >= TEXT_SIZE)
        e->len = TEXT_SIZE - 1;
}

static void add_key(encoder *e, int key)
{
    lua_State *L = e->L;
    if (lua_isinteger(L, key))
        add_text(e, "[" LUA_INTEGER_FMT "]", lua_tointeger(L, key));
    else if (lua_type(L, key) == LUA_TSTRING)
        add_text(e, "['%.40s']", lua_tostring(L, key));
    else
        add_text(e, "[a %s]", luaL_typename(L, key));
}

static void add_part(encoder *e, const place *where)
{
    if (where->name)
        add_text(e, "%s%.80s", where->up ? "." : "", where->name);
    else if (where->key)
        add_key(e, where->key);
    else
        add_text(e, "[" LUA_INTEGER_FMT "]", where->index);
}

/* The parts from the outermost to `where`, which has `inner` parts behind it. What is wrong stands
 * after them, and must not be cut off. Gives their number. */
static int add_path(encoder *e, const place *where, int inner)
{
    if (!where)
        return 0;
    int outer = add_path(e, where->up, inner + 1);
    if (outer < OUTER_SHOWN || inner < INNER_SHOWN)
        add_part(e, where);
    else if (outer == OUTER_SHOWN)
        add_text(e, "...");
    return outer + 1;
}

/* "pkg.Message: path.of[2].field: "; to be followed by what is wrong. False. */
static bool wrong(encoder *e, const place *where)
{
    add_text(e, "%s: ", gmq_type_name(e->type));
    if (where) {
        add_path(e, where, 0);
        add_text(e, ": ");
    }
    return false;
}

static bool needs(encoder *e, const slot *s, const char *what)
{
    wrong(e, s->where);
    add_text(e, "%s is needed, not a %s", what, luaL_typename(e->L, s->value));
    return false;
}

/* Passes on what the library has said. */
static bool checked(encoder *e, const place *where, gmq_status status)
{
    if (status == GMQ_OK)
        return true;
    wrong(e, where);
    add_text(e, "%s", gmq_error_text());
    return false;
}

/* ---- Values ---- */

/* The string at `index`; NULL where it is none, or holds a NUL and so can be no name. */
static const char *name_at(lua_State *L, int index)
{
    size_t len;
    if (lua_type(L, index) != LUA_TSTRING)
        return NULL;
    const char *name = lua_tolstring(L, index, &len);
    return strlen(name) == len ? name : NULL;
}

static bool is_unsigned(const gmq_field *field)
{
    gmq_field_type type = gmq_field_type_of(field);
    return type == GMQ_FIELD_UINT64 || type == GMQ_FIELD_FIXED64;
}

static bool put_integer(encoder *e, const slot *s)
{
    int exact = 0;
    if (lua_type(e->L, s->value) != LUA_TNUMBER)
        return needs(e, s, "an integer");
    lua_Integer number = lua_tointegerx(e->L, s->value, &exact);
    if (!exact) {
        wrong(e, s->where);
        add_text(e, "%.14g is no integer of 64 bits", (double)lua_tonumber(e->L, s->value));
        return false;
    }
    if (is_unsigned(s->field))
        return checked(e, s->where,
                       gmq_message_set_uint64(s->message, s->field, s->index, (uint64_t)number));
    return checked(e, s->where, gmq_message_set_int64(s->message, s->field, s->index, number));
}

static bool put_number(encoder *e, const slot *s)
{
    if (lua_type(e->L, s->value) != LUA_TNUMBER)
        return needs(e, s, "a number");
    double number = lua_tonumber(e->L, s->value);
    return checked(e, s->where, gmq_message_set_double(s->message, s->field, s->index, number));
}

static bool put_bool(encoder *e, const slot *s)
{
    if (lua_type(e->L, s->value) != LUA_TBOOLEAN)
        return needs(e, s, "a boolean");
    int flag = lua_toboolean(e->L, s->value);
    return checked(e, s->where, gmq_message_set_bool(s->message, s->field, s->index, flag));
}

static bool put_bytes(encoder *e, const slot *s)
{
    size_t len;
    if (lua_type(e->L, s->value) != LUA_TSTRING)
        return needs(e, s, "a string");
    const char *data = lua_tolstring(e->L, s->value, &len);
    return checked(e, s->where, gmq_message_set_bytes(s->message, s->field, s->index, data, len));
}

static bool put_enum(encoder *e, const slot *s)
{
    const gmq_enum *type = gmq_field_enum(s->field);
    if (lua_type(e->L, s->value) == LUA_TNUMBER)
        return put_integer(e, s);
    if (lua_type(e->L, s->value) != LUA_TSTRING)
        return needs(e, s, "the name or number of an enum value");
    const char *name = name_at(e->L, s->value);
    int64_t index = name ? gmq_enum_find(type, name) : -1;
    if (index < 0) {
        wrong(e, s->where);
        add_text(e, "%s has no value '%.80s'", gmq_enum_name(type), lua_tostring(e->L, s->value));
        return false;
    }
    int32_t number = gmq_enum_value_number(type, (size_t)index);
    return checked(e, s->where, gmq_message_set_int64(s->message, s->field, s->index, number));
}

static bool put_child(encoder *e, const slot *s)
{
    gmq_message *child;
    if (lua_type(e->L, s->value) != LUA_TTABLE)
        return needs(e, s, "a table");
    gmq_status status = gmq_message_make_message(s->message, s->field, s->index, &child);
    if (status == GMQ_E_TOO_LARGE) {
        wrong(e, NULL); /* the whole path would say nothing */
        add_text(e, "nested too deep (a table that contains itself?): %s", gmq_error_text());
        return false;
    }
    if (!checked(e, s->where, status))
        return false;
    bool ok = put_message(e, child, s->value, s->where);
    gmq_message_unref(child);
    return ok;
}

static bool put_value(encoder *e, const slot *s)
{
    switch (gmq_field_type_of(s->field)) {
    case GMQ_FIELD_DOUBLE:
    case GMQ_FIELD_FLOAT:
        return put_number(e, s);
    case GMQ_FIELD_BOOL:
        return put_bool(e, s);
    case GMQ_FIELD_STRING:
    case GMQ_FIELD_BYTES:
        return put_bytes(e, s);
    case GMQ_FIELD_ENUM:
        return put_enum(e, s);
    case GMQ_FIELD_MESSAGE:
    case GMQ_FIELD_GROUP:
        return put_child(e, s);
    default:
        return put_integer(e, s);
    }
}

/* ---- Repeated fields and maps ---- */

static size_t count_keys(lua_State *L, int table)
{
    size_t count = 0;
    lua_pushnil(L);
    while (lua_next(L, table)) {
        lua_pop(L, 1);
        count++;
    }
    return count;
}

/* Elements 1 to n and nothing else. */
static bool put_sequence(encoder *e, const slot *s)
{
    lua_State *L = e->L;
    size_t count = lua_rawlen(L, s->value);
    if (count_keys(L, s->value) != count) {
        wrong(e, s->where);
        add_text(e, "a sequence is needed: elements 1 to n, without holes or other keys");
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        place where = {s->where, NULL, L, 0, (lua_Integer)i + 1};
        lua_rawgeti(L, s->value, where.index);
        slot element = {s->message, s->field, i, lua_gettop(L), &where};
        bool ok = put_value(e, &element);
        lua_pop(L, 1);
        if (!ok)
            return false;
    }
    return true;
}

/* An entry of a map, from the key and value on top of the stack. */
static bool put_entry(encoder *e, const slot *s, size_t index, const place *where)
{
    int top = lua_gettop(e->L);
    const gmq_type *type = gmq_field_message(s->field);
    gmq_message *entry;
    if (!checked(e, where, gmq_message_make_message(s->message, s->field, index, &entry)))
        return false;
    slot key = {entry, gmq_type_find_number(type, 1), 0, top - 1, where};
    slot value = {entry, gmq_type_find_number(type, 2), 0, top, where};
    bool ok = put_value(e, &key) && put_value(e, &value);
    gmq_message_unref(entry);
    return ok;
}

static bool put_map(encoder *e, const slot *s)
{
    lua_State *L = e->L;
    size_t count = 0;
    lua_pushnil(L);
    while (lua_next(L, s->value)) {
        place where = {s->where, NULL, L, lua_gettop(L) - 1, 0};
        if (!put_entry(e, s, count++, &where))
            return false;
        lua_pop(L, 1);
    }
    return true;
}

/* ---- Messages ---- */

static bool put_field(encoder *e, const slot *s)
{
    if (gmq_field_label(s->field) != GMQ_LABEL_REPEATED)
        return put_value(e, s);
    if (lua_type(e->L, s->value) != LUA_TTABLE)
        return needs(e, s, "a table");
    return gmq_field_is_map(s->field) ? put_map(e, s) : put_sequence(e, s);
}

/* The field of the key on the stack below its value. NULL: there is none. */
static const gmq_field *find_field(encoder *e, gmq_message *message, const place *where)
{
    lua_State *L = e->L;
    const gmq_type *type = gmq_message_type_of(message);
    const char *name = name_at(L, -2);
    const gmq_field *field = name ? gmq_type_find_field(type, name) : NULL;
    if (field)
        return field;
    if (where)
        wrong(e, where);
    add_text(e, "%s has no field ", gmq_type_name(type));
    if (lua_type(L, -2) == LUA_TSTRING)
        add_text(e, "'%.80s'", lua_tostring(L, -2));
    else
        add_key(e, lua_gettop(L) - 1);
    return NULL;
}

/* A field may stand under the name that it has in JSON; then not under its own, too. */
static bool named_once(encoder *e, const slot *s, int table)
{
    lua_State *L = e->L;
    const char *own = gmq_field_name(s->field), *name = lua_tostring(L, s->value - 1);
    bool twice = false;
    if (strcmp(name, own) == 0)
        return true;
    lua_pushnil(L);
    while (lua_next(L, table)) {
        const char *other = name_at(L, -2);
        twice = twice || (other && strcmp(other, own) == 0);
        lua_pop(L, 1);
    }
    if (twice) {
        wrong(e, s->where->up);
        add_text(e, "'%s' and '%s' are the same field", own, name);
    }
    return !twice;
}

static bool alone_in_oneof(encoder *e, const slot *s)
{
    int64_t oneof = gmq_field_oneof(s->field);
    const gmq_type *type = gmq_message_type_of(s->message);
    const gmq_field *other = oneof < 0 ? NULL : gmq_message_which(s->message, (size_t)oneof);
    if (!other || other == s->field)
        return true;
    wrong(e, s->where->up);
    add_text(e, "of the oneof '%s' both '%s' and '%s' are there",
             gmq_type_oneof_name(type, (size_t)oneof), gmq_field_name(other),
             gmq_field_name(s->field));
    return false;
}

static bool put_message(encoder *e, gmq_message *message, int table, const place *where)
{
    lua_State *L = e->L;
    if (!lua_checkstack(L, STACK_NEEDED)) {
        wrong(e, where);
        add_text(e, "no room on Lua's stack");
        return false;
    }
    lua_pushnil(L);
    while (lua_next(L, table)) {
        const gmq_field *field = find_field(e, message, where);
        if (!field)
            return false;
        place here = {where, gmq_field_name(field), NULL, 0, 0};
        slot s = {message, field, 0, lua_gettop(L), &here};
        if (!named_once(e, &s, table) || !alone_in_oneof(e, &s) || !put_field(e, &s))
            return false;
        lua_pop(L, 1);
    }
    return true;
}

static gmq_buf *encode(encoder *e, int table)
{
    gmq_message *message;
    gmq_buf *buf = NULL;
    if (!checked(e, NULL, gmq_message_new(&message, e->type)))
        return NULL;
    if (put_message(e, message, table, NULL))
        checked(e, NULL, gmq_message_encode(message, &buf));
    gmq_message_unref(message);
    return buf;
}

/* Lua may run out of memory while the bytes become a string: then this frees them. */
static int free_buf(lua_State *L)
{
    gmq_buf **keeper = lua_touserdata(L, 1);
    gmq_buf_unref(*keeper);
    *keeper = NULL;
    return 0;
}

static gmq_buf **push_keeper(lua_State *L)
{
    gmq_buf **keeper = lua_newuserdatauv(L, sizeof(gmq_buf *), 0);
    *keeper = NULL;
    if (luaL_newmetatable(L, "grpc_mqtt encoded")) {
        lua_pushcfunction(L, free_buf);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    return keeper;
}

int gmq__lua_encode(lua_State *L, const gmq_type *type, int index)
{
    encoder e = {.L = L, .type = type};
    if (lua_type(L, index) != LUA_TTABLE)
        return luaL_error(L, "%s: a table is needed, not a %s", gmq_type_name(type),
                          luaL_typename(L, index));
    gmq_buf **keeper = push_keeper(L);
    *keeper = encode(&e, index);
    if (!*keeper) {
        lua_pushnil(L);
        lua_pushlstring(L, e.text, e.len);
        return 2;
    }
    lua_pushlstring(L, gmq_buf_data(*keeper), gmq_buf_len(*keeper));
    gmq_buf_unref(*keeper);
    *keeper = NULL;
    return 1;
}
