-- Serves demo.v1.Demo over MQTT: a handler is a function, and each call a coroutine.
--
--   protoc --include_imports --descriptor_set_out=demo.protoset demo.proto
--   lua5.4 server.lua mqtt://127.0.0.1:1883/fleet/device42 demo.protoset
local gm = require("grpc_mqtt")

local url, protoset = arg[1], arg[2]
if not protoset then
    io.stderr:write("usage: lua5.4 server.lua URL PROTOSET\n")
    os.exit(2)
end

local handlers = {}

function handlers.SayHello(request)
    if request.name == "" then
        return nil, gm.error("INVALID_ARGUMENT", "a name is needed")
    end
    gm.sleep(request.delay_ms / 1000)
    return { text = "Hello, " .. request.name .. "!" }
end

function handlers.Collect(call)
    local sum, count = 0, 0
    for request in call do
        sum, count = sum + request.value, count + 1
    end
    return { sum = sum, count = count }
end

function handlers.Count(request, call)
    for value = request.from, request.to do
        if not call:send({ value = value }) then
            return -- the client has gone
        end
    end
end

function handlers.Chat(call)
    for message in call do
        call:send(message)
    end
end

local server = assert(gm.server(url))
server:serve(assert(gm.schema(protoset)), "demo.v1.Demo", handlers)
gm.spawn(function()
    assert(server:wait_ready())
    print("ready: " .. url)
    io.stdout:flush()
end)
gm.run() -- until the server is closed
