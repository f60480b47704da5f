-- The adapters: luv and cqueues turn the loop.
local gm = require("grpc_mqtt")
local helper = require("helper")

local handlers = {
    SayHello = function(request)
        gm.sleep(request.delay_ms / 1000)
        return { text = request.name }
    end,
    Chat = function(call)
        for message in call do
            assert(call:send(message))
        end
    end,
}

local function calls(demo, name)
    assert(demo:SayHello({ name = name, delay_ms = 20 }).text == name)
    local chat = assert(demo:Chat())
    for i = 1, 10 do
        assert(chat:send({ text = name .. i }))
        assert(chat:recv().text == name .. i)
    end
    assert(chat:finish())
end

describe("on luv", function()
    local uv = require("luv")

    after_each(helper.close)

    it("calls and handlers go on beside libuv's callbacks, and the loop ends", function()
        local demo = helper.serve(handlers)
        local attached = assert(require("grpc_mqtt.luv").attach())
        local ticks, good = 0, 0
        local timer = uv.new_timer()
        timer:start(1, 1, function()
            ticks = ticks + 1
        end)
        gm.spawn(function()
            local tasks = {}
            for i = 1, 5 do
                tasks[i] = gm.spawn(calls, demo, "luv" .. i)
            end
            for i = 1, 5 do
                local _, problem = tasks[i]:join()
                good = good + (problem == nil and 1 or 0)
            end
            timer:close()
            helper.close()
        end)
        uv.run()
        assert.equal(5, good)
        assert.is_true(ticks > 0)
        assert.error_matches(require("grpc_mqtt.luv").attach, "an event loop turns ours already")
        attached.detach()
        attached.detach() -- once more is no harm
        uv.run()
        assert.equal(7, gm.run(function() return 7 end))
    end)
end)

describe("on cqueues", function()
    local cqueues = require("cqueues")

    after_each(helper.close)

    it("calls wait as cqueues does, handlers too, and the loop ends", function()
        local mixed = {
            Chat = handlers.Chat,
            SayHello = function(request)
                cqueues.sleep(request.delay_ms / 1000)
                return { text = request.name }
            end,
        }
        local demo = helper.serve(mixed)
        local controller = cqueues.new()
        local attached = assert(require("grpc_mqtt.cqueues").attach(controller))
        local ticks, good = 0, 0
        controller:wrap(function()
            while good < 6 do
                cqueues.sleep(0.001)
                ticks = ticks + 1
            end
        end)
        local function one_more()
            good = good + 1
            if good == 6 then
                helper.close()
            end
        end
        for i = 1, 5 do
            controller:wrap(function()
                calls(demo, "cqueues" .. i)
                one_more()
            end)
        end
        gm.spawn(function()
            calls(demo, "spawned")
            local failed = gm.spawn(error, "seen")
            local _, problem = failed:join()
            assert(problem == "seen")
            one_more()
        end)
        assert(controller:loop())
        assert.equal(6, good)
        assert.is_true(ticks > 0)
        assert.error_matches(function()
            require("grpc_mqtt.cqueues").attach(cqueues.new())
        end, "an event loop turns ours already")
        assert.error_matches(gm.run, "gm.run: an event loop is attached")
        attached.detach()
        attached.detach()
        assert.equal(7, gm.run(function() return 7 end))
        assert.error_matches(function()
            require("grpc_mqtt.cqueues").attach(5)
        end, "a controller is needed")
    end)

    it("a coroutine inside of one of cqueues' blocks, and takes nothing that is cqueues'", function()
        local controller = cqueues.new()
        local attached = assert(require("grpc_mqtt.cqueues").attach(controller))
        local channel = assert(gm.channel(helper.url()))
        local demo = channel:service(helper.schema, "demo.v1.Demo")
        local reply, failure
        controller:wrap(function()
            reply, failure = coroutine.wrap(function()
                return demo:SayHello({}, { timeout = 20 }) -- nobody serves it
            end)()
            channel:close()
        end)
        assert(controller:loop())
        assert.is_nil(reply)
        assert.equal("UNAVAILABLE", failure.name)
        attached.detach()
    end)
end)
