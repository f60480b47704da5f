"""What the channels of grpc and of grpc.aio have alike."""

from __future__ import annotations

from typing import Any

import grpc

from grpc_mqtt import gmq
from grpc_mqtt._errors import InvalidError
from grpc_mqtt._types import Deserializer, Serializer

_TIMEOUT_MAX_MS = 1 << 38  # nearly nine years; above: no deadline

CONNECTIVITY = {
    gmq.STATE_IDLE: grpc.ChannelConnectivity.IDLE,
    gmq.STATE_CONNECTING: grpc.ChannelConnectivity.CONNECTING,
    gmq.STATE_READY: grpc.ChannelConnectivity.READY,
    gmq.STATE_TRANSIENT_FAILURE: grpc.ChannelConnectivity.TRANSIENT_FAILURE,
    gmq.STATE_SHUTDOWN: grpc.ChannelConnectivity.SHUTDOWN,
}


class MultiCallables:
    """A channel's methods that make the objects by which its calls are started."""

    def _make(
        self,
        kind: int,
        method: str,
        serializer: Serializer | None,
        deserializer: Deserializer | None,
    ) -> Any:
        raise NotImplementedError()

    def unary_unary(
        self,
        method: str,
        request_serializer: Serializer | None = None,
        response_deserializer: Deserializer | None = None,
        _registered_method: bool | None = False,
    ) -> Any:
        """Calls `method` with one request and gives its one response."""
        return self._make(gmq.RPC_UNARY, method, request_serializer, response_deserializer)

    def unary_stream(
        self,
        method: str,
        request_serializer: Serializer | None = None,
        response_deserializer: Deserializer | None = None,
        _registered_method: bool | None = False,
    ) -> Any:
        """Calls `method` with one request and gives its responses."""
        kind = gmq.RPC_SERVER_STREAMING
        return self._make(kind, method, request_serializer, response_deserializer)

    def stream_unary(
        self,
        method: str,
        request_serializer: Serializer | None = None,
        response_deserializer: Deserializer | None = None,
        _registered_method: bool | None = False,
    ) -> Any:
        """Calls `method` with many requests and gives its one response."""
        kind = gmq.RPC_CLIENT_STREAMING
        return self._make(kind, method, request_serializer, response_deserializer)

    def stream_stream(
        self,
        method: str,
        request_serializer: Serializer | None = None,
        response_deserializer: Deserializer | None = None,
        _registered_method: bool | None = False,
    ) -> Any:
        """Calls `method` with many requests and gives its responses."""
        kind = gmq.RPC_BIDI_STREAMING
        return self._make(kind, method, request_serializer, response_deserializer)


def timeout_ms(timeout: float | None) -> int:
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


def metadata_fault(error: BaseException, metadata: tuple[Any, ...] | None) -> str | None:
    """grpcio's words for metadata that it does not allow; None: `error` is about other things."""
    if not isinstance(error, InvalidError) or not metadata:
        return None
    try:
        gmq.check_metadata(metadata)
    except InvalidError:
        return f"metadata was invalid: {metadata[0] if len(metadata) == 1 else metadata}"
    return None
