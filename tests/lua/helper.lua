-- What the specs share: a server of demo.v1.Demo with a channel to it, on a base topic of its own.
local gm = require("grpc_mqtt")

local helper = {}

helper.schema = assert(gm.schema(os.getenv("GMQ_DEMO")))
local count = 0
local open = {}

--- An address that nobody else uses.
function helper.url()
    count = count + 1
    local base = ("lua/%s%d"):format(os.getenv("GMQ_RUN") or "run", count)
    local dialect = os.getenv("GMQ_DIALECT") or "auto"
    return ("%s/%s?dialect=%s"):format(os.getenv("GMQ_URL") or "loopback://lua", base, dialect)
end

--- demo, channel, server, URL; closed by helper.close().
function helper.serve(handlers, options)
    local url = helper.url()
    local server = assert(gm.server(url, options))
    server:serve(helper.schema, "demo.v1.Demo", handlers)
    local channel = assert(gm.channel(url))
    open[#open + 1], open[#open + 2] = channel, server
    assert(server:wait_ready(20))
    assert(channel:wait_ready(20))
    return channel:service(helper.schema, "demo.v1.Demo"), channel, server, url
end

function helper.close()
    for i = 1, #open do
        open[i]:close()
        open[i] = nil
    end
    gm.on_log = nil
end

--- A call of which the request is these bytes.
function helper.raw_call(channel, path, kind, bytes)
    local stream = require("grpc_mqtt.stream")
    local loop = require("grpc_mqtt.loop")
    local demo = channel:service(helper.schema, "demo.v1.Demo")
    local call = assert(demo:Chat()) -- its class, for a call of our own
    call:cancel()
    local raw = stream.new(getmetatable(call), path, {})
    raw.kind, raw.channel = 1, channel
    local tag = loop.register(raw)
    local started = assert(channel.client:start(path, kind, nil, 10000, nil, tag))
    started:read(1)
    raw:attach(started, tag)
    assert(started:send(bytes))
    started:half_close()
    return raw
end

--- Keeps the log instead of writing it to stderr: a list of lines.
function helper.log()
    local lines = {}
    gm.on_log = function(level, text)
        lines[#lines + 1] = level .. ": " .. text
    end
    return lines
end

--- The message of the error that fn(...) raises.
function helper.raised(fn, ...)
    local results = table.pack(pcall(fn, ...))
    assert(not results[1], "nothing was raised")
    return results[2]
end

return helper
