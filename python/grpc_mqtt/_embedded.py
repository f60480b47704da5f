"""What a gateway and a proxy in this process have in common: events, state, their end."""

from __future__ import annotations

import atexit
import logging
import threading
import time
import weakref
from typing import Any, TypeVar

from grpc_mqtt import _fork, gmq
from grpc_mqtt._errors import UnsupportedError

_LOG_LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)
_BATCH = 64
_SLICE_MS = 1000
_SLICE = 0.5  # s; between two the main thread takes Ctrl-C
_EXIT_GRACE = 0.5
_GRACE_MAX_MS = 1 << 38

_Self = TypeVar("_Self", bound="Embedded")


def module() -> Any:
    try:
        from grpc_mqtt import gmq_gateway
    except ImportError as error:
        raise UnsupportedError(
            f"the gateway was not built into this package (GMQ_BUILD_GATEWAY=OFF), or the gRPC "
            f"library it needs is missing (apt-get install libgrpc29): {error}"
        ) from error
    return gmq_gateway


class _Events(threading.Thread):
    """Reads the object's queue until it is gone."""

    def __init__(self, name: str, queue: gmq.Queue) -> None:
        super().__init__(name=f"grpc_mqtt-{name}", daemon=True)
        self.logger = logging.getLogger(f"grpc_mqtt.{name}")
        self.queue = queue
        self.state = gmq.STATE_IDLE
        self.text = ""
        self._failed = False
        self.changed = threading.Condition()
        self.gone = threading.Event()

    def run(self) -> None:
        while not self.gone.is_set():
            for kind, _, code, text, _, _ in self.queue.wait(_SLICE_MS, _BATCH):
                self._take(kind, code, text)

    def _take(self, kind: int, code: int, text: str) -> None:
        if kind == gmq.EVENT_LOG:
            level = _LOG_LEVELS[code] if 0 <= code < len(_LOG_LEVELS) else logging.INFO
            self.logger.log(level, "%s", text)
        elif kind in (gmq.EVENT_STATE, gmq.EVENT_CLOSED):
            if kind == gmq.EVENT_STATE:
                self._tell(code, text)
            with self.changed:
                self.state = code if kind == gmq.EVENT_STATE else gmq.STATE_SHUTDOWN
                self.text = text
                self.changed.notify_all()
            if kind == gmq.EVENT_CLOSED:
                self.gone.set()

    def _tell(self, state: int, text: str) -> None:
        if state == gmq.STATE_TRANSIENT_FAILURE:
            self._failed = True
            self.logger.warning("not connected: %s", text)
        elif state == gmq.STATE_READY and self._failed:
            self._failed = False
            self.logger.info("connected")


class Embedded:
    """An object of libgrpc_mqtt_gateway that works on threads of its own."""

    _NAME = ""
    _object: Any = None  # for __del__, should __init__ fail

    def _begin(self, made: Any, queue: gmq.Queue) -> None:
        self._generation = _fork.generation()
        self._object = made
        self._events = _Events(self._NAME, queue)
        self._events.start()
        _embedded.add(self)

    def wait_ready(self, timeout: float | None = None) -> bool:
        """Waits until it is connected to the broker, and calls are taken; False after `timeout`
        seconds or when it is closed.
        """
        return self._wait((gmq.STATE_READY, gmq.STATE_SHUTDOWN), timeout) and (
            self._events.state == gmq.STATE_READY
        )

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until it is closed and gone; False after `timeout` seconds."""
        return self._wait((gmq.STATE_SHUTDOWN,), timeout)

    def _wait(self, states: tuple[int, ...], timeout: float | None) -> bool:
        _fork.check(self._generation, self._NAME)
        deadline = None if timeout is None else time.monotonic() + timeout
        events = self._events
        with events.changed:
            while events.state not in states:
                left = _SLICE if deadline is None else min(deadline - time.monotonic(), _SLICE)
                if left <= 0:
                    return False
                events.changed.wait(left)
        return True

    def close(self, grace: float | None = None) -> threading.Event:
        """Takes no more calls; open ones may go on for `grace` seconds (None: they are cancelled
        now). Does not wait: the event that it returns is set when all is over, as of
        grpc.Server.stop().
        """
        _fork.check(self._generation, self._NAME)
        grace_ms = 0 if grace is None else min(max(int(grace * 1000), 0), _GRACE_MAX_MS)
        self._object.close(grace_ms)
        return self._events.gone

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None:
        self.close()
        self.wait()

    def __del__(self) -> None:
        if self._object is not None and self._generation == _fork.generation():
            self._object.close(0)


_embedded: weakref.WeakSet[Embedded] = weakref.WeakSet()


def _at_exit() -> None:
    """As channels: says goodbye to the broker, and lets the C core of gRPC end in order."""
    mine = [each for each in _embedded if each._generation == _fork.generation()]
    deadline = time.monotonic() + _EXIT_GRACE
    for each in mine:
        each.close()
    for each in mine:
        each.wait(max(deadline - time.monotonic(), 0.001))


atexit.register(_at_exit)
