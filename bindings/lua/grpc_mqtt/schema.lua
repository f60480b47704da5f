--- Schemas: the messages and services of .proto files, read from what protoc writes as a descriptor set.

local check = require("grpc_mqtt.check")
local core = require("grpc_mqtt.core")

local schema = {}

-- A method: path, kind, and how its messages become bytes.

local Method = {}
Method.__index = Method

local function codec(raw, method, sent, received)
    return {
        path = method.path,
        kind = method.kind,
        encode = function(message)
            return core.encode(raw, sent, message)
        end,
        decode = function(bytes)
            return core.decode(raw, received, bytes)
        end,
    }
end

--- For the side that sends requests.
function Method:at_client()
    return codec(self.raw, self, self.input, self.output)
end

--- For the side that sends replies.
function Method:at_server()
    return codec(self.raw, self, self.output, self.input)
end

--- What to say of a method that a service does not have.
function schema.no_method(service, wanted, known)
    local names = {}
    for name in pairs(known) do
        names[#names + 1] = name
    end
    table.sort(names)
    return ("%s has no method '%s'; it has: %s"):format(service, tostring(wanted), table.concat(names, ", "))
end

-- The tag of a descriptor set's only field; no name of a file begins so.
local function is_bytes(source)
    return source:sub(1, 1) == "\n"
end

local Schema = { __name = "grpc_mqtt.Schema" }
Schema.__index = Schema

--- The full names of the services, in order.
function Schema:services()
    return core.services(self.raw)
end

--- Name -> Method of a service; an error when there is none.
function Schema:methods(name, where, level)
    local methods = core.service(self.raw, name)
    if not methods then
        local known = table.concat(self:services(), ", ")
        error(("%s: the schema has no service '%s'; it has: %s"):format(where, name, known), (level or 1) + 1)
    end
    for _, method in pairs(methods) do
        method.raw = self.raw
        setmetatable(method, Method)
    end
    return methods
end

--- Serializes a table as a message of that type; an error when it does not fit.
function Schema:encode(type_name, message)
    check.argument("schema:encode", "the name of the type", type_name, "string")
    check.argument("schema:encode", "the message", message, "table")
    local bytes, problem = core.encode(self.raw, type_name, message)
    if not bytes then
        error(problem, 2)
    end
    return bytes
end

--- The table of a serialized message; nil and a text when the bytes are none.
function Schema:decode(type_name, bytes)
    check.argument("schema:decode", "the name of the type", type_name, "string")
    check.argument("schema:decode", "the message", bytes, "string")
    local message, problem = core.decode(self.raw, type_name, bytes)
    return message, problem
end

--- The values that unset fields of a message type have: those of scalars and enums that stand once. An error when there is
-- no such type.
function Schema:defaults(type_name)
    check.argument("schema:defaults", "the name of the type", type_name, "string")
    local values = core.defaults(self.raw, type_name)
    return values
end

--- The values of an enum, name -> number and number -> name; an error when there is no such enum.
function Schema:enum(name)
    check.argument("schema:enum", "the name of the enum", name, "string")
    local values = core.enum_values(self.raw, name)
    if not values then
        error(("schema:enum: the schema has no enum '%s'"):format(name), 2)
    end
    return values
end

--- The methods with their options, as the core takes them.
function Schema:method_map()
    local map = assert(core.MethodMap())
    assert(map[is_bytes(self.source) and "add_descriptors" or "add_descriptor_file"](map, self.source))
    return map
end

function schema.is(value)
    return getmetatable(value) == Schema
end

--- A schema of a file that `protoc --include_imports --descriptor_set_out=FILE` made, or of what is in such a file; nil
-- and a text when it cannot be read.
function schema.load(source)
    check.argument("gm.schema", "the file or its bytes", source, "string")
    local raw, text, code
    if is_bytes(source) then
        raw, text, code = core.schema_from_bytes(source)
    else
        raw, text, code = core.schema_from_file(source)
    end
    if not raw then
        return nil, text, code
    end
    return setmetatable({ raw = raw, source = source }, Schema)
end

return schema
