-- The matrix's server and client in Lua: lua5.4 peer.lua server|client URL PROTOSET
-- What both have to do is written in test_matrix_depth.py.
local gm = require("grpc_mqtt")

local role, url, protoset = table.unpack(arg)
local schema = assert(gm.schema(protoset))
local DETAILS_KEY = "grpc-status-details-bin"

-- Server

local waiting = 0

--- Initial and trailing metadata; what is to be done.
local function begin(call)
    local own, left = {}, call:time_remaining()
    for _, pair in ipairs(call:metadata()) do
        if pair[1]:sub(1, 2) == "x-" then
            own[#own + 1] = pair
        end
    end
    local timed = left and left > 0 and left <= 20
    call:set_trailing_metadata(own)
    local initial = { table.unpack(own) }
    initial[#initial + 1] = { "x-timed", timed and "yes" or "no: " .. tostring(left) }
    call:send_initial_metadata(initial)
    return call:metadata()["x-do"]
end

--- What is no echo.
local function finish(call, what)
    if what == "fail" then
        error(gm.error("ABORTED", "as asked: \u{fc}", { { "x-why-bin", "\0\xff" }, { DETAILS_KEY, "\x08\x0a" } }))
    elseif what == "wait" then
        waiting = waiting + 1
        while call:is_active() do
            gm.sleep(0.01)
        end
        waiting = waiting - 1
    end
end

local handlers = {}

function handlers.SayHello(request, call)
    local what = begin(call)
    finish(call, what)
    return { text = what == "count" and tostring(waiting) or request.name }
end

function handlers.Collect(call)
    local what = begin(call)
    local sum, count = 0, 0
    if what == "echo" then
        for request in call do
            sum, count = sum + request.value, count + 1
        end
    end
    finish(call, what)
    return { sum = sum, count = count }
end

function handlers.Count(request, call)
    local what = begin(call)
    for value = request.from, request.to do
        call:send({ value = value })
    end
    finish(call, what)
end

function handlers.Chat(call)
    local what = begin(call)
    if what == "echo" then
        for message in call do
            call:send(message)
        end
    end
    finish(call, what)
end

local function serve()
    local server = assert(gm.server(url))
    server:serve(schema, "demo.v1.Demo", handlers)
    gm.spawn(function()
        assert(server:wait_ready())
        print("ready: ")
        io.stdout:flush()
    end)
    gm.run()
end

-- Client

local REQUESTS = {
    SayHello = { name = "x" },
    Collect = { { value = 1 }, { value = 2 }, { value = 3 } },
    Count = { from = 1, to = 3 },
    Chat = { { text = "a", data = "\0\xff" }, { text = "\u{fc}", data = "\0\xff" } },
}
local FIELDS = { SayHello = { "text" }, Collect = { "sum", "count" }, Count = { "value" }, Chat = { "text" } }

local function shown(metadata)
    local texts = {}
    for _, pair in ipairs(metadata or {}) do
        local key, value = table.unpack(pair)
        if key:sub(1, 2) == "x-" or key == DETAILS_KEY then
            if key:sub(-4) == "-bin" then
                value = value:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
            end
            texts[#texts + 1] = key .. "=" .. value
        end
    end
    return table.concat(texts, ";")
end

local function say(...)
    print(table.concat({ ... }, "|"))
end

local function options(what, timeout)
    local metadata = {
        { "x-do", what }, { "x-text", "one" }, { "x-text", "two" }, { "x-raw-bin", "\0\xff" }, { "x-raw-bin", "" },
    }
    return { timeout = timeout, metadata = metadata, wait = false }
end

local function until_waiting(demo, wanted)
    repeat
        local reply = assert(demo:SayHello({ name = "x" }, { timeout = 20, metadata = { ["x-do"] = "count" } }))
    until reply.text == tostring(wanted)
end

--- The call, with its requests sent.
local function start(demo, method, what, timeout)
    local requests = REQUESTS[method]
    if method == "SayHello" or method == "Count" then
        return assert(demo[method](demo, requests, options(what, timeout)))
    end
    local call = assert(demo[method](demo, options(what, timeout)))
    for i = 1, what == "echo" and #requests or 1 do
        call:send(requests[i])
    end
    if what == "echo" then
        call:close_send()
    end
    return call
end

local function name_of(failure)
    return failure and failure.name or "OK"
end

local function replies(call, method)
    local texts, message, failure = {}, call:recv()
    while message do
        local values = {}
        for i, name in ipairs(FIELDS[method]) do
            values[i] = tostring(message[name])
        end
        texts[#texts + 1] = table.concat(values, " ")
        message, failure = call:recv()
    end
    return table.concat(texts, ","), failure
end

local function ask(demo, method)
    local call = start(demo, method, "echo", 20)
    local got, failure = replies(call, method)
    local metadata = shown(call:initial_metadata())
    say(method, "echo", name_of(failure), got, metadata, shown(call:trailing_metadata()))

    call = start(demo, method, "fail", 20)
    got, failure = replies(call, method)
    say(method, "fail", name_of(failure), failure.details, shown(failure.metadata))

    got, failure = replies(start(demo, method, "wait", 0.3), method)
    say(method, "late", name_of(failure))
    until_waiting(demo, 0)

    call = start(demo, method, "wait", 20)
    until_waiting(demo, 1)
    call:cancel()
    got, failure = replies(call, method)
    say(method, "cancel", name_of(failure))
    until_waiting(demo, 0)
end

if role == "server" then
    serve()
else
    local channel <close> = assert(gm.channel(url))
    local demo = channel:service(schema, "demo.v1.Demo")
    for _, method in ipairs({ "SayHello", "Collect", "Count", "Chat" }) do
        ask(demo, method)
    end
end
