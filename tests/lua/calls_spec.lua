-- Calls from the client's side: in the main chunk, where they block, and in coroutines.
local gm = require("grpc_mqtt")
local helper = require("helper")

local raised = helper.raised
local handlers = {}

function handlers.SayHello(request, call)
    call:send_initial_metadata({ { "first", request.name } })
    call:set_trailing_metadata({ last = "1", ["x-bin"] = "\0\xff" })
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
    if request.to == 0 then
        error(gm.error("OUT_OF_RANGE", "nothing to count"))
    end
    for value = request.from, request.to do
        if not call:send({ value = value }) then
            return
        end
    end
end

function handlers.Chat(call)
    for message in call do
        if message.text == "fail" then
            return nil, gm.error("ABORTED", "as you wish", { { "why", "because" } })
        end
        assert(call:send(message))
    end
end

local demo, channel, channel_url

local function every_kind()
    local reply, call = demo:SayHello({ name = "you" }, { timeout = 10, metadata = { { "a", "b" } } })
    assert.equal("Hello, you!", reply.text)
    assert.equal("you", call:initial_metadata().first)
    assert.equal("1", call:trailing_metadata().last)
    assert.equal("\0\xff", call:trailing_metadata()["x-bin"])

    local upload = assert(demo:Collect())
    for value = 1, 100 do
        assert.is_true(upload:send({ value = value }))
    end
    assert.same({ sum = 5050, count = 100 }, upload:finish())

    local values = {}
    for message in assert(demo:Count({ from = 1, to = 40 })) do
        values[#values + 1] = message.value
    end
    assert.equal(40, #values)
    assert.equal(40, values[40])

    local chat = assert(demo:Chat({ timeout = 10 }))
    for i = 1, 20 do
        assert.is_true(chat:send({ text = "t" .. i, data = "\0\xff" }))
        assert.same({ text = "t" .. i, data = "\0\xff" }, chat:recv())
    end
    chat:close_send()
    assert.is_nil(chat:recv())
    assert.is_true(chat:finish())
end

describe("a client", function()
    setup(function()
        local _
        demo, channel, _, channel_url = helper.serve(handlers)
    end)

    teardown(helper.close)

    it("makes calls of every kind where it stands", every_kind)

    it("makes them in coroutines, many at a time", function()
        gm.run(function()
            local tasks = {}
            for i = 1, 10 do
                tasks[i] = gm.spawn(every_kind)
            end
            for i = 1, 10 do
                local _, problem = tasks[i]:join()
                assert.is_nil(problem)
            end
            gm.stop() -- the server stays
        end)
    end)

    it("is told errors as nil and an object", function()
        local call = assert(demo:Count({ to = 0 }))
        local message, failure = call:recv()
        assert.is_nil(message)
        assert.equal(gm.codes.OUT_OF_RANGE, failure.code)
        assert.equal("OUT_OF_RANGE", failure.name)
        assert.equal("nothing to count", failure.details)
        assert.equal(failure.name, gm.codes[failure.code])
        assert.equal("OUT_OF_RANGE: nothing to count", tostring(failure))
        assert.is_true(gm.is_error(failure))

        local chat = assert(demo:Chat())
        chat:send({ text = "fail" })
        local problem = raised(function()
            for _ in chat do
                error("a message")
            end
        end)
        assert.equal("ABORTED", problem.name)
        assert.equal("because", problem.metadata.why)
        assert.equal("ABORTED", select(2, chat:send({ text = "more" })).name)
        assert.equal("ABORTED", select(2, chat:finish()).name)
    end)

    it("sees its deadline and its cancelling", function()
        local chat = assert(demo:Chat({ timeout = 0.1 }))
        assert.is_true(chat:time_remaining() <= 0.1)
        assert.equal("DEADLINE_EXCEEDED", select(2, chat:recv()).name)
        chat = assert(demo:Chat())
        assert.is_nil(chat:time_remaining())
        chat:cancel()
        assert.equal("CANCELLED", select(2, chat:recv()).name)
        assert.equal("CANCELLED", select(2, chat:initial_metadata()).name)
        do
            local closed <close> = chat
        end
        local again
        do
            local left <close> = assert(demo:Chat())
            again = left
        end
        assert.equal("CANCELLED", select(2, again:recv()).name)
    end)

    it("ends a stream by leaving the loop", function()
        collectgarbage("stop")
        local ended
        local other, _, server = helper.serve({
            Count = function(request, call)
                while call:send({ value = request.from }) do end
                ended = not call:is_active()
            end,
        })
        for message in assert(other:Count({ from = 7 }, { timeout = 60 })) do
            assert.equal(7, message.value)
            break
        end
        for _ = 1, 2000 do
            if ended then
                break
            end
            gm.turn(10)
        end
        assert.is_true(ended)
        collectgarbage("restart")
        server:close()
    end)

    it("need not wait for the reply of a unary call", function()
        local pending = {}
        for i = 1, 20 do
            pending[i] = assert(demo:SayHello({ name = "number " .. i }, { timeout = 20, wait = false }))
        end
        for i = 1, 20 do
            assert.equal("Hello, number " .. i .. "!", pending[i]:recv().text)
            assert.is_nil(pending[i]:recv())
            assert.equal("Hello, number " .. i .. "!", pending[i]:finish().text)
            assert.equal("1", pending[i]:trailing_metadata().last)
        end
        local served
        local log = helper.log()
        local slow, _, server = helper.serve({
            SayHello = function(_, call)
                served = call
                repeat
                    gm.sleep(0.01)
                until not call:is_active()
            end,
        })
        local call = assert(slow:SayHello({}, { timeout = 20, wait = false }))
        while not served do
            gm.turn(10)
        end
        call:cancel()
        assert.equal("CANCELLED", select(2, call:recv()).name)
        gm.run(function()
            while served:is_active() do
                gm.sleep(0.01)
            end
            gm.stop()
        end)
        server:close(5)
        assert.same({}, log)
        gm.on_log = nil
    end)

    it("is given the reply of an upload by recv and finish alike", function()
        local upload = assert(demo:Collect())
        upload:send({ value = 5 })
        upload:close_send()
        assert.equal(5, upload:recv().sum)
        assert.is_nil(upload:recv())
        assert.equal(5, upload:finish().sum)
    end)

    it("drops what it does not want to read", function()
        local call = assert(demo:Count({ from = 1, to = 100 }))
        assert.equal(1, call:recv().value)
        assert.is_true(call:finish())
        assert.is_nil(call:recv())
    end)

    it("cancels a stream that nobody holds any more", function()
        local ended
        local other, _, server = helper.serve({
            Chat = function(call)
                call:send({ text = "here" })
                local _, failure = call:recv()
                ended = failure
            end,
        })
        local chat = assert(other:Chat())
        assert.equal("here", chat:recv().text)
        chat = nil
        collectgarbage()
        collectgarbage()
        assert(gm.run(function()
            for _ = 1, 2000 do
                if ended then
                    break
                end
                gm.sleep(0.01)
            end
            gm.stop()
            return true
        end))
        assert.equal("CANCELLED", ended.name)
        server:close()
    end)

    it("waits for room where a stream outruns it", function()
        local chat = assert(demo:Chat())
        local data = ("x"):rep(100000)
        gm.run(function()
            local sender = gm.spawn(function()
                for _ = 1, 40 do
                    assert(chat:send({ data = data }))
                end
                chat:close_send()
            end)
            local received = 0
            for message in chat do
                received = received + #message.data
            end
            assert.equal(40 * #data, received)
            sender:join()
            gm.stop()
        end)
    end)

    it("is told at once of its own mistakes", function()
        for _, case in ipairs({
            { function() demo:SayHello({ nam = "x" }) end, "calls_spec.lua:%d+: .*HelloRequest has no field 'nam'" },
            { function() demo:SayHello({ delay_ms = -1 }) end, "delay_ms: .*%-1" },
            { function() demo:SayHello("x") end, "calls_spec.lua:%d+: .*the request is a table, not a string" },
            { function() demo.SayHello({ name = "x" }) end, "to be called with a colon" },
            { function() demo:Nothing() end, "calls_spec.lua:%d+: demo.v1.Demo has no method 'Nothing'; it has: Chat, Collect, Count, SayHello" },
            { function() demo:Chat({}, { timeout = 5 }) end, "calls_spec.lua:%d+: .*Chat: takes options alone" },
            { function() demo:SayHello({}, { wait = 0 }) end, "calls_spec.lua:%d+: .*wait is a boolean, not number" },
            { function() demo:SayHello({}, 5) end, "options is a table, not number" },
            { function() demo:SayHello({}, { timeot = 1 }) end, "calls_spec.lua:%d+: .*there is no option 'timeot'" },
            { function() demo:SayHello({}, { timeout = "1" }) end, "timeout is a number of seconds" },
            { function() demo:SayHello({}, { timeout = -1 }) end, "timeout is a number of seconds from 0, not %-1" },
            { function() demo:SayHello({}, { timeout = 0 / 0 }) end, "timeout is a number of seconds" },
            { function() demo:SayHello({}, { metadata = { A = "x" } }) end, "upper%-case" },
            { function() demo:SayHello({}, { metadata = "x" }) end, "metadata" },
            { function() demo:SayHello({}, { wait_for_ready = {} }) end, "option 'wait_for_ready'" },
            { function() demo:SayHello({}, { client_clevel = 99 }) end, "client_clevel" },
            { function() channel:service(helper.schema, "x.Y") end, "no service 'x.Y'; it has: demo.v1.Demo" },
            { function() gm.channel(5) end, "gm.channel: url is a string, not number" },
            { function() gm.channel("loopback://a/b", 5) end, "options is a table" },
            { function() gm.error("NO_SUCH", "x") end, "not NO_SUCH" },
            { function() gm.error("OK", "x") end, "gm.error: code is" },
            { function() gm.sleep(-1) end, "gm.sleep: seconds" },
            { function() gm.spawn(5) end, "a function is needed" },
        }) do
            assert.matches(case[2], raised(case[1]))
        end
        local chat = assert(demo:Chat())
        assert.matches("calls_spec.lua:%d+: .*ChatMessage: text: a string is needed", raised(function()
            chat:send({ text = 5 })
        end))
        assert.matches("calls_spec.lua:%d+: .*Chat: send: the message is a table, not nil", raised(function()
            chat:send()
        end))
        assert.is_true(chat:send({ text = "good" })) -- no harm done
        assert.equal("good", chat:recv().text)
        chat:close_send()
        assert.matches("Chat: send: ", raised(function()
            chat:send({ text = "late" })
        end))
        assert.is_true(chat:finish())
    end)

    it("is told of bad addresses and options", function()
        local none, text = gm.channel("nonsense")
        assert.is_nil(none)
        assert.matches("scheme", text)
        none, text = gm.channel("loopback://a/b", { keep_alive_s = 0 })
        assert.is_nil(none)
        assert.matches("keep_alive_s", text)
        none, text = gm.channel("loopback://a/b", { no_such = true })
        assert.is_nil(none)
        assert.matches("no_such", text)
        none, text = gm.channel("loopback://a/b", { no_such = {} })
        assert.is_nil(none)
        assert.matches("option 'no_such' is a string, an integer or a boolean, not a table", text)
        none, text = gm.channel("loopback://a/b", { keep_alive_s = 1.5 })
        assert.is_nil(none)
        assert.matches("option 'keep_alive_s' is a string, an integer or a boolean, not 1.5", text)
        assert(gm.channel("loopback://a/b", { keep_alive_s = 30.0 })):close()
    end)

    it("takes the options of methods from the schema", function()
        local source = os.getenv("GMQ_OPTIONS")
        local file = assert(io.open(source, "rb"))
        for _, options in ipairs({ assert(gm.schema(source)), assert(gm.schema(file:read("a"))) }) do
            local map = options:method_map()
            local index = map:find("/options.service.On/ServerLevel")
            assert.equal(2, map:server_clevel(index))
            assert.equal(1, map:batched_stream(index))
            local with = assert(gm.channel(channel_url, { schema = options, keep_alive_s = 30 }))
            local again = with:service(helper.schema, "demo.v1.Demo")
            assert.equal("Hello, x!", assert(again:SayHello({ name = "x" }, { timeout = 20 })).text)
            with:close()
        end
        file:close()
        local problem = raised(gm.channel, "loopback://a/b", { schema = source })
        assert.matches("option 'schema' is what gm.schema%(%) gives, not a string", problem)
        assert.matches("first argument is a schema", raised(channel.service, channel, source, "demo.v1.Demo"))
    end)

    it("finds no server where there is none, and none behind a closed channel", function()
        local url = helper.url()
        local lonely = assert(gm.channel(url))
        local other = lonely:service(helper.schema, "demo.v1.Demo")
        local reply, failure = other:SayHello({ name = "x" }, { timeout = 10 })
        assert.is_nil(reply)
        assert.equal("UNAVAILABLE", failure.name)
        lonely:close()
        assert.equal("shutdown", lonely:state())
        assert.equal("UNAVAILABLE", select(2, other:SayHello({ name = "x" })).name)
        assert.is_nil((lonely:wait_ready(1)))
        assert.is_true(lonely:close())
    end)
end)
