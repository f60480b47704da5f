-- A broker that goes and comes back in the middle of a stream: lua5.4 restart.lua URL PROTOSET
-- Says "begun", and goes on when a new call reaches the server; then how the stream went.
local gm = require("grpc_mqtt")

gm.on_log = function() end
local schema = assert(gm.schema(arg[2]))
local server = assert(gm.server(arg[1]))
server:serve(schema, "demo.v1.Demo", {
    SayHello = function(request)
        return { text = request.name }
    end,
    Chat = function(call)
        for message in call do
            call:send(message)
        end
    end,
})
local channel = assert(gm.channel(arg[1]))
local demo = channel:service(schema, "demo.v1.Demo")
assert(server:wait_ready(20) and channel:wait_ready(20))

gm.run(function()
    local chat = assert(demo:Chat())
    assert(chat:send({ text = "before" }))
    assert(chat:recv().text == "before")
    print("begun")
    io.stdout:flush()
    while channel:state() == "ready" do -- until the broker has gone
        gm.sleep(0.01)
    end
    print("gone")
    io.stdout:flush()
    assert(channel:wait_ready(60) and server:wait_ready(60))
    assert(demo:SayHello({ name = "again" }, { timeout = 30, wait_for_ready = true }).text == "again")
    local sent, failure = chat:send({ text = "after" })
    local message
    if sent then
        message, failure = chat:recv()
    end
    print("stream: " .. (message and message.text or failure.name))
    channel:close()
    server:close()
end)
