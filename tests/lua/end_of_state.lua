-- Ends with connections in every state, and with calls that are not over: lua5.4 end_of_state.lua URL PROTOSET
local gm = require("grpc_mqtt")

gm.on_log = function() end
local schema = assert(gm.schema(arg[2]))
local connected = assert(gm.channel(arg[1]))
local demo = connected:service(schema, "demo.v1.Demo")
assert(demo:SayHello({ name = "x" }, { timeout = 20 }))
local chat = assert(demo:Chat())
assert(chat:send({ text = "x" }))
local connecting = assert(gm.channel(arg[1]))
local nowhere = assert(gm.channel("mqtt://127.0.0.1:1/a/b"))
gm.turn(10)
print("done", connecting:state(), (nowhere:state()))
