--- grpc_mqtt on libuv: attach() once, then luv's loop turns ours. Calls are made in coroutines of gm.spawn().
--
-- luv's loop ends as usual when nothing is left to do: ours keeps it going while coroutines or servers are there.

local uv = require("luv")

local loop = require("grpc_mqtt.loop")

local adapter = {}

--- Has luv's loop turn ours from now on. An object with detach(); nil and a text when the queue has no descriptor.
function adapter.attach()
    if loop.on_work then
        error("grpc_mqtt.luv.attach: an event loop turns ours already; detach() that first", 2)
    end
    local fd = loop.fd()
    if fd < 0 then
        return nil, "the queue has no descriptor"
    end
    local poll = assert(uv.new_poll(fd))
    local timer = assert(uv.new_timer())
    local arm

    local function turn()
        loop.turn(0)
        arm()
    end

    -- When to turn without anything happening at the descriptor; and whether we are a reason to go on.
    function arm()
        local timeout = loop.timeout_ms()
        if timeout < 0 then
            timer:stop()
        else
            timer:start(timeout, 0, turn)
        end
        local handle = loop.busy() and "ref" or "unref"
        poll[handle](poll)
        timer[handle](timer)
    end

    poll:start("r", turn)
    loop.on_work = arm
    arm()

    local attached = {}
    function attached.detach()
        if poll:is_closing() then
            return
        end
        loop.on_work = nil
        poll:stop()
        timer:stop()
        poll:close()
        timer:close()
    end
    return attached
end

return adapter
