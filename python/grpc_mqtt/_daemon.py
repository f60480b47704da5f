"""The programs that come with the package, as commands."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def _become(name: str) -> NoReturn:
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", name)
    if not os.path.exists(program):
        sys.exit(f"{name}: this package was built without the gateway (GMQ_BUILD_GATEWAY=OFF)")
    os.execv(program, [name, *sys.argv[1:]])


def gateway() -> NoReturn:
    """grpc-mqtt-gateway: becomes the program inside the package."""
    _become("grpc-mqtt-gateway")


def proxy() -> NoReturn:
    """grpc-mqtt-proxy, likewise."""
    _become("grpc-mqtt-proxy")
