"""The link dialect beside raw MQTT: the rows of scripts/bench about it, C at both ends, by way of
transport=mosquitto. Each row is a ratio within one repetition; the table shows the medians."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARIES = Path(os.environ.get("GMQ_BUILD_DIR", ROOT / "build")) / "bin"
PACKET = 128000
"""Bytes of the packets that a large message travels in: `msg_size_limit`."""

Result = dict[str, float]
Starter = Callable[[str, list[str], Callable[[str], bool]], None]


def run(command: list[str]) -> Result:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise SystemExit(f"bench: {' '.join(command)}: {done.stderr.strip() or done.stdout}")
    result: Result = json.loads(done.stdout.strip().splitlines()[-1])
    return result


@dataclass
class Row:
    name: str
    label: str
    unit: str
    aim: float
    limit: float
    """Worse than this must not be."""
    lower_is_better: bool
    measure: Callable[[dict[str, Result]], tuple[float, float]]
    """Ours and what it is divided by, of a round."""
    digits: int = 0
    rounds: list[tuple[float, float]] = field(default_factory=list)

    def ratio(self) -> float:
        return statistics.median(ours / unit for ours, unit in self.rounds)

    def verdict(self) -> str:
        ratio = self.ratio()
        for text, bound in (("met", self.aim), ("between", self.limit)):
            if ratio <= bound if self.lower_is_better else ratio >= bound:
                return text
        return "missed"

    def summary(self) -> dict[str, object]:
        return {
            "name": self.name,
            "label": self.label,
            "unit": self.unit,
            "ours": statistics.median(ours for ours, _ in self.rounds),
            "divided_by": statistics.median(unit for _, unit in self.rounds),
            "ratio": self.ratio(),
            "ratios": [ours / unit for ours, unit in self.rounds],
            "aim": self.aim,
            "limit": self.limit,
            "verdict": self.verdict(),
        }


def rows() -> list[Row]:
    def over(ours: str, key: str, unit: str, unit_key: str) -> Callable[..., tuple[float, float]]:
        return lambda round_: (round_[ours][key], round_[unit][unit_key])

    def alone(ours: str, *keys: str) -> Callable[[dict[str, Result]], tuple[float, float]]:
        return lambda round_: (max(round_[ours][key] for key in keys), 1.0)

    one = over("unary_1", "p50_us", "echo_1", "p50_us")
    caller = over("caller_1", "p50_us", "echo_1", "p50_us")
    unary_128 = over("unary_128", "rate", "echo_128", "rate")
    unary_1024 = over("unary_1024", "rate", "echo_128", "rate")
    stream = over("stream", "rate", "echo_128", "rate")
    large = over("large", "bytes_per_s", "flow", "bytes_per_s")
    calls, links = alone("memory", "call_client", "call_server"), alone("memory", "link_server")
    return [
        Row("unary_1", "unary, one at a time, p50", "us", 1.3, 1.6, True, one),
        Row("caller_1", "  both ends with drive=caller", "us", 1.3, 1.6, True, caller),
        Row("unary_128", "unary, 128 in flight", "calls/s", 3, 1.5, False, unary_128),
        Row("unary_1024", "unary, 1024 in flight", "calls/s", 8, 4, False, unary_1024),
        Row("stream", "server stream, small messages", "messages/s", 20, 10, False, stream),
        Row("large", "messages of 1 MiB", "bytes/s", 0.8, 0.6, False, large),
        Row(
            "publishes",
            "publishes a unary call, 128 in flight",
            "",
            0.5,
            1,
            True,
            alone("publishes", "publishes_per_call"),
            3,
        ),
        Row("call_memory", "memory of an open idle call", "bytes", 2048, 4096, True, calls),
        Row("link_memory", "memory of an idle link", "bytes", 8192, 16384, True, links),
        Row(
            "link_memory_client",
            "  at the client",
            "bytes",
            8192,
            16384,
            True,
            alone("memory", "link_client"),
        ),
    ]


class Bench:
    """Servers of its own at `broker`; one round after the other."""

    def __init__(self, start: Starter, broker: int) -> None:
        base, query = f"mqtt://127.0.0.1:{broker}/bench/link", "dialect=link&transport=mosquitto"
        self.broker = str(broker)
        self.calls, self.streams, self.cost = (
            f"{base}/{name}?{query}" for name in ("calls", "streams", "cost")
        )
        self.caller = f"{base}/caller?{query}&drive=caller"
        for name, program, url in (
            ("link-calls", "bench_calls", self.calls),
            ("link-caller", "bench_calls", self.caller),
            ("link-streams", "bench_stream", self.streams),
        ):
            start(name, [str(BINARIES / program), "server", url], lambda text: "ready" in text)
        self.rows = rows()

    def commands(self, scale: float) -> dict[str, list[str]]:
        def counted(usual: int, least: int) -> list[str]:
            return ["--count", str(max(int(usual * scale), least))]

        def echo(mode: str, inflight: int, count: list[str]) -> list[str]:
            program = [str(BINARIES / "raw_echo"), "--port", self.broker, "--mode", mode]
            return [*program, "--inflight", str(inflight), *count]

        def unary(url: str, inflight: int, count: list[str]) -> list[str]:
            program = [str(BINARIES / "bench_calls"), "client", url]
            return [*program, "--inflight", str(inflight), *count]

        stream = [str(BINARIES / "bench_stream"), "client", self.streams]
        cost = str(BINARIES / "bench_cost")
        flow = [str(BINARIES / "raw_flow"), "--port", self.broker, "--payload", str(PACKET)]
        return {
            "echo_1": echo("mosquitto", 1, counted(4000, 400)),
            "unary_1": unary(self.calls, 1, counted(4000, 400)),
            "caller_1": unary(self.caller, 1, counted(4000, 400)),
            "echo_128": echo("raw", 128, counted(16000, 1600)),
            "unary_128": unary(self.calls, 128, counted(100000, 5000)),
            "unary_1024": unary(self.calls, 1024, counted(200000, 10000)),
            "stream": [*stream, *counted(500000, 20000)],
            "flow": [*flow, *counted(2000, 200)],
            "large": [*stream, "--payload", str(1 << 20), *counted(250, 25)],
            "publishes": [cost, "publishes", self.cost, *counted(50000, 5000)],
            "memory": [cost, "memory", self.cost, *counted(2000, 1000)],
        }

    def round(self, scale: float, show: Callable[[str], None]) -> None:
        results = {}
        for name, command in self.commands(scale).items():
            show(f"link dialect: {name}")
            results[name] = run(command)
        for row in self.rows:
            row.rounds.append(row.measure(results))

    def print_rows(self) -> None:
        print(
            "\nThe link dialect by way of libmosquitto, C at both ends, QoS 1. The p50 of calls is "
            "divided by that of an echo\nwith libmosquitto, the rates by that of a minimal "
            "client's echo with 128 in flight, bytes/s by raw publishes of the\npacket size.\n"
        )
        head = ["", "ours", "unit", "divided by", "ratio", "aim", "at worst", ""]
        lines = [head]
        for row in self.rows:
            summary, sign = row.summary(), "<=" if row.lower_is_better else ">="
            alone = all(unit == 1 for _, unit in row.rounds)
            lines.append(
                [
                    row.label,
                    f"{summary['ours']:,.{row.digits}f}",
                    row.unit,
                    "" if alone else f"{summary['divided_by']:,.0f}",
                    "" if alone else f"{row.ratio():.2f}",
                    f"{sign} {row.aim:g}",
                    f"{row.limit:g}",
                    row.verdict(),
                ]
            )
        widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
        for line in lines:
            cells = [line[0].ljust(widths[0])]
            cells += [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
            print("  ".join(cells).rstrip())
