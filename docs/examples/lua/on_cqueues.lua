-- grpc_mqtt on cqueues, beside whatever else runs there: lua5.4 on_cqueues.lua URL PROTOSET
local cqueues = require("cqueues")
local gm = require("grpc_mqtt")

local controller = cqueues.new()
assert(require("grpc_mqtt.cqueues").attach(controller))
local channel = assert(gm.channel(arg[1]))
local demo = channel:service(assert(gm.schema(arg[2])), "demo.v1.Demo")

local ticks, over = 0, false
controller:wrap(function()
    while not over do
        cqueues.sleep(0.01)
        ticks = ticks + 1
    end
end)

controller:wrap(function() -- calls wait as everything does in a coroutine of cqueues
    local reply = assert(demo:SayHello({ name = "cqueues", delay_ms = 100 }, { timeout = 10 }))
    print(reply.text, ticks > 0 and "and the others went on" or "but the others stood still")
    channel:close()
    over = true
end)

assert(controller:loop())
