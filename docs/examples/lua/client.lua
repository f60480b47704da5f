-- Calls each kind of RPC of demo.v1.Demo over MQTT. No generated code: the schema is read from what protoc writes.
--
--   protoc --include_imports --descriptor_set_out=demo.protoset demo.proto
--   lua5.4 client.lua mqtt://127.0.0.1:1883/fleet/device42 demo.protoset
local gm = require("grpc_mqtt")

local url, protoset = arg[1], arg[2]
if not protoset then
    io.stderr:write("usage: lua5.4 client.lua URL PROTOSET\n")
    os.exit(2)
end
local channel <close> = assert(gm.channel(url))
local demo = channel:service(assert(gm.schema(protoset)), "demo.v1.Demo")

local function show(what, answer)
    print(("%-18s %s"):format(what, answer))
end

local function say_hello(name)
    local reply, failure = demo:SayHello({ name = name }, { timeout = 10 })
    return reply and reply.text or tostring(failure)
end

local function collect()
    local call = assert(demo:Collect({ timeout = 10 }))
    for value = 1, 100 do
        assert(call:send({ value = value }))
    end
    local reply = assert(call:finish())
    return ("sum of %d values: %d"):format(reply.count, reply.sum)
end

local function count()
    local values = {}
    for reply in assert(demo:Count({ from = 1, to = 10 }, { timeout = 10 })) do
        values[#values + 1] = reply.value
    end
    return table.concat(values, " ")
end

local function chat()
    local call, replies = assert(demo:Chat({ timeout = 10 })), {}
    for _, word in ipairs({ "one", "two", "three" }) do
        assert(call:send({ text = word }))
        replies[#replies + 1] = assert(call:recv()).text
    end
    assert(call:finish())
    return table.concat(replies, ", ")
end

-- Calls that wait for their answers at the same time: each in a coroutine.
local function many()
    local pending, good = {}, 0
    for i = 1, 50 do
        pending[i] = gm.spawn(say_hello, "number " .. i)
    end
    for i = 1, 50 do
        good = good + (pending[i]:join() == "Hello, number " .. i .. "!" and 1 or 0)
    end
    return good .. " calls at a time"
end

assert(channel:wait_ready(10))
show("unary", say_hello("world"))
show("client streaming", collect())
show("server streaming", count())
show("bidi streaming", chat())
show("an error", say_hello(""))
show("in coroutines", gm.run(many))
