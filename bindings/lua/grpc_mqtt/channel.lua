--- The client's side: channels, services, calls.

local check = require("grpc_mqtt.check")
local core = require("grpc_mqtt.core")
local loop = require("grpc_mqtt.loop")
local schema = require("grpc_mqtt.schema")
local status = require("grpc_mqtt.status")
local stream = require("grpc_mqtt.stream")

local channel = {}

local STATES = { [0] = "idle", "connecting", "ready", "transient_failure", "shutdown" }
local CLOSE_PATIENCE_MS = 5000 -- what a disconnect may take beyond the grace

-- Calls

local ClientStream = stream.extend("grpc_mqtt.ClientStream")

--- No more messages from here.
function ClientStream:close_send()
    self.raw:half_close()
    return true
end

--- Waits for the server's initial metadata; nil and the error when the call ended without.
function ClientStream:initial_metadata()
    while not self.initial and not self.finished do
        loop.park(self.waiters)
    end
    if self.initial then
        return self.initial
    end
    local ok, failure = self:outcome()
    return ok and status.metadata() or nil, failure
end

--- Trailing metadata: nil until the call is over.
function ClientStream:trailing_metadata()
    return self.trailing
end

local function has_single_reply(kind)
    return kind == core.RPC_UNARY or kind == core.RPC_CLIENT_STREAMING
end

--- Ends sending and waits for the end, dropping what is unread: true, or nil and the error. In a call with a single
-- reply: the reply, or nil and the error.
function ClientStream:finish()
    self:close_send()
    if has_single_reply(self.kind) then
        return self:reply()
    end
    while not self.finished or self.first <= self.last do
        local bytes, failure = self:next_bytes()
        if failure then
            return nil, failure
        elseif not bytes then
            break
        end
    end
    return self:outcome()
end

--- The single reply, once the status is there too; the same each time.
function ClientStream:reply()
    while not self.finished do
        loop.park(self.waiters)
    end
    local ok, failure = self:outcome()
    if not ok then
        return nil, failure
    elseif not self.single then
        if self.first > self.last then
            return nil, status.new(status.codes.INTERNAL, "the server sent no reply")
        end
        local message, problem = self.codec.decode(self:pop())
        if not message then
            self.code, self.details = status.codes.INTERNAL, problem
            return self:outcome()
        end
        self.single = message
    end
    return self.single
end

--- The next message. Where there is a single reply: the reply, and behind it nil.
function ClientStream:recv()
    if not has_single_reply(self.kind) then
        return stream.Stream.recv(self)
    end
    if self.answered then
        return nil
    end
    local message, failure = self:reply()
    self.answered = true
    return message, failure
end

local REFUSED = {
    [core.E_CLOSED] = status.codes.UNAVAILABLE,
    [core.E_TOO_LARGE] = status.codes.RESOURCE_EXHAUSTED,
    [core.E_NOMEM] = status.codes.RESOURCE_EXHAUSTED,
    [core.E_FORKED] = status.codes.FAILED_PRECONDITION,
}

--- Starts a call, with its request where that is a single one. A stream, or nil and an error.
local function start(self, method, request, values)
    local timeout_ms, metadata, options = check.call_options(method.path, values, 4)
    local call = stream.new(ClientStream, method.path, method)
    call.kind, call.channel = method.kind, self
    local tag = loop.register(call)
    local ok, raw, text, code
    if request then
        local credit = method.kind == core.RPC_UNARY and 1 or stream.AHEAD
        ok, raw, text, code = pcall(self.client.start_with, self.client, method.path, method.kind, metadata,
            timeout_ms, options, tag, request, credit)
    else
        ok, raw, text, code = pcall(self.client.start, self.client, method.path, method.kind, metadata, timeout_ms,
            options, tag)
    end
    if ok and raw then
        call:attach(raw, tag)
        if not request then
            raw:read(method.kind == core.RPC_CLIENT_STREAMING and 1 or stream.AHEAD)
        end
        return call
    end
    loop.forget(tag)
    if not ok or not REFUSED[code] then
        error(("%s: %s"):format(method.path, ok and text or raw), 3)
    end
    return nil, status.new(REFUSED[code], text)
end

local function encoded(method, request)
    if request ~= nil and type(request) ~= "table" then
        error(("%s: the request is a table, not a %s"):format(method.path, type(request)), 3)
    end
    local bytes, problem = method.encode(request or {})
    if not bytes then
        error(problem, 3)
    end
    return bytes
end

-- Services

--- A function for the method, called as service:Method(...). Errors of its user's point at the user: no tail calls.
local function caller(self, service, name, method)
    local takes_request = method.kind == core.RPC_UNARY or method.kind == core.RPC_SERVER_STREAMING
    return function(called_on, request, values)
        if called_on ~= service then
            error(("%s: to be called with a colon, service:%s(...)"):format(method.path, name), 2)
        end
        local bytes
        if takes_request then
            bytes = encoded(method, request)
        elseif values ~= nil then
            error(("%s: takes options alone: messages are sent by send() of what it gives"):format(method.path), 2)
        else
            values = request
        end
        local call, failure = start(self, method, bytes, values)
        if call and method.kind == core.RPC_SERVER_STREAMING then
            return call, nil, nil, call -- the last one is for `for`, which closes it
        elseif not call or method.kind ~= core.RPC_UNARY or values and values.wait == false then
            return call, failure
        end
        local message
        message, failure = call:reply()
        return message, failure or call
    end
end

local Channel = { __name = "grpc_mqtt.Channel" }
Channel.__index = Channel

--- The service of that name: an object with a method for each of its methods.
function Channel:service(source, name)
    local where = "channel:service"
    if not schema.is(source) then
        error(where .. ": the first argument is a schema, of gm.schema()", 2)
    end
    check.argument(where, "name", name, "string")
    local methods = source:methods(name, where, 2)
    local service = {}
    return setmetatable(service, {
        __name = "grpc_mqtt.Service",
        __index = function(_, key)
            local method = methods[key]
            if not method then
                error(schema.no_method(name, key, methods), 2)
            end
            local call = caller(self, service, key, method:at_client())
            rawset(service, key, call)
            return call
        end,
    })
end

-- Channels

function Channel:on_event(event)
    if event.type == core.EVENT_STATE then
        self.reason = event.text
        self.now = event.code
    elseif event.type == core.EVENT_LOG then
        loop.log(event.code, event.text)
    elseif event.type == core.EVENT_CLOSED then
        self.closed = true
        self.now = core.STATE_SHUTDOWN
        loop.forget(self.tag)
        loop.release(self)
    end
    loop.wake(self.waiters)
end

--- "idle", "connecting", "ready", "transient_failure" or "shutdown", and the reason.
function Channel:state()
    return STATES[self.now], self.reason
end

--- Waits until it is connected: true, or nil and the reason when it is not within `timeout` seconds (nil: no limit).
function Channel:wait_ready(timeout)
    local timeout_ms = check.milliseconds("channel:wait_ready", "timeout", timeout)
    loop.wait_for(self.waiters, function()
        return self.now == core.STATE_READY or self.closed
    end, timeout_ms)
    if self.now == core.STATE_READY then
        return true
    end
    return nil, self.reason
end

--- Ends it: open calls have `grace` seconds (none, unless given), then it disconnects; waits for that.
function Channel:close(grace)
    local grace_ms = check.milliseconds("close", "grace", grace, 0)
    if self.closed then
        return true
    end
    self.handle:close(grace_ms)
    loop.keep(self)
    loop.wait_for(self.waiters, function()
        return self.closed
    end, grace_ms + CLOSE_PATIENCE_MS)
    loop.release(self)
    return true
end

function Channel:__close()
    self:close()
end

--- What channels and servers have in common.
channel.Endpoint = Channel

--- A channel to the server at `url`, which is connected in the background; nil and a text when that cannot be.
-- `options`: those of the library (docs/guide/options.md), and schema: what it says of its methods' batching and
-- compression holds.
function channel.open(url, options)
    check.argument("gm.channel", "url", url, "string")
    local set, source = check.connection_options("gm.channel", options, "schema")
    if not set then
        return nil, source
    end
    if source ~= nil and not schema.is(source) then
        error("gm.channel: the option 'schema' is what gm.schema() gives, not a " .. type(source), 2)
    end
    local map = source and source:method_map()
    local self = setmetatable({ waiters = {}, now = core.STATE_IDLE, reason = "", closed = false }, Channel)
    self.tag = loop.register(self)
    local client, text, code = core.Client(url, set, map, loop.queue, self.tag)
    if not client then
        loop.forget(self.tag)
        return nil, text, code
    end
    self.client, self.handle = client, client
    return self
end

return channel
