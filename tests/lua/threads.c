/* Lua states in several threads of a process, each with a server and a client of its own; and after
 * the end of all of them the module is still there, for threads of the MQTT library.
 *
 *     lua_threads URL PROTOSET   LUA_PATH and LUA_CPATH say where the module is */
#define _GNU_SOURCE /* dl_iterate_phdr() */
#include <lauxlib.h>
#include <link.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 4 };

static const char script[] =
    "local name, url, protoset = ...\n"
    "local gm = require('grpc_mqtt')\n"
    "local schema = assert(gm.schema(protoset))\n"
    "url = url .. '/' .. name\n"
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
    const char *url, *protoset;
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
        lua_pushstring(L, j->url);
        lua_pushstring(L, j->protoset);
        status = lua_pcall(L, 3, 0, 0);
    }
    if (status != LUA_OK)
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    j->good = status == LUA_OK;
    lua_close(L);
    return NULL;
}

static int is_module(struct dl_phdr_info *info, size_t size, void *found)
{
    (void)size;
    if (strstr(info->dlpi_name, "/grpc_mqtt/core.so"))
        *(int *)found = 1;
    return 0;
}

int main(int argc, char **argv)
{
    job jobs[THREADS];
    int good = 0, stays = 0;
    if (argc != 3)
        return 2;
    for (int i = 0; i < THREADS; i++) {
        jobs[i] = (job){.url = argv[1], .protoset = argv[2], .number = i};
        if (pthread_create(&jobs[i].thread, NULL, work, &jobs[i]) != 0)
            return 1;
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(jobs[i].thread, NULL);
        good += jobs[i].good;
    }
    dl_iterate_phdr(is_module, &stays);
    printf("%d states; the module is %s\n", good, stays ? "still there" : "gone");
    return good == THREADS && stays ? 0 : 1;
}
