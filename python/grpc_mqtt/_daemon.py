"""The programs that come with the package, as commands."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def gateway() -> NoReturn:
    """grpc-mqtt-gateway: becomes the program inside the package."""
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "bin", "grpc-mqtt-gateway")
    if not os.path.exists(program):
        sys.exit(
            "grpc-mqtt-gateway: this package was built without the gateway (GMQ_BUILD_GATEWAY=OFF)"
        )
    os.execv(program, ["grpc-mqtt-gateway", *sys.argv[1:]])
