-- The scheduler, and coroutines that do what they should not.
local gm = require("grpc_mqtt")
local helper = require("helper")

local raised = helper.raised

describe("gm.run", function()
    after_each(helper.close)

    it("gives what the function returns, raises what it raises", function()
        assert.same({ 1, nil, 3, n = 3 }, table.pack(gm.run(function(...)
            return ...
        end, 1, nil, 3)))
        assert.equal("boom", raised(gm.run, function()
            error("boom", 0)
        end))
        local object = gm.error("ABORTED", "x")
        assert.equal(object, raised(gm.run, function()
            gm.sleep(0)
            error(object)
        end))
        assert.is_nil(gm.run())
    end)

    it("waits for every coroutine", function()
        local order = {}
        gm.run(function()
            gm.spawn(function()
                gm.sleep(0.5)
                order[#order + 1] = "slow"
            end)
            gm.spawn(function()
                coroutine.yield("whatever") -- lets others run
                order[#order + 1] = "quick"
            end)
            order[#order + 1] = "main"
        end)
        assert.same({ "main", "quick", "slow" }, order)
    end)

    it("lets those who wait for the same go on in the order in which they came", function()
        local demo = helper.serve({ Chat = function(call)
            for message in call do
                call:send(message)
            end
        end })
        gm.run(function()
            local chat, tasks = assert(demo:Chat()), {}
            for i = 1, 5 do
                tasks[i] = gm.spawn(chat.recv, chat)
            end
            coroutine.yield()
            for i = 1, 5 do
                chat:send({ text = tostring(i) })
            end
            for i = 1, 5 do
                assert.equal(tostring(i), tasks[i]:join().text)
            end
            gm.stop()
        end)
    end)

    it("does not run in itself", function()
        assert.matches("running already", raised(gm.run, function()
            gm.run(function() end)
        end))
        assert.equal(1, gm.run(function() return 1 end)) -- and is none the worse
    end)

    it("logs the error of a coroutine that nobody joins, and goes on", function()
        local log = helper.log()
        gm.run(function()
            gm.spawn(function() error("unseen") end)
            gm.spawn(error, setmetatable({}, { __tostring = error }))
            local task = gm.spawn(function() error("seen") end)
            local result, problem = task:join()
            assert.is_nil(result)
            assert.matches("seen", problem)
        end)
        assert.equal(2, #log)
        assert.matches("error: a coroutine failed: .*unseen", log[1])
        assert.matches("a coroutine failed: an error that has no text", log[2])
    end)

    it("survives a logger that raises", function()
        gm.on_log = function() error("logger") end
        local stderr = io.stderr
        local said = {}
        io.stderr = { write = function(_, ...) said[#said + 1] = table.concat({ ... }) end }
        gm.run(function()
            gm.spawn(error, "x")
        end)
        io.stderr = stderr
        assert.matches("gm.on_log failed: .*logger", said[1])
        assert.has_error(function() gm.on_log = 5 end, "gm.on_log is a function or nil, not a number")
    end)

    it("sleeps in order", function()
        local now = require("luv").hrtime -- ns
        local order = {}
        gm.run(function()
            for _, ms in ipairs({ 300, 100, 200, 100 }) do
                gm.spawn(function()
                    local due = now() + ms * 1000000
                    gm.sleep(ms / 1000)
                    order[#order + 1] = due
                end)
            end
        end)
        assert.equal(4, #order)
        for i = 2, 4 do -- begun one after the other: in order of when they end, not of how long they are
            assert.is_true(order[i - 1] <= order[i])
        end
        gm.sleep(0.001) -- outside it blocks
    end)
end)

describe("timers", function()
    it("come by their moment, and of one moment in order, whatever is taken out meanwhile", function()
        local timers = require("grpc_mqtt.timers").new()
        local all, left = {}, {}
        math.randomseed(5)
        for i = 1, 500 do
            all[i] = timers:add(math.random(100), i)
        end
        for i = 1, 500 do
            if math.random(3) == 1 then
                timers:remove(all[i])
                timers:remove(all[i]) -- once more is no harm
            else
                left[#left + 1] = all[i]
            end
        end
        table.sort(left, function(a, b)
            return a.at < b.at or a.at == b.at and a.wake < b.wake
        end)
        for _, timer in ipairs(left) do
            assert.equal(timer, timers:first())
            timers:remove(timer)
        end
        assert.is_nil(timers:first())
    end)
end)

describe("a coroutine of the program's own", function()
    after_each(helper.close)

    local function chat(call)
        for message in call do
            call:send(message)
        end
    end

    it("makes calls, in a task as well", function()
        local demo = helper.serve({ SayHello = function(request) return { text = request.name } end, Chat = chat })
        local generator = coroutine.wrap(function()
            local call = assert(demo:Chat())
            for i = 1, 3 do
                assert(call:send({ text = tostring(i) }))
                coroutine.yield(assert(call:recv()).text)
            end
            assert(call:finish())
        end)
        assert.equal("1", generator())
        gm.run(function()
            assert.equal("2", generator())
            assert.equal("x", demo:SayHello({ name = "x" }).text)
            assert.equal("3", generator())
            gm.stop()
        end)
        assert.is_nil(generator())
    end)

    it("may wait for calls inside of others that wait, up to a limit", function()
        local log = helper.log()
        local demo = helper.serve({ SayHello = function(request)
            gm.sleep(0.01)
            return { text = request.name }
        end })
        local good, refused = 0, 0
        gm.run(function()
            local tasks = {}
            for i = 1, 100 do
                tasks[i] = gm.spawn(function()
                    return coroutine.wrap(function()
                        return assert(demo:SayHello({ name = "x" }, { timeout = 20 })).text
                    end)()
                end)
            end
            for i = 1, 100 do
                local text, problem = tasks[i]:join()
                good = good + (text == "x" and 1 or 0)
                refused = refused + (problem and problem:find("calls wait in coroutines that are not gm.spawn") and 1 or 0)
            end
            gm.stop()
        end)
        assert.equal(100, good + refused)
        assert.is_true(good >= 60 and #log == refused)
        assert.equal("x", demo:SayHello({ name = "x" }).text) -- and is none the worse
    end)

    it("that is never resumed is collected, its call cancelled, and the others go on", function()
        local ended
        local demo = helper.serve({
            Chat = function(call)
                call:send({ text = "begun" })
                local _, failure = call:recv()
                ended = failure
            end,
            SayHello = function(request) return { text = request.name } end,
        })
        local lost = setmetatable({}, { __mode = "v" })
        do
            local co = coroutine.create(function()
                local call = assert(demo:Chat())
                assert(call:recv())
                coroutine.yield()
                error("never")
            end)
            assert(coroutine.resume(co))
            lost[1] = co
        end
        collectgarbage()
        collectgarbage()
        assert.is_nil(lost[1])
        for _ = 1, 2000 do
            if ended then
                break
            end
            assert.equal("x", demo:SayHello({ name = "x" }).text)
        end
        assert.equal("CANCELLED", ended.name)
    end)

    it("may be a handler's that waits for ever: its end is the call's", function()
        local after
        local demo = helper.serve({
            SayHello = function()
                local inner = coroutine.wrap(function() coroutine.yield("inner") end)
                return { text = inner() }
            end,
            Chat = function(call)
                for _ in call do end
                after = call:is_active()
            end,
        })
        assert.equal("inner", demo:SayHello({}).text)
        local call = assert(demo:Chat({ timeout = 0.05 }))
        assert.equal("DEADLINE_EXCEEDED", select(2, call:recv()).name)
        assert.is_nil(after and nil)
    end)
end)

describe("memory", function()
    after_each(helper.close)

    it("stays flat over calls of every outcome", function()
        gm.on_log = function() end
        local active = 0
        local demo = helper.serve({
            SayHello = function(request)
                if request.name == "fail" then
                    error("x")
                end
                return { text = request.name }
            end,
            Chat = function(call)
                active = active + 1
                local message = call:recv()
                while message do
                    call:send(message)
                    message = call:recv()
                end
                active = active - 1
            end,
        })
        local function round(n)
            for i = 1, n do
                demo:SayHello({ name = i % 2 == 0 and "fail" or "x" })
                pcall(demo.SayHello, demo, { nope = i })
                local call = demo:Chat()
                call:send({ text = "x" })
                if i % 3 == 0 then
                    call:recv()
                end
                if i % 5 == 0 then
                    call:cancel()
                end
            end
            for _ = 1, 5000 do
                collectgarbage() -- calls that nobody holds are cancelled
                gm.turn(1)
                if active == 0 then
                    break
                end
            end
            assert.equal(0, active)
            collectgarbage()
            collectgarbage()
            return collectgarbage("count")
        end
        round(60)
        local before = round(60)
        local after = round(120)
        assert.is_true(after < before * 1.05 + 16, ("%.1f KB, then %.1f KB"):format(before, after))
    end)
end)
