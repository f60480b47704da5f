"""Takes events from a channel's queue and hands them out.

There is no thread that only forwards events: of the threads that wait for something, one leads (it
holds the baton), waits on the queue, and hands out what comes, to others too; when it has what it
wanted it passes the baton on. A blocking unary call thus costs no switch between Python threads. A
thread of our own leads only while callbacks are to be called (futures with done-callbacks,
connectivity) and nobody else waits.

The handing out is done in C (`Queue.deliver`), into lists, so that Ctrl-C cannot come between
taking an event and its arrival.
"""

from __future__ import annotations

import atexit
import itertools
import logging
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from grpc_mqtt import _fork, gmq

_LOGGER = logging.getLogger("grpc_mqtt")
_LOG_LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)

CLIENT_TAG = 0
_BACKGROUND_TAG = -1
_BATCH = 64
_SLICE_MAIN_MS = (
    100  # signal handlers run between two waits of the main thread, and only of that one
)
_SLICE_MS = 1000
_FOLLOW_SLICE = 1.0  # s; a lost wake-up would cost no more than this
_IDLE = 0.2  # s that the background thread stays without anything to do
_EXIT_GRACE = 0.5  # s for an orderly disconnect at interpreter exit


class Watched(Protocol):
    """What the background thread looks after: something that has callbacks to run in the end."""

    tag: int

    def collect(self) -> list[Callable[[], Any]] | None:
        """The callbacks to run now that it is over; None while it is not."""


class Pump:
    """Queue and client of one channel."""

    def __init__(
        self,
        url: str,
        options: gmq.Options,
        method_map: gmq.MethodMap | None,
        metadata: tuple[tuple[str, str], ...],
    ) -> None:
        self.metadata = metadata  # goes with every call
        self.generation = _fork.generation()
        self.queue = gmq.Queue()
        self.calls: dict[
            int, tuple[Any, ...]
        ] = {}  # tag -> (messages, others, call state); C takes rows out at FINISHED
        self._control: list[gmq.Control] = []
        self.calls[CLIENT_TAG] = ([], self._control, None)
        self.new_tag = itertools.count(1).__next__
        self.closed = False
        self.gone = False  # CLOSED has come
        self.state = gmq.STATE_IDLE
        self.wanted = False  # somebody has called, or asked to be connected
        self._lock = (
            threading.RLock()
        )  # reentrant: garbage collection may run anything of ours at any point
        self._baton = threading.Lock()
        self._waiting: dict[int, list[threading.Lock]] = {}  # tag -> locks of its followers
        self._watched: dict[int, Watched] = {}  # tag -> calls with callbacks, until those are run
        self._due: deque[int] = deque()  # tags that the background thread must look at
        self._wake = threading.Condition(self._lock)
        self._thread: threading.Thread | None = None
        self._on_state: Callable[[int], None] | None = None  # see watch_state()
        self.client = gmq.Client(url, options, method_map, self.queue, CLIENT_TAG)
        _pumps.add(self)

    # ---- Waiting

    def drive(self, tag: int, ready: Callable[[], bool], deadline: float | None = None) -> bool:
        """Blocks until ready() or `deadline` (time.monotonic()); returns ready(). `tag`: whose
        events may change that.
        """
        _fork.check(self.generation, "channel")
        while not ready():
            if self._baton.acquire(False):
                try:
                    self._lead(ready, deadline)
                finally:
                    self._baton.release()
                    self._pass_on()
            else:
                self._follow(tag, ready, deadline)
            if deadline is not None and time.monotonic() >= deadline:
                return ready()
        return True

    def poll(self) -> None:
        """Hands out what is there, without waiting; leaves it to the leader where there is one."""
        if not self.generation == _fork.generation():
            return
        if self._baton.acquire(False):
            try:
                while touched := self.queue.deliver(self.calls, 0, _BATCH):
                    self._tell(touched)
            finally:
                self._baton.release()
                self._pass_on()

    def _lead(self, ready: Callable[[], bool], deadline: float | None) -> None:
        slice_ms = (
            _SLICE_MAIN_MS if threading.current_thread() is threading.main_thread() else _SLICE_MS
        )
        deliver, calls = self.queue.deliver, self.calls
        while not ready():
            timeout_ms = slice_ms
            if deadline is not None:
                left = deadline - time.monotonic()
                if left <= 0:
                    return
                timeout_ms = min(slice_ms, int(left * 1000) + 1)
            touched = deliver(calls, timeout_ms, _BATCH)
            if touched:
                self._tell(touched)

    def _tell(self, touched: list[int]) -> None:
        """Wakes who waits for events of these tags."""
        if touched[0] == CLIENT_TAG or CLIENT_TAG in touched:
            self._settle()
        if self._waiting:
            for tag in touched:
                self.wake(tag)
        if self._watched:
            watched = [tag for tag in touched if tag in self._watched]
            if watched:
                self._due.extend(watched)
                self.wake(_BACKGROUND_TAG)

    def wake(self, tag: int) -> None:
        """Makes those that wait for `tag` look again."""
        if tag in self._waiting:
            with self._lock:
                for lock in self._waiting.get(tag, ()):
                    _release(lock)

    def nudge(self, tag: int) -> None:
        """As wake(), and has the leader look again too, whom no lock holds."""
        self.wake(tag)
        if self._baton.locked():
            self.queue.post(gmq.EVENT_USER, tag, 0, None)

    def _pass_on(self) -> None:
        """After the baton was put down: somebody who waits must take it up."""
        if self._waiting:
            with self._lock:
                for locks in self._waiting.values():
                    _release(locks[0])
                    break

    def _follow(self, tag: int, ready: Callable[[], bool], deadline: float | None) -> None:
        """Waits to be woken, either because of an event or to take the baton."""
        lock = threading.Lock()
        lock.acquire()
        with self._lock:
            self._waiting.setdefault(tag, []).append(lock)
        try:
            # From here on a leader sees us; one that has just gone did not.
            if not ready() and self._baton.locked():
                timeout = _FOLLOW_SLICE
                if deadline is not None:
                    timeout = min(timeout, max(deadline - time.monotonic(), 0))
                lock.acquire(timeout=timeout)
        finally:
            with self._lock:
                locks = self._waiting[tag]
                locks.remove(lock)
                if not locks:
                    del self._waiting[tag]
            if not self._baton.locked() and ready():
                self._pass_on()  # we were woken to lead, perhaps, but are done

    # ---- The client's own events

    def _settle(self) -> None:
        while self._control:
            kind, code, text, _, _ = self._control.pop(0)
            if kind == gmq.EVENT_STATE:
                self.state = code
                _LOGGER.debug("channel state %d: %s", code, text)
            elif kind == gmq.EVENT_LOG:
                _LOGGER.log(
                    _LOG_LEVELS[code] if 0 <= code < len(_LOG_LEVELS) else logging.INFO, "%s", text
                )
            elif kind == gmq.EVENT_CLOSED:
                self.state = gmq.STATE_SHUTDOWN
                self.gone = True
        if self._on_state is not None:
            self._due.append(CLIENT_TAG)
            self.wake(_BACKGROUND_TAG)

    def watch_state(self, on_state: Callable[[int], None] | None) -> None:
        """Has the background thread call `on_state` with the state, now and at each change.

        None: no more.
        """
        _fork.check(self.generation, "channel")
        with self._lock:
            self._on_state = on_state
            self._due.append(CLIENT_TAG)
            self._need_background()

    def want(self) -> None:
        """From now on those who watch are told the state; before they are told that it is IDLE."""
        if not self.wanted:
            _fork.check(self.generation, "channel")
            self.wanted = True
            if self._on_state is not None:
                self._due.append(CLIENT_TAG)
                self.wake(_BACKGROUND_TAG)
                self.nudge(CLIENT_TAG)

    def forget_state(self) -> None:
        """As watch_state(None), but takes no lock: for finalizers."""
        self._on_state = None

    # ---- Callbacks, on a thread of their own

    def watch(self, call: Watched) -> None:
        """Has the background thread run the callbacks of `call` when it is over."""
        with self._lock:
            self._watched[call.tag] = call
            self._due.append(call.tag)  # it may be over already
            self._need_background()

    def call_over(self, tag: int) -> None:
        """A call was seen to be over: its callbacks are due."""
        if tag in self._watched:
            self._due.append(tag)
            self.wake(_BACKGROUND_TAG)

    def _need_background(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._background, name="grpc_mqtt-callbacks", daemon=True
            )
            self._thread.start()
        self._wake.notify_all()
        self.wake(_BACKGROUND_TAG)

    def _background(self) -> None:
        while True:
            self._run_due()
            if self._watched or self._on_state is not None:
                if not self.drive(_BACKGROUND_TAG, self._is_due, time.monotonic() + _FOLLOW_SLICE):
                    self._due.extend(list(self._watched))
                continue
            with self._lock:
                if (
                    not self._due
                    and not self._wake.wait(_IDLE)
                    and not self._due
                    and not self._watched
                ):
                    self._thread = None
                    return

    def _is_due(self) -> bool:
        return bool(self._due)

    def _run_due(self) -> None:
        while self._due:
            tag = self._due.popleft()
            if tag == CLIENT_TAG:
                on_state = self._on_state
                if on_state is not None:
                    on_state(self.state if self.wanted else gmq.STATE_IDLE)
                continue
            call = self._watched.get(tag)
            callbacks = call.collect() if call is not None else None
            if callbacks is not None:
                self._watched.pop(tag, None)
                for callback in callbacks:
                    run_callback(callback)

    # ---- The end

    def close(self, details: str) -> None:
        """Ends every call with CANCELLED and disconnects, without waiting."""
        if self.generation != _fork.generation():
            return
        with self._lock:
            if self.closed:
                return
            self.closed = True
            self._on_state = None
        for _, _, call in list(self.calls.values()):
            if call is not None:
                call.end_of_channel(details)
        self.client.close(0)

    def wait_gone(self, deadline: float) -> None:
        self.drive(CLIENT_TAG, lambda: self.gone, deadline)


def run_callback(callback: Callable[[], Any]) -> None:
    """Runs a callback of the user; what it raises is logged, as grpc does."""
    try:
        callback()
    except Exception:
        _LOGGER.exception("Exception in callback %r", callback)


def _release(lock: threading.Lock) -> None:
    try:
        lock.release()
    except RuntimeError:
        pass  # woken already


_pumps: weakref.WeakSet[Pump] = weakref.WeakSet()


def _at_exit() -> None:
    """Tells the broker and the servers that we go, instead of leaving them to their time-outs."""
    pumps = [pump for pump in _pumps if pump.generation == _fork.generation() and not pump.gone]
    deadline = time.monotonic() + _EXIT_GRACE
    for pump in pumps:
        pump.close("Channel closed!")
    for pump in pumps:
        pump.wait_gone(deadline)


atexit.register(_at_exit)
