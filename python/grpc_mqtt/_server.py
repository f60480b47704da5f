"""grpc.Server over MQTT."""

from __future__ import annotations

import atexit
import logging
import threading
import time
import weakref
from collections.abc import Iterable, Sequence
from concurrent import futures
from typing import Any

import grpc

from grpc_mqtt import _behavior, _fork, gmq
from grpc_mqtt._call import Metadatum
from grpc_mqtt._errors import UnsupportedError
from grpc_mqtt._handlers import Handlers
from grpc_mqtt._methods import HandlerCallDetails, Methods, behavior_of, intercepted, kind_of
from grpc_mqtt._options import OptionsLike, server_options
from grpc_mqtt._paths import from_wire
from grpc_mqtt._rpc import Rpc
from grpc_mqtt._status import HANDLER_FAILED, LIMIT_EXCEEDED, METHOD_NOT_FOUND
from grpc_mqtt._types import MethodHandler

_LOGGER = logging.getLogger("grpc_mqtt")
_LOG_LEVELS = (logging.ERROR, logging.WARNING, logging.INFO, logging.DEBUG)

_SERVER_TAG = 0
_BATCH = 64
_SLICE_MS = 10_000
_START_PATIENCE = 15.0  # s that start() waits for the outcome of the first attempt to connect
_EXIT_GRACE = 0.5  # s for an orderly disconnect at interpreter exit

_NEW, _STARTED, _STOPPING = range(3)


class _Core:
    """All of a server but its handle: what its event thread holds, so that the handle can go."""

    def __init__(
        self,
        url: str,
        options: gmq.Options,
        pool: futures.ThreadPoolExecutor,
        interceptors: Sequence[grpc.ServerInterceptor],
        limit: int | None,
    ) -> None:
        self.generation = _fork.generation()
        self.url = url
        self.options = options
        self.pool = pool
        self.limit = limit
        self.methods = Methods()
        self.find = intercepted(self.methods.find, interceptors)
        self.lock = threading.RLock()
        self.stage = _NEW
        self.active = 0  # calls whose handlers run or will
        self.rpcs: dict[int, Rpc] = {}  # tag -> call; in: CALL, out: FINISHED
        self.server: gmq.Server | None = None
        self.thread: threading.Thread | None = None
        self.gone = False  # CLOSED has come
        self.terminated = threading.Event()
        self.stopped: list[threading.Event] = []
        self.decided = threading.Event()  # the first attempt to connect has an outcome
        self.trouble = ""  # ... a bad one

    # ---- Life

    def begun(self) -> bool:
        return self.stage == _STARTED

    def start(self) -> None:
        with self.lock:
            if self.stage != _NEW:
                raise ValueError("Cannot start already-started server!")
            queue = gmq.Queue()
            options = self.methods.announce(self.options)
            self.server = gmq.Server(self.url, options, gmq.MethodMap(), queue, _SERVER_TAG)
            self.stage = _STARTED
            self.thread = threading.Thread(
                target=self._serve, args=(queue,), name="grpc_mqtt-server", daemon=True
            )
            self.thread.start()
            _cores.add(self)
        if not self.decided.wait(_START_PATIENCE) or self.trouble:
            why = self.trouble or "no answer"
            _LOGGER.warning("the server is not connected yet and goes on trying: %s", why)

    def stop(self, grace: float | None) -> threading.Event:
        stopped = threading.Event()
        with self.lock:
            if self.stage == _NEW or self.gone:
                stopped.set()
                return stopped
            self.stage = _STOPPING
            self.stopped.append(stopped)
            assert self.server is not None
            self.server.close(0 if grace is None else int(max(grace, 0) * 1000))
        if grace is None and threading.current_thread() is not self.thread:
            stopped.wait()
        return stopped

    def drop(self, grace_ms: int) -> None:
        """As stop(), but takes no lock and so may run anywhere. Below zero: open calls go on."""
        server = self.server
        if server is not None and self.generation == _fork.generation():
            server.close(grace_ms)

    # ---- The event thread

    def _serve(self, queue: gmq.Queue) -> None:
        while not self.gone:
            self._take_batch(queue)

    def _take_batch(self, queue: gmq.Queue) -> None:
        for event in queue.wait(_SLICE_MS, _BATCH):
            try:
                self._take(*event)
            except Exception:
                _LOGGER.exception("Exception while handling an event!")

    def _take(self, kind: int, tag: int, code: int, text: str, body: Any, metadata: Any) -> None:
        if kind == gmq.EVENT_CALL:
            if body is not None:
                call, new_tag = body
                self._take_call(call, new_tag, text, metadata)
        elif tag == _SERVER_TAG:
            self._take_own(kind, code, text)
        else:
            rpc = self.rpcs.get(tag)
            if rpc is None:
                return
            if kind == gmq.EVENT_MESSAGE:
                rpc.take_message(body)
                self._submit(rpc)
            elif kind == gmq.EVENT_HALF_CLOSED:
                rpc.take_half_closed()
                self._requests_ended(rpc)
            elif kind == gmq.EVENT_WRITABLE:
                rpc.take_writable()
            elif kind == gmq.EVENT_FINISHED:
                del self.rpcs[tag]
                self._finished(rpc)

    def _take_own(self, kind: int, code: int, text: str) -> None:
        if kind == gmq.EVENT_STATE:
            _LOGGER.debug("server state %d: %s", code, text)
            if code == gmq.STATE_TRANSIENT_FAILURE and not self.decided.is_set():
                self.trouble = text
            if code not in (gmq.STATE_IDLE, gmq.STATE_CONNECTING):
                self.decided.set()
        elif kind == gmq.EVENT_LOG:
            level = _LOG_LEVELS[code] if 0 <= code < len(_LOG_LEVELS) else logging.INFO
            _LOGGER.log(level, "%s", text)
        elif kind == gmq.EVENT_CLOSED:
            with self.lock:
                self.gone = True
            # without the lock, `terminated` last: a signal handler may be in stop() on top of a
            # wait_for_termination() that has got the lock of that event
            for event in (self.decided, *self.stopped, self.terminated):
                event.set()

    # ---- Calls

    def _take_call(self, call: gmq.Call, tag: int, path: str, metadata: Any) -> None:
        path = from_wire(path)
        rpc = Rpc(call, path, tuple(map(Metadatum._make, metadata)))
        self.rpcs[tag] = rpc
        with self.lock:
            full = self.limit is not None and self.active >= self.limit
        try:
            handler = rpc.context.run(self.find, HandlerCallDetails(path, rpc.metadata))
        except Exception as error:
            _LOGGER.exception("Exception servicing handler: %s", error)
            self._refuse(rpc, grpc.StatusCode.UNKNOWN, HANDLER_FAILED)
            return
        if handler is None:
            self._refuse(rpc, grpc.StatusCode.UNIMPLEMENTED, METHOD_NOT_FOUND)
        elif full:
            self._refuse(rpc, grpc.StatusCode.RESOURCE_EXHAUSTED, LIMIT_EXCEEDED)
        else:
            self._accept(rpc, handler)

    def _refuse(self, rpc: Rpc, code: grpc.StatusCode, details: str) -> None:
        rpc.abort(code, details)

    def _accept(self, rpc: Rpc, handler: MethodHandler) -> None:
        """A handler of one request is started when that has come, so that no thread waits."""
        with self.lock:
            self.active += 1
        rpc.submit = lambda: self._start_handler(rpc, handler)
        rpc.begin(kind_of(handler))
        if handler.request_streaming:
            self._submit(rpc)

    def _submit(self, rpc: Rpc) -> None:
        submit, rpc.submit = rpc.submit, None
        if submit is not None:
            submit()

    def _start_handler(self, rpc: Rpc, handler: MethodHandler) -> None:
        pool = getattr(behavior_of(handler), "experimental_thread_pool", None)
        if not isinstance(pool, futures.ThreadPoolExecutor):
            pool = self.pool
        try:
            future = pool.submit(rpc.context.run, _behavior.run, rpc, handler)
        except RuntimeError as error:  # the pool was shut down
            self._handler_done()
            _LOGGER.exception("No thread for a call of %s", rpc.path)
            rpc.abort(grpc.StatusCode.UNAVAILABLE, f"The server has no threads: {error}")
            return
        future.add_done_callback(self._handler_done)

    def _handler_done(self, future: object = None) -> None:
        with self.lock:
            self.active -= 1

    def _requests_ended(self, rpc: Rpc) -> None:
        if rpc.submit is not None:
            details = f'"{rpc.path}" requires exactly one request message.'
            rpc.abort(grpc.StatusCode.UNIMPLEMENTED, details)

    def _finished(self, rpc: Rpc) -> None:
        if rpc.submit is not None:
            rpc.submit = None
            self._handler_done()
        for callback in rpc.take_finished():
            try:
                callback()
            except Exception:
                _LOGGER.exception("Exception calling callback!")


class Server(Handlers, grpc.Server):
    """A grpc.Server whose calls come over MQTT. Made by grpc_mqtt.server()."""

    def __init__(
        self,
        url: str,
        thread_pool: futures.ThreadPoolExecutor,
        handlers: Iterable[grpc.GenericRpcHandler] | None,
        interceptors: Sequence[grpc.ServerInterceptor] | None,
        options: OptionsLike,
        maximum_concurrent_rpcs: int | None,
        xds: bool,
    ) -> None:
        self._core: _Core | None = None  # for __del__, should what follows fail
        if xds:
            raise UnsupportedError("xds: a server over MQTT has no use for it")
        ours = server_options(url, options)
        core = _Core(url, ours, thread_pool, tuple(interceptors or ()), maximum_concurrent_rpcs)
        core.methods.add_generic(handlers or ())
        self._core = core

    def _checked(self) -> _Core:
        assert self._core is not None
        _fork.check(self._core.generation, "server")
        return self._core

    def start(self) -> None:
        """Connects, and returns when calls can come; also when the broker cannot be reached, which
        is logged: it is tried again and again.
        """
        self._checked().start()

    def wait_for_termination(self, timeout: float | None = None) -> bool:
        """Blocks until the server has stopped; True when `timeout` (s) ran out before that."""
        return not self._checked().terminated.wait(timeout)

    def stop(self, grace: float | None) -> threading.Event:
        """New calls are refused from now on; open ones may go on for `grace` seconds and are then
        ended. The event returned is set when all is over; without a grace that is waited for.
        """
        return self._checked().stop(grace)

    def __del__(self) -> None:
        if self._core is not None:
            self._core.drop(-1)


_cores: weakref.WeakSet[_Core] = weakref.WeakSet()


def _at_exit() -> None:
    """Tells the broker and the clients that we go, instead of leaving them to their time-outs."""
    left = [core for core in _cores if core.generation == _fork.generation()]
    deadline = time.monotonic() + _EXIT_GRACE
    for core in left:
        core.drop(0)
    for core in left:
        core.terminated.wait(max(deadline - time.monotonic(), 0))


atexit.register(_at_exit)

__all__ = ["Server"]
