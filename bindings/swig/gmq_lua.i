/* grpc_mqtt.core for Lua: the core library, and what grpc_mqtt.lua needs besides (bindings/lua/codec.h). */
%module gmq
%begin %{
#include <limits.h>
#include <pthread.h>
#include <time.h>

#include "codec.h"
%}
%include "gmq_lua.swg"
%include "common.i"
%include "gmq_lua_schema.i"

/* ---- The clock, for timers: milliseconds since some moment --------------------------------------------------------- */

%{
static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
%}
int64_t now_ms(void);

/* ---- Loading ------------------------------------------------------------------------------------------------------ */

/* SWIG's constructors keep one result only, where a failure has three: the functions behind them take their place. It also
 * puts two functions among the globals, and gives access to metatables, with which a script could free an object twice. */
%init %{
    static const struct { const char *name; lua_CFunction make; } classes[] = {
        {"Client", _wrap_new_Client}, {"MethodMap", _wrap_new_MethodMap}, {"Options", _wrap_new_Options},
        {"Queue", _wrap_new_Queue}, {"Server", _wrap_new_Server}, {"Call", NULL}, {"Schema", NULL},
    };

    for (size_t k = 0; k < sizeof classes / sizeof *classes; k++) {
        SWIG_Lua_get_class_metatable(L, classes[k].name);
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
        lua_pop(L, 1);
        if (classes[k].make)
            lua_pushcfunction(L, classes[k].make);
        else
            lua_pushnil(L);
        lua_setfield(L, -2, classes[k].name);
    }
    lua_pushnil(L);
    lua_setglobal(L, "swig_type");
    lua_pushnil(L);
    lua_setglobal(L, "swig_equals");
    lua_pushinteger(L, GMQ_BATCH_MAX);
    lua_setfield(L, -2, "BATCH_MAX");
%}

/* SWIG's tables of types are the process's: one Lua state at a time loads the module. */
%insert("initbeforefunc") %{
SWIGEXPORT int luaopen_gmq(lua_State *L);
SWIGEXPORT int luaopen_grpc_mqtt_core(lua_State *L)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    int status;

    lua_pushcfunction(L, luaopen_gmq);
    pthread_mutex_lock(&lock);
    status = lua_pcall(L, 0, 1, 0);
    pthread_mutex_unlock(&lock);
    return status == LUA_OK ? 1 : lua_error(L);
}
%}
