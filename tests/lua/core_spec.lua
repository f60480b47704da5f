-- The SWIG module: what crosses the border, and how it fails.
local core = require("grpc_mqtt.core")

-- The message of the error that fn(...) raises.
local function raised(fn, ...)
    local ok, message = pcall(fn, ...)
    assert.is_false(ok)
    return message
end

-- The next event of that type; those before are dropped.
local function events(queue, wanted)
    for _ = 1, 100 do
        local event = queue:wait(200, 1)[1]
        if event and event.type == wanted then
            return event
        end
    end
    error("no event " .. wanted)
end

describe("the core module", function()
    it("leaves no globals behind", function()
        assert.is_nil(rawget(_G, "swig_type"))
        assert.is_nil(rawget(_G, "swig_equals"))
        assert.is_nil(rawget(_G, "gmq"))
        assert.is_false(getmetatable(core.Queue()))
    end)

    it("has the names of the library's codes", function()
        assert.equal("GMQ_E_CLOSED", core.status_name(core.E_CLOSED))
        assert.equal("UNAVAILABLE", core.code_name(14))
        assert.matches("^%d+%.%d+%.%d+$", core.version())
    end)

    it("tells a failure as nil, text, code", function()
        local queue = core.Queue()
        local client, text, code = core.Client("nonsense", nil, nil, queue, 1)
        assert.is_nil(client)
        assert.matches("scheme", text)
        assert.equal(core.E_URL, code)
        local map = core.MethodMap()
        assert.is_true(map:add("/a.B/C", core.RPC_UNARY))
        local ok, why, which = map:add("/a.B/C", core.RPC_UNARY)
        assert.is_nil(ok)
        assert.matches("/a.B/C", why, 1, true)
        assert.equal(core.E_EXISTS, which)
        queue:shutdown()
        assert.equal(core.E_CLOSED, select(3, queue:poll(1)))
    end)

    it("keeps all bits of integers", function()
        local queue = core.Queue()
        for _, tag in ipairs({ 0, 1, 2 ^ 53 | 0 + 1, math.maxinteger, math.mininteger, -1 }) do
            assert.is_true(queue:post(core.EVENT_USER, tag, -7, "text"))
            local event = queue:wait(1000, 1)[1]
            assert.equal("integer", math.type(event.tag))
            assert.equal(tag, event.tag)
            assert.equal(-7, event.code)
            assert.equal("text", event.text)
        end
        local options = core.Options()
        assert.is_true(options:set_int("rate_limit", 68719476736))
        assert.equal(68719476736, options:get_int("loopback://a/b", "rate_limit"))
    end)

    it("refuses what is no such integer", function()
        local queue = core.Queue()
        assert.matches("max of Queue_poll: %-1 is not within 0 to", raised(queue.poll, queue, -1))
        assert.matches("max of Queue_poll: 1.5 has no integer value", raised(queue.poll, queue, 1.5))
        assert.matches("max of Queue_poll: an integer is needed, not string", raised(queue.poll, queue, "1"))
        assert.matches("code of Queue_post: 2147483648 is not within", raised(queue.post, queue, 1000, 1, 2 ^ 31, ""))
        assert.same({}, queue:poll(1.0))
        local map = core.MethodMap()
        assert.matches("kind of MethodMap_add: 4 is not within 0 to 3", raised(map.add, map, "/a.B/C", 4))
    end)

    it("names the argument that is no such object", function()
        local queue = core.Queue()
        assert.matches("self of Queue_poll: Queue is needed, not nil", raised(queue.poll, nil, 1))
        assert.matches("self of Queue_poll: Queue is needed, not userdata", raised(queue.poll, io.stdout, 1))
        assert.matches("self of Queue_poll: Queue is needed", raised(queue.poll, core.Options(), 1))
        assert.matches("self of Queue_poll: Queue is needed, not table", raised(queue.poll, {}, 1))
        assert.matches("queue of new_Client: Queue is needed", raised(core.Client, "loopback://a/b", nil, nil, nil, 1))
        assert.matches("options of new_Client", raised(core.Client, "loopback://a/b", queue, nil, queue, 1))
        assert.matches("expected 2..2 args, got 1", raised(queue.poll, queue))
    end)

    it("takes strings as they are, and none with NUL for C", function()
        local options = core.Options()
        assert.matches("key of Options_set_string: there is a NUL", raised(options.set_string, options, "a\0b", "c"))
        assert.matches("key of Options_set_string: a string is needed", raised(options.set_string, options, 5, "c"))
        assert.is_true(options:set_bool("wait_for_ready", true))
        assert.matches("value of Options_set_bool: a boolean", raised(options.set_bool, options, "insecure", "yes"))
    end)

    it("gives an event a second user without harm", function()
        local queue = core.Queue() -- a finalizer that takes events while a batch of them becomes tables
        for i = 1, 100 do
            queue:post(core.EVENT_USER, i, 0, ("x"):rep(1000))
        end
        local seen = {}
        local function note(list)
            for _, event in ipairs(list) do
                seen[event.tag] = (seen[event.tag] or 0) + 1
            end
        end
        for _ = 1, 40 do
            setmetatable({}, { __gc = function() note(queue:poll(7)) end })
        end
        collectgarbage("generational")
        repeat
            local list = queue:poll(5)
            note(list)
            collectgarbage()
        until #list == 0
        collectgarbage("incremental")
        for i = 1, 100 do
            assert.equal(1, seen[i])
        end
    end)
end)

describe("calls of the core module", function()
    local queue, client, server

    before_each(function()
        queue = core.Queue()
        local options, map = core.Options(), core.MethodMap()
        options:set_string("drive", "caller")
        map:add("/test.Core/Unary", core.RPC_UNARY)
        server = assert(core.Server("loopback://core/base", options, map, queue, 7))
        client = assert(core.Client("loopback://core/base", options, nil, queue, 8))
    end)

    after_each(function()
        queue, client, server = nil, nil, nil
        collectgarbage()
    end)

    local function call(metadata, request)
        local started =
            assert(client:start_with("/test.Core/Unary", core.RPC_UNARY, metadata, 10000, nil, 42, request, 1))
        local event = events(queue, core.EVENT_CALL)
        return started, event
    end

    it("carry any bytes, and metadata in every form", function()
        local bytes = ""
        for i = 0, 255 do
            bytes = bytes .. string.char(i)
        end
        local started, event = call({ { "a", "1" }, { "a", "2" }, ["x-bin"] = bytes, b = { "3", "4" } }, bytes)
        assert.equal("/test.Core/Unary", event.text)
        assert.equal(7, event.call:owner_tag())
        local got = {}
        for _, pair in ipairs(event.metadata) do
            got[pair[1]] = (got[pair[1]] or "") .. pair[2]
        end
        assert.same({ a = "12", ["x-bin"] = bytes, b = "34" }, got)
        event.call:read(1)
        assert.equal(bytes, events(queue, core.EVENT_MESSAGE).message)
        assert.is_true(event.call:send(bytes:reverse()))
        assert.is_true(event.call:finish(0, nil, { { "t", "5" } }))
        local message = events(queue, core.EVENT_MESSAGE)
        assert.equal(bytes:reverse(), message.message)
        assert.equal(42, message.tag)
        assert.is_true(started:time_remaining_ms() > 0)
        assert.same({ { "t", "5" } }, events(queue, core.EVENT_FINISHED).metadata)
    end)

    it("name what is wrong with metadata", function()
        local function start(metadata)
            return raised(client.start, client, "/test.Core/Unary", 0, metadata, -1, nil, 1)
        end
        assert.matches("metadata of Client_start: a table or nil is needed, not string", start("a"))
        assert.matches("metadata 'a': a string is needed, not number", start({ { "a", 1 } }))
        assert.matches("metadata 'a': a string is needed, not nil", start({ { "a" } }))
        assert.matches("an element of metadata: a table {key, value} is needed, not string", start({ "a" }))
        assert.matches("a key of metadata: a string is needed, not boolean", start({ [true] = "a" }))
        assert.matches("upper%-case", start({ A = "x" }))
        assert.matches("metadata", start({ ["a\0b"] = "x" }))
        assert.matches("metadata 'a': a string is needed, not boolean", start({ a = { "x", false } }))
    end)

    it("end when their handle is dropped", function()
        local _, event = call(nil, "x")
        assert.is_truthy(event.call_tag < 0) -- 2^63 and above
        event = nil
        collectgarbage()
        local finished = events(queue, core.EVENT_FINISHED)
        assert.equal(1, finished.code)
    end)
end)
