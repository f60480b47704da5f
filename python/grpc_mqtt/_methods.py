"""Which handler serves a method: registered ones, generic ones, and the interceptors before them.

Knows nothing of threads or loops.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import grpc

from grpc_mqtt import gmq
from grpc_mqtt._call import Metadata
from grpc_mqtt._types import MethodHandler


class _Details(NamedTuple):
    method: str
    invocation_metadata: Metadata


class HandlerCallDetails(_Details, grpc.HandlerCallDetails):  # type: ignore[misc]
    """What interceptors and generic handlers are told of a call."""


_Continuation = Callable[[grpc.HandlerCallDetails], Any]


def streams_requests(kind: int) -> bool:
    return kind in (gmq.RPC_CLIENT_STREAMING, gmq.RPC_BIDI_STREAMING)


def kind_of(handler: MethodHandler) -> int:
    """The gmq.RPC_* of a handler."""
    if handler.request_streaming:
        return gmq.RPC_BIDI_STREAMING if handler.response_streaming else gmq.RPC_CLIENT_STREAMING
    return gmq.RPC_SERVER_STREAMING if handler.response_streaming else gmq.RPC_UNARY


def behavior_of(handler: MethodHandler) -> Callable[..., Any]:
    """The function of a handler that does the work."""
    if handler.request_streaming:
        behavior = handler.stream_stream if handler.response_streaming else handler.stream_unary
    else:
        behavior = handler.unary_stream if handler.response_streaming else handler.unary_unary
    assert behavior is not None
    return behavior


def full_name(service: str, method: str) -> str:
    return f"/{service}/{method}"


class Methods:
    """The handlers of a server. Registered ones come before generic ones."""

    def __init__(self) -> None:
        self._generic: list[grpc.GenericRpcHandler] = []
        self._registered: dict[str, MethodHandler] = {}

    def add_generic(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        handlers = list(handlers)
        for handler in handlers:
            if getattr(handler, "service", None) is None:
                raise AttributeError(
                    f'"{handler}" must conform to grpc.GenericRpcHandler type but does not have '
                    '"service" method!'
                )
        self._generic.extend(handlers)

    def add_registered(self, service: str, handlers: Mapping[str, MethodHandler]) -> None:
        for method, handler in handlers.items():
            self._registered[full_name(service, method)] = handler

    def services(self) -> list[str]:
        """The names of services that can be known, each once; not those of generic handlers that
        do not tell.
        """
        names = [path.split("/")[1] for path in self._registered]
        for handler in self._generic:
            if isinstance(handler, grpc.ServiceRpcHandler):
                names.append(handler.service_name())
        return list(dict.fromkeys(name for name in names if name and "," not in name))

    def announce(self, options: gmq.Options) -> gmq.Options:
        """Has a server that is made with `options` tell them: the library asks us for methods, and
        knows of no service.
        """
        options.set_string("services", ",".join(self.services()))
        return options

    def find(self, details: grpc.HandlerCallDetails) -> MethodHandler | None:
        """The handler of a method; None when nobody has it. Runs code of the user."""
        if details.method in self._registered:
            return self._registered[details.method]
        for generic in self._generic:
            handler = generic.service(details)
            if handler is not None:
                return handler
        return None


def intercepted(
    find: _Continuation, interceptors: Sequence[grpc.ServerInterceptor]
) -> _Continuation:
    """`find` behind the interceptors, the first one outermost."""
    for interceptor in reversed(interceptors):
        find = _behind(interceptor, find)
    return find


def _behind(interceptor: grpc.ServerInterceptor, find: _Continuation) -> _Continuation:
    return lambda details: interceptor.intercept_service(find, details)
