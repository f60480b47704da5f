--- A call while it goes on, at the client or at the server: what both have in common.

local check = require("grpc_mqtt.check")
local core = require("grpc_mqtt.core")
local loop = require("grpc_mqtt.loop")
local status = require("grpc_mqtt.status")

local AHEAD = 8 -- messages that may come before they are asked for

local Stream = { __name = "grpc_mqtt.Stream" }
Stream.__index = Stream

local stream = { Stream = Stream }

--- `raw` is the core's call; `codec` has encode(message) and decode(bytes).
function stream.new(class, path, codec)
    return setmetatable({
        path = path,
        codec = codec,
        messages = {}, -- received, from `first` to `last`
        first = 1,
        last = 0,
        waiters = {},
        finished = false, -- the status is there
        half_closed = false, -- server: the client sends no more
        writable = true,
    }, class)
end

--- `raw` is given events with this tag from now on.
function Stream:attach(raw, tag)
    self.raw, self.tag = raw, tag
end

function Stream:on_event(event)
    local kind = event.type
    if kind == core.EVENT_MESSAGE then
        self.last = self.last + 1
        self.messages[self.last] = event.message
    elseif kind == core.EVENT_INITIAL_METADATA then
        self.initial = status.metadata(event.metadata)
    elseif kind == core.EVENT_WRITABLE then
        self.writable = true
    elseif kind == core.EVENT_HALF_CLOSED then
        self.half_closed = true
    elseif kind == core.EVENT_FINISHED then
        loop.forget(self.tag)
        self.finished = true
        self.code, self.details, self.trailing = event.code, event.text, status.metadata(event.metadata)
    end
    loop.wake(self.waiters)
end

function Stream:pop()
    local bytes = self.messages[self.first]
    self.messages[self.first] = nil
    self.first = self.first + 1
    return bytes
end

--- Its outcome: true, or nil and the error.
function Stream:outcome()
    if self.code == 0 then
        return true
    end
    if not self.failure then
        self.failure = status.new(self.code, self.details, self.trailing)
    end
    return nil, self.failure
end

--- The bytes of the next message; nil at the end, and with an error when that is not a good one.
function Stream:next_bytes()
    while self.first > self.last do
        if self.finished then
            local _, failure = self:outcome()
            return nil, failure
        elseif self.half_closed then
            return nil
        end
        loop.park(self.waiters)
    end
    self.raw:read(1) -- refused once the call is over: nothing more comes then
    return self:pop()
end

--- The next message as a table; nil at the end of the stream; nil and an error when it ended badly.
function Stream:recv()
    local bytes, failure = self:next_bytes()
    if not bytes then
        return nil, failure
    end
    local message, problem = self.codec.decode(bytes)
    if message then
        return message
    end
    self.raw:cancel_with(status.codes.INTERNAL, problem)
    return nil, status.new(status.codes.INTERNAL, problem)
end

--- `for message in stream do`: raises the error with which the stream ends, if it does.
function Stream:__call()
    local message, failure = self:recv()
    if failure then
        error(failure, 0)
    end
    return message
end

local function ended(self)
    while not self.finished do
        loop.park(self.waiters)
    end
    local _, failure = self:outcome()
    return nil, failure or status.new(status.codes.CANCELLED, "the call is over: nothing more can be sent")
end

--- Sends bytes, waiting for room; true, or nil and the error with which the call has ended.
function Stream:send_bytes(bytes, level)
    while true do
        self.writable = false
        local taken, text, code = self.raw:send(bytes)
        if taken then
            return true
        elseif taken == nil and code == core.E_CLOSED then
            return ended(self)
        elseif taken == nil and (code == core.E_STATE or code == core.E_INVALID) then
            error(self.path .. ": send: " .. text, (level or 1) + 1)
        elseif taken == nil then
            return nil, status.new(status.codes.RESOURCE_EXHAUSTED, text)
        end
        while not self.writable and not self.finished do
            loop.park(self.waiters)
        end
    end
end

--- Sends a message, a table; waits while too much is on its way. True, or nil and the error with which the call has
-- ended. A table that does not fit the schema is an error.
function Stream:send(message)
    check.argument(self.path .. ": send", "the message", message, "table")
    local bytes, problem = self.codec.encode(message)
    if not bytes then
        error(problem, 2)
    end
    local ok, failure = self:send_bytes(bytes, 2)
    return ok, failure
end

--- Ends the call at once; the other side sees CANCELLED.
function Stream:cancel()
    self.raw:cancel()
end

--- Seconds until the deadline; nil: there is none.
function Stream:time_remaining()
    local left = self.raw:time_remaining_ms()
    return left >= 0 and left / 1000 or nil
end

--- Broker and base topic, for people.
function Stream:peer()
    return self.raw:peer()
end

function Stream:__close()
    if not self.finished then
        self.raw:cancel()
    end
end

stream.AHEAD = AHEAD

--- A class of streams with more methods.
function stream.extend(name)
    local class = {}
    for key, value in pairs(Stream) do
        class[key] = value
    end
    class.__name = name
    class.__index = class
    return class
end

return stream
