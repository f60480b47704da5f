--- The scheduler: one queue of events a Lua state, and the coroutines that wait for them. No thread but the caller's.
--
-- A task is a coroutine of ours: it waits by yielding. Whoever waits elsewhere (the main chunk, a coroutine of somebody
-- else's) blocks, and turns the loop meanwhile, so that tasks go on; unless an event loop has said how to wait there.

local core = require("grpc_mqtt.core")
local timers = require("grpc_mqtt.timers").new()

local loop = {}

local BATCH = 64
local SLICE_MS = 500 -- a wait is no longer in one piece: Ctrl-C is noticed by Lua code alone
local NESTED_MAX = 60 -- Lua bears 200 calls of C inside each other; each of these takes two or three
local PARK = {} -- what a task yields that waits; whatever else it yields means "let others run"
local LEVELS = { [0] = "error", "warning", "info", "debug" }

local queue = assert(core.Queue())
local last_tag = 0
local owners = setmetatable({}, { __mode = "v" }) -- tag -> who takes its events; forgotten by all others, nobody does
local kept = {} -- what stays alive and keeps run() going: servers, and what is being closed
local pending = { first = 1, last = 0 } -- events taken and not handed out
local tasks = {} -- coroutine (of an adapter's: the task itself) -> task, until it is dead
local ready = { first = 1, last = 0 } -- tasks that can go on
local running = false -- run() is on the stack
local stopped = false
local nested = 0 -- turns inside of each other, of those who block
local one_deeper = setmetatable({}, { __close = function()
    nested = nested - 1
end })

--- Set by an adapter: how to wait outside of tasks, a function that gives an object with wait() and wake(), or nil.
loop.foreign = nil
--- Set by an adapter: runs a function as a coroutine of its own scheduler, in place of one of ours.
loop.start = nil
--- Set by an adapter: called when there is something to do that its event loop cannot see.
loop.on_work = nil
--- Receives what the library and the scheduler have to say: level ("error", "warning", "info", "debug") and a line.
loop.on_log = nil

loop.queue = queue
loop.now_ms = core.now_ms

--- tostring(), which may be anybody's code, and fail.
function loop.text_of(value)
    local ok, text = pcall(tostring, value)
    return ok and text or "an error that has no text"
end

function loop.log(level, text)
    level = LEVELS[level] or level
    if loop.on_log then
        local ok, problem = pcall(loop.on_log, level, text)
        if ok then
            return
        end
        text = text .. "\n(gm.on_log failed: " .. loop.text_of(problem) .. ")"
    elseif level ~= "error" and level ~= "warning" then
        return
    end
    io.stderr:write("grpc_mqtt: ", level, ": ", text, "\n")
end

local function push(list, item)
    list.last = list.last + 1
    list[list.last] = item
end

local function pop(list)
    local item = list[list.first]
    list[list.first] = nil
    list.first = list.first + 1
    return item
end

local function is_empty(list)
    return list.first > list.last
end

local function note_work()
    if loop.on_work then
        loop.on_work()
    end
end

-- Who takes events

--- A tag for `owner`, whose on_event(event) is called for each event with it. `tag`: given by the library.
function loop.register(owner, tag)
    if not tag then
        last_tag = last_tag + 1
        tag = last_tag
    end
    owners[tag] = owner
    return tag
end

function loop.forget(tag)
    owners[tag] = nil
end

function loop.keep(object)
    kept[object] = true
    note_work()
end

function loop.release(object)
    kept[object] = nil
    note_work()
end

-- Waiting

local function make_ready(task)
    if not task.ready and not task.dead then
        task.ready = true
        push(ready, task)
        note_work()
    end
end

--- Wakes all that wait in `waiters`, first come first.
function loop.wake(waiters)
    local count = #waiters
    for i = 1, count do
        local waiter = waiters[i]
        waiters[i] = nil
        if waiter.co then
            make_ready(waiter)
        else
            waiter:wake()
        end
    end
end

--- Waits until somebody wakes `waiters`, or for no reason: to be called until what is waited for has come.
function loop.park(waiters)
    local task = tasks[coroutine.running()]
    if task then
        waiters[#waiters + 1] = task
        coroutine.yield(PARK)
        return
    end
    local waiter = loop.foreign and loop.foreign()
    if waiter then
        waiters[#waiters + 1] = waiter
        waiter:wait()
        return
    end
    if nested >= NESTED_MAX then
        error(("more than %d calls wait in coroutines that are not gm.spawn()'s, each inside of the one before")
            :format(NESTED_MAX), 0)
    end
    local _ <close> = one_deeper
    nested = nested + 1
    loop.turn(-1)
end

--- Calls `wake` in so many milliseconds. The timer.
function loop.after(delay_ms, wake)
    local timer = timers:add(core.now_ms() + delay_ms, wake)
    note_work()
    return timer
end

--- Waits until condition() is true, `timeout_ms` at most (nil: no limit); whether it is.
function loop.wait_for(waiters, condition, timeout_ms)
    local late, timer = false, nil
    if timeout_ms and not condition() then
        timer = loop.after(timeout_ms, function()
            late = true
            loop.wake(waiters)
        end)
    end
    while not condition() and not late do
        loop.park(waiters)
    end
    if timer then
        timers:remove(timer)
    end
    return condition()
end

function loop.sleep(seconds)
    if type(seconds) ~= "number" or seconds < 0 or seconds ~= seconds then
        error(("gm.sleep: seconds is a number from 0, not %s"):format(tostring(seconds)), 2)
    end
    local over, waiters = false, {}
    loop.after(math.ceil(math.min(seconds, 1e9) * 1000), function()
        over = true
        loop.wake(waiters)
    end)
    while not over do
        loop.park(waiters)
    end
end

-- Tasks

local Task = { __name = "grpc_mqtt.Task" }
Task.__index = Task

--- Waits for its end: what the function returned, or nil and the error that it raised.
function Task:join()
    self.joined = true
    while not self.dead do
        loop.park(self.waiters)
    end
    if self.failed then
        return nil, self.error
    end
    return table.unpack(self.results, 1, self.results.n)
end

local function finish(task, ok, ...)
    task.dead = true
    tasks[task.co or task] = nil
    if ok then
        task.results = table.pack(...)
    else
        task.failed, task.error = true, (...)
        if not task.joined then
            local text = "a coroutine failed: " .. loop.text_of((...))
            loop.log("error", task.co and debug.traceback(task.co, text) or text)
        end
    end
    if task.co then
        coroutine.close(task.co)
    end
    loop.wake(task.waiters)
    note_work()
end

local function after_resume(task, ok, ...)
    if coroutine.status(task.co) == "dead" then
        finish(task, ok, ...)
    elseif (...) ~= PARK then
        make_ready(task)
    end
end

local function resume(task)
    local arguments = task.arguments
    task.ready = false
    if arguments then
        task.arguments = nil
        after_resume(task, coroutine.resume(task.co, table.unpack(arguments, 1, arguments.n)))
    else
        after_resume(task, coroutine.resume(task.co))
    end
end

--- Runs fn(...) as a coroutine of the scheduler, from its next turn on.
function loop.spawn(fn, ...)
    if type(fn) ~= "function" then
        error(("gm.spawn: a function is needed, not a %s"):format(type(fn)), 2)
    end
    local task = setmetatable({ waiters = {} }, Task)
    if loop.start then
        local arguments = table.pack(...)
        tasks[task] = task
        loop.start(function()
            finish(task, pcall(fn, table.unpack(arguments, 1, arguments.n)))
        end)
        return task
    end
    task.co, task.arguments = coroutine.create(fn), table.pack(...)
    tasks[task.co] = task
    make_ready(task)
    return task
end

-- Turning

-- Each is taken out first: a turn inside of this one, of a finalizer for instance, goes on where this one is.
local function hand_out()
    while not is_empty(pending) do
        local event = pop(pending)
        local tag = event.type == core.EVENT_CALL and event.call and event.call:owner_tag() or event.tag
        local owner = owners[tag]
        if owner then
            owner:on_event(event)
        elseif event.call then
            event.call:cancel()
        end
    end
end

local function run_timers()
    local timer = timers:first()
    while timer and timer.at <= core.now_ms() do
        timers:remove(timer)
        timer.wake()
        timer = timers:first()
    end
end

--- Those that are ready now; who becomes ready meanwhile has the next turn.
local function run_ready()
    local last = ready.last
    while ready.first <= last do
        local task = pop(ready)
        if task.ready and not task.dead then
            resume(task)
        end
    end
end

local function has_work()
    return not is_empty(ready) or not is_empty(pending)
end

--- The earlier of `timeout` (negative: none) and the next timer.
local function until_timer(timeout)
    local timer = timers:first()
    if not timer then
        return timeout
    end
    local left = math.max(timer.at - core.now_ms(), 0)
    return timeout < 0 and left or math.min(timeout, left)
end

--- The descriptor that an event loop watches for reading; -1: none could be had.
function loop.fd()
    return queue:fd()
end

--- How many milliseconds an event loop may wait for the queue's descriptor before turn(0); -1: without limit.
function loop.timeout_ms()
    return has_work() and 0 or until_timer(queue:timeout_ms())
end

local function wait_ms(limit)
    local timeout = has_work() and 0 or until_timer(limit)
    return (timeout < 0 or timeout > SLICE_MS) and SLICE_MS or timeout
end

--- Takes events, hands them out, and lets run what can. Waits up to limit_ms (negative: as long as it likes) for
-- something to do, and not for that to be finished.
function loop.turn(limit_ms)
    if math.type(limit_ms) ~= "integer" then
        error(("gm.turn: an integer of milliseconds is needed, not %s"):format(tostring(limit_ms)), 2)
    end
    local events, text = queue:wait(wait_ms(limit_ms), BATCH)
    if not events then
        error("grpc_mqtt: " .. text, 0)
    end
    for i = 1, #events do
        push(pending, events[i])
    end
    hand_out()
    run_timers()
    run_ready()
end

--- Whether run() would go on.
function loop.busy()
    return next(tasks) ~= nil or next(kept) ~= nil
end

local function end_run(main)
    if not main then
        return
    end
    if main.failed then
        error(main.error, 0)
    end
    if main.dead then
        return table.unpack(main.results, 1, main.results.n)
    end
end

--- Runs fn(...) as a task, and turns until every task has ended and every server is closed, or until stop(). Gives what
-- fn returned, and raises at once what it raised.
function loop.run(fn, ...)
    if running or tasks[coroutine.running()] then
        error("gm.run: it is running already; use gm.spawn in there", 2)
    end
    if loop.start then
        error("gm.run: an event loop is attached that runs the coroutines: use gm.spawn, and its own loop", 2)
    end
    local main = fn ~= nil and loop.spawn(fn, ...) or nil
    if main then
        main.joined = true
    end
    running, stopped = true, false
    local ok, problem = pcall(function()
        while loop.busy() and not stopped and not (main and main.failed) do
            loop.turn(-1)
        end
    end)
    running = false
    if not ok then
        error(problem, 0)
    end
    return end_run(main)
end

--- Makes run() return; what is unfinished goes on in the next one.
function loop.stop()
    stopped = true
    note_work()
end

return loop
