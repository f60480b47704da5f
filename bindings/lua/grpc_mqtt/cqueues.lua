--- grpc_mqtt on cqueues: attach(controller) once; then any coroutine of that controller makes calls, and waits as
-- cqueues does. Handlers and gm.spawn() are coroutines of the controller, too. Its loop ends as usual: ours keeps it
-- going only while there is something to do for us.

local condition = require("cqueues.condition")
local cqueues = require("cqueues")

local loop = require("grpc_mqtt.loop")

local adapter = {}

-- Who waits in a coroutine of the controller.
local Waiter = {}
Waiter.__index = Waiter

function Waiter:wait()
    self.waiting = true
    self.pump()
    while self.waiting do
        self.changed:wait()
    end
end

function Waiter:wake()
    self.waiting = false
    self.changed:signal()
end

--- Has `controller` turn our loop from now on. An object with detach(); nil and a text when the queue has no
-- descriptor.
function adapter.attach(controller)
    if cqueues.type(controller) ~= "controller" then
        error("grpc_mqtt.cqueues.attach: a controller is needed, of cqueues.new()", 2)
    end
    if loop.on_work then
        error("grpc_mqtt.cqueues.attach: an event loop turns ours already; detach() that first", 2)
    end
    local fd = loop.fd()
    if fd < 0 then
        return nil, "the queue has no descriptor"
    end
    local work = condition.new()
    local pumping, attached, waiting = false, true, 0
    local descriptor = { pollfd = fd, events = "r" }

    local function turn_while_needed()
        while attached and (waiting > 0 or loop.busy()) do
            local timeout = loop.timeout_ms()
            cqueues.poll(descriptor, work, timeout >= 0 and timeout / 1000 or nil)
            loop.turn(0)
        end
        pumping = false
    end

    local function pump()
        if attached and not pumping then
            pumping = true
            controller:wrap(turn_while_needed)
        end
        work:signal()
    end

    loop.foreign = function()
        local running, directly = cqueues.running()
        if running ~= controller or not directly then -- in a coroutine inside of one of cqueues' it cannot yield
            return nil
        end
        waiting = waiting + 1
        local waiter = setmetatable({ changed = condition.new(), pump = pump }, Waiter)
        function waiter:wait()
            Waiter.wait(self)
            waiting = waiting - 1
        end
        return waiter
    end
    loop.on_work = pump
    loop.start = function(run)
        controller:wrap(run)
        pump()
    end
    if loop.busy() then
        pump()
    end

    return {
        detach = function()
            if not attached then
                return
            end
            attached = false
            loop.foreign, loop.on_work, loop.start = nil, nil, nil
            work:signal()
        end,
    }
end

return adapter
