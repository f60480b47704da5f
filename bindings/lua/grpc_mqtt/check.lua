--- What functions of this package are given: checked, with errors that name the argument.

local core = require("grpc_mqtt.core")

local check = {}

local CALL_OPTIONS = { wait_for_ready = true, batched_stream = true, server_clevel = true, client_clevel = true }

function check.argument(where, name, value, wanted, level)
    if type(value) ~= wanted then
        error(("%s: %s is a %s, not %s"):format(where, name, wanted, type(value)), (level or 2) + 1)
    end
end

--- Seconds as milliseconds; `otherwise` for nil.
function check.milliseconds(where, name, seconds, otherwise, level)
    if seconds == nil then
        return otherwise
    end
    if type(seconds) ~= "number" or seconds ~= seconds or seconds < 0 then
        error(("%s: %s is a number of seconds from 0, not %s"):format(where, name, tostring(seconds)), (level or 2) + 1)
    end
    return math.ceil(math.min(seconds, 1e9) * 1000)
end

local function set(options, key, value)
    if type(value) == "boolean" then
        return options:set_bool(key, value)
    elseif type(value) == "number" and math.tointeger(value) then
        return options:set_int(key, math.tointeger(value))
    elseif type(value) == "string" then
        return options:set_string(key, value)
    end
    local given = type(value) == "number" and tostring(value) or "a " .. type(value)
    return nil, ("option '%s' is a string, an integer or a boolean, not %s"):format(tostring(key), given)
end

--- core.Options of a table, or nil and a text.
function check.options(where, values, level)
    local options, text = core.Options()
    if not options then
        return nil, text
    end
    for key, value in pairs(values) do
        check.argument(where, "the key of an option", key, "string", (level or 2) + 1)
        local ok, problem = set(options, key, value)
        if not ok then
            return nil, problem
        end
    end
    return options
end

--- Options of a connection, on which the caller's thread does the work; and that of them which is ours, called `own`.
function check.connection_options(where, values, own)
    if values ~= nil then
        check.argument(where, "options", values, "table", 3)
    end
    local all, kept = { drive = "caller" }, nil
    for key, value in pairs(values or {}) do
        if key == own then
            kept = value
        else
            all[key] = value
        end
    end
    local options, text = check.options(where, all, 3)
    if not options then
        return nil, text
    end
    return options, kept
end

--- timeout_ms, metadata, core.Options or nil: what a call is given besides its request.
function check.call_options(where, values, level)
    if values == nil then
        return -1, nil, nil
    end
    check.argument(where, "options", values, "table", level)
    local own
    for key, value in pairs(values) do
        if CALL_OPTIONS[key] then
            own = own or {}
            own[key] = value
        elseif key == "wait" then
            check.argument(where, "wait", value, "boolean", level)
        elseif key ~= "timeout" and key ~= "metadata" then
            error(("%s: there is no option '%s'"):format(where, tostring(key)), level)
        end
    end
    local options, text
    if own then
        options, text = check.options(where, own, level)
        if not options then
            error(("%s: %s"):format(where, text), level)
        end
    end
    return check.milliseconds(where, "timeout", values.timeout, -1, level), values.metadata, options
end

return check
