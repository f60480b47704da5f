/* A C program with Lua states in it, which load grpc_mqtt from a directory of the program's own,
 * and which its own loop drives: a server in one state, a client in another, on the in-process
 * broker.
 *
 *     embed MODULES PROTOSET
 *
 * MODULES holds grpc_mqtt.lua and grpc_mqtt/core.so. */
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the device does: nothing here waits, the host turns the loop. */
static const char device[] = "local protoset = ...\n"
                             "local gm = require('grpc_mqtt')\n"
                             "local server = assert(gm.server('loopback://embed/device'))\n"
                             "server:serve(assert(gm.schema(protoset)), 'demo.v1.Demo', {\n"
                             "    SayHello = function(request)\n"
                             "        return { text = 'Hello, ' .. request.name .. '!' }\n"
                             "    end,\n"
                             "})\n"
                             "return gm\n";

static const char visitor[] = "local protoset = ...\n"
                              "local gm = require('grpc_mqtt')\n"
                              "local channel = assert(gm.channel('loopback://embed/device'))\n"
                              "local schema = assert(gm.schema(protoset))\n"
                              "local demo = channel:service(schema, 'demo.v1.Demo')\n"
                              "gm.spawn(function()\n"
                              "    local options = { timeout = 10, wait_for_ready = true }\n"
                              "    local reply, failure = demo:SayHello({ name = 'C' }, options)\n"
                              "    print(reply and reply.text or failure)\n"
                              "    done = true\n"
                              "end)\n"
                              "return gm\n";

static void fail(lua_State *L, const char *doing)
{
    fprintf(stderr, "%s: %s\n", doing, lua_tostring(L, -1));
    exit(1);
}

/* Looks for modules below `modules` and nowhere else. */
static void set_paths(lua_State *L, const char *modules)
{
    lua_getglobal(L, "package");
    lua_pushfstring(L, "%s/?.lua", modules);
    lua_setfield(L, -2, "path");
    lua_pushfstring(L, "%s/?.so", modules);
    lua_setfield(L, -2, "cpath");
    lua_pop(L, 1);
}

/* A state in which `script` has run; what it returned, the module, is at the bottom of the stack.
 */
static lua_State *open_state(const char *modules, const char *script, const char *protoset)
{
    lua_State *L = luaL_newstate();
    if (!L) {
        fprintf(stderr, "not enough memory\n");
        exit(1);
    }
    luaL_openlibs(L);
    set_paths(L, modules);
    if (luaL_loadstring(L, script) != LUA_OK)
        fail(L, "loading");
    lua_pushstring(L, protoset);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK)
        fail(L, "running");
    return L;
}

/* gm.fd(), gm.timeout_ms(): what a loop has to wait for. */
static int ask(lua_State *L, const char *function)
{
    lua_getfield(L, 1, function);
    if (lua_pcall(L, 0, 1, 0) != LUA_OK)
        fail(L, function);
    int answer = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    return answer;
}

/* gm.turn(0): does what there is to do, and does not wait. */
static void turn(lua_State *L)
{
    lua_getfield(L, 1, "turn");
    lua_pushinteger(L, 0);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        fail(L, "turn");
}

static int is_done(lua_State *L)
{
    lua_getglobal(L, "done");
    int done = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return done;
}

static void wait_for_either(lua_State *a, lua_State *b)
{
    struct pollfd fds[2] = {{ask(a, "fd"), POLLIN, 0}, {ask(b, "fd"), POLLIN, 0}};
    int least = ask(a, "timeout_ms"), other = ask(b, "timeout_ms");
    if (least < 0 || (other >= 0 && other < least))
        least = other;
    poll(fds, 2, least);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s MODULES PROTOSET\n", argv[0]);
        return 2;
    }
    for (int round = 0; round < 2; round++) {
        lua_State *server = open_state(argv[1], device, argv[2]);
        lua_State *client = open_state(argv[1], visitor, argv[2]);
        while (!is_done(client)) {
            wait_for_either(server, client);
            turn(server);
            turn(client);
        }
        lua_close(round == 0 ? server : client); /* in any order */
        lua_close(round == 0 ? client : server);
    }
    puts("both states are closed");
    return 0;
}
