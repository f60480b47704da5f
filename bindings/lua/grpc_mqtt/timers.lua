--- Timers, the next one first: a binary heap, in which each knows its place.

local timers = {}
timers.__index = timers

function timers.new()
    return setmetatable({ count = 0, made = 0 }, timers)
end

-- Of timers for the same moment the one that was added first.
local function is_before(a, b)
    return a.at < b.at or a.at == b.at and a.number < b.number
end

local function put(heap, timer, place)
    heap[place], timer.place = timer, place
end

local function rise(heap, timer, place)
    while place > 1 and is_before(timer, heap[place // 2]) do
        put(heap, heap[place // 2], place)
        place = place // 2
    end
    put(heap, timer, place)
end

local function sink(heap, timer, place)
    while true do
        local child = place * 2
        if child < heap.count and is_before(heap[child + 1], heap[child]) then
            child = child + 1
        end
        if child > heap.count or not is_before(heap[child], timer) then
            break
        end
        put(heap, heap[child], place)
        place = child
    end
    put(heap, timer, place)
end

--- Has wake() called at a moment, by who turns the loop. What remove() takes.
function timers:add(at, wake)
    self.count, self.made = self.count + 1, self.made + 1
    local timer = { at = at, wake = wake, number = self.made }
    rise(self, timer, self.count)
    return timer
end

--- Forgets a timer; nothing when it has gone already.
function timers:remove(timer)
    local place = timer.place
    if not place then
        return
    end
    local last = self[self.count]
    self[self.count], timer.place = nil, nil
    self.count = self.count - 1
    if last ~= timer then
        rise(self, last, place)
        sink(self, last, last.place)
    end
end

--- The next one; nil: there is none.
function timers:first()
    return self[1]
end

return timers
