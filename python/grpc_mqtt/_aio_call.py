"""Calls of a grpc.aio channel: what is known of one, and the objects that users hold."""

from __future__ import annotations

import asyncio
import enum
import functools
import logging
import time
import weakref
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable
from typing import Any

import grpc
import grpc.aio

from grpc_mqtt import _fork, gmq
from grpc_mqtt._aio_pump import Link, wait_in, wake
from grpc_mqtt._call import CODES, _debug, description, deserialize, serialize
from grpc_mqtt._credit import Credit
from grpc_mqtt._errors import ClosedError, TooLargeError
from grpc_mqtt._pump import run_callback
from grpc_mqtt._types import (
    AioStreamStreamCall,
    AioStreamUnaryCall,
    AioUnaryStreamCall,
    AioUnaryUnaryCall,
    Deserializer,
    Serializer,
)

_LOGGER = logging.getLogger("grpc_mqtt")

CANCELLED_HERE = "Locally cancelled by application!"
_COLLECTED = "Cancelled upon garbage collection!"
ALREADY_FINISHED = "RPC already finished."
HALF_CLOSED = 'RPC is half closed after calling "done_writing".'
MIXED_STYLES = "The iterator and read/write APIs may not be mixed on a single RPC."
_NOT_SERIALIZED = "Exception serializing request!"
_NOT_DESERIALIZED = "Exception deserializing response!"
_TURN = 16  # messages sent in a row before others of the loop have their turn

RequestIterable = Iterable[Any] | AsyncIterable[Any]


class State:
    """What is known of a call.

    `messages` and `control` are filled by the pump (in C).

    `code` is set once: by FINISHED, or before it by a local end; then FINISHED changes nothing but
    `finished`. `keep` holds the object that the user has until the call goes on without it.
    """

    __slots__ = (
        "__weakref__",
        "call",
        "callbacks",
        "code",
        "control",
        "credit",
        "deadline",
        "debug_error_string",
        "deserializer",
        "details",
        "failure",
        "finished",
        "heard",
        "held",
        "initial_metadata",
        "keep",
        "link",
        "local",
        "messages",
        "response",
        "tag",
        "trailing_metadata",
        "unary_response",
        "waiters",
        "writable",
    )

    def __init__(
        self,
        link: Link,
        deserializer: Deserializer | None,
        unary_response: bool,
        timeout: float | None,
    ) -> None:
        self.link = link
        self.tag: int = link.pump.new_tag()
        self.messages: list[bytes] = []
        self.control: list[gmq.Control] = []
        self.call: gmq.Call | None = None
        self.code: grpc.StatusCode | None = None
        self.details: str | None = None
        self.debug_error_string: str | None = None
        self.initial_metadata: tuple[Any, ...] | None = None
        self.trailing_metadata: tuple[Any, ...] | None = None
        self.response: Any = None
        self.failure: BaseException | None = None  # why it could not even begin
        self.deserializer = deserializer
        self.unary_response = unary_response
        self.deadline = None if timeout is None else time.monotonic() + max(timeout, 0)
        self.credit = Credit()
        self.writable = True
        self.local = False  # cancelled here
        self.finished = False  # FINISHED has come
        self.heard = False  # the peer has answered something
        self.held = False  # the status has waited behind unread messages
        self.waiters: list[asyncio.Future[None]] = []
        self.callbacks: list[Callable[[], Any]] = []
        self.keep: Any = None

    # ---- Taking in

    def stirred(self) -> None:
        control = self.control
        if control:
            if control[-1][0] == gmq.EVENT_FINISHED:
                self.finished = True
                self.link.pump.owners.pop(self.tag, None)
            self.settle()
        if self.initial_metadata is None and self.messages:
            self._take_initial(())  # a message without any before it: there is none
        if self.waiters:
            wake(self.waiters)

    def settle(self) -> None:
        """Takes in what came, except the end while messages are unread: the call goes on until
        then, as gRPC's would.
        """
        while self.control:
            kind, code, text, _, metadata = self.control[0]
            if kind == gmq.EVENT_FINISHED and self.messages and not self.unary_response:
                self._hold()
                return
            del self.control[0]
            if kind == gmq.EVENT_FINISHED:
                self._finish(code, text, metadata)
            elif kind == gmq.EVENT_INITIAL_METADATA:
                self._take_initial(metadata)
            elif kind == gmq.EVENT_WRITABLE:
                self.writable = True

    def _take_initial(self, metadata: tuple[Any, ...]) -> None:
        self.heard = True
        if self.initial_metadata is None:
            self.initial_metadata = metadata
        if not self.unary_response:
            self.keep = None

    def _hold(self) -> None:
        """Read on or not, the deadline ends the call."""
        if self.deadline is not None and not self.held:
            self.held = True
            left = max(self.deadline - time.monotonic(), 0)
            self.link.pump.loop.call_later(left, _overdue, weakref.ref(self))

    def _finish(self, code: int, text: str, metadata: tuple[Any, ...]) -> None:
        if self.code is not None:
            return
        status = CODES.get(code)
        if status is None:
            text = f'Server sent unknown code {code} and details "{text}"'
            status = grpc.StatusCode.UNKNOWN
        if self.unary_response and status is grpc.StatusCode.OK and self.messages:
            self.response = deserialize(self.messages[0], self.deserializer)
            if self.response is None:
                self.end(grpc.StatusCode.INTERNAL, _NOT_DESERIALIZED)
                return
        debug = "" if status is grpc.StatusCode.OK else _debug(status, text)
        self.end(status, text, metadata, debug)

    def end(
        self,
        code: grpc.StatusCode,
        details: str,
        trailing: tuple[Any, ...] = (),
        debug: str | None = None,
    ) -> None:
        """Sets the status, tells those who wait for it."""
        if self.initial_metadata is None:
            self.initial_metadata = ()
        self.trailing_metadata = trailing
        self.details = details
        self.debug_error_string = debug
        self.code = code
        wake(self.waiters)
        callbacks, self.callbacks = self.callbacks, []
        for callback in callbacks:
            run_callback(callback)
        self.keep = None

    # ---- Ending it from here

    def abort(self, code: grpc.StatusCode, details: str) -> bool:
        """Ends the call with this status and tells the peer; False when it was over."""
        if self.code is not None:
            return False
        self.messages.clear()
        if self.call is not None:
            self.call.cancel_with(code.value[0], details)
        self.end(code, details)
        return True

    def overrule(self, code: grpc.StatusCode, details: str) -> None:
        """As abort(), whatever the peer has said."""
        self.code = None
        self.abort(code, details)

    def cancel(self, details: str) -> bool:
        if self.code is not None:
            return False
        self.local = True
        return self.abort(grpc.StatusCode.CANCELLED, details)

    def not_begun(self, failure: BaseException) -> None:
        """The call was refused before it left; whoever awaits it gets `failure`."""
        self.link.pump.forget(self.tag)
        self.failure = failure
        if isinstance(failure, grpc.aio.AioRpcError):
            self.end(failure.code(), failure.details() or "", (), failure.debug_error_string())
        else:
            text = f"{type(failure).__name__}: {failure}"
            self.end(grpc.StatusCode.INTERNAL, text, (), f"INTERNAL:{text}")

    # ---- Asking

    def raise_for_status(self) -> None:
        if self.failure is not None:
            raise self.failure
        if self.local:
            raise asyncio.CancelledError()
        if self.code is not grpc.StatusCode.OK:
            assert self.code is not None
            raise grpc.aio.AioRpcError(
                self.code,
                as_metadata(self.initial_metadata),
                as_metadata(self.trailing_metadata),
                self.details,
                self.debug_error_string,
            )

    async def changed(self) -> None:
        """Until something came, perhaps."""
        await wait_in(self.link.pump.loop, self.waiters)

    async def over(self) -> None:
        while self.code is None:
            await self.changed()

    async def connected(self) -> None:
        """Until the channel stands or the call is over."""
        endpoint = self.link.endpoint
        while endpoint.state != gmq.STATE_READY and self.code is None:
            await wait_in(self.link.pump.loop, endpoint.waiters, self.waiters)

    # ---- Messages

    async def send(self, data: bytes) -> bool:
        """Sends when there is room; False: the call is over, as far as sending goes."""
        while self.code is None and not self.finished:
            assert self.call is not None
            self.writable = False  # before sending: WRITABLE may come at once
            try:
                if self.call.send(data):
                    return True
            except ClosedError:
                return False
            except TooLargeError as error:
                self.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
                return False
            while not self.writable and self.code is None and not self.finished:
                await self.changed()
        return False

    async def next_message(self) -> bytes | None:
        """None: there are no more."""
        while True:
            if self.messages:
                data = self.messages.pop(0)
                if not self.finished:
                    self.credit.took(len(data), self.call)
                elif not self.messages:
                    self.settle()
                return data
            if self.control:
                self.settle()
            if self.code is not None:
                return None
            await self.changed()


def as_metadata(pairs: tuple[Any, ...] | None) -> grpc.aio.Metadata:
    return grpc.aio.Metadata(*pairs) if pairs else grpc.aio.Metadata()


def _overdue(ref: weakref.ref[State]) -> None:
    state = ref()
    if state is not None:
        state.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")


class _Style(enum.Enum):
    UNKNOWN = 0
    ITERATOR = 1
    READ_WRITE = 2


# ---- What users hold
# ------------------------------------------------------------------------------------------------


class Call:
    """What calls of all kinds have."""

    _state: State

    def __init__(self, state: State) -> None:
        self._state = state
        if state.code is None:
            state.keep = self

    def __del__(self) -> None:
        state = getattr(self, "_state", None)
        if state is not None and state.code is None:
            pump = state.link.pump
            if pump.generation == _fork.generation():
                state.cancel(_COLLECTED)

    def __repr__(self) -> str:
        return description(type(self).__name__, self._state)

    __str__ = __repr__

    def cancelled(self) -> bool:
        return self._state.code is grpc.StatusCode.CANCELLED

    def cancel(self) -> bool:
        return self._state.cancel(CANCELLED_HERE)

    def done(self) -> bool:
        return self._state.code is not None

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        if self._state.code is not None:
            callback(self)
        else:
            self._state.callbacks.append(functools.partial(callback, self))

    def time_remaining(self) -> float | None:
        deadline = self._state.deadline
        return None if deadline is None else max(deadline - time.monotonic(), 0)

    async def initial_metadata(self) -> grpc.aio.Metadata:
        while self._state.initial_metadata is None:
            await self._state.changed()
        return as_metadata(self._state.initial_metadata)

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        await self._state.over()
        return as_metadata(self._state.trailing_metadata)

    async def code(self) -> grpc.StatusCode:
        await self._state.over()
        assert self._state.code is not None
        return self._state.code

    async def details(self) -> str:
        await self._state.over()
        return self._state.details or ""

    async def debug_error_string(self) -> str | None:
        await self._state.over()
        return self._state.debug_error_string

    async def wait_for_connection(self) -> None:
        await self._until_connected()
        if self._state.code is not None:
            self._state.raise_for_status()

    async def _until_connected(self) -> None:
        await self._state.over()


class _UnaryResponse(Call):
    def __await__(self) -> Generator[Any, None, Any]:
        state = self._state
        try:
            while state.code is None:
                yield from wait_in(state.link.pump.loop, state.waiters).__await__()
        except asyncio.CancelledError:
            self.cancel()
            raise
        state.raise_for_status()
        return state.response


class _Responses:
    """Iterator over the responses of a call. Nothing refers back to it, so that a call that nobody
    holds is gone at once.
    """

    def __init__(self, call: _StreamResponse) -> None:
        self._call = call

    def __aiter__(self) -> _Responses:
        return self

    async def __anext__(self) -> Any:
        response = await self._call._read()
        if response is grpc.aio.EOF:
            self._call._state.raise_for_status()
            raise StopAsyncIteration
        return response


class _StreamResponse(Call):
    _response_style = _Style.UNKNOWN

    def _set_style(self, style: _Style) -> None:
        if self._response_style is _Style.UNKNOWN:
            self._response_style = style
        elif self._response_style is not style:
            raise grpc.aio.UsageError(MIXED_STYLES)

    def __aiter__(self) -> AsyncIterator[Any]:
        self._set_style(_Style.ITERATOR)
        return _Responses(self)

    async def _read(self) -> Any:
        state = self._state
        try:
            data = await state.next_message()
        except asyncio.CancelledError:
            self.cancel()
            raise
        if data is None:
            return grpc.aio.EOF
        response = deserialize(data, state.deserializer)
        if response is None:
            state.overrule(grpc.StatusCode.INTERNAL, _NOT_DESERIALIZED)
            return grpc.aio.EOF
        return response

    async def read(self) -> Any:
        state = self._state
        if state.code is None:
            self._set_style(_Style.READ_WRITE)
            response = await self._read()
            if response is not grpc.aio.EOF:
                return response
        state.raise_for_status()
        return grpc.aio.EOF

    async def _until_connected(self) -> None:
        state = self._state
        while state.initial_metadata is None:
            await state.changed()


class _StreamRequest(Call):
    def __init__(
        self, state: State, requests: RequestIterable | None, serializer: Serializer | None
    ) -> None:
        super().__init__(state)
        self._serializer = serializer
        self._done_writing_flag = False
        self._sent = 0
        self._request_style = _Style.READ_WRITE
        self._consumer: asyncio.Task[None] | None = None
        if requests is not None:
            self._request_style = _Style.ITERATOR
            if state.code is None:
                loop = state.link.pump.loop
                self._consumer = loop.create_task(self._consume(requests))
                state.callbacks.append(self._consumer.cancel)

    async def _consume(self, requests: RequestIterable) -> None:
        try:
            if isinstance(requests, AsyncIterable):
                async for request in requests:
                    if not await self._send(request):
                        return
            else:
                for request in requests:
                    if not await self._send(request):
                        return
            await self._half_close()
        except asyncio.CancelledError:
            self.cancel()
            raise
        except Exception:
            _LOGGER.exception("Exception iterating requests!")
            self.cancel()
        finally:
            self._consumer = None

    async def _send(self, request: Any) -> bool:
        """False: the call is over, as far as sending goes."""
        state = self._state
        if not self._sent:
            await state.connected()
        data = serialize(request, self._serializer)
        if data is None:
            state.abort(grpc.StatusCode.INTERNAL, _NOT_SERIALIZED)
            return False
        self._sent += 1
        if self._sent % _TURN == 0:
            await asyncio.sleep(0)
        return await state.send(data)

    async def _half_close(self) -> None:
        state = self._state
        self._done_writing_flag = True
        if state.code is None and state.call is not None:
            try:
                state.call.half_close()
            except ClosedError:
                pass  # over; FINISHED says why

    def _raise_for_style(self) -> None:
        if self._request_style is not _Style.READ_WRITE:
            raise grpc.aio.UsageError(MIXED_STYLES)

    async def write(self, request: Any) -> None:
        self._raise_for_style()
        state = self._state
        if state.code is not None:
            if self._sent and not state.heard and state.code is grpc.StatusCode.UNAVAILABLE:
                state.raise_for_status()  # there never was a server: the first write has failed
            raise asyncio.InvalidStateError(ALREADY_FINISHED)
        if self._done_writing_flag:
            raise asyncio.InvalidStateError(HALF_CLOSED)
        try:
            if await self._send(request):
                return
        except asyncio.CancelledError:
            self.cancel()
            raise
        if state.code is not None:
            state.raise_for_status()
        raise asyncio.InvalidStateError(ALREADY_FINISHED)

    async def done_writing(self) -> None:
        """The peer is told that there are no more requests. Idempotent."""
        self._raise_for_style()
        if not self._done_writing_flag and self._state.code is None:
            await self._half_close()

    async def _until_connected(self) -> None:
        await self._state.connected()


class UnaryUnaryCall(_UnaryResponse, AioUnaryUnaryCall):
    """One request, one response: await it."""


class UnaryStreamCall(_StreamResponse, AioUnaryStreamCall):
    """One request, many responses: iterate, or read()."""


class StreamUnaryCall(_StreamRequest, _UnaryResponse, AioStreamUnaryCall):
    """Many requests, of an iterator or by write(); one response: await it."""


class StreamStreamCall(_StreamRequest, _StreamResponse, AioStreamStreamCall):
    """Many requests, of an iterator or by write(); many responses: iterate, or read()."""
