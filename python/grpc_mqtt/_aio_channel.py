"""grpc.aio.Channel over MQTT."""

from __future__ import annotations

import asyncio
import functools
import weakref
from collections.abc import Callable, Iterable, Sequence
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
from grpc_mqtt._aio_pump import Endpoint, Link, pump_of, wake, working_loop
from grpc_mqtt._call import serialize
from grpc_mqtt._credit import FIRST
from grpc_mqtt._descriptors import DescriptorsLike
from grpc_mqtt._errors import ClosedError, TooLargeError
from grpc_mqtt._multicallables import CONNECTIVITY, MultiCallables, metadata_fault, timeout_ms
from grpc_mqtt._options import OptionsLike, call_options, channel_options
from grpc_mqtt._paths import to_wire
from grpc_mqtt._types import (
    AioStreamStreamMultiCallable,
    AioStreamUnaryMultiCallable,
    AioUnaryStreamMultiCallable,
    AioUnaryUnaryMultiCallable,
    Deserializer,
    Serializer,
)

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

    def __init__(
        self, endpoint: Endpoint, client: gmq.Client, metadata: tuple[tuple[str, str], ...]
    ) -> None:
        super().__init__(endpoint, client)
        self.metadata = metadata  # goes with every call
        self.closed = False
        self.wanted = False  # somebody has called, or asked to be connected
        self.calls: weakref.WeakSet[Any] = weakref.WeakSet()

    def want(self) -> None:
        """From now on the state is told; before it is said to be IDLE."""
        if not self.wanted:
            self.wanted = True
            wake(self.endpoint.waiters)


class _Method:
    """One method of a channel: how its calls are started. Keeps the connection alive."""

    kind: int
    unary_response: bool
    intercepted: Callable[..., Any]

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
        # grpcio's own details have the method as bytes, and metadata as it was given
        arguments: tuple[Any, ...] = (self._method, timeout, metadata, credentials, wait_for_ready)
        return Details(*arguments)

    def _invoke(
        self,
        request: Any,
        timeout: float | None,
        metadata: MetadataLike | None,
        credentials: grpc.CallCredentials | None,
        wait_for_ready: bool | None,
        compression: grpc.Compression | None,
    ) -> Any:
        """A call, which close() will wait for or cancel."""
        details = self._details(timeout, metadata, credentials, wait_for_ready)
        start = functools.partial(self._start, compression)
        if self._interceptors:
            loop = self._connection.pump.loop
            call = self.intercepted(self._interceptors, start, details, request, loop)
        else:
            call = start(details, request)
        self._connection.calls.add(call)
        return call

    def _start(self, compression: grpc.Compression | None, details: Details, request: Any) -> Any:
        raise NotImplementedError()

    def _begin(
        self,
        compression: grpc.Compression | None,
        details: Details,
        request: Any,
        has_request: bool,
    ) -> State:
        """Starts a call, with its one request or without any. What is wrong with it, other than the
        use of a closed channel, is found out by awaiting it.
        """
        connection = self._connection
        if connection.closed:
            raise grpc.aio.UsageError(_CLOSED)
        _fork.check(connection.pump.generation, "channel")
        connection.want()
        if details.credentials is not None:
            raise grpc.aio.UsageError(_NO_CREDENTIALS)
        state = State(connection, self._deserializer, self.unary_response, details.timeout)
        metadata = tuple(details.metadata) if details.metadata else None
        if connection.metadata:
            metadata = (*connection.metadata, *(metadata or ()))
        try:
            data = self._serialized(request) if has_request else None
            options = call_options(details.wait_for_ready, compression)
            self._send(state, details, metadata, options, data)
        except Exception as error:
            state.not_begun(self._refusal(error, metadata))
        return state

    def _serialized(self, request: Any) -> bytes:
        data = serialize(request, self._serializer)
        if data is None:
            raise _error(grpc.StatusCode.INTERNAL, "Exception serializing request!")
        return data

    def _send(
        self,
        state: State,
        details: Details,
        metadata: tuple[Any, ...] | None,
        options: gmq.Options | None,
        data: bytes | None,
    ) -> None:
        pump, client, tag = state.link.pump, self._connection.handle, state.tag
        timeout = timeout_ms(details.timeout)
        path = to_wire(details.method)
        credit = 1 if self.unary_response else FIRST
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
        fault = metadata_fault(error, metadata)
        return error if fault is None else grpc.aio.InternalError(fault)


class _UnaryUnary(_Method, AioUnaryUnaryMultiCallable):
    kind = gmq.RPC_UNARY
    unary_response = True
    intercepted = InterceptedUnaryUnaryCall

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
        return self._invoke(request, timeout, metadata, credentials, wait_for_ready, compression)

    def _start(
        self, compression: grpc.Compression | None, details: Details, request: Any
    ) -> UnaryUnaryCall:
        return UnaryUnaryCall(self._begin(compression, details, request, True))


class _UnaryStream(_Method, AioUnaryStreamMultiCallable):
    kind = gmq.RPC_SERVER_STREAMING
    unary_response = False
    intercepted = InterceptedUnaryStreamCall

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
        return self._invoke(request, timeout, metadata, credentials, wait_for_ready, compression)

    def _start(
        self, compression: grpc.Compression | None, details: Details, request: Any
    ) -> UnaryStreamCall:
        return UnaryStreamCall(self._begin(compression, details, request, True))


class _StreamUnary(_Method, AioStreamUnaryMultiCallable):
    kind = gmq.RPC_CLIENT_STREAMING
    unary_response = True
    intercepted = InterceptedStreamUnaryCall

    def __call__(
        self,
        request_iterator: RequestIterable | None = None,
        timeout: float | None = None,
        metadata: MetadataLike | None = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        return self._invoke(
            request_iterator, timeout, metadata, credentials, wait_for_ready, compression
        )

    def _start(
        self, compression: grpc.Compression | None, details: Details, request: Any
    ) -> StreamUnaryCall:
        state = self._begin(compression, details, None, False)
        return StreamUnaryCall(state, request, self._serializer)


class _StreamStream(_Method, AioStreamStreamMultiCallable):
    kind = gmq.RPC_BIDI_STREAMING
    unary_response = False
    intercepted = InterceptedStreamStreamCall

    def __call__(
        self,
        request_iterator: RequestIterable | None = None,
        timeout: float | None = None,
        metadata: MetadataLike | None = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        return self._invoke(
            request_iterator, timeout, metadata, credentials, wait_for_ready, compression
        )

    def _start(
        self, compression: grpc.Compression | None, details: Details, request: Any
    ) -> StreamStreamCall:
        state = self._begin(compression, details, None, False)
        return StreamStreamCall(state, request, self._serializer)


_BY_KIND: dict[int, tuple[type[_Method], str]] = {
    gmq.RPC_UNARY: (_UnaryUnary, "unary_unary"),
    gmq.RPC_SERVER_STREAMING: (_UnaryStream, "unary_stream"),
    gmq.RPC_CLIENT_STREAMING: (_StreamUnary, "stream_unary"),
    gmq.RPC_BIDI_STREAMING: (_StreamStream, "stream_stream"),
}


class Channel(MultiCallables, grpc.aio.Channel):
    """A grpc.aio.Channel whose calls go over MQTT. Made by grpc_mqtt.aio.channel()."""

    def __init__(
        self,
        url: str,
        options: OptionsLike,
        interceptors: Iterable[grpc.aio.ClientInterceptor] | None,
        compression: grpc.Compression | None,
        descriptors: DescriptorsLike,
    ) -> None:
        self._interceptors = sort_interceptors(interceptors)
        ours, methods, metadata = channel_options(url, options, compression, descriptors)
        pump = pump_of(working_loop())
        endpoint = Endpoint(pump, "channel", pump.new_tag())
        try:
            client = gmq.Client(url, ours, methods, pump.queue, endpoint.tag)
        except BaseException:
            pump.forget(endpoint.tag)
            raise
        self._connection = _Connection(endpoint, client, metadata)

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
        """The connectivity: IDLE until somebody calls or tries to connect, although the connection
        to the broker is made before.
        """
        connection = self._connection
        state = connection.endpoint.state
        if not connection.wanted and state != gmq.STATE_SHUTDOWN:
            state = gmq.STATE_IDLE
        if try_to_connect:
            connection.want()
        return CONNECTIVITY[state]

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        if self._connection.closed:
            raise grpc.aio.UsageError(_CLOSED)
        while self.get_state() is last_observed_state:
            await self._connection.endpoint.changed()

    async def channel_ready(self) -> None:
        while (state := self.get_state(try_to_connect=True)) is not grpc.ChannelConnectivity.READY:
            await self.wait_for_state_change(state)

    def _make(
        self,
        kind: int,
        method: str,
        serializer: Serializer | None,
        deserializer: Deserializer | None,
    ) -> Any:
        make, name = _BY_KIND[kind]
        interceptors = getattr(self._interceptors, name)
        return make(self._connection, method, serializer, deserializer, interceptors)
