"""grpc.aio.Channel over MQTT."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import grpc
import grpc.aio

from grpc_mqtt import _fork, gmq
from grpc_mqtt._aio_call import (
    RequestIterable,
    State,
    StreamStreamCall,
    StreamUnaryCall,
    UnaryStreamCall,
    UnaryUnaryCall,
)
from grpc_mqtt._aio_interceptors import (
    Details,
    InterceptedStreamStreamCall,
    InterceptedStreamUnaryCall,
    InterceptedUnaryStreamCall,
    InterceptedUnaryUnaryCall,
    sort_interceptors,
)
from grpc_mqtt._aio_pump import Endpoint, Link, pump_of, working_loop
from grpc_mqtt._call import Deserializer, Serializer, serialize
from grpc_mqtt._channel import _CONNECTIVITY, _call_options, _is_valid, _timeout_ms
from grpc_mqtt._credit import FIRST as _FIRST_CREDIT
from grpc_mqtt._descriptors import DescriptorsLike
from grpc_mqtt._errors import ClosedError, InvalidError, TooLargeError
from grpc_mqtt._options import OptionsLike, split
from grpc_mqtt._paths import to_wire

MetadataLike: TypeAlias = grpc.aio.Metadata | Sequence[tuple[str, str | bytes]]

_CLOSED = "Channel is closed."
_NO_CREDENTIALS = "Call credentials are only valid on secure channels"
_GOODBYE = 0.5  # s that close() waits for an orderly disconnect


def _error(code: grpc.StatusCode, text: str) -> grpc.aio.AioRpcError:
    empty = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(code, empty, empty, text, f"{code.name}:{text}")


class _Connection(Link):
    """The client of one channel, and its calls in progress."""

    handle: gmq.Client

    def __init__(self, endpoint: Endpoint, client: gmq.Client) -> None:
        super().__init__(endpoint, client)
        self.closed = False
        self.calls: weakref.WeakSet[Any] = weakref.WeakSet()


class _Method:
    """One method of a channel: how its calls are started. Keeps the connection alive."""

    kind: int
    unary_response: bool

    def __init__(
        self,
        connection: _Connection,
        method: str,
        serializer: Serializer | None,
        deserializer: Deserializer | None,
        interceptors: Sequence[Any],
    ) -> None:
        self._connection = connection
        self._method = method.encode() if isinstance(method, str) else method
        self._serializer = serializer
        self._deserializer = deserializer
        self._interceptors = interceptors

    def _details(
        self,
        timeout: float | None,
        metadata: MetadataLike | None,
        credentials: grpc.CallCredentials | None,
        wait_for_ready: bool | None,
    ) -> Details:
        if self._connection.closed:
            raise grpc.aio.UsageError(_CLOSED)
        if not metadata:
            metadata = grpc.aio.Metadata()
        elif self._interceptors and not isinstance(metadata, grpc.aio.Metadata):
            metadata = grpc.aio.Metadata(*metadata)
        return Details(self._method, timeout, metadata, credentials, wait_for_ready)

    def _note(self, call: Any) -> Any:
        """For close(): what to wait for, or to cancel."""
        self._connection.calls.add(call)
        return call

    def _begin(self, details: Details, request: Any, has_request: bool) -> State:
        """Starts a call, with its one request or without any. What is wrong with it, other than the
        use of a closed channel, is found out by awaiting it.
        """
        connection = self._connection
        if connection.closed:
            raise grpc.aio.UsageError(_CLOSED)
        _fork.check(connection.pump.generation, "channel")
        if details.credentials is not None:
            raise grpc.aio.UsageError(_NO_CREDENTIALS)
        state = State(connection, self._deserializer, self.unary_response, details.timeout)
        metadata = tuple(details.metadata) if details.metadata else None
        try:
            data = self._serialized(request) if has_request else None
            self._start(state, details, metadata, data)
        except Exception as error:
            state.not_begun(self._refusal(error, metadata))
        return state

    def _serialized(self, request: Any) -> bytes:
        data = serialize(request, self._serializer)
        if data is None:
            raise _error(grpc.StatusCode.INTERNAL, "Exception serializing request!")
        return data

    def _start(
        self,
        state: State,
        details: Details,
        metadata: tuple[Any, ...] | None,
        data: bytes | None,
    ) -> None:
        pump, client, tag = state.link.pump, self._connection.handle, state.tag
        wait = details.wait_for_ready
        options = None if wait is None else _call_options(bool(wait))
        timeout = _timeout_ms(details.timeout)
        path = to_wire(details.method)
        credit = 1 if self.unary_response else _FIRST_CREDIT
        pump.add(tag, state.messages, state.control, state)
        if data is not None:
            state.call = client.start_with(
                path, self.kind, metadata, timeout, options, tag, data, credit
            )
            return
        state.call = client.start(path, self.kind, metadata, timeout, options, tag)
        try:
            state.call.read(credit)
        except ClosedError:
            pass  # over already; FINISHED says why

    def _refusal(self, error: Exception, metadata: tuple[Any, ...] | None) -> Any:
        if isinstance(error, ClosedError):
            return grpc.aio.UsageError(_CLOSED)
        if isinstance(error, TooLargeError):
            return _error(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
        if isinstance(error, InvalidError) and metadata and not _is_valid(metadata):
            shown = metadata[0] if len(metadata) == 1 else metadata
            return grpc.aio.InternalError(f"metadata was invalid: {shown}")
        return error


class _UnaryUnary(_Method, grpc.aio.UnaryUnaryMultiCallable):
    kind = gmq.RPC_UNARY
    unary_response = True

    def __call__(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: MetadataLike | None = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        details = self._details(timeout, metadata, credentials, wait_for_ready)
        if self._interceptors:
            loop = self._connection.pump.loop
            return self._note(
                InterceptedUnaryUnaryCall(self._interceptors, self.start, details, request, loop)
            )
        return self._note(self.start(details, request))

    def start(self, details: Details, request: Any) -> UnaryUnaryCall:
        return UnaryUnaryCall(self._begin(details, request, True))


class _UnaryStream(_Method, grpc.aio.UnaryStreamMultiCallable):
    kind = gmq.RPC_SERVER_STREAMING
    unary_response = False

    def __call__(
        self,
        request: Any,
        *,
        timeout: float | None = None,
        metadata: MetadataLike | None = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        details = self._details(timeout, metadata, credentials, wait_for_ready)
        if self._interceptors:
            loop = self._connection.pump.loop
            return self._note(
                InterceptedUnaryStreamCall(self._interceptors, self.start, details, request, loop)
            )
        return self._note(self.start(details, request))

    def start(self, details: Details, request: Any) -> UnaryStreamCall:
        return UnaryStreamCall(self._begin(details, request, True))


class _StreamUnary(_Method, grpc.aio.StreamUnaryMultiCallable):
    kind = gmq.RPC_CLIENT_STREAMING
    unary_response = True

    def __call__(
        self,
        request_iterator: RequestIterable | None = None,
        timeout: float | None = None,
        metadata: MetadataLike | None = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        details = self._details(timeout, metadata, credentials, wait_for_ready)
        if self._interceptors:
            loop = self._connection.pump.loop
            return self._note(
                InterceptedStreamUnaryCall(
                    self._interceptors, self.start, details, request_iterator, loop
                )
            )
        return self._note(self.start(details, request_iterator))

    def start(self, details: Details, requests: RequestIterable | None) -> StreamUnaryCall:
        return StreamUnaryCall(self._begin(details, None, False), requests, self._serializer)


class _StreamStream(_Method, grpc.aio.StreamStreamMultiCallable):
    kind = gmq.RPC_BIDI_STREAMING
    unary_response = False

    def __call__(
        self,
        request_iterator: RequestIterable | None = None,
        timeout: float | None = None,
        metadata: MetadataLike | None = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        details = self._details(timeout, metadata, credentials, wait_for_ready)
        if self._interceptors:
            loop = self._connection.pump.loop
            return self._note(
                InterceptedStreamStreamCall(
                    self._interceptors, self.start, details, request_iterator, loop
                )
            )
        return self._note(self.start(details, request_iterator))

    def start(self, details: Details, requests: RequestIterable | None) -> StreamStreamCall:
        return StreamStreamCall(self._begin(details, None, False), requests, self._serializer)


class Channel(grpc.aio.Channel):
    """A grpc.aio.Channel whose calls go over MQTT. Made by grpc_mqtt.aio.channel()."""

    def __init__(
        self,
        url: str,
        options: OptionsLike,
        interceptors: Iterable[grpc.aio.ClientInterceptor] | None,
        descriptors: DescriptorsLike,
    ) -> None:
        self._interceptors = sort_interceptors(interceptors)
        library_options, method_map = split(options, descriptors)
        pump = pump_of(working_loop())
        endpoint = Endpoint(pump, "channel", pump.new_tag())
        try:
            client = gmq.Client(url, library_options, method_map, pump.queue, endpoint.tag)
        except BaseException:
            pump.forget(endpoint.tag)
            raise
        self._connection = _Connection(endpoint, client)

    async def __aenter__(self) -> Channel:
        return self

    async def __aexit__(self, exc_type: object, exc_val: object, exc_tb: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """No more calls; those in progress may go on for `grace` seconds, then are cancelled.
        Idempotent.
        """
        connection = self._connection
        if connection.closed:
            return
        if grace and grace < 0:
            raise ValueError(f"grace must be non-negative, got {grace}.")
        connection.closed = True
        if connection.pump.generation != _fork.generation():
            return
        calls = [call for call in connection.calls if not call.done()]
        try:
            if grace and calls:
                codes = [asyncio.ensure_future(call.code()) for call in calls]
                _, late = await asyncio.wait(codes, timeout=grace)
                for code in late:
                    code.cancel()
        finally:
            for call in calls:
                call.cancel()
            connection.handle.close(0)
            connection.endpoint.set_state(gmq.STATE_SHUTDOWN)
        try:
            await asyncio.wait_for(connection.endpoint.wait_gone(), _GOODBYE)
        except asyncio.TimeoutError:
            pass

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """The connectivity. The channel always tries to connect."""
        return _CONNECTIVITY[self._connection.endpoint.state]

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        if self._connection.closed:
            raise grpc.aio.UsageError(_CLOSED)
        while self.get_state() is last_observed_state:
            await self._connection.endpoint.changed()

    async def channel_ready(self) -> None:
        while (state := self.get_state()) is not grpc.ChannelConnectivity.READY:
            await self.wait_for_state_change(state)

    def unary_unary(
        self,
        method: str,
        request_serializer: Serializer | None = None,
        response_deserializer: Deserializer | None = None,
        _registered_method: bool | None = False,
    ) -> grpc.aio.UnaryUnaryMultiCallable:
        return _UnaryUnary(
            self._connection,
            method,
            request_serializer,
            response_deserializer,
            self._interceptors.unary_unary,
        )

    def unary_stream(
        self,
        method: str,
        request_serializer: Serializer | None = None,
        response_deserializer: Deserializer | None = None,
        _registered_method: bool | None = False,
    ) -> grpc.aio.UnaryStreamMultiCallable:
        return _UnaryStream(
            self._connection,
            method,
            request_serializer,
            response_deserializer,
            self._interceptors.unary_stream,
        )

    def stream_unary(
        self,
        method: str,
        request_serializer: Serializer | None = None,
        response_deserializer: Deserializer | None = None,
        _registered_method: bool | None = False,
    ) -> grpc.aio.StreamUnaryMultiCallable:
        return _StreamUnary(
            self._connection,
            method,
            request_serializer,
            response_deserializer,
            self._interceptors.stream_unary,
        )

    def stream_stream(
        self,
        method: str,
        request_serializer: Serializer | None = None,
        response_deserializer: Deserializer | None = None,
        _registered_method: bool | None = False,
    ) -> grpc.aio.StreamStreamMultiCallable:
        return _StreamStream(
            self._connection,
            method,
            request_serializer,
            response_deserializer,
            self._interceptors.stream_stream,
        )
