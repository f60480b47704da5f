--- Status codes of gRPC, and the errors that carry them.

local status = {}

local NAMES = {
    [0] = "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}

--- Name -> number, and number -> name.
status.codes = {}
for number, name in pairs(NAMES) do
    status.codes[name], status.codes[number] = number, name
end
local codes = status.codes

local Error = { __name = "grpc_mqtt.Error" }
Error.__index = Error

function Error:__tostring()
    return self.details == "" and self.name or self.name .. ": " .. self.details
end

--- A list of {key, value} pairs, which also answers metadata.key and metadata["key"] with the first value of that key.
local Metadata = { __name = "grpc_mqtt.Metadata" }

function Metadata.__index(list, wanted)
    if type(wanted) ~= "string" then
        return nil
    end
    for i = 1, #list do
        local pair = rawget(list, i)
        if pair[1] == wanted then
            return pair[2]
        end
    end
    return nil
end

function status.metadata(list)
    return setmetatable(list or {}, Metadata)
end

--- An error as it comes with a call: code (number), name, details, metadata.
function status.new(code, details, metadata)
    return setmetatable({
        code = code,
        name = NAMES[code] or "UNKNOWN",
        details = details or "",
        metadata = status.metadata(metadata),
    }, Error)
end

--- An error for a handler to raise or return: code is a number or a name, metadata becomes the trailing metadata.
function status.error(code, details, metadata)
    local number = type(code) == "string" and codes[code] or code
    if math.type(number) ~= "integer" or number < 1 or number > 16 then
        error(("gm.error: code is a name like 'NOT_FOUND' or a number 1 to 16, not %s"):format(tostring(code)), 2)
    end
    if details ~= nil and type(details) ~= "string" then
        error(("gm.error: details is a string, not a %s"):format(type(details)), 2)
    end
    if metadata ~= nil and type(metadata) ~= "table" then
        error(("gm.error: metadata is a table, not a %s"):format(type(metadata)), 2)
    end
    return status.new(number, details, metadata)
end

function status.is_error(value)
    return getmetatable(value) == Error
end

return status
