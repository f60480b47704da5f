-- Under valgrind: what goes wrong frees all the same. Nothing is closed: the end of the state has to do.
local core = require("grpc_mqtt.core")
local gm = require("grpc_mqtt")

gm.on_log = function() end
local schema = assert(gm.schema(os.getenv("GMQ_DEMO")))
local kinds = assert(gm.schema(os.getenv("GMQ_KINDS")))
assert(not gm.schema("\nnonsense"))
assert(not gm.channel("nonsense"))
assert(not gm.channel("loopback://a/b", { no_such = 1 }))

-- Messages
local cyclic = {}
cyclic.nested = cyclic
for _, message in ipairs({
    cyclic, { nope = 1 }, { leaves = { { name = "x" }, { name = 5 } } }, { by_number = { [1] = { name = "\xff" } } },
    { counts = { a = 1, b = "x" } }, { text = "a", number = 1 }, { an_int32 = 2 ^ 40 | 0 }, { words = { "a", "\xff" } },
}) do
    assert(not pcall(kinds.encode, kinds, "test.lua.All", message))
end
local bytes = kinds:encode("test.lua.All", { leaves = { {}, {} }, by_number = { {}, {} }, nested = { a_leaf = {} } })
assert(kinds:decode("test.lua.All", bytes))
assert(kinds:defaults("test.lua.All"))
for cut = 1, #bytes - 1 do
    kinds:decode("test.lua.All", bytes:sub(1, cut))
end

-- Metadata and arguments
local queue = core.Queue()
local client = core.Client("loopback://leaks/other?drive=caller", nil, nil, queue, 1)
local bad = { { { "a", "b" }, 5 }, { a = "b", A = "c" }, { { "a", "b" }, { "c", 5 } }, { a = { "b", {} } } }
for _, metadata in ipairs(bad) do
    assert(not pcall(client.start, client, "/a.B/C", 0, metadata, -1, nil, 1))
end
assert(not client:start("/a.B/+", 0, { { "a", "b" } }, -1, nil, 1))
assert(not pcall(client.start, client, "/a.B/C", 9, { { "a", "b" } }, -1, nil, 1))

-- Calls: done, failed, cancelled, forgotten; coroutines that are never resumed
local server = assert(gm.server("loopback://leaks/base"))
server:serve(schema, "demo.v1.Demo", {
    SayHello = function(request)
        if request.name == "raise" then
            error({ cyclic })
        elseif request.name == "stay" then
            coroutine.wrap(coroutine.yield)()
            gm.sleep(1000)
        end
        return { text = request.name == "bad" and "\xff" or request.name }
    end,
    Chat = function(call)
        for message in call do
            call:send(message)
        end
    end,
})
local channel = assert(gm.channel("loopback://leaks/base"))
local demo = channel:service(schema, "demo.v1.Demo")
gm.run(function()
    for _, name in ipairs({ "good", "raise", "bad" }) do
        demo:SayHello({ name = name }, { metadata = { a = name } })
        pcall(demo.SayHello, demo, { name = 5 })
        pcall(demo.SayHello, demo, {}, { metadata = { a = "b", B = "c" } })
    end
    local left = assert(demo:Chat())
    left:send({ text = "left" })
    left:recv()
    local cancelled = assert(demo:Chat())
    cancelled:cancel()
    gm.spawn(function()
        demo:SayHello({ name = "stay" })
    end)
    demo:SayHello({ name = "stay" }, { wait = false })
    demo:SayHello({ name = "stay" }, { wait = false }):cancel()
    demo:SayHello({ name = "good" }, { wait = false }):recv()
    coroutine.wrap(function()
        local call = assert(demo:Chat())
        call:send({ text = "lost" })
        coroutine.yield(call)
    end)()
    gm.spawn(error, "unseen")
    gm.sleep(0.01)
    gm.stop()
end)
print("done")
