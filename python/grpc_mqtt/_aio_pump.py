"""Takes events from a loop's queue and hands them out: no thread.

The channels and servers of a loop share one queue. The loop watches the queue's descriptor; each
time that it is readable a bounded batch is taken, so that other work of the loop has its turn. As
in `_pump.py` the handing out is done in C, into lists; then whom they belong to is told, once for a
run of its events.
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import logging
import time
import weakref
from typing import Any, Protocol

from grpc_mqtt import _fork, gmq

_LOGGER = logging.getLogger("grpc_mqtt")
_LOG_LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)

_BATCH = 128
_EXIT_GRACE = 0.5  # s for an orderly disconnect at interpreter exit


class Owner(Protocol):
    """Whom a tag belongs to."""

    def stirred(self) -> None:
        """Something was put into the lists of the tag. On the loop; must not block."""


class Pump:
    """One queue of a loop, and who is told of its events."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.generation = _fork.generation()
        self.queue = gmq.Queue()
        self.rows: dict[int, tuple[Any, ...]] = {}  # tag -> its lists; C takes rows out at FINISHED
        self.owners: dict[int, Owner] = {}  # tag -> owner, from add() to forget()
        self.new_tag = itertools.count(1).__next__
        loop.add_reader(self.queue.fd(), _drain, weakref.ref(self))

    def __del__(self) -> None:
        if hasattr(self, "queue") and self.generation == _fork.generation():
            _retire(self.loop, self.queue)

    def add(
        self, tag: int, messages: list[bytes], control: list[gmq.Control], owner: Owner
    ) -> None:
        self.rows[tag] = (messages, control)
        self.owners[tag] = owner

    def forget(self, tag: int) -> None:
        self.rows.pop(tag, None)
        self.owners.pop(tag, None)

    def drain(self) -> None:
        owners = self.owners
        for tag in self.queue.deliver(self.rows, 0, _BATCH):
            owner = owners.get(tag)
            if owner is not None:
                try:
                    owner.stirred()
                except Exception:
                    _LOGGER.exception("Exception while handling an event!")


def _drain(reference: weakref.ref[Pump]) -> None:
    pump = reference()
    if pump is not None:
        pump.drain()


def _retire(loop: asyncio.AbstractEventLoop, queue: gmq.Queue) -> None:
    """The queue is used no more: the loop forgets its descriptor before that is closed."""
    if loop.is_closed():
        return
    if asyncio._get_running_loop() is loop or not loop.is_running():
        loop.remove_reader(queue.fd())
        return
    try:
        loop.call_soon_threadsafe(_retire, loop, queue)
    except RuntimeError:
        pass  # closed meanwhile


_pumps: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.ref[Pump]] = (
    weakref.WeakKeyDictionary()
)


def pump_of(loop: asyncio.AbstractEventLoop) -> Pump:
    """The pump that what is made on `loop` shares; it lives as long as one of that keeps it."""
    reference = _pumps.get(loop)
    pump = reference() if reference is not None else None
    if pump is None or pump.generation != _fork.generation():
        pump = Pump(loop)
        _pumps[loop] = weakref.ref(pump)
    return pump


def working_loop() -> asyncio.AbstractEventLoop:
    """The running loop, else the one that the current thread will run."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.get_event_loop_policy().get_event_loop()


# ---- Clients and servers


class Endpoint:
    """State of a client or server, from its events. Holds no reference to it."""

    def __init__(self, pump: Pump, what: str, tag: int) -> None:
        self.pump = pump
        self.what = what
        self.tag = tag
        self.messages: list[bytes] = []
        self.control: list[gmq.Control] = []
        self.state = gmq.STATE_IDLE
        self.gone = False  # CLOSED has come
        self.waiters: list[asyncio.Future[None]] = []
        pump.add(self.tag, self.messages, self.control, self)

    def stirred(self) -> None:
        while self.control:
            kind, code, text, body, metadata = self.control.pop(0)
            self.take(kind, code, text, body, metadata)

    def take(self, kind: int, code: int, text: str, body: Any, metadata: Any) -> None:
        if kind == gmq.EVENT_STATE:
            _LOGGER.debug("%s state %d: %s", self.what, code, text)
            self.set_state(code)
        elif kind == gmq.EVENT_LOG:
            level = _LOG_LEVELS[code] if 0 <= code < len(_LOG_LEVELS) else logging.INFO
            _LOGGER.log(level, "%s", text)
        elif kind == gmq.EVENT_CLOSED:
            self.gone = True
            self.pump.forget(self.tag)
            self.set_state(gmq.STATE_SHUTDOWN)

    def set_state(self, state: int) -> None:
        self.state = state
        wake(self.waiters)

    async def changed(self) -> None:
        """Until the state has changed, perhaps."""
        await wait_in(self.pump.loop, self.waiters)

    async def wait_gone(self) -> None:
        while not self.gone:
            await self.changed()


def wake(waiters: list[asyncio.Future[None]]) -> None:
    """Ends the wait_in() of all."""
    woken = waiters[:]
    waiters.clear()
    for future in woken:
        if not future.done():
            future.set_result(None)


async def wait_in(loop: asyncio.AbstractEventLoop, *lists: list[asyncio.Future[None]]) -> None:
    """Until the next wake() of one of these lists."""
    future = loop.create_future()
    for waiters in lists:
        waiters.append(future)
    try:
        await future
    finally:
        for waiters in lists:
            if future in waiters:
                waiters.remove(future)


class Link:
    """A client or server of the library, with its state. When it goes, the connection does."""

    def __init__(self, endpoint: Endpoint, handle: gmq.Client | gmq.Server) -> None:
        self.endpoint = endpoint
        self.handle = handle
        self.pump = endpoint.pump
        _links.add(self)

    def __del__(self) -> None:
        if hasattr(self, "pump"):
            self.pump.forget(self.endpoint.tag)


_links: weakref.WeakSet[Link] = weakref.WeakSet()


def _at_exit() -> None:
    """Tells the broker and the peers that we go, instead of leaving them to their time-outs."""
    generation = _fork.generation()
    left = [link for link in _links if link.pump.generation == generation and not _is_gone(link)]
    deadline = time.monotonic() + _EXIT_GRACE
    for link in left:
        link.handle.close(0)
    for link in left:
        while not _is_gone(link) and time.monotonic() < deadline:
            link.pump.queue.deliver(link.pump.rows, 50, _BATCH)


def _is_gone(link: Link) -> bool:
    control = link.endpoint.control
    return link.endpoint.gone or any(event[0] == gmq.EVENT_CLOSED for event in control)


atexit.register(_at_exit)
