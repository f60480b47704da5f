--- The server's side: handlers are functions, each call a coroutine of the scheduler.

local channel = require("grpc_mqtt.channel")
local check = require("grpc_mqtt.check")
local core = require("grpc_mqtt.core")
local loop = require("grpc_mqtt.loop")
local schema = require("grpc_mqtt.schema")
local status = require("grpc_mqtt.status")
local stream = require("grpc_mqtt.stream")

local server = {}

local codes = status.codes

-- Calls

local ServerStream = stream.extend("grpc_mqtt.ServerStream")

--- The metadata that the client sent.
function ServerStream:metadata()
    return self.request_metadata
end

--- Sends initial metadata, once, before the first message.
function ServerStream:send_initial_metadata(metadata)
    local ok, done, text, code = pcall(self.raw.send_initial_metadata, self.raw, metadata)
    if ok and (done or code == core.E_CLOSED) then
        return true
    end
    error(("%s: send_initial_metadata: %s"):format(self.path, ok and text or done), 2)
end

--- Metadata that will go with the status; checked when it does.
function ServerStream:set_trailing_metadata(metadata)
    check.argument("set_trailing_metadata", "metadata", metadata, "table")
    self.reply_trailing = metadata
end

--- False once the client has gone, has cancelled, or its time is over.
function ServerStream:is_active()
    return not self.finished
end

--- Ends the call with a status. Trailing metadata that cannot be sent ends it INTERNAL.
function ServerStream:end_with(code, details, metadata)
    if self.finished then
        return
    end
    local trailing = metadata and next(metadata) and metadata or self.reply_trailing
    local text = details and details:gsub("%z", "?") or nil
    local ok, done, problem, why = pcall(self.raw.finish, self.raw, code, text, trailing)
    if ok and (done or why == core.E_CLOSED) then
        return
    end
    loop.log("error", ("%s: the status could not be sent: %s"):format(self.path, tostring(ok and problem or done)))
    self.raw:finish(codes.INTERNAL, "the server's trailing metadata cannot be sent", nil)
end

function ServerStream:fail(failure)
    self:end_with(failure.code, failure.details, failure.metadata)
end

--- The handler raised.
local function raised(self, problem)
    if status.is_error(problem.value) then
        self:fail(problem.value)
        return
    end
    loop.log("error", ("%s: the handler failed: %s"):format(self.path, problem.trace))
    self:end_with(codes.UNKNOWN, self.server.expose_errors and problem.text or "the handler failed")
end

--- The handler of a call with a single reply returned it.
local function replied(self, reply)
    local bytes, problem
    if type(reply) == "table" then
        bytes, problem = self.codec.encode(reply)
    else
        problem = ("the handler returned no reply: a table is needed, not a %s"):format(type(reply))
    end
    if not bytes then
        loop.log("error", ("%s: %s"):format(self.path, problem))
        self:end_with(codes.INTERNAL, problem)
        return
    end
    local sent, ended = self:send_bytes(bytes)
    if sent then
        self:end_with(codes.OK)
    elseif not self.finished then
        self:fail(ended)
    end
end

local function with_trace(value)
    local text = loop.text_of(value)
    return { value = value, text = text, trace = debug.traceback(text, 2) }
end

local function serve(self, method)
    local single_request = method.kind == core.RPC_UNARY or method.kind == core.RPC_SERVER_STREAMING
    local single_reply = method.kind == core.RPC_UNARY or method.kind == core.RPC_CLIENT_STREAMING
    local ok, result, failure
    if single_request then
        local request, problem = self:recv()
        if not request then
            if not self.finished then
                self:fail(problem or status.new(codes.INTERNAL, "the client sent no request"))
            end
            return
        end
        ok, result, failure = xpcall(method.handler, with_trace, request, self)
    else
        ok, result, failure = xpcall(method.handler, with_trace, self)
    end
    if not ok then
        raised(self, result)
    elseif self.finished then
        return -- the client has gone: a handler that noticed has nothing to answer
    elseif result == nil and failure then -- as raised
        local text = loop.text_of(failure)
        raised(self, { value = failure, text = text, trace = text })
    elseif single_reply then
        replied(self, result)
    else
        self:end_with(codes.OK)
    end
end

-- Servers

local Server = {}
for key, value in pairs(channel.Endpoint) do
    Server[key] = value
end
Server.__name = "grpc_mqtt.Server"
Server.__index = Server
Server.service = nil

function Server:on_event(event)
    if event.type == core.EVENT_CALL and event.call then
        self:accept(event)
    else
        channel.Endpoint.on_event(self, event)
    end
end

function Server:accept(event)
    local method = self.methods[event.text]
    if not method then
        event.call:finish(codes.UNIMPLEMENTED, "no such method", nil)
        return
    end
    local call = stream.new(ServerStream, event.text, method.codec)
    call.server, call.request_metadata = self, status.metadata(event.metadata)
    call:attach(event.call, loop.register(call, event.call_tag))
    local single = method.kind == core.RPC_UNARY or method.kind == core.RPC_SERVER_STREAMING
    event.call:read(single and 1 or stream.AHEAD)
    loop.spawn(serve, call, method)
end

--- Serves the methods of a service by functions: {Method = function}. A handler of a single request is given that and
-- the call, others the call alone; one with a single reply returns it. What is missing is answered UNIMPLEMENTED.
function Server:serve(source, name, handlers)
    local where = "server:serve"
    if not schema.is(source) then
        error(where .. ": the first argument is a schema, of gm.schema()", 2)
    end
    check.argument(where, "name", name, "string")
    check.argument(where, "handlers", handlers, "table")
    if self.closed then
        error(where .. ": the server is closed", 2)
    end
    local known = source:methods(name, where, 2)
    local map = assert(core.MethodMap())
    for method_name, handler in pairs(handlers) do
        local method = known[method_name]
        if not method then
            error(where .. ": " .. schema.no_method(name, method_name, known), 2)
        end
        check.argument(where, "the handler of " .. method_name, handler, "function")
        assert(map:add(method.path, method.kind))
        self.methods[method.path] = { kind = method.kind, handler = handler, codec = method:at_server() }
    end
    self.map = assert(map:merged(self.map))
    assert(self.handle:set_methods(self.map))
    return self
end

--- A server at `url`, whose path is its base topic. It serves nothing until serve(), and works while the loop turns,
-- until it is closed. `options`: those of the library, and expose_errors = true: clients are told what a handler
-- raised.
function server.open(url, options)
    check.argument("gm.server", "url", url, "string")
    local set, expose = check.connection_options("gm.server", options, "expose_errors")
    if not set then
        return nil, expose
    end
    local self = setmetatable({
        waiters = {}, now = core.STATE_IDLE, reason = "", closed = false, methods = {},
        expose_errors = expose == true, map = assert(core.MethodMap()),
    }, Server)
    self.tag = loop.register(self)
    local handle, text, code = core.Server(url, set, self.map, loop.queue, self.tag)
    if not handle then
        loop.forget(self.tag)
        return nil, text, code
    end
    self.handle = handle
    loop.keep(self)
    return self
end

return server
