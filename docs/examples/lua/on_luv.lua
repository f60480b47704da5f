-- grpc_mqtt on libuv's loop, beside whatever else runs there: lua5.4 on_luv.lua URL PROTOSET
local gm = require("grpc_mqtt")
local uv = require("luv")

assert(require("grpc_mqtt.luv").attach())
local channel = assert(gm.channel(arg[1]))
local demo = channel:service(assert(gm.schema(arg[2])), "demo.v1.Demo")

local ticks = 0
local timer = uv.new_timer()
timer:start(10, 10, function()
    ticks = ticks + 1
end)

gm.spawn(function() -- calls wait in coroutines; libuv's callbacks go on meanwhile
    local reply = assert(demo:SayHello({ name = "libuv", delay_ms = 100 }, { timeout = 10 }))
    print(reply.text, ticks > 0 and "and the timer went on" or "but the timer stood still")
    timer:close()
    channel:close()
end)

uv.run() -- ends when nothing is left to do
