-- Reads messages of test.lua.All in hexadecimal, one a line, and writes them back: tables in between.
local gm = require("grpc_mqtt")

local schema = assert(gm.schema(os.getenv("GMQ_KINDS")))
for line in io.lines() do
    local message = assert(schema:decode("test.lua.All", (line:gsub("%x%x", function(byte)
        return string.char(tonumber(byte, 16))
    end))))
    local bytes = schema:encode("test.lua.All", message)
    print((bytes:gsub(".", function(byte)
        return ("%02x"):format(byte:byte())
    end)))
end
