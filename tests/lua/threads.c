/* Lua states in several threads of a process, each with a server and a client of its own.
 *
 *     lua_threads PROTOSET   LUA_PATH and LUA_CPATH say where the module is */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>

enum { THREADS = 4 };

static const char script[] =
    "local name, protoset = ...\n"
    "local gm = require('grpc_mqtt')\n"
    "local schema = assert(gm.schema(protoset))\n"
    "local url = 'loopback://threads/' .. name\n"
    "local server = assert(gm.server(url))\n"
    "server:serve(schema, 'demo.v1.Demo', {\n"
    "    SayHello = function(request) return { text = name .. request.name } end,\n"
    "})\n"
    "local channel = assert(gm.channel(url))\n"
    "assert(server:wait_ready(20) and channel:wait_ready(20))\n"
    "local demo = channel:service(schema, 'demo.v1.Demo')\n"
    "for i = 1, 50 do\n"
    "    assert(assert(demo:SayHello({ name = tostring(i) })).text == name .. i)\n"
    "end\n";

typedef struct job {
    pthread_t thread;
    const char *protoset;
    int number, good;
} job;

static void *work(void *argument)
{
    job *j = argument;
    lua_State *L = luaL_newstate();
    if (!L)
        return NULL;
    luaL_openlibs(L);
    int status = luaL_loadstring(L, script);
    if (status == LUA_OK) {
        lua_pushfstring(L, "state%d", j->number);
        lua_pushstring(L, j->protoset);
        status = lua_pcall(L, 2, 0, 0);
    }
    if (status != LUA_OK)
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    j->good = status == LUA_OK;
    lua_close(L);
    return NULL;
}

int main(int argc, char **argv)
{
    job jobs[THREADS];
    int good = 0;
    if (argc != 2)
        return 2;
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (job){.protoset = argv[1], .number = i};
        if (pthread_create(&jobs[i].thread, NULL, work, &jobs[i]) != 0)
            return 1;
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(jobs[i].thread, NULL);
        good += jobs[i].good;
    }
    printf("%d states\n", good);
    return good == THREADS ? 0 : 1;
}
