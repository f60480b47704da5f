"""The part of scripts/bench that has Python at both ends, beside grpcio at both ends.

Each row's two sides run one after the other, a row once a repetition; what counts is the ratio.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).resolve().parent.parent / "tests/bench/bench_python.py"
WORK = {
    "unary": ("unary calls/s, one at a time", 1500),
    "flight": ("unary calls/s, 64 in flight", 4000),
    "stream": ("server-streaming messages/s", 20000),
}


@dataclass
class Row:
    """One kind of work, over gRPC and over MQTT."""

    flavour: str
    work: str
    grpc: str
    mqtt: str
    aim: str = ""
    note: str = ""
    rates: list[tuple[float, float]] = field(default_factory=list)

    @property
    def label(self) -> str:
        return f"{self.flavour}: {WORK[self.work][0]}{self.note}"

    def _rate(self, target: str, scale: float) -> float:
        count = max(int(WORK[self.work][1] * scale), 128)
        command = [sys.executable, str(PROGRAM), "client", target, "--work", self.work]
        command += ["--count", str(count), *(["--aio"] if self.flavour == "aio" else [])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            raise SystemExit(f"bench: {self.label}: {done.stderr.strip() or done.stdout}")
        return float(json.loads(done.stdout.strip().splitlines()[-1])["rate"])

    def run(self, scale: float) -> None:
        self.rates.append((self._rate(self.grpc, scale), self._rate(self.mqtt, scale)))

    def summary(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "grpcio": statistics.median(theirs for theirs, _ in self.rates),
            "mqtt": statistics.median(ours for _, ours in self.rates),
            "ratio": statistics.median(ours / theirs for theirs, ours in self.rates),
            "aim": self.aim,
            "runs": self.rates,
        }


def start_rows(
    start: Callable[[str, list[str], Callable[[str], bool]], None],
    free_port: Callable[[], int],
    broker: int,
) -> list[Row]:
    """Starts the servers by `start(name, command, ready)`; the rows to run."""
    rows = []
    for flavour in ("sync", "aio"):
        grpc = f"127.0.0.1:{free_port()}"
        mqtt = f"mqtt://127.0.0.1:{broker}/bench/python/{flavour}"
        for name, target in (("grpcio", grpc), ("mqtt", mqtt)):
            command = [sys.executable, str(PROGRAM), "server", target]
            command += ["--aio"] if flavour == "aio" else []
            start(f"python-{flavour}-{name}", command, lambda text: "ready" in text)
        rows += [
            Row(flavour, "unary", grpc, mqtt),
            Row(flavour, "flight", grpc, mqtt, "> 1.0"),
            Row(flavour, "stream", grpc, mqtt, "> 1.0"),
            Row(flavour, "stream", grpc, mqtt + "?batched_stream=1", "", ", batched"),
        ]
    return rows


def print_rows(rows: list[Row]) -> None:
    print(
        "\nPython client to Python server, 100 bytes: grpcio on 127.0.0.1, and over MQTT. The\n"
        "broker has max_queued_messages 0: with mosquitto's 1000 it drops packets of a long\n"
        "stream that is sent faster than it is read, and the call ends UNAVAILABLE. Batched\n"
        "streams are a choice of the user (batched_stream), many messages a packet: no aim here.\n"
    )
    print(f"{'':44}{'grpcio':>10}{'MQTT':>10}{'ratio':>8}  aim")
    for row in rows:
        found = row.summary()
        verdict = ("  met" if found["ratio"] > 1 else "  missed") if row.aim else ""
        print(
            f"{row.label:44}{found['grpcio']:10,.0f}{found['mqtt']:10,.0f}{found['ratio']:8.2f}"
            f"  {row.aim}{verdict}".rstrip()
        )
