"""The gateway in this process: calls from MQTT to gRPC servers."""

from __future__ import annotations

import atexit
import logging
import threading
import time
import weakref
from collections.abc import Mapping
from typing import Any

from grpc_mqtt import _fork, _reflection, gmq
from grpc_mqtt._descriptors import DescriptorsLike, method_map
from grpc_mqtt._errors import InvalidError, UnsupportedError
from grpc_mqtt._options import OptionsLike, split

_LOGGER = logging.getLogger("grpc_mqtt.gateway")
_LOG_LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)
_BATCH = 64
_SLICE_MS = 1000
_SLICE = 0.5  # s; between two the main thread takes Ctrl-C
_EXIT_GRACE = 0.5
_GRACE_MAX_MS = 1 << 38


def _module() -> Any:
    try:
        from grpc_mqtt import gmq_gateway
    except ImportError as error:
        raise UnsupportedError(
            f"the gateway was not built into this package (GMQ_BUILD_GATEWAY=OFF), or the gRPC "
            f"library it needs is missing (apt-get install libgrpc29): {error}"
        ) from error
    return gmq_gateway


def _bound(targets: Mapping[str, DescriptorsLike]) -> gmq.MethodMap:
    result = gmq.MethodMap()
    for target, descriptors in targets.items():
        if not isinstance(target, str) or not target:
            raise InvalidError(f"targets: a gRPC server's address is a str, not {target!r}")
        methods = method_map(descriptors)
        if methods is None:
            methods = _reflection.method_map(target)
        methods.bind(None, target)
        result = result.merged(methods)
    return result


class _Events(threading.Thread):
    """Reads the gateway's queue until it is gone."""

    def __init__(self, queue: gmq.Queue) -> None:
        super().__init__(name="grpc_mqtt-gateway", daemon=True)
        self.queue = queue
        self.state = gmq.STATE_IDLE
        self.text = ""
        self.changed = threading.Condition()
        self.gone = threading.Event()

    def run(self) -> None:
        while not self.gone.is_set():
            for kind, _, code, text, _, _ in self.queue.wait(_SLICE_MS, _BATCH):
                self._take(kind, code, text)

    def _take(self, kind: int, code: int, text: str) -> None:
        if kind == gmq.EVENT_LOG:
            level = _LOG_LEVELS[code] if 0 <= code < len(_LOG_LEVELS) else logging.INFO
            _LOGGER.log(level, "%s", text)
        elif kind in (gmq.EVENT_STATE, gmq.EVENT_CLOSED):
            with self.changed:
                self.state = code if kind == gmq.EVENT_STATE else gmq.STATE_SHUTDOWN
                self.text = text
                self.changed.notify_all()
            if kind == gmq.EVENT_CLOSED:
                self.gone.set()


class Gateway:
    """Forwards calls that come over MQTT to gRPC servers, which need to know nothing of it.

    `url` names the broker and the base topic, as for channel(). `targets` is a mapping from the
    address of a gRPC server (``127.0.0.1:50051``, ``unix:/run/x.sock``) to the descriptors of what
    it serves, in any form that channel() takes; None asks the server's reflection service (v1, else
    v1alpha), which must answer now. Where two targets have the same method, the first has it.

    `options` are options of the library, as for channel(). The gateway begins to connect at once
    and works on threads of its own; wait_ready() waits for the broker::

        with grpc_mqtt.Gateway("mqtt://broker/fleet/device42", {"127.0.0.1:50051": None}) as it:
            it.wait()

    Raises InvalidError when there is no method at all, IoError when reflection fails, UrlError,
    OptionError, UnsupportedError when the gateway is not built in.
    """

    def __init__(
        self, url: str, targets: Mapping[str, DescriptorsLike], options: OptionsLike = None
    ) -> None:
        self._gateway: Any = None  # for __del__, should what follows fail
        module = _module()
        bound = _bound(targets)
        self._methods = tuple(str(bound.path(index)) for index in range(bound.count()))
        queue = gmq.Queue()
        self._generation = _fork.generation()
        self._gateway = module.Gateway(url, split(options, None)[0], bound, queue, 0)
        self._events = _Events(queue)
        self._events.start()
        _gateways.add(self)

    @property
    def methods(self) -> tuple[str, ...]:
        """Paths of the methods that are forwarded, ``/package.Service/Method``."""
        return self._methods

    def wait_ready(self, timeout: float | None = None) -> bool:
        """Waits until calls are taken; False after `timeout` seconds or when it is closed."""
        return self._wait((gmq.STATE_READY, gmq.STATE_SHUTDOWN), timeout) and (
            self._events.state == gmq.STATE_READY
        )

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the gateway is closed and gone; False after `timeout` seconds."""
        return self._wait((gmq.STATE_SHUTDOWN,), timeout)

    def _wait(self, states: tuple[int, ...], timeout: float | None) -> bool:
        _fork.check(self._generation, "gateway")
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
        _fork.check(self._generation, "gateway")
        grace_ms = 0 if grace is None else min(max(int(grace * 1000), 0), _GRACE_MAX_MS)
        self._gateway.close(grace_ms)
        return self._events.gone

    def __enter__(self) -> Gateway:
        return self

    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None:
        self.close()
        self.wait()

    def __del__(self) -> None:
        if self._gateway is not None and self._generation == _fork.generation():
            self._gateway.close(0)


_gateways: weakref.WeakSet[Gateway] = weakref.WeakSet()


def _at_exit() -> None:
    """As channels: says goodbye to the broker, and lets the C core of gRPC end in order."""
    mine = [each for each in _gateways if each._generation == _fork.generation()]
    deadline = time.monotonic() + _EXIT_GRACE
    for gateway in mine:
        gateway.close()
    for gateway in mine:
        gateway.wait(max(deadline - time.monotonic(), 0.001))


atexit.register(_at_exit)
