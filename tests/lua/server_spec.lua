-- Handlers: what they return and raise, and what becomes of other calls.
local gm = require("grpc_mqtt")
local helper = require("helper")

local raised = helper.raised

local function failure_of(demo, name, options)
    local reply, failure = demo:SayHello({ name = name }, options or { timeout = 10 })
    assert.is_nil(reply)
    return failure
end

describe("a server", function()
    after_each(helper.close)

    local answers = {
        raises = function() error("secret") end,
        raises_table = function() error({}) end,
        raises_odd = function() error(setmetatable({}, { __tostring = error })) end,
        raises_nil = function() error(nil) end,
        status = function() error(gm.error("NOT_FOUND", "no such thing", { { "where", "here" } })) end,
        returns_text = function() return nil, "secret, too" end,
        returns_status = function() return nil, gm.error(9, "not so") end,
        nothing = function() end,
        number = function() return 5 end,
        unknown_field = function() return { txt = "x" } end,
        bad_utf8 = function() return { text = "\xff" } end,
        bad_trailing = function() return nil, gm.error("ABORTED", "x", { BAD = "y" }) end,
        nul = function() error(gm.error("ABORTED", "a\0b")) end,
        cyclic = function()
            local reply = {}
            reply.text = reply
            return reply
        end,
    }

    local function say_hello(request)
        local answer = answers[request.name]
        if answer then
            return answer()
        end
        return { text = request.name }
    end

    it("turns what a handler raises or returns into a status, and harms no other call", function()
        local log = helper.log()
        local demo = helper.serve({ SayHello = say_hello, Chat = function(call)
            for message in call do
                call:send(message)
            end
        end })
        local other = assert(demo:Chat())
        for name, wanted in pairs({
            raises = "^UNKNOWN: the handler failed$", raises_table = "^UNKNOWN: ", raises_nil = "^UNKNOWN: ",
            raises_odd = "^UNKNOWN: the handler failed$",
            returns_text = "^UNKNOWN: the handler failed$",
            status = "^NOT_FOUND: no such thing$", returns_status = "^FAILED_PRECONDITION: not so$",
            nothing = "^INTERNAL: .*no reply", number = "^INTERNAL: .*not a number",
            unknown_field = "^INTERNAL: .*no field 'txt'", bad_utf8 = "^INTERNAL: .*UTF%-8",
            cyclic = "^INTERNAL: .*text: a string is needed", nul = "^ABORTED: a%?b$",
            bad_trailing = "^INTERNAL: .*metadata",
        }) do
            assert.matches(wanted, tostring(failure_of(demo, name)))
            assert.is_true(other:send({ text = name }))
            assert.equal(name, other:recv().text)
        end
        other:close_send()
        assert.is_true(other:finish())
        assert.equal("here", failure_of(demo, "status").metadata.where)
        assert.matches("error: /demo.v1.Demo/SayHello: .*secret", table.concat(log, "\n"))
        assert.matches("error: /demo.v1.Demo/SayHello: the handler failed: secret, too", table.concat(log, "\n"))
        assert.equal("fine", demo:SayHello({ name = "fine" }).text)
    end)

    it("tells what was raised only where that is wanted", function()
        helper.log()
        local demo = helper.serve({ SayHello = say_hello }, { expose_errors = true })
        assert.matches("^UNKNOWN: .*server_spec.lua:%d+: secret", tostring(failure_of(demo, "raises")))
        assert.matches("^UNKNOWN: an error that has no text", tostring(failure_of(demo, "raises_odd")))
    end)

    it("fails streams likewise", function()
        helper.log()
        local demo = helper.serve({
            Count = function(request, call)
                call:send({ value = 1 })
                if request.to == 2 then
                    call:send({ value = -1 })
                end
                return nil, gm.error("DATA_LOSS", "gone")
            end,
            Collect = function(call)
                call:recv()
                error(gm.error("RESOURCE_EXHAUSTED", "enough"))
            end,
        })
        local count = assert(demo:Count({ to = 1 }))
        assert.equal(1, count:recv().value)
        assert.equal("DATA_LOSS: gone", tostring(select(2, count:recv())))
        assert.matches("^UNKNOWN", tostring(select(2, assert(demo:Count({ to = 2 })):finish())))
        local collect = assert(demo:Collect())
        collect:send({ value = 1 })
        assert.equal("RESOURCE_EXHAUSTED: enough", tostring(select(2, collect:recv())))
        assert.is_nil(collect:recv())
    end)

    it("does not serve what has no handler", function()
        local demo = helper.serve({ SayHello = say_hello })
        assert.equal("UNIMPLEMENTED", select(2, assert(demo:Count({ to = 1 })):recv()).name)
    end)

    it("has handlers see metadata, deadline, peer and the client's going", function()
        local seen, gone = {}, nil
        local demo = helper.serve({
            SayHello = function(request, call)
                seen.metadata, seen.left, seen.peer = call:metadata(), call:time_remaining(), call:peer()
                seen.path, seen.active = call.path, call:is_active()
                assert(not pcall(call.send_initial_metadata, call, { BAD = "x" }))
                assert(not pcall(call.set_trailing_metadata, call, "x"))
                return { text = request.name }
            end,
            Chat = function(call)
                call:send({ text = "begun" })
                local message, failure = call:recv()
                gone = { message, failure, call:is_active(), call:send({ text = "late" }) }
            end,
        })
        assert(demo:SayHello({ name = "x" }, { timeout = 5, metadata = { key = { "1", "2" } } }))
        assert.same({ { "key", "1" }, { "key", "2" } }, { table.unpack(seen.metadata) })
        assert.is_true(seen.left > 0 and seen.left <= 5)
        assert.equal("/demo.v1.Demo/SayHello", seen.path)
        assert.is_string(seen.peer)
        assert.is_true(seen.active)
        local chat = assert(demo:Chat())
        assert.equal("begun", chat:recv().text)
        chat:cancel()
        gm.run(function()
            for _ = 1, 2000 do
                if gone then
                    break
                end
                gm.sleep(0.005)
            end
            gm.stop()
        end)
        assert.is_nil(gone[1])
        assert.equal("CANCELLED", gone[2].name)
        assert.is_false(gone[3])
        assert.is_nil(gone[4])
    end)

    it("refuses requests that are no message, and a client replies", function()
        local log = helper.log()
        local demo, channel = helper.serve({
            SayHello = function(request) return { text = request.name } end,
            Collect = function(call)
                local message, failure = call:recv()
                return nil, message == nil and failure
            end,
        })
        local core = require("grpc_mqtt.core")
        for name, kind in pairs({ SayHello = core.RPC_UNARY, Collect = core.RPC_CLIENT_STREAMING }) do
            local raw = helper.raw_call(channel, "/demo.v1.Demo/" .. name, kind, "\xff\xff")
            assert.matches("^INTERNAL: demo.v1.%a+Request", tostring(select(2, raw:reply())))
        end
        assert.equal("good", demo:SayHello({ name = "good" }).text)
        assert.same({}, log)
        local raw = helper.raw_call(channel, "/demo.v1.Demo/SayHello", core.RPC_UNARY, "\x0a\x01x")
        raw.codec = { decode = function() return nil, "no message" end }
        assert.equal("INTERNAL: no message", tostring(select(2, raw:reply())))
    end)

    it("serves several clients and servers in one state", function()
        local one = helper.serve({ SayHello = function() return { text = "one" } end })
        local two = helper.serve({ SayHello = function() return { text = "two" } end })
        assert.equal("one", one:SayHello({}).text)
        assert.equal("two", two:SayHello({}).text)
    end)

    it("waits for its grace, then ends what is open", function()
        local demo, _, server = helper.serve({
            SayHello = function()
                gm.sleep(0.2)
                return { text = "late" }
            end,
            Chat = function(call)
                call:recv()
            end,
        })
        gm.run(function()
            local slow = gm.spawn(function()
                return demo:SayHello({}, { timeout = 10 })
            end)
            local chat = assert(demo:Chat({ timeout = 20 }))
            assert(chat:send({}))
            gm.sleep(0.05)
            local closing = gm.spawn(server.close, server, 0.5)
            assert.equal("late", slow:join().text)
            assert.is_true(closing:join())
            local _, failure = chat:recv()
            assert.is_true(failure == nil or failure.name == "UNAVAILABLE")
        end)
    end)

    it("refuses mistakes of who sets it up", function()
        local server = assert(gm.server(helper.url()))
        for _, case in ipairs({
            { "first argument is a schema", nil, "demo.v1.Demo", {} },
            { "name is a string", helper.schema, 5, {} },
            { "no service 'x'", helper.schema, "x", {} },
            { "handlers is a table", helper.schema, "demo.v1.Demo", 5 },
            { "Demo has no method 'Nope'; it has: Chat, Collect, Count, SayHello", helper.schema, "demo.v1.Demo", { Nope = print } },
            { "handler of SayHello is a function", helper.schema, "demo.v1.Demo", { SayHello = 5 } },
        }) do
            assert.matches(case[1], raised(server.serve, server, table.unpack(case, 2, 4)))
        end
        server:close()
        assert.matches("server_spec.lua:%d+: server:serve: the server is closed", raised(function()
            server:serve(helper.schema, "demo.v1.Demo", {})
        end))
        assert.is_nil((gm.server("nonsense")))
        assert.is_nil((gm.server("loopback://a/b", { no_such = 1 })))
    end)
end)
