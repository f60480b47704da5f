"""One call on the side of a grpc.aio server, and the contexts that handlers get."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn

import grpc
import grpc.aio

from grpc_mqtt import gmq
from grpc_mqtt._aio_pump import Pump, wait_in, wake
from grpc_mqtt._call import Metadata
from grpc_mqtt._credit import Credit
from grpc_mqtt._errors import ClosedError, Error, StateError
from grpc_mqtt._methods import streams_requests
from grpc_mqtt._status import INSECURE
from grpc_mqtt._types import AioServicerContext, Deserializer, MaybeNone, Serializer

_LOGGER = logging.getLogger("grpc_mqtt")

_ALREADY_FINISHED = "RPC already finished."
_TURN = 16  # messages sent in a row before others of the loop have their turn


class CallOverError(grpc.aio.InternalError):
    """Raised into a handler that goes on after the client or the connection has gone."""


class Rpc:
    """State of a call. `messages` and `control` are filled by the pump (in C).

    It ends by its status (`status_sent`), or because the client, the deadline, the connection or
    the server ended it (`finished` alone): then the handler is cancelled.
    """

    def __init__(
        self,
        pump: Pump,
        tag: int,
        call: gmq.Call,
        row: tuple[Any, ...],
        path: str,
        metadata: Metadata,
    ) -> None:
        self.pump = pump
        self.tag = tag
        self.call = call
        self.messages: list[bytes] = row[0]
        self.control: list[gmq.Control] = row[1]
        self.path = path
        self.metadata = metadata
        self.credit = Credit()
        self.code: Any = None  # as the application set it
        self.details = ""
        self.trailing_metadata: tuple[Any, ...] = ()
        self.abort_error: BaseException | None = None
        self.metadata_sent = False
        self.status_sent = False
        self.half_closed = False
        self.sends_one = False  # the client sends no more than one
        self.finished = False  # FINISHED has come
        self.writable = True
        self.sent = 0
        self.waiters: list[asyncio.Future[None]] = []
        self.callbacks: list[Callable[[], Any]] = []
        self.task: asyncio.Task[None] | None = None

    def stirred(self) -> None:
        for kind, _, _, _, _ in self.control:
            if kind == gmq.EVENT_HALF_CLOSED:
                self.half_closed = True
            elif kind == gmq.EVENT_WRITABLE:
                self.writable = True
            elif kind == gmq.EVENT_FINISHED:
                self._over()
        self.control.clear()
        wake(self.waiters)

    def _over(self) -> None:
        self.finished = True
        self.pump.forget(self.tag)
        if self.task is not None and not self.status_sent:
            self.task.cancel()

    def begin(self, kind: int, credit: int) -> None:
        """The kind of the handler is known: lets the requests come. Where the client has said it
        itself, its own is that of the call, which works as far as the messages allow, as in gRPC.
        """
        told = self.call.kind()
        self.sends_one = told >= 0 and not streams_requests(told)
        try:
            if told < 0:
                self.call.resolve(kind)
            self.call.read(credit)
        except (ClosedError, StateError):
            pass  # over already; FINISHED says so

    # ---- Messages

    async def changed(self) -> None:
        await wait_in(self.pump.loop, self.waiters)

    async def next_message(self) -> bytes | None:
        """None: there are no more."""
        while not self.messages:
            if self.half_closed or self.finished:
                return None
            await self.changed()
        data = self.messages.pop(0)
        self.half_closed |= self.sends_one
        if not self.finished:
            self.credit.took(len(data), self.call)
        return data

    async def send(self, data: bytes) -> None:
        self.sent += 1
        if self.sent % _TURN == 0:
            await asyncio.sleep(0)
        while not self.finished:
            self.writable = False  # before sending: WRITABLE may come at once
            try:
                if self.call.send(data):
                    self.metadata_sent = True
                    return
            except ClosedError:
                break
            while not self.writable and not self.finished:
                await self.changed()
        raise CallOverError(_ALREADY_FINISHED)

    # ---- The end

    def status(self) -> int:
        return number_of(grpc.StatusCode.OK if self.code is None else self.code)

    def finish(self, code: int, details: str, trailing: Any) -> None:
        """Sends the status, once."""
        if self.status_sent:
            return
        self.status_sent = True
        self.metadata_sent = True
        try:
            self.call.finish(code, details, trailing or None)
        except (ClosedError, StateError):
            pass  # over; FINISHED says so
        except (Error, TypeError, ValueError) as error:
            _LOGGER.exception("The status of a call of %s cannot be sent", self.path)
            internal: int = grpc.StatusCode.INTERNAL.value[0]
            self.call.finish(internal, f"The status cannot be sent: {error}", None)

    def raise_for_termination(self) -> None:
        if self.abort_error is not None:
            raise self.abort_error
        if self.status_sent:
            raise grpc.aio.UsageError(_ALREADY_FINISHED)

    def run_callbacks(self) -> None:
        """Those of the application. One that raises is the last, as with grpc.aio."""
        callbacks, self.callbacks = self.callbacks, []
        try:
            for callback in callbacks:
                callback()
        except Exception:
            _LOGGER.exception("Error in callback for method [%s]", self.path)


def number_of(code: Any) -> int:
    """Of a code that an application gave, also as a number; what is none counts as UNKNOWN."""
    if isinstance(code, grpc.StatusCode):
        return int(code.value[0])
    known = isinstance(code, int) and 0 <= code <= 16
    return code if known else int(grpc.StatusCode.UNKNOWN.value[0])


def _checked_trailing(metadata: Any) -> tuple[Any, ...]:
    if not hasattr(metadata, "__iter__") or isinstance(metadata, dict):
        raise TypeError(
            f"Invalid trailing metadata type, expected Iterable[MetadatumType]: {metadata}"
        )
    pairs = tuple(metadata)
    for pair in pairs:
        if not isinstance(pair, tuple):
            raise TypeError(f"Invalid trailing metadata type, expected MetadatumType: {pair}")
    return pairs


class Context(AioServicerContext):
    """What a handler knows of its call, and may do with it.

    Nothing is known of who the client is: the broker tells nobody.
    """

    def __init__(
        self, rpc: Rpc, deserializer: Deserializer | None, serializer: Serializer | None
    ) -> None:
        self._rpc = rpc
        self._deserializer = deserializer
        self._serializer = serializer

    # ---- Messages

    async def read(self) -> Any:
        """The next request; grpc.aio.EOF behind the last."""
        self._rpc.raise_for_termination()
        data = await self._rpc.next_message()
        self._rpc.raise_for_termination()
        if data is None:
            return grpc.aio.EOF
        return data if self._deserializer is None else self._deserializer(data)

    async def write(self, message: Any) -> None:
        """Sends a response; waits while there is no room."""
        self._rpc.raise_for_termination()
        await self._rpc.send(message if self._serializer is None else self._serializer(message))

    # ---- The answer

    async def send_initial_metadata(self, initial_metadata: Any) -> None:
        rpc = self._rpc
        rpc.raise_for_termination()
        if rpc.metadata_sent:
            raise grpc.aio.UsageError("Send initial metadata failed: already sent")
        try:
            rpc.call.send_initial_metadata(tuple(initial_metadata))
        except ClosedError:
            raise CallOverError(_ALREADY_FINISHED) from None
        rpc.metadata_sent = True

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Any = ()
    ) -> NoReturn:
        rpc = self._rpc
        if rpc.abort_error is not None:
            raise grpc.aio.UsageError("Abort already called!")
        if number_of(code) == 0:
            _LOGGER.error("abort() called with StatusCode.OK; returning UNKNOWN")
            code = grpc.StatusCode.UNKNOWN
        if len(trailing_metadata):
            rpc.trailing_metadata = _checked_trailing(trailing_metadata)
        rpc.abort_error = grpc.aio.AbortError("Locally aborted.")
        rpc.code = code
        rpc.details = details or rpc.details
        rpc.finish(rpc.status(), rpc.details, rpc.trailing_metadata)
        raise rpc.abort_error

    async def abort_with_status(self, status: grpc.Status) -> NoReturn:
        await self.abort(status.code, status.details, status.trailing_metadata or ())
        raise AssertionError  # not reached

    def set_trailing_metadata(self, trailing_metadata: Any) -> None:
        self._rpc.trailing_metadata = _checked_trailing(trailing_metadata)

    def trailing_metadata(self) -> Any:
        return self._rpc.trailing_metadata

    def set_code(self, code: grpc.StatusCode) -> None:
        self._rpc.code = code

    def code(self) -> Any:
        return self._rpc.code

    def set_details(self, details: str) -> None:
        self._rpc.details = details

    def details(self) -> str:
        return self._rpc.details

    # ---- Compression: zstd, which the client announces with its request

    def set_compression(self, compression: grpc.Compression) -> None:
        """Without effect, but refused when it is too late."""
        if self._rpc.metadata_sent:
            raise RuntimeError(
                "Compression setting must be specified before sending initial metadata"
            )

    def disable_next_message_compression(self) -> None:
        """Without effect."""

    # ---- The client

    def invocation_metadata(self) -> Any:
        return self._rpc.metadata

    def peer(self) -> str:
        return self._rpc.call.peer()

    def peer_identities(self) -> Iterable[bytes] | None:
        return None

    def peer_identity_key(self) -> str | None:
        return None

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """As on a port of gRPC's without TLS: who asks is a matter of the broker."""
        return dict(INSECURE)

    # ---- Life

    def time_remaining(self) -> float | MaybeNone:
        left = self._rpc.call.time_remaining_ms()
        return None if left < 0 else left / 1000

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self._rpc.callbacks.append(functools.partial(callback, self))

    def done(self) -> bool:
        return self._rpc.status_sent or self._rpc.finished

    def cancelled(self) -> bool:
        rpc = self._rpc
        by_client = rpc.finished and not rpc.status_sent
        return by_client or rpc.status() == number_of(grpc.StatusCode.CANCELLED)


class Requests:
    """Iterator over the requests of a stream, for handlers that are coroutines."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        request = await self._context.read()
        if request is grpc.aio.EOF:
            raise StopAsyncIteration
        return request


# ---- Handlers that are no coroutines, on threads of a pool
# ------------------------------------------------------------------------------------------------


class SyncRequests:
    """Iterator over the requests of a stream, for handlers on threads."""

    def __init__(self, context: Context, loop: asyncio.AbstractEventLoop) -> None:
        self._context = context
        self._loop = loop

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        reading = asyncio.run_coroutine_threadsafe(self._context.read(), self._loop)
        request = reading.result()
        if request is grpc.aio.EOF:
            raise StopIteration
        return request


class SyncContext(grpc.ServicerContext):
    """A Context for handlers on threads."""

    def __init__(self, context: Context, loop: asyncio.AbstractEventLoop) -> None:
        self._context = context
        self._loop = loop

    def _do(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def is_active(self) -> bool:
        return not self._context.done()

    def time_remaining(self) -> float | MaybeNone:
        return self._context.time_remaining()

    def cancel(self) -> bool:
        """True: it was not over yet."""
        active = self.is_active()
        self._context._rpc.call.cancel()
        return active

    def add_callback(self, callback: Callable[[], Any]) -> bool:
        if self._context.done():
            return False
        self._context.add_done_callback(lambda _: callback())
        return True

    def abort(self, code: grpc.StatusCode, details: str = "", trailing_metadata: Any = ()) -> Any:
        self._do(self._context.abort(code, details, trailing_metadata))

    def abort_with_status(self, status: grpc.Status) -> Any:
        self._do(self._context.abort_with_status(status))

    def send_initial_metadata(self, initial_metadata: Any) -> None:
        self._do(self._context.send_initial_metadata(initial_metadata))

    def set_trailing_metadata(self, trailing_metadata: Any) -> None:
        self._context.set_trailing_metadata(trailing_metadata)

    def trailing_metadata(self) -> Any:
        return self._context.trailing_metadata()

    def invocation_metadata(self) -> Any:
        return self._context.invocation_metadata()

    def set_code(self, code: grpc.StatusCode) -> None:
        self._context.set_code(code)

    def code(self) -> Any:
        return self._context.code()

    def set_details(self, details: str) -> None:
        self._context.set_details(details)

    def details(self) -> str:
        return self._context.details()

    def set_compression(self, compression: grpc.Compression) -> None:
        self._context.set_compression(compression)

    def disable_next_message_compression(self) -> None:
        """Without effect."""

    def peer(self) -> str:
        return self._context.peer()

    def peer_identities(self) -> Sequence[bytes] | None:
        return None

    def peer_identity_key(self) -> str | None:
        return None

    def auth_context(self) -> Mapping[str, Any]:
        return self._context.auth_context()
