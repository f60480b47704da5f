"""grpc.aio.Server over MQTT."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import Any

import grpc
import grpc.aio

from grpc_mqtt import _fork, gmq
from grpc_mqtt._aio_pump import Endpoint, Link, pump_of, working_loop
from grpc_mqtt._aio_rpc import (
    CallOverError,
    Context,
    Requests,
    Rpc,
    SyncContext,
    SyncRequests,
)
from grpc_mqtt._call import Metadatum
from grpc_mqtt._credit import FIRST
from grpc_mqtt._handlers import Handlers
from grpc_mqtt._methods import HandlerCallDetails, Methods, behavior_of, kind_of
from grpc_mqtt._options import OptionsLike, server_options
from grpc_mqtt._paths import from_wire
from grpc_mqtt._status import LIMIT_EXCEEDED, METHOD_NOT_FOUND
from grpc_mqtt._types import MethodHandler

_LOGGER = logging.getLogger("grpc_mqtt")

_START_PATIENCE = 15.0  # s that start() waits for the outcome of the first attempt to connect
_END = object()

_NEW, _STARTED, _STOPPING, _STOPPED = range(4)


class _Endpoint(Endpoint):
    """Events of the server itself; new calls among them."""

    def __init__(self, core: _Core) -> None:
        super().__init__(core.pump, "server", core.pump.new_tag())
        self.core = core

    def take(self, kind: int, code: int, text: str, body: Any, metadata: Any) -> None:
        if kind == gmq.EVENT_CALL:
            if body is not None:
                call, tag = body
                self.core.take_call(call, tag, text, metadata)
            return
        if kind == gmq.EVENT_STATE and code != gmq.STATE_READY:
            self.core.trouble = text
        super().take(kind, code, text, body, metadata)
        self.core.check_stopped()


class _Core:
    """All of a server but its handle, so that the handle can go."""

    def __init__(
        self,
        url: str,
        options: gmq.Options,
        pool: Executor | None,
        interceptors: Sequence[grpc.aio.ServerInterceptor],
        limit: int | None,
    ) -> None:
        self.url = url
        self.options = options
        self.pool = pool
        self.interceptors = interceptors
        self.limit = limit
        self.methods = Methods()
        self.pump = pump_of(working_loop())
        self.loop = self.pump.loop
        self.stage = _NEW
        self.active = 0  # calls that count against the limit
        self.tasks: set[asyncio.Task[None]] = set()
        self.link: Link | None = None
        self.trouble = "no answer"
        self.context = contextvars.copy_context()
        self.stopped = asyncio.Event()

    # ---- Life

    def begun(self) -> bool:
        return self.stage != _NEW

    async def start(self) -> None:
        if self.stage == _STARTED:
            return
        if self.stage != _NEW:
            raise grpc.aio.UsageError("Server not in ready state")
        endpoint = _Endpoint(self)
        try:
            options = self.methods.announce(self.options)
            server = gmq.Server(self.url, options, gmq.MethodMap(), self.pump.queue, endpoint.tag)
        except BaseException:
            self.pump.forget(endpoint.tag)
            raise
        self.stage = _STARTED
        self.context = contextvars.copy_context()
        self.link = Link(endpoint, server)
        try:
            await asyncio.wait_for(self._decided(endpoint), _START_PATIENCE)
        except asyncio.TimeoutError:
            pass
        if endpoint.state != gmq.STATE_READY:
            _LOGGER.warning("the server is not connected yet and goes on trying: %s", self.trouble)

    async def _decided(self, endpoint: Endpoint) -> None:
        """Until the first attempt to connect has an outcome."""
        while endpoint.state in (gmq.STATE_IDLE, gmq.STATE_CONNECTING):
            await endpoint.changed()

    async def stop(self, grace: float | None) -> None:
        if self.stage in (_NEW, _STOPPED):
            return
        assert self.link is not None
        self.stage = _STOPPING
        self.link.handle.close(0 if grace is None else int(max(grace, 0) * 1000))
        if asyncio.current_task() in self.tasks:  # a handler stops its own server
            await self.link.endpoint.wait_gone()
        else:
            await self.stopped.wait()

    def check_stopped(self) -> None:
        """All is over when the connection is gone and no handler runs any more."""
        if self.link is not None and self.link.endpoint.gone and not self.tasks:
            self.stage = _STOPPED
            self.stopped.set()

    def drop(self) -> None:
        """The handle is gone. May run anywhere."""
        if self.link is not None and self.pump.generation == _fork.generation():
            self.link.handle.close(0)

    # ---- Calls

    def take_call(self, call: gmq.Call, tag: int, path: str, metadata: Any) -> None:
        row = self.pump.rows.get(tag)
        if row is None:
            return  # it was over in the batch in which it came
        rpc = Rpc(self.pump, tag, call, row, from_wire(path), tuple(map(Metadatum._make, metadata)))
        self.pump.owners[tag] = rpc
        full = self.limit is not None and self.active >= self.limit
        if not full:
            self.active += 1
        task = self.context.run(self.loop.create_task, self._serve(rpc, full))
        rpc.task = task
        self.tasks.add(task)
        task.add_done_callback(functools.partial(self._served, rpc, full))

    def _served(self, rpc: Rpc, full: bool, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not full:
            self.active -= 1
        rpc.run_callbacks()
        if not task.cancelled() and task.exception() is not None:
            _LOGGER.error("A call of %s failed", rpc.path, exc_info=task.exception())
        if not rpc.status_sent and not rpc.finished:  # cancelled by somebody else than the client
            rpc.finish(grpc.StatusCode.CANCELLED.value[0], "The handler was cancelled", None)
        self.check_stopped()

    async def _serve(self, rpc: Rpc, full: bool) -> None:
        """Serves one call, from its request to its status."""
        try:
            await self._handle(rpc, full)
            if rpc.abort_error is not None:
                _LOGGER.error("Abort error unexpectedly suppressed: %r", rpc.abort_error)
        except asyncio.CancelledError:
            _LOGGER.debug("RPC cancelled for servicer method [%s]", rpc.path)
            raise
        except CallOverError:
            _LOGGER.debug("The client of [%s] has gone", rpc.path)
        except Exception as error:
            if error is rpc.abort_error:
                return
            _LOGGER.exception(
                "Unexpected [%s] raised by servicer method [%s]", type(error).__name__, rpc.path
            )
            code = rpc.status() or grpc.StatusCode.UNKNOWN.value[0]
            details = f"Unexpected {type(error)}: {error}"
            rpc.finish(code, details, rpc.trailing_metadata)

    async def _handle(self, rpc: Rpc, full: bool) -> None:
        details = HandlerCallDetails(rpc.path, rpc.metadata)
        handler = await self._find(self.interceptors, details)
        if handler is None:
            rpc.finish(grpc.StatusCode.UNIMPLEMENTED.value[0], METHOD_NOT_FOUND, None)
        elif full:
            rpc.finish(grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], LIMIT_EXCEEDED, None)
        else:
            await self._run(rpc, handler)

    async def _find(
        self,
        interceptors: Sequence[grpc.aio.ServerInterceptor],
        details: grpc.HandlerCallDetails,
    ) -> MethodHandler | None:
        if not interceptors:
            return self.methods.find(details)
        continuation = functools.partial(self._find, interceptors[1:])
        return await interceptors[0].intercept_service(continuation, details)

    async def _run(self, rpc: Rpc, handler: MethodHandler) -> None:
        rpc.begin(kind_of(handler), FIRST if handler.request_streaming else 1)
        behavior = behavior_of(handler)
        context = Context(rpc, handler.request_deserializer, handler.response_serializer)
        on_loop = _is_async(behavior)
        request: Any
        if not handler.request_streaming:
            request = await context.read()
            if request is grpc.aio.EOF:
                text = f'"{rpc.path}" requires exactly one request message.'
                rpc.finish(grpc.StatusCode.UNIMPLEMENTED.value[0], text, None)
                return
        elif on_loop:
            request = Requests(context)
        else:
            request = SyncRequests(context, self.loop)
        respond = self._stream_responses if handler.response_streaming else self._respond
        await respond(rpc, behavior, request, context, on_loop)
        if not rpc.status_sent:
            rpc.finish(rpc.status(), rpc.details, rpc.trailing_metadata)

    async def _respond(
        self,
        rpc: Rpc,
        behavior: Callable[..., Any],
        request: Any,
        context: Context,
        on_loop: bool,
    ) -> None:
        if on_loop:
            response = await behavior(request, context)
        else:
            response = await self._in_pool(behavior, request, SyncContext(context, self.loop))
        rpc.raise_for_termination()
        if rpc.status() == 0:
            await context.write(response)

    async def _stream_responses(
        self,
        rpc: Rpc,
        behavior: Callable[..., Any],
        request: Any,
        context: Context,
        on_loop: bool,
    ) -> None:
        if not on_loop:
            iterator = await self._in_pool(behavior, request, SyncContext(context, self.loop))
            iterator = iter(iterator)
            while (response := await self._in_pool(next, iterator, _END)) is not _END:
                await context.write(response)
        elif _is(inspect.iscoroutinefunction, behavior):
            await behavior(request, context)
        else:
            async for response in behavior(request, context):
                await context.write(response)
        rpc.raise_for_termination()

    async def _in_pool(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await self.loop.run_in_executor(self.pool, function, *arguments)


def _is(kind: Callable[[Any], bool], behavior: Any) -> bool:
    """Of a function, or of an object that is called like one."""
    return kind(behavior) or kind(type(behavior).__call__)


def _is_async(behavior: Any) -> bool:
    """Whether a handler belongs on the loop; otherwise on a thread."""
    return _is(inspect.iscoroutinefunction, behavior) or _is(inspect.isasyncgenfunction, behavior)


class Server(Handlers, grpc.aio.Server):
    """A grpc.aio.Server whose calls come over MQTT. Made by grpc_mqtt.aio.server()."""

    def __init__(
        self,
        url: str,
        migration_thread_pool: Executor | None,
        handlers: Iterable[grpc.GenericRpcHandler] | None,
        interceptors: Iterable[grpc.aio.ServerInterceptor] | None,
        options: OptionsLike,
        maximum_concurrent_rpcs: int | None,
    ) -> None:
        self._core: _Core | None = None  # for __del__, should what follows fail
        interceptors = tuple(interceptors or ())
        wrong = [one for one in interceptors if not isinstance(one, grpc.aio.ServerInterceptor)]
        if wrong:
            raise ValueError(
                f"Interceptor must be ServerInterceptor, the following are invalid: {wrong}"
            )
        if maximum_concurrent_rpcs is not None and maximum_concurrent_rpcs <= 0:
            raise ValueError("maximum_concurrent_rpcs should be a positive integer")
        ours = server_options(url, options)
        core = _Core(url, ours, migration_thread_pool, interceptors, maximum_concurrent_rpcs)
        core.methods.add_generic(handlers or ())
        self._core = core

    def _checked(self) -> _Core:
        assert self._core is not None
        _fork.check(self._core.pump.generation, "server")
        return self._core

    async def start(self) -> None:
        """Connects, and returns when calls can come; also when the broker cannot be reached, which
        is logged: it is tried again and again.
        """
        await self._checked().start()

    async def stop(self, grace: float | None) -> None:
        """New calls are refused from now on; open ones may go on for `grace` seconds and are then
        ended. Returns when all is over.
        """
        await self._checked().stop(grace)

    async def wait_for_termination(self, timeout: float | None = None) -> bool:
        """Until the server has stopped; True when `timeout` (s) ran out before that."""
        try:
            await asyncio.wait_for(self._checked().stopped.wait(), timeout)
        except asyncio.TimeoutError:
            return True
        return False

    def __del__(self) -> None:
        if self._core is not None:
            self._core.drop()


__all__ = ["Server"]
