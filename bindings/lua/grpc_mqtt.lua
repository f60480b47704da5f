--- gRPC over MQTT for Lua 5.4: clients and servers, on the caller's thread alone. See docs/guide/lua.md.

local channel = require("grpc_mqtt.channel")
local core = require("grpc_mqtt.core")
local loop = require("grpc_mqtt.loop")
local schema = require("grpc_mqtt.schema")
local server = require("grpc_mqtt.server")
local status = require("grpc_mqtt.status")

local gm = {
    version = core.version(),
    codes = status.codes,
    error = status.error,
    is_error = status.is_error,
    schema = schema.load,
    channel = channel.open,
    server = server.open,
    run = loop.run,
    stop = loop.stop,
    spawn = loop.spawn,
    sleep = loop.sleep,
    fd = loop.fd,
    timeout_ms = loop.timeout_ms,
    turn = loop.turn,
}

--- gm.on_log = function(level, text): receives the log; otherwise warnings and errors go to stderr.
return setmetatable(gm, {
    __index = function(_, key)
        if key == "on_log" then
            return loop.on_log
        end
        return nil
    end,
    __newindex = function(self, key, value)
        if key == "on_log" then
            if value ~= nil and type(value) ~= "function" then
                error("gm.on_log is a function or nil, not a " .. type(value), 2)
            end
            loop.on_log = value
        else
            rawset(self, key, value)
        end
    end,
})
