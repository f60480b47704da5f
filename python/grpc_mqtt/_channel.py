"""grpc.Channel over MQTT."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import grpc

from grpc_mqtt import gmq
from grpc_mqtt._call import (
    CallState,
    _InactiveRpcError,
    _MultiThreadedRendezvous,
    send_requests,
    serialize,
)
from grpc_mqtt._credit import FIRST
from grpc_mqtt._descriptors import DescriptorsLike
from grpc_mqtt._errors import ClosedError, TooLargeError
from grpc_mqtt._multicallables import CONNECTIVITY, MultiCallables, metadata_fault, timeout_ms
from grpc_mqtt._options import OptionsLike, call_options, channel_options
from grpc_mqtt._paths import to_wire
from grpc_mqtt._pump import Pump, run_callback
from grpc_mqtt._types import (
    Deserializer,
    Serializer,
    StreamStreamMultiCallable,
    StreamUnaryMultiCallable,
    UnaryStreamMultiCallable,
    UnaryUnaryMultiCallable,
)

if TYPE_CHECKING:
    from grpc_mqtt._types import CallFuture, CallIterator

_MetadataLike = Iterable[tuple[str, "str | bytes"]]
_StateCallback = Callable[[grpc.ChannelConnectivity], None]

_NO_CREDENTIALS = (
    "Established channel does not have a sufficient security level to transfer call credential."
)
_CLOSED_BLOCKING = "Cannot invoke RPC on closed channel!"
_CLOSED = "Cannot invoke RPC: Channel closed!"


class _MultiCallable:
    """One method of a channel: how its calls are started. Keeps the connection alive, as those of
    gRPC do.
    """

    kind: int
    unary_response: bool

    def __init__(
        self,
        pump: Pump,
        method: str,
        serializer: Serializer | None,
        deserializer: Deserializer | None,
    ) -> None:
        self._pump = pump
        self._method = to_wire(method)
        self._serializer = serializer
        self._deserializer = deserializer

    def _failed(self, code: grpc.StatusCode, details: str, debug: str | None = None) -> CallState:
        """A call that is over before it began."""
        state = CallState(self._pump, None, True, None)
        state.abort(code, details)
        state.finished = True
        state.debug_error_string = debug
        return state

    def _serialized(self, request: Any) -> bytes:
        data = serialize(request, self._serializer)
        if data is None:
            raise _InactiveRpcError(
                self._failed(grpc.StatusCode.INTERNAL, "Exception serializing request!")
            )
        return data

    def _begin(
        self,
        data: bytes | None,
        arguments: tuple[Any, ...],
        closed_text: str,
    ) -> CallState:
        """Starts a call, with its one request or (None) without any; the state is over already when
        it cannot be.
        """
        pump = self._pump
        timeout, metadata, credentials, wait_for_ready, compression = arguments
        if pump.closed:
            raise ValueError(closed_text)
        if not pump.wanted:
            pump.want()
        if credentials is not None:
            text = f"UNAUTHENTICATED:{_NO_CREDENTIALS}"
            return self._failed(grpc.StatusCode.UNAUTHENTICATED, _NO_CREDENTIALS, text)
        pairs = None if metadata is None else tuple(metadata)
        if pump.metadata:
            pairs = (*pump.metadata, *(pairs or ()))
        options = call_options(wait_for_ready, compression)
        milliseconds = timeout_ms(timeout)
        state = CallState(pump, self._deserializer, self.unary_response, timeout)
        pump.calls[state.tag] = (state.messages, state.control, state)
        try:
            self._start(state, data, pairs, milliseconds, options)
        except BaseException as error:
            pump.calls.pop(state.tag, None)
            return self._refused(error, pairs, closed_text)
        if pump.closed and state.call is not None:  # by another thread, meanwhile
            state.end_of_channel("Channel closed!")
            state.call.cancel()
        return state

    def _start(
        self,
        state: CallState,
        data: bytes | None,
        metadata: tuple[Any, ...] | None,
        milliseconds: int,
        options: gmq.Options | None,
    ) -> None:
        client, tag = self._pump.client, state.tag
        credit = 1 if self.unary_response else FIRST
        if data is not None:
            state.call = client.start_with(
                self._method, self.kind, metadata, milliseconds, options, tag, data, credit
            )
        else:
            state.call = client.start(self._method, self.kind, metadata, milliseconds, options, tag)
            try:
                state.call.read(credit)
            except ClosedError:
                pass  # over already; FINISHED says why

    def _refused(
        self, error: BaseException, metadata: tuple[Any, ...] | None, closed_text: str
    ) -> CallState:
        if isinstance(error, ClosedError):
            raise ValueError(closed_text) from None
        if isinstance(error, TooLargeError):
            return self._failed(
                grpc.StatusCode.RESOURCE_EXHAUSTED, str(error), f"RESOURCE_EXHAUSTED:{error}"
            )
        fault = metadata_fault(error, metadata)
        if fault is not None:
            raise ValueError(fault) from error
        raise error

    def _finish(self, state: CallState) -> CallState:
        """Blocks until the call is over; raises unless it went well."""
        if state.code is None:
            try:
                self._pump.drive(state.tag, state.over)
            except BaseException:
                if state.call is not None:
                    state.call.cancel()
                raise
            state.settle()
        if state.code is not grpc.StatusCode.OK:
            raise _InactiveRpcError(state)
        return state


class _UnaryRequest(_MultiCallable):
    def _invoke(self, request: Any, closed_text: str, arguments: tuple[Any, ...]) -> CallState:
        return self._begin(self._serialized(request), arguments, closed_text)


class _StreamRequest(_MultiCallable):
    def _invoke(
        self, requests: Iterator[Any], closed_text: str, arguments: tuple[Any, ...]
    ) -> CallState:
        state = self._begin(None, arguments, closed_text)
        if state.call is not None:
            send_requests(requests, self._serializer, state)
        return state


class _UnaryUnary(_UnaryRequest, UnaryUnaryMultiCallable):
    kind = gmq.RPC_UNARY
    unary_response = True

    def __call__(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: _MetadataLike | None = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        arguments = (timeout, metadata, credentials, wait_for_ready, compression)
        return self._finish(self._invoke(request, _CLOSED_BLOCKING, arguments)).response

    def with_call(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: _MetadataLike | None = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> tuple[Any, grpc.Call]:
        arguments = (timeout, metadata, credentials, wait_for_ready, compression)
        state = self._finish(self._invoke(request, _CLOSED_BLOCKING, arguments))
        return state.response, _MultiThreadedRendezvous(state)

    def future(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: _MetadataLike | None = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> CallFuture:
        arguments = (timeout, metadata, credentials, wait_for_ready, compression)
        return _MultiThreadedRendezvous(self._invoke(request, _CLOSED, arguments))


class _UnaryStream(_UnaryRequest, UnaryStreamMultiCallable):
    kind = gmq.RPC_SERVER_STREAMING
    unary_response = False

    def __call__(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: _MetadataLike | None = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> CallIterator:
        arguments = (timeout, metadata, credentials, wait_for_ready, compression)
        return _MultiThreadedRendezvous(self._invoke(request, _CLOSED, arguments))


class _StreamUnary(_StreamRequest, StreamUnaryMultiCallable):
    kind = gmq.RPC_CLIENT_STREAMING
    unary_response = True

    def __call__(
        self,
        request_iterator: Iterator[Any],
        timeout: float | None = None,
        metadata: _MetadataLike | None = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        arguments = (timeout, metadata, credentials, wait_for_ready, compression)
        return self._finish(self._invoke(request_iterator, _CLOSED_BLOCKING, arguments)).response

    def with_call(
        self,
        request_iterator: Iterator[Any],
        timeout: float | None = None,
        metadata: _MetadataLike | None = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> tuple[Any, grpc.Call]:
        arguments = (timeout, metadata, credentials, wait_for_ready, compression)
        state = self._finish(self._invoke(request_iterator, _CLOSED_BLOCKING, arguments))
        return state.response, _MultiThreadedRendezvous(state)

    def future(
        self,
        request_iterator: Iterator[Any],
        timeout: float | None = None,
        metadata: _MetadataLike | None = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> CallFuture:
        arguments = (timeout, metadata, credentials, wait_for_ready, compression)
        return _MultiThreadedRendezvous(self._invoke(request_iterator, _CLOSED, arguments))


class _StreamStream(_StreamRequest, StreamStreamMultiCallable):
    kind = gmq.RPC_BIDI_STREAMING
    unary_response = False

    def __call__(
        self,
        request_iterator: Iterator[Any],
        timeout: float | None = None,
        metadata: _MetadataLike | None = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> CallIterator:
        arguments = (timeout, metadata, credentials, wait_for_ready, compression)
        return _MultiThreadedRendezvous(self._invoke(request_iterator, _CLOSED, arguments))


class _Subscribers:
    """Callbacks that want to know a channel's connectivity, each with what it was told last."""

    def __init__(self, pump: Pump) -> None:
        self._pump = pump
        self._lock = threading.Lock()
        self._rows: list[list[Any]] = []  # [callback, last state]

    def add(self, callback: _StateCallback) -> None:
        with self._lock:
            self._rows.append([callback, None])
        self._pump.watch_state(self.deliver)

    def remove(self, callback: _StateCallback) -> None:
        with self._lock:
            for row in self._rows:
                if row[0] == callback:
                    self._rows.remove(row)
                    break
            empty = not self._rows
        if empty:
            self._pump.watch_state(None)

    def clear(self) -> None:
        self._rows.clear()
        self._pump.forget_state()

    def deliver(self, state: int) -> None:
        connectivity = CONNECTIVITY[state]
        with self._lock:
            behind = [row for row in self._rows if row[1] is not connectivity]
            for row in behind:
                row[1] = connectivity
        for row in behind:
            run_callback(functools.partial(row[0], connectivity))


_BY_KIND: dict[int, type[_MultiCallable]] = {
    each.kind: each for each in (_UnaryUnary, _UnaryStream, _StreamUnary, _StreamStream)
}


class Channel(MultiCallables, grpc.Channel):
    """A grpc.Channel whose calls go over MQTT. Made by grpc_mqtt.channel()."""

    def __init__(
        self,
        url: str,
        options: OptionsLike,
        compression: grpc.Compression | None,
        descriptors: DescriptorsLike,
    ) -> None:
        self._pump: Pump | None = None  # for __del__, should what follows fail
        ours, methods, metadata = channel_options(url, options, compression, descriptors)
        self._pump = pump = Pump(url, ours, methods, metadata)
        self._subscribers = _Subscribers(pump)

    def subscribe(self, callback: _StateCallback, try_to_connect: bool | None = False) -> None:
        """Has `callback` called with the connectivity, now and at each change: IDLE until somebody
        calls or tries to connect, although the connection to the broker is made before.
        """
        assert self._pump is not None
        if try_to_connect:
            self._pump.want()
        self._subscribers.add(callback)

    def unsubscribe(self, callback: _StateCallback) -> None:
        self._subscribers.remove(callback)

    def _make(
        self,
        kind: int,
        method: str,
        serializer: Serializer | None,
        deserializer: Deserializer | None,
    ) -> Any:
        assert self._pump is not None
        return _BY_KIND[kind](self._pump, method, serializer, deserializer)

    def close(self) -> None:
        """Cancels every call and disconnects. Idempotent; does not wait."""
        if self._pump is not None:
            self._pump.close("Channel closed!")

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, exc_type: object, exc_value: object, traceback: object) -> None:
        self.close()

    def __del__(self) -> None:
        # The connection lives on while stubs or calls need it, as with gRPC's channels.
        if self._pump is not None:
            self._subscribers.clear()
