"""Client interceptors of grpc.aio: the calls that users get while interceptors stand between."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import grpc
import grpc.aio

from grpc_mqtt._aio_call import (
    ALREADY_FINISHED,
    CANCELLED_HERE,
    HALF_CLOSED,
    MIXED_STYLES,
    RequestIterable,
)
from grpc_mqtt._pump import run_callback
from grpc_mqtt._types import (
    AioInterceptedUnaryUnaryCall,
    AioStreamStreamCall,
    AioStreamUnaryCall,
    AioUnaryStreamCall,
    AioUnaryUnaryCall,
    MaybeNone,
)

Details: TypeAlias = grpc.aio.ClientCallDetails
_Start = Callable[[Details, Any], Any]


class Interceptors(NamedTuple):
    """By the kind of call that they are for."""

    unary_unary: list[Any]
    unary_stream: list[Any]
    stream_unary: list[Any]
    stream_stream: list[Any]


_KINDS = (
    grpc.aio.UnaryUnaryClientInterceptor,
    grpc.aio.UnaryStreamClientInterceptor,
    grpc.aio.StreamUnaryClientInterceptor,
    grpc.aio.StreamStreamClientInterceptor,
)


def sort_interceptors(interceptors: Iterable[Any] | None) -> Interceptors:
    """An interceptor of several kinds counts as the first of them alone, as with grpc.aio."""
    result = Interceptors([], [], [], [])
    for interceptor in interceptors or ():
        for kind, list_of_kind in zip(_KINDS, result, strict=True):
            if isinstance(interceptor, kind):
                list_of_kind.append(interceptor)
                break
        else:
            names = " or ".join(kind.__name__ for kind in _KINDS)
            raise ValueError(f"Interceptor {interceptor} must be {names}. ")
    return result


# ---- What an interceptor may return instead of a call
# ------------------------------------------------------------------------------------------------


class _Answered:
    """A call that an interceptor answered."""

    def __init__(self, response: Any) -> None:
        self._response = response

    def __await__(self) -> Generator[Any, None, Any]:
        yield from ()
        return self._response

    def cancel(self) -> bool:
        return False

    def cancelled(self) -> bool:
        return False

    def done(self) -> bool:
        return True

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        callback(self)

    def time_remaining(self) -> float | None:
        return None

    async def initial_metadata(self) -> grpc.aio.Metadata | MaybeNone:
        return None

    async def trailing_metadata(self) -> grpc.aio.Metadata | MaybeNone:
        return None

    async def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.OK

    async def details(self) -> str:
        return ""

    async def debug_error_string(self) -> str | None:
        return None

    async def wait_for_connection(self) -> None:
        pass


class _Replaced:
    """A call whose responses come from an iterator of an interceptor. `call` may be None: there was
    none.
    """

    def __init__(self, call: Any, responses: Any) -> None:
        self._call = _Answered(None) if call is None else call
        self._responses = responses

    def __aiter__(self) -> Any:
        return self._responses.__aiter__()

    def cancel(self) -> bool:
        return self._call.cancel()

    def cancelled(self) -> bool:
        return self._call.cancelled()

    def done(self) -> bool:
        return self._call.done()

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self._call.add_done_callback(callback)

    def time_remaining(self) -> float | None:
        return self._call.time_remaining()

    async def initial_metadata(self) -> grpc.aio.Metadata | MaybeNone:
        return await self._call.initial_metadata()

    async def trailing_metadata(self) -> grpc.aio.Metadata | MaybeNone:
        return await self._call.trailing_metadata()

    async def code(self) -> grpc.StatusCode:
        return await self._call.code()

    async def details(self) -> str:
        return await self._call.details()

    async def debug_error_string(self) -> str | None:
        return await self._call.debug_error_string()

    async def wait_for_connection(self) -> None:
        await self._call.wait_for_connection()

    async def read(self) -> Any:
        raise NotImplementedError()

    async def write(self, request: Any) -> None:
        raise NotImplementedError()

    async def done_writing(self) -> None:
        raise NotImplementedError()

    @property
    def _done_writing_flag(self) -> bool:
        return getattr(self._call, "_done_writing_flag", False)


class _AnsweredUnary(_Answered, AioUnaryUnaryCall): ...


class _ReplacedUnaryStream(_Replaced, AioUnaryStreamCall): ...


class _ReplacedStreamStream(_Replaced, AioStreamStreamCall): ...


# ---- The chain
# ------------------------------------------------------------------------------------------------


class _Chain:
    """The interceptors of one call, and what they ended up with."""

    def __init__(self, interceptors: Sequence[Any], name: str, start: _Start, finish: Any) -> None:
        self._interceptors = interceptors
        self._name = name
        self._start = start
        self._finish = finish
        self.latest: Any = None  # call that the innermost ones returned

    async def run(self, index: int, details: Details, request: Any) -> Any:
        if index == len(self._interceptors):
            self.latest = self._start(details, request)
        else:
            intercept = getattr(self._interceptors[index], self._name)
            continuation = functools.partial(self.run, index + 1)
            self.latest = self._finish(
                self.latest_of, await intercept(continuation, details, request)
            )
        return self.latest

    def latest_of(self) -> Any:
        return self.latest


def _finish_unary(latest: Callable[[], Any], result: Any) -> Any:
    return result if isinstance(result, grpc.aio.UnaryUnaryCall) else _AnsweredUnary(result)


def _finish_unary_stream(latest: Callable[[], Any], result: Any) -> Any:
    if isinstance(result, grpc.aio.UnaryStreamCall):
        return result
    return _ReplacedUnaryStream(latest(), result)


def _finish_stream_unary(latest: Callable[[], Any], result: Any) -> Any:
    return result


def _finish_stream_stream(latest: Callable[[], Any], result: Any) -> Any:
    if isinstance(result, grpc.aio.StreamStreamCall):
        return result
    return _ReplacedStreamStream(latest(), result)


# ---- What users hold
# ------------------------------------------------------------------------------------------------


class _Intercepted:
    """A call on its way through interceptors, which may be done before the call has begun, or go on
    after it has ended.
    """

    _name: str  # of the interceptors' method
    _finish: Callable[[Callable[[], Any], Any], Any]

    def __init__(
        self,
        interceptors: Sequence[Any],
        start: _Start,
        details: Details,
        request: Any,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        chain = _Chain(interceptors, self._name, start, self._finish)
        self._waiting: list[Callable[[Any], None]] = []
        self._task = loop.create_task(chain.run(0, details, self._requests(request)))
        self._task.add_done_callback(self._interceptors_done)

    def _requests(self, request: Any) -> Any:
        return request

    def __del__(self) -> None:
        if hasattr(self, "_task") and not self._task.get_loop().is_closed():
            self.cancel()

    def _call(self) -> Any:
        """What the interceptors returned; None while they run, and when they failed."""
        task = self._task
        if not task.done() or task.cancelled() or task.exception() is not None:
            return None
        return task.result()

    def _interceptors_done(self, task: asyncio.Task[Any]) -> None:
        waiting, self._waiting = self._waiting, []
        for callback in waiting:
            run_callback(functools.partial(self.add_done_callback, callback))

    def cancel(self) -> bool:
        if not self._task.done():
            return self._task.cancel()
        call = self._call()
        return call.cancel() if call is not None else False

    def cancelled(self) -> bool:
        task = self._task
        if not task.done():
            return False
        if task.cancelled():
            return True
        error = task.exception()
        if error is not None:
            return (
                isinstance(error, grpc.aio.AioRpcError)
                and error.code() is grpc.StatusCode.CANCELLED
            )
        return bool(task.result().cancelled())

    def done(self) -> bool:
        if not self._task.done():
            return False
        call = self._call()
        return call is None or call.done()

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        if not self._task.done():
            self._waiting.append(callback)
            return
        call = self._call()
        if call is None or call.done():
            callback(self)
        else:
            call.add_done_callback(lambda _: callback(self))

    def time_remaining(self) -> float | None:
        raise NotImplementedError()

    async def initial_metadata(self) -> grpc.aio.Metadata | MaybeNone:
        try:
            call = await self._task
        except grpc.aio.AioRpcError as error:
            return error.initial_metadata()
        except asyncio.CancelledError:
            return None
        return await call.initial_metadata()

    async def trailing_metadata(self) -> grpc.aio.Metadata | MaybeNone:
        try:
            call = await self._task
        except grpc.aio.AioRpcError as error:
            return error.trailing_metadata()
        except asyncio.CancelledError:
            return None
        return await call.trailing_metadata()

    async def code(self) -> grpc.StatusCode | MaybeNone:
        try:
            call = await self._task
        except grpc.aio.AioRpcError as error:
            return error.code()
        except asyncio.CancelledError:
            return grpc.StatusCode.CANCELLED
        return await call.code()

    async def details(self) -> str | MaybeNone:
        try:
            call = await self._task
        except grpc.aio.AioRpcError as error:
            return error.details()
        except asyncio.CancelledError:
            return CANCELLED_HERE
        return await call.details()

    async def debug_error_string(self) -> str | MaybeNone:
        try:
            call = await self._task
        except grpc.aio.AioRpcError as error:
            return error.debug_error_string()
        except asyncio.CancelledError:
            return ""
        return await call.debug_error_string()

    async def wait_for_connection(self) -> None:
        call = await self._task
        await call.wait_for_connection()


class _UnaryResponse(_Intercepted):
    def __await__(self) -> Generator[Any, None, Any]:
        call = yield from self._task.__await__()
        return (yield from call.__await__())


class _StreamResponse(_Intercepted):
    _responses: AsyncIterator[Any] | None = None

    async def _iterate(self) -> AsyncIterator[Any]:
        call = await self._task
        async for response in call:
            yield response

    def __aiter__(self) -> AsyncIterator[Any]:
        if self._responses is None:
            self._responses = self._iterate()
        return self._responses

    async def read(self) -> Any:
        try:
            return await self.__aiter__().__anext__()
        except StopAsyncIteration:
            return grpc.aio.EOF


class _End:
    """Stands for the end among requests."""


class _StreamRequest(_Intercepted):
    _written: asyncio.Queue[Any] | None = None

    def _requests(self, requests: RequestIterable | None) -> RequestIterable:
        """The user's iterator, or one of what the user will write()."""
        if requests is not None:
            return requests
        self._written = asyncio.Queue(maxsize=1)
        return self._iterate_written()

    async def _iterate_written(self) -> AsyncIterator[Any]:
        assert self._written is not None
        await asyncio.wait((self._task,))
        while (request := await self._written.get()) is not _End:
            yield request

    async def _put(self, request: Any, call: Any) -> None:
        """Hands over one request, unless the call ends before it is taken."""
        assert self._written is not None
        putting = asyncio.ensure_future(self._written.put(request))
        code = asyncio.ensure_future(call.code())
        try:
            await asyncio.wait((putting, code), return_when=asyncio.FIRST_COMPLETED)
        finally:
            putting.cancel()
            code.cancel()

    async def write(self, request: Any) -> None:
        if self._written is None:
            raise grpc.aio.UsageError(MIXED_STYLES)
        try:
            call = await self._task
        except (asyncio.CancelledError, grpc.aio.AioRpcError):
            raise asyncio.InvalidStateError(ALREADY_FINISHED) from None
        if call.done():
            raise asyncio.InvalidStateError(ALREADY_FINISHED)
        if call._done_writing_flag:
            raise asyncio.InvalidStateError(HALF_CLOSED)
        await self._put(request, call)
        if call.done():
            raise asyncio.InvalidStateError(ALREADY_FINISHED)

    async def done_writing(self) -> None:
        """The peer is told that there are no more requests. Idempotent."""
        if self._written is None:
            raise grpc.aio.UsageError(MIXED_STYLES)
        try:
            call = await self._task
        except asyncio.CancelledError:
            raise asyncio.InvalidStateError(ALREADY_FINISHED) from None
        await self._put(_End, call)


class InterceptedUnaryUnaryCall(_UnaryResponse, AioInterceptedUnaryUnaryCall):
    """One request, one response: await it."""

    _name = "intercept_unary_unary"
    _finish = staticmethod(_finish_unary)


class InterceptedUnaryStreamCall(_StreamResponse, AioUnaryStreamCall):
    """One request, many responses: iterate, or read()."""

    _name = "intercept_unary_stream"
    _finish = staticmethod(_finish_unary_stream)


class InterceptedStreamUnaryCall(_StreamRequest, _UnaryResponse, AioStreamUnaryCall):
    """Many requests, of an iterator or by write(); one response: await it."""

    _name = "intercept_stream_unary"
    _finish = staticmethod(_finish_stream_unary)


class InterceptedStreamStreamCall(_StreamRequest, _StreamResponse, AioStreamStreamCall):
    """Many requests, of an iterator or by write(); many responses: iterate, or read()."""

    _name = "intercept_stream_stream"
    _finish = staticmethod(_finish_stream_stream)
