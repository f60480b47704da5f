/* Lua runs out of memory at every n-th allocation of what scripts do with the module: an error each
 * time, and nothing leaked (run under valgrind). Paths come from LUA_PATH and LUA_CPATH.
 *
 *     lua_nomem SCRIPT   SCRIPT returns a sequence of functions */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNLIMITED = -1 };

static long allowed = UNLIMITED; /* allocations until there is no more memory */
static int failed;

static void *allocate(void *unused, void *block, size_t old, size_t size)
{
    (void)unused;
    if (size == 0) {
        free(block);
        return NULL;
    }
    if (allowed == 0 && (!block || size > old)) {
        failed = 1;
        return NULL;
    }
    if (allowed > 0 && (!block || size > old))
        allowed--;
    return realloc(block, size);
}

static void check(lua_State *L, int status)
{
    if (status == LUA_OK)
        return;
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
    exit(1);
}

/* Calls function `index` of the table at 1 with memory for so many allocations. Whether it went
 * through. */
static int attempt(lua_State *L, int index, long allocations)
{
    lua_rawgeti(L, 1, index);
    failed = 0;
    allowed = allocations;
    int status = lua_pcall(L, 0, 0, 0);
    allowed = UNLIMITED;
    if (status != LUA_OK && !failed)
        check(L, status);
    lua_settop(L, 1);
    lua_gc(L, LUA_GCCOLLECT, 0);
    return !failed;
}

int main(int argc, char **argv)
{
    lua_State *L = lua_newstate(allocate, NULL);
    if (!L || argc != 2)
        return 2;
    luaL_openlibs(L);
    check(L, luaL_loadfile(L, argv[1]));
    check(L, lua_pcall(L, 0, 1, 0));
    int count = (int)lua_rawlen(L, 1);
    for (int i = 1; i <= count; i++) {
        long n = 0;
        while (!attempt(L, i, n))
            n++;
        printf("%d: %ld allocations\n", i, n);
    }
    lua_close(L);
    puts("done");
    return 0;
}
