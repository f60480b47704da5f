-- What nomem.c does while memory runs out.
local core = require("grpc_mqtt.core")
local gm = require("grpc_mqtt")

local kinds = assert(gm.schema(os.getenv("GMQ_KINDS"))).raw
local queue = core.Queue()
local options, map = core.Options(), core.MethodMap()
options:set_string("drive", "caller")
map:add("/test.Core/Unary", core.RPC_UNARY)
local server = assert(core.Server("loopback://nomem/base", options, map, queue, 7))
local client = assert(core.Client("loopback://nomem/base", options, nil, queue, 8))

local message = {
    a_string = ("long enough to be no short string "):rep(3),
    leaves = { { name = "a" }, { name = "b" } },
    by_number = { [1] = { name = "c" }, [2] = {} },
    nested = { nested = { numbers = { 1, 2, 3 }, a_colour = "BLUE" } },
}
local bytes = assert(core.encode(kinds, "test.lua.All", message))

local function call_with(metadata)
    local call, text = client:start_with("/test.Core/Unary", 0, metadata, 10000, nil, 42, "request", 1)
    return call or error(text, 0)
end

return {
    function()
        assert(core.encode(kinds, "test.lua.All", message))
    end,
    function()
        assert(core.decode(kinds, "test.lua.All", bytes))
    end,
    function()
        assert(not core.encode(kinds, "test.lua.All", { leaves = { { nope = 1 } } }))
    end,
    function()
        return core.Queue(), core.Options(), core.MethodMap(), assert(gm.schema(os.getenv("GMQ_KINDS")))
    end,
    function()
        for tag = 1, 3 do
            queue:post(core.EVENT_USER, tag, 0, "a text that is long enough to be no short string")
        end
        repeat
            local events = queue:poll(10)
        until #events == 0
    end,
    function()
        local call = call_with({ { "key", "value" }, list = { "a", "b" } })
        for _ = 1, 50 do
            for _, event in ipairs(queue:wait(1, 4)) do
                if event.type == core.EVENT_CALL then
                    event.call:read(1)
                    event.call:finish(5, "a status", { { "trailing", "metadata" } })
                elseif event.type == core.EVENT_FINISHED and event.tag == 42 then
                    return call, server
                end
            end
        end
    end,
}
