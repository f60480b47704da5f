"""What the long-running commands share: log, readiness, an orderly end."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

from grpc_mqtt.cli._failure import advice

_TICK = 0.25


class _Advising(logging.Formatter):
    """What is wrong, and what to do about it."""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        return advice(line) if record.levelno >= logging.WARNING else line


def log_to_stderr(verbose: bool) -> None:
    """Before the gRPC C core is loaded: it says on stderr what we say in a line of our own."""
    if not verbose:
        os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    form = "%(asctime)s %(levelname)s %(message)s"
    level = logging.DEBUG if verbose else logging.INFO
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Advising(form))
    logging.basicConfig(level=level, handlers=[handler])


class _Signals:
    """The first one asks for the end, the second one insists."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.insisted = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.insisted = self.asked.is_set()
        self.asked.set()


def serve(service: Any, what: str, grace: float) -> int:
    """Runs a Gateway or Proxy until a signal comes; then drains it."""
    signals = _Signals()
    ready = False
    while not signals.asked.wait(_TICK):
        if not ready and service.wait_ready(_TICK):
            ready = True
            print(f"ready: {what}", flush=True)
        if service.wait(0.001):
            return 1
    gone = service.close(grace)
    while not gone.wait(_TICK):
        if signals.insisted:
            service.close(0)
            return 1
    return 0
