"""grpc.ServicerContext of the sync server."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

import grpc

from grpc_mqtt._call import Metadata
from grpc_mqtt._rpc import Rpc
from grpc_mqtt._status import INSECURE, encoded

_LOGGER = logging.getLogger("grpc_mqtt")

_MetadataLike = Iterable[tuple[str, "str | bytes"]]
_NO_DEADLINE = float(1 << 63)  # s since the epoch, as gRPC has it


class Context(grpc.ServicerContext):
    """What a handler knows of its call, and may do with it.

    Nothing is known of who the client is: the broker tells nobody.
    """

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    # ---- grpc.RpcContext

    def is_active(self) -> bool:
        with self._rpc.condition:
            return self._rpc.active()

    def time_remaining(self) -> float:
        """Seconds; ages and ages where there is no deadline, as with gRPC."""
        left = self._rpc.call.time_remaining_ms()
        return _NO_DEADLINE - time.time() if left < 0 else left / 1000

    def cancel(self) -> bool:
        """True: it was not over yet."""
        active = self.is_active()
        self._rpc.call.cancel()
        return active

    def add_callback(self, callback: Callable[[], Any]) -> bool:
        with self._rpc.condition:
            if self._rpc.callbacks is None:
                return False
            self._rpc.callbacks.append(callback)
            return True

    # ---- The client

    def invocation_metadata(self) -> Metadata:
        return self._rpc.metadata

    def peer(self) -> str:
        return self._rpc.call.peer()

    def peer_identities(self) -> Sequence[bytes] | None:
        return None

    def peer_identity_key(self) -> str | None:
        return None

    def auth_context(self) -> Mapping[str, Any]:
        """As on a port of gRPC's without TLS: who asks is a matter of the broker."""
        return dict(INSECURE)

    # ---- Compression: zstd, which the client announces with its request

    def set_compression(self, compression: grpc.Compression) -> None:
        """Without effect."""

    def disable_next_message_compression(self) -> None:
        """Without effect."""

    # ---- The answer

    def send_initial_metadata(self, initial_metadata: _MetadataLike) -> None:
        self._rpc.send_initial_metadata(initial_metadata)

    def set_trailing_metadata(self, trailing_metadata: _MetadataLike) -> None:
        with self._rpc.condition:
            self._rpc.status.trailing_metadata = trailing_metadata

    def trailing_metadata(self) -> Any:
        return self._rpc.status.trailing_metadata

    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        if code == grpc.StatusCode.OK:
            _LOGGER.error("abort() called with StatusCode.OK; returning UNKNOWN")
            code, details = grpc.StatusCode.UNKNOWN, ""
        with self._rpc.condition:
            self._rpc.status.code = code
            self._rpc.status.details = encoded(details)
            self._rpc.aborted = True
        raise Exception

    def abort_with_status(self, status: grpc.Status) -> NoReturn:
        self.set_trailing_metadata(status.trailing_metadata)
        self.abort(status.code, status.details)

    def set_code(self, code: grpc.StatusCode) -> None:
        with self._rpc.condition:
            self._rpc.status.code = code

    def set_details(self, details: str) -> None:
        with self._rpc.condition:
            self._rpc.status.details = encoded(details)

    def code(self) -> Any:
        return self._rpc.status.code

    def details(self) -> bytes | None:
        return self._rpc.status.details
