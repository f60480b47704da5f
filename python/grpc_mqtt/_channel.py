"""grpc.Channel over MQTT."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import grpc

from grpc_mqtt import gmq
from grpc_mqtt._call import (
    _FIRST_CREDIT,
    CallState,
    Deserializer,
    Serializer,
    _InactiveRpcError,
    _MultiThreadedRendezvous,
    send_requests,
    serialize,
)
from grpc_mqtt._descriptors import DescriptorsLike
from grpc_mqtt._errors import ClosedError, InvalidError, TooLargeError
from grpc_mqtt._options import OptionsLike, split
from grpc_mqtt._paths import to_wire
from grpc_mqtt._pump import Pump, run_callback

_MetadataLike = Iterable[tuple[str, "str | bytes"]]
_StateCallback = Callable[[grpc.ChannelConnectivity], None]
_Callable = TypeVar("_Callable")

_NO_CREDENTIALS = (
    "Established channel does not have a sufficient security level to transfer call credential."
)
_CLOSED_BLOCKING = "Cannot invoke RPC on closed channel!"
_CLOSED = "Cannot invoke RPC: Channel closed!"
_TIMEOUT_MAX_MS = 1 << 38  # nearly nine years; above: no deadline

_CONNECTIVITY = {
    gmq.STATE_IDLE: grpc.ChannelConnectivity.IDLE,
    gmq.STATE_CONNECTING: grpc.ChannelConnectivity.CONNECTING,
    gmq.STATE_READY: grpc.ChannelConnectivity.READY,
    gmq.STATE_TRANSIENT_FAILURE: grpc.ChannelConnectivity.TRANSIENT_FAILURE,
    gmq.STATE_SHUTDOWN: grpc.ChannelConnectivity.SHUTDOWN,
}


@functools.cache
def _call_options(wait_for_ready: bool) -> gmq.Options:
    options = gmq.Options()
    options.set_bool("wait_for_ready", int(wait_for_ready))
    return options


def _timeout_ms(timeout: float | None) -> int:
    """For the library: -1 is no deadline. A fraction counts as a whole millisecond, what is past as
    0.
    """
    if timeout is None:
        return -1
    if not timeout > 0:
        return 0
    if timeout * 1000 > _TIMEOUT_MAX_MS:
        return -1
    return int(-(-timeout * 1000 // 1))


def _is_valid(metadata: tuple[Any, ...]) -> bool:
    try:
        gmq.check_metadata(metadata)
    except InvalidError:
        return False
    return True


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
        timeout: float | None,
        metadata: _MetadataLike | None,
        credentials: grpc.CallCredentials | None,
        wait_for_ready: bool | None,
        closed_text: str,
    ) -> CallState:
        """Starts a call, with its one request or (None) without any; the state is over already when
        it cannot be.
        """
        pump = self._pump
        if pump.closed:
            raise ValueError(closed_text)
        if credentials is not None:
            text = f"UNAUTHENTICATED:{_NO_CREDENTIALS}"
            return self._failed(grpc.StatusCode.UNAUTHENTICATED, _NO_CREDENTIALS, text)
        pairs = None if metadata is None else tuple(metadata)
        options = None if wait_for_ready is None else _call_options(bool(wait_for_ready))
        timeout_ms = _timeout_ms(timeout)
        state = CallState(pump, self._deserializer, self.unary_response, timeout)
        pump.calls[state.tag] = (state.messages, state.control, state)
        try:
            self._start(state, data, pairs, timeout_ms, options)
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
        timeout_ms: int,
        options: gmq.Options | None,
    ) -> None:
        client, tag = self._pump.client, state.tag
        credit = 1 if self.unary_response else _FIRST_CREDIT
        if data is not None:
            state.call = client.start_with(
                self._method, self.kind, metadata, timeout_ms, options, tag, data, credit
            )
        else:
            state.call = client.start(self._method, self.kind, metadata, timeout_ms, options, tag)
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
        if isinstance(error, InvalidError) and metadata and not _is_valid(metadata):
            shown = metadata[0] if len(metadata) == 1 else metadata
            raise ValueError(f"metadata was invalid: {shown}") from error
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
        timeout, metadata, credentials, wait_for_ready = arguments
        return self._begin(
            self._serialized(request), timeout, metadata, credentials, wait_for_ready, closed_text
        )


class _StreamRequest(_MultiCallable):
    def _invoke(
        self, requests: Iterator[Any], closed_text: str, arguments: tuple[Any, ...]
    ) -> CallState:
        timeout, metadata, credentials, wait_for_ready = arguments
        state = self._begin(None, timeout, metadata, credentials, wait_for_ready, closed_text)
        if state.call is not None:
            send_requests(requests, self._serializer, state)
        return state


class _UnaryUnary(_UnaryRequest, grpc.UnaryUnaryMultiCallable):
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
        arguments = (timeout, metadata, credentials, wait_for_ready)
        return self._finish(self._invoke(request, _CLOSED_BLOCKING, arguments)).response

    def with_call(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: _MetadataLike | None = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> tuple[Any, Any]:
        arguments = (timeout, metadata, credentials, wait_for_ready)
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
    ) -> _MultiThreadedRendezvous:
        arguments = (timeout, metadata, credentials, wait_for_ready)
        return _MultiThreadedRendezvous(self._invoke(request, _CLOSED, arguments))


class _UnaryStream(_UnaryRequest, grpc.UnaryStreamMultiCallable):
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
    ) -> _MultiThreadedRendezvous:
        arguments = (timeout, metadata, credentials, wait_for_ready)
        return _MultiThreadedRendezvous(self._invoke(request, _CLOSED, arguments))


class _StreamUnary(_StreamRequest, grpc.StreamUnaryMultiCallable):
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
        arguments = (timeout, metadata, credentials, wait_for_ready)
        return self._finish(self._invoke(request_iterator, _CLOSED_BLOCKING, arguments)).response

    def with_call(
        self,
        request_iterator: Iterator[Any],
        timeout: float | None = None,
        metadata: _MetadataLike | None = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> tuple[Any, Any]:
        arguments = (timeout, metadata, credentials, wait_for_ready)
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
    ) -> _MultiThreadedRendezvous:
        arguments = (timeout, metadata, credentials, wait_for_ready)
        return _MultiThreadedRendezvous(self._invoke(request_iterator, _CLOSED, arguments))


class _StreamStream(_StreamRequest, grpc.StreamStreamMultiCallable):
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
    ) -> _MultiThreadedRendezvous:
        arguments = (timeout, metadata, credentials, wait_for_ready)
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
        connectivity = _CONNECTIVITY[state]
        with self._lock:
            behind = [row for row in self._rows if row[1] is not connectivity]
            for row in behind:
                row[1] = connectivity
        for row in behind:
            run_callback(functools.partial(row[0], connectivity))


class Channel(grpc.Channel):
    """A grpc.Channel whose calls go over MQTT. Made by grpc_mqtt.channel()."""

    def __init__(self, url: str, options: OptionsLike, descriptors: DescriptorsLike) -> None:
        self._pump: Pump | None = None  # for __del__, should what follows fail
        library_options, method_map = split(options, descriptors)
        self._pump = pump = Pump(url, library_options, method_map)
        self._subscribers = _Subscribers(pump)

    def subscribe(self, callback: _StateCallback, try_to_connect: bool | None = False) -> None:
        """Has `callback` called with the connectivity, now and at each change. The channel always
        tries to connect.
        """
        self._subscribers.add(callback)

    def unsubscribe(self, callback: _StateCallback) -> None:
        self._subscribers.remove(callback)

    def unary_unary(
        self,
        method: str,
        request_serializer: Serializer | None = None,
        response_deserializer: Deserializer | None = None,
        _registered_method: bool | None = False,
    ) -> grpc.UnaryUnaryMultiCallable:
        return self._method(_UnaryUnary, method, request_serializer, response_deserializer)

    def unary_stream(
        self,
        method: str,
        request_serializer: Serializer | None = None,
        response_deserializer: Deserializer | None = None,
        _registered_method: bool | None = False,
    ) -> grpc.UnaryStreamMultiCallable:
        return self._method(_UnaryStream, method, request_serializer, response_deserializer)

    def stream_unary(
        self,
        method: str,
        request_serializer: Serializer | None = None,
        response_deserializer: Deserializer | None = None,
        _registered_method: bool | None = False,
    ) -> grpc.StreamUnaryMultiCallable:
        return self._method(_StreamUnary, method, request_serializer, response_deserializer)

    def stream_stream(
        self,
        method: str,
        request_serializer: Serializer | None = None,
        response_deserializer: Deserializer | None = None,
        _registered_method: bool | None = False,
    ) -> grpc.StreamStreamMultiCallable:
        return self._method(_StreamStream, method, request_serializer, response_deserializer)

    def _method(
        self,
        kind: Callable[[Pump, str, Serializer | None, Deserializer | None], _Callable],
        method: str,
        serializer: Serializer | None,
        deserializer: Deserializer | None,
    ) -> _Callable:
        assert self._pump is not None
        return kind(self._pump, method, serializer, deserializer)

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
