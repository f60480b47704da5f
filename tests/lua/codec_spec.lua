-- Tables and messages.
local gm = require("grpc_mqtt")

local schema = assert(gm.schema(os.getenv("GMQ_KINDS")))
local old = assert(gm.schema(os.getenv("GMQ_OLD")))

local function encode(message)
    return schema:encode("test.lua.All", message)
end

local function round_trip(message)
    return assert(schema:decode("test.lua.All", encode(message)))
end

-- The text of the error with which the message is refused.
local function refused(message)
    local ok, problem = pcall(encode, message)
    assert.is_false(ok)
    return problem
end

describe("schemas", function()
    it("come from a file or from its bytes", function()
        local file = assert(io.open(os.getenv("GMQ_KINDS"), "rb"))
        local same = assert(gm.schema(file:read("a")))
        file:close()
        assert.same({ "test.lua.Kinds" }, same:services())
    end)

    it("that cannot be read are told", function()
        local none, text = gm.schema("/nowhere/x.protoset")
        assert.is_nil(none)
        assert.matches("/nowhere/x.protoset", text, 1, true)
        none, text = gm.schema("\nnonsense")
        assert.is_nil(none)
        assert.is_string(text)
        assert.has_error(function()
            gm.schema(5)
        end, "gm.schema: the file or its bytes is a string, not number")
    end)

    it("know their enums", function()
        local colours = schema:enum("test.lua.Colour")
        assert.same({ RED = 0, GREEN = 1, BLUE = 2, [0] = "RED", "GREEN", "BLUE" }, colours)
        local ok, problem = pcall(function()
            schema:enum("test.lua.Color")
        end)
        assert.is_false(ok)
        assert.matches("codec_spec.lua:%d+: schema:enum: the schema has no enum 'test.lua.Color'", problem)
        assert.error_matches(function()
            schema:enum(5)
        end, "the name of the enum is a string, not number")
    end)

    it("know their types", function()
        for _, method in ipairs({ "encode", "decode" }) do
            local ok, problem = pcall(function()
                schema[method](schema, "test.lua.Nothing", method == "encode" and {} or "")
            end)
            assert.is_false(ok)
            assert.matches("codec_spec.lua:%d+: the schema has no message type 'test.lua.Nothing'", problem)
        end
    end)
end)

describe("tables", function()
    it("keep every kind of value", function()
        local message = {
            a_double = 0.1, a_float = 0.5, an_int64 = math.mininteger, a_uint64 = math.maxinteger,
            an_int32 = -2147483648, a_fixed64 = 2 ^ 53 | 0 + 1, a_fixed32 = 4294967295, a_bool = true,
            a_string = "\u{e9}",
            a_leaf = { name = "leaf", value = -1 }, some_bytes = "\0\xff", a_uint32 = 4294967295, a_colour = "BLUE",
            a_sfixed32 = -5, a_sfixed64 = math.mininteger, a_sint32 = 2147483647, a_sint64 = math.maxinteger,
            numbers = { 1, -1, math.maxinteger }, words = { "a", "", "c" }, leaves = { { name = "1", value = 0 } },
            colours = { "RED", "GREEN" }, loose = { 1, 2 },
            counts = { [""] = 0, x = -7 },
            by_number = { [-3] = { name = "", value = 0 }, [0] = { name = "z", value = 9 } },
            by_truth = { [true] = "yes", [false] = "no" }, by_big = { [math.maxinteger] = "GREEN" },
            leaf = { name = "", value = 0 }, maybe = 0,
        }
        assert.same(message, round_trip(message))
    end)

    it("have zeros where proto3 does not tell", function()
        local empty = round_trip({})
        assert.equal(0, empty.an_int32)
        assert.equal("integer", math.type(empty.an_int64))
        assert.equal("float", math.type(empty.a_double))
        assert.equal("", empty.a_string)
        assert.is_false(empty.a_bool)
        assert.equal("RED", empty.a_colour)
        assert.same({}, empty.numbers)
        assert.same({}, empty.counts)
        for _, unset in ipairs({ "a_leaf", "text", "number", "leaf", "maybe", "nested" }) do
            assert.is_nil(empty[unset])
        end
    end)

    it("have unsigned numbers of 2^63 and more as the negative ones of the same bits", function()
        assert.equal(-1, round_trip({ a_uint64 = -1 }).a_uint64)
        assert.equal("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", encode({ a_uint64 = -1 }))
    end)

    it("take enums by name or number, and floats that are integers", function()
        assert.equal("GREEN", round_trip({ a_colour = 1 }).a_colour)
        assert.equal(77, round_trip({ a_colour = 77 }).a_colour)
        assert.equal(3, round_trip({ an_int32 = 3.0 }).an_int32)
        assert.equal(3.0, round_trip({ a_double = 3 }).a_double)
    end)

    it("take names as JSON has them", function()
        assert.equal(4, round_trip({ anInt32 = 4 }).an_int32)
    end)

    it("are refused with the path of what is wrong", function()
        for _, case in ipairs({
            { { nope = 1 }, "test.lua.All has no field 'nope'" },
            { { 5 }, "has no field [1]" },
            { { ["an_int32\0x"] = 1 }, "has no field 'an_int32" },
            { { a_colour = "RED\0" }, "has no value 'RED" },
            { { an_int32 = 1, anInt32 = 1 }, "'an_int32' and 'anInt32' are the same field" },
            { { nested = { nested = { some_bytes = 1 } } }, "All: nested.nested.some_bytes: a string" },
            { { a_leaf = { nam = "x" } }, "test.lua.All: a_leaf: test.lua.Leaf has no field 'nam'" },
            { { leaves = { {}, { value = "x" } } }, "All: leaves[2].value: an integer is needed, not a string" },
            { { by_number = { [5] = { name = 1 } } }, "All: by_number[5].name: a string is needed, not a number" },
            { { counts = { x = 1.5 } }, "test.lua.All: counts['x']: 1.5 is no integer of 64 bits" },
            { { counts = { 5 } }, "counts[1]: a string is needed, not a number" },
            { { by_truth = { yes = "x" } }, "by_truth['yes']: a boolean is needed" },
            { { an_int32 = 2147483648 }, "an_int32: ", "2147483648" },
            { { a_uint32 = -1 }, "a_uint32: ", "-1" },
            { { an_int64 = 2.0 ^ 63 }, "an_int64: 9.2233720368548e+18 is no integer of 64 bits" },
            { { an_int64 = 0 / 0 }, "is no integer" },
            { { a_float = 1e300 }, "a_float: ", "1e+300" },
            { { a_bool = 1 }, "a_bool: a boolean is needed, not a number" },
            { { a_string = 5 }, "a_string: a string is needed, not a number" },
            { { a_string = "\xff" }, "a_string: ", "UTF-8" },
            { { words = { "a", "\xc3" } }, "words[2]: ", "UTF-8" },
            { { a_colour = "PINK" }, "a_colour: test.lua.Colour has no value 'PINK'" },
            { { a_colour = true }, "a_colour: the name or number of an enum value is needed, not a boolean" },
            { { a_leaf = "x" }, "a_leaf: a table is needed, not a string" },
            { { numbers = 5 }, "numbers: a table is needed, not a number" },
            { { numbers = { 1, x = 1 } }, "numbers: a sequence is needed" },
            { { numbers = { 1, nil, 3 } }, "numbers" },
            { { text = "a", number = 1 }, "of the oneof 'choice' both '" },
            { { a_leaf = function() end }, "a table is needed, not a function" },
        }) do
            local problem = refused(case[1])
            for part = 2, #case do
                assert.is_truthy(problem:find(case[part], 1, true), problem .. "\ndoes not say " .. case[part])
            end
        end
    end)

    it("are refused with what is wrong even where the path is long", function()
        local deep = { leaves = { {}, { value = "x" } } }
        for _ = 1, 80 do
            deep = { nested = deep }
        end
        assert.matches("^test.lua.All: nested.nested.nested%.%.%..*nested.leaves%[2%].value: an integer is needed, "
            .. "not a string$", refused(deep):gsub("^.-(test.lua)", "%1"))
    end)

    it("take the largest float as it is written", function()
        assert.equal(3.4028234663852886e38, round_trip({ a_float = 3.4028235e38 }).a_float)
    end)

    it("that contain themselves are refused", function()
        local cyclic = {}
        cyclic.nested = cyclic
        assert.matches("nested too deep %(a table that contains itself%?%)", refused(cyclic))
        local deep = {}
        for _ = 1, 90 do
            deep = { nested = deep }
        end
        assert.is_table(round_trip(deep).nested.nested)
    end)

    it("may have metamethods, which are not called", function()
        local message = setmetatable({ an_int32 = 1 }, {
            __index = error, __pairs = error, __len = error,
        })
        assert.equal(1, round_trip(message).an_int32)
    end)

    it("are nothing else", function()
        assert.error_matches(function()
            schema:encode("test.lua.All", "x")
        end, "the message is a table, not string")
    end)
end)

describe("bytes", function()
    it("that are no message are told", function()
        for _, bytes in ipairs({ "\xff", "\x4a\x01\xff", "\x5a\x05\x0a", "\x08" }) do
            local message, problem = schema:decode("test.lua.All", bytes)
            assert.is_nil(message)
            assert.matches("test.lua.All", problem)
        end
    end)

    it("with unknown fields are read", function()
        assert.equal(0, assert(schema:decode("test.lua.Leaf", "\x78\x01")).value)
    end)
end)

describe("proto2", function()
    it("asks for what is required, with its path", function()
        local ok, problem = pcall(old.encode, old, "test.lua.old.Outer", { number = 1, inner = { { name = "" }, {} } })
        assert.is_false(ok)
        assert.matches("inner%[%d%]", problem)
        assert.matches("name", problem)
        local message = assert(old:decode("test.lua.old.Outer", "\x08\x05"))
        assert.same({ number = 5, inner = {} }, message)
        assert.is_nil((old:decode("test.lua.old.Outer", "")))
    end)

    it("has values of fields that are not set", function()
        assert.same({
            number = 0, level = "HIGH", code = "\0\xff", limit = math.huge, most = -1, open = true,
        }, old:defaults("test.lua.old.Outer"))
        assert.equal("RED", schema:defaults("test.lua.All").a_colour)
        local message = assert(old:decode("test.lua.old.Outer", "\x08\x05"))
        setmetatable(message, { __index = old:defaults("test.lua.old.Outer") })
        assert.equal("HIGH", message.level)
        assert.equal("\x08\x05", old:encode("test.lua.old.Outer", message)) -- they are no part of it
        local ok, problem = pcall(function()
            old:defaults("test.lua.old.Nothing")
        end)
        assert.is_false(ok)
        assert.matches("codec_spec.lua:%d+: the schema has no message type 'test.lua.old.Nothing'", problem)
    end)

    it("has closed enums", function()
        assert.is_false(pcall(old.encode, old, "test.lua.old.Outer", { number = 1, level = 3 }))
        local bytes = old:encode("test.lua.old.Outer", { number = 1, level = "LOW" })
        assert.equal("LOW", old:decode("test.lua.old.Outer", bytes).level)
    end)
end)
