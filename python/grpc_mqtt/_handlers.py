"""What the servers of grpc and of grpc.aio have alike: how they are told what to serve."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import grpc

from grpc_mqtt._types import MethodHandler

_LOGGER = logging.getLogger("grpc_mqtt")


class Handlers:
    """A server's methods that do not depend on how it works. Its core has `methods` and `begun`."""

    def _checked(self) -> Any:
        """The core; raises in a forked child."""
        raise NotImplementedError()

    def add_generic_rpc_handlers(
        self, generic_rpc_handlers: Iterable[grpc.GenericRpcHandler]
    ) -> None:
        """Has these asked for methods, in their order, that no registered handler has."""
        self._checked().methods.add_generic(generic_rpc_handlers)

    def add_registered_method_handlers(
        self, service_name: str, method_handlers: Mapping[str, MethodHandler]
    ) -> None:
        """Has these handlers serve `service_name`, by the names of its methods; before start()."""
        core = self._checked()
        if core.begun():
            _LOGGER.warning("Cannot register method handlers once server has started")
            return
        core.methods.add_registered(service_name, method_handlers)

    def add_insecure_port(self, address: str | bytes) -> int:
        """Does nothing: the server is reached by the URL that it was made with. Returns the port of
        `address`, or 1.
        """
        self._checked()
        text = address.decode() if isinstance(address, bytes) else address
        _, _, port = text.rpartition(":")
        return int(port) if port.isdecimal() and int(port) else 1

    def add_secure_port(
        self, address: str | bytes, server_credentials: grpc.ServerCredentials
    ) -> int:
        """As add_insecure_port(): TLS is a matter of the URL (``mqtts``)."""
        return self.add_insecure_port(address)
