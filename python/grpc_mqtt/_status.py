"""Rules of the status that a handler gives its call; sync and aio servers share them."""

from __future__ import annotations

from typing import Any

import grpc

UNREADABLE_REQUEST = "Exception deserializing request!"
UNWRITABLE_RESPONSE = "Failed to serialize response!"
METHOD_NOT_FOUND = "Method not found!"
LIMIT_EXCEEDED = "Concurrent RPC limit exceeded!"
HANDLER_FAILED = "Error in service handler!"
ABORTED = "RPC Aborted"

#: The auth_context() of a call: that of a port of gRPC's without TLS.
INSECURE = {
    "security_level": [b"TSI_SECURITY_NONE"],
    "transport_security_type": [b"insecure"],
}


def number_of(code: Any) -> int:
    """Of a code that an application set; what is none counts as UNKNOWN."""
    known = code if isinstance(code, grpc.StatusCode) else grpc.StatusCode.UNKNOWN
    return int(known.value[0])


def encoded(details: str | bytes) -> bytes:
    return details if isinstance(details, bytes) else details.encode()


class Status:
    """Code, details and trailing metadata as the application has set them so far."""

    __slots__ = ("code", "details", "trailing_metadata")

    def __init__(self) -> None:
        self.code: Any = None
        self.details: bytes | None = None
        self.trailing_metadata: Any = None

    def completion(self) -> tuple[int, str]:
        """Of a handler that came to its end: OK unless it said otherwise."""
        return self._or(grpc.StatusCode.OK, "")

    def failure(self, code: grpc.StatusCode, details: str) -> tuple[int, str]:
        """Of a handler that failed: what it said itself, else `code` and `details`."""
        return self._or(code, details)

    def _or(self, code: grpc.StatusCode, details: str) -> tuple[int, str]:
        chosen = code if self.code is None else self.code
        text = details if self.details is None else self.details.decode(errors="replace")
        return number_of(chosen), text
