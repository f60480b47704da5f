"""Runs the benchmark programs in turn and prints a table; see scripts/bench.

Every case runs once a repetition, so that a slow minute of the machine hits all of them; the
figures are medians over the repetitions. Nothing is asserted: the aims stand beside the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import bench_link
import bench_python

ROOT = Path(__file__).resolve().parent.parent
PAYLOAD = 100
MANY = (16, 128)
BROKER = "set_tcp_nodelay true\nmax_queued_messages 0\n"

Row = dict[str, float]


@dataclass
class Case:
    name: str
    label: str
    command: list[str]
    counts: dict[int, int]
    """Calls to make, by the number in flight."""
    compare: str | None = None
    """The case that p50 is to be compared with."""
    aim: float | None = None
    """The ratio hoped for."""
    runs: dict[int, list[Row]] = field(default_factory=dict)

    def run(self) -> None:
        for inflight, count in self.counts.items():
            arguments = [
                "--payload",
                str(PAYLOAD),
                "--count",
                str(count),
                "--inflight",
                str(inflight),
            ]
            done = subprocess.run(
                [*self.command, *arguments], capture_output=True, text=True, timeout=300
            )
            if done.returncode != 0:
                why = done.stderr.strip() or done.stdout
                raise SystemExit(f"bench: {self.name}, {inflight} in flight: {why}")
            self.runs.setdefault(inflight, []).append(
                json.loads(done.stdout.strip().splitlines()[-1])
            )

    def median(self, inflight: int, key: str) -> float | None:
        runs = self.runs.get(inflight)
        return statistics.median(row[key] for row in runs) if runs else None


class Parts:
    """The processes around the cases: broker, servers, gateway. Ended in reverse order."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, command: list[str], ready: Callable[[str], bool]) -> None:
        log = self.work / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL
            )
        self.processes.append(process)
        limit = time.monotonic() + 20
        while not ready(log.read_text(errors="replace")):
            if process.poll() is not None or time.monotonic() > limit:
                raise SystemExit(
                    f"bench: {name} did not become ready:\n{log.read_text(errors='replace')}"
                )
            time.sleep(0.02)

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@dataclass
class Setting:
    """What the cases talk to. The broker sets TCP_NODELAY; the plain one is as it comes."""

    broker: int
    plain_broker: int
    grpc: str
    server: str
    paho_server: str
    plain_server: str
    gateway: str


def start_broker(parts: Parts, name: str, extra: str) -> int:
    port = free_port()
    config = parts.work / f"{name}.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n{extra}"
    )
    mosquitto = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    parts.start(name, [mosquitto, "-c", str(config)], lambda _: accepts(port))
    return port


def start_parts(parts: Parts) -> Setting:
    binaries = bench_link.BINARIES
    broker = start_broker(parts, "mosquitto", BROKER)
    plain_broker = start_broker(parts, "mosquitto-plain", "")
    grpc = f"127.0.0.1:{free_port()}"
    server, gateway = (
        f"mqtt://127.0.0.1:{broker}/bench/{name}?dialect=session" for name in ("server", "gateway")
    )
    paho_server = f"{server.replace('/server', '/paho')}&transport=paho"
    plain_server = f"mqtt://127.0.0.1:{plain_broker}/bench/server?dialect=session"
    for name, command in (
        ("server", ["bench_calls", "server", server]),
        ("paho-server", ["bench_calls", "server", paho_server]),
        ("plain-server", ["bench_calls", "server", plain_server]),
        ("grpc-server", ["bench_grpc", "server", grpc]),
    ):
        parts.start(name, [str(binaries / command[0]), *command[1:]], lambda text: "ready" in text)
    descriptors = parts.work / "demo.protoset"
    proto = ROOT / "docs/examples/proto"
    compiler = ["protoc", f"-I{proto}", "--include_imports", f"--descriptor_set_out={descriptors}"]
    subprocess.run([*compiler, "demo.proto"], check=True)
    daemon = [str(binaries / "grpc-mqtt-gateway"), "-L", gateway, "--descriptors", str(descriptors)]
    parts.start("gateway", [*daemon, "--target", grpc], lambda text: "ready" in text)
    return Setting(broker, plain_broker, grpc, server, paho_server, plain_server, gateway)


def make_cases(setting: Setting, scale: float) -> list[Case]:
    binaries = bench_link.BINARIES
    calls = [str(binaries / "bench_calls"), "client"]
    python = [sys.executable, str(ROOT / "tests/bench/bench_calls.py")]
    paho = "echo_paho"

    def echo(mode: str, port: int) -> list[str]:
        program = str(binaries / "raw_echo")
        return [program, "--host", "127.0.0.1", "--port", str(port), "--mode", mode]

    def counts(one: int, many: int) -> dict[int, int]:
        return {1: max(int(one * scale), 20), **{n: max(int(many * scale), 200) for n in MANY}}

    usual, from_python = counts(2000, 4000), counts(1000, 2000)
    broker, plain = setting.broker, setting.plain_broker
    grpc_c = [str(binaries / "bench_grpc"), "client", setting.grpc]
    in_thread = [*calls, setting.server + "&drive=caller"]
    return [
        Case("echo_raw", "MQTT echo, minimal client", echo("raw", broker), counts(2000, 8000)),
        Case(paho, "MQTT echo, paho with TCP_NODELAY", echo("paho", broker), usual),
        Case(
            "echo_mosquitto",
            "MQTT echo, libmosquitto with TCP_NODELAY",
            echo("mosquitto", broker),
            usual,
            paho,
        ),
        Case("grpc_c", "gRPC itself, C", grpc_c, counts(2000, 8000)),
        Case("c_server", "C client, gmq_server", [*calls, setting.server], usual, paho, 1.5),
        Case("c_server_caller", "  client with drive=caller", in_thread, usual, paho),
        Case(
            "c_server_paho",
            "  both with transport=paho",
            [*calls, setting.paho_server],
            usual,
            paho,
        ),
        Case("c_gateway", "C client, gateway, gRPC", [*calls, setting.gateway], usual, paho, 2.5),
        Case("grpc_python", "gRPC itself, Python client", [*python, setting.grpc], from_python),
        Case(
            "python_server",
            "Python client, gmq_server",
            [*python, setting.server],
            from_python,
            paho,
        ),
        Case(
            "python_gateway",
            "Python client, gateway, gRPC",
            [*python, setting.gateway],
            from_python,
            paho,
        ),
        Case(
            "echo_paho_default",
            "MQTT echo, paho as it comes",
            echo("paho-default", broker),
            {1: 20},
            paho,
        ),
        Case("plain_echo", "plain broker: paho, TCP_NODELAY", echo("paho", plain), {1: 20}, paho),
        Case(
            "plain_echo_default",
            "plain broker: paho as it comes",
            echo("paho-default", plain),
            {1: 20},
            paho,
        ),
        Case(
            "plain_c_server",
            "plain broker: C client, gmq_server",
            [*calls, setting.plain_server],
            {1: usual[1]},
            paho,
        ),
    ]


def ratio(case: Case, cases: dict[str, Case]) -> float | None:
    """p50 beside that of the case to compare with: the median over the repetitions."""
    if case.compare is None:
        return None
    pairs = zip(case.runs[1], cases[case.compare].runs[1], strict=True)
    return statistics.median(ours["p50_us"] / theirs["p50_us"] for ours, theirs in pairs)


def number(value: float | None, digits: int = 0) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def print_table(cases: dict[str, Case]) -> None:
    head = ["", "p50 us", "p99 us", *(f"calls/s x{n}" for n in MANY), "p50 / paho", "aim"]
    lines = [head]
    for case in cases.values():
        share = ratio(case, cases)
        aim = f"<= {case.aim}" if case.aim else ""
        if case.aim and share is not None:
            aim += "  met" if share <= case.aim else "  missed"
        lines.append(
            [
                case.label,
                number(case.median(1, "p50_us")),
                number(case.median(1, "p99_us")),
                *(number(case.median(n, "rate")) for n in MANY),
                number(share, 2),
                aim,
            ]
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        cells = [
            line[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(line[1:-1], widths[1:-1], strict=True)),
        ]
        print("  ".join([*cells, line[-1]]).rstrip())


def as_json(
    cases: dict[str, Case],
    repetitions: int,
    python: list[bench_python.Row],
    link: bench_link.Bench | None,
) -> dict[str, object]:
    rows = {}
    for case in cases.values():
        flights = {
            str(n): {key: case.median(n, key) for key in ("p50_us", "p99_us", "rate")}
            | {"runs": case.runs[n]}
            for n in case.counts
        }
        rows[case.name] = {
            "label": case.label.strip(),
            "in_flight": flights,
            "p50_ratio": ratio(case, cases),
            "ratio_to": case.compare,
            "aim": case.aim,
        }
    machine = {"system": platform.platform(), "cpus": len(os.sched_getaffinity(0))}
    return {
        "payload_bytes": PAYLOAD,
        "repetitions": repetitions,
        "machine": machine,
        "cases": rows,
        "python": [row.summary() for row in python],
        "link": [row.summary() for row in link.rows] if link else [],
    }


def show(text: str) -> None:
    """Progress, on the last line of a terminal."""
    if sys.stderr.isatty():
        print(f"\r{text:79}\r", end="", file=sys.stderr, flush=True)


def print_cases(cases: dict[str, Case], repetitions: int) -> None:
    print(
        f"Unary calls and echoes of {PAYLOAD} bytes at QoS 1 through mosquitto on this machine;"
        f" medians of {repetitions} interleaved repetitions."
    )
    print(
        "p50, p99: one at a time, in microseconds. calls/s: with 16 and 128 in flight. The broker\n"
        "has set_tcp_nodelay, so that only the clients differ; the plain one is as it comes.\n"
    )
    print_table(cases)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.splitlines()[0])
    parser.add_argument("--json", metavar="FILE", type=Path, help="write every figure there, too")
    parser.add_argument("--repetitions", metavar="N", type=int, default=5)
    parser.add_argument(
        "--quick", action="store_true", help="one short repetition, to see that it works"
    )
    parser.add_argument(
        "--only",
        metavar="NAME,...",
        help="only these cases, by the names in the JSON; python: Python at both ends; link: the "
        "link dialect",
    )
    args = parser.parse_args()
    repetitions = 1 if args.quick else args.repetitions
    scale = 0.1 if args.quick else 1.0
    only = set(args.only.split(",")) if args.only else set()
    cases: dict[str, Case] = {}
    python: list[bench_python.Row] = []
    link = None
    with tempfile.TemporaryDirectory(prefix="grpc-mqtt-bench.") as work:
        parts = Parts(Path(work))
        try:
            if only == {"link"}:
                broker = start_broker(parts, "mosquitto", BROKER)
            else:
                setting = start_parts(parts)
                broker = setting.broker
                wanted = only | {"echo_paho"}
                for case in make_cases(setting, scale):
                    if not only or case.name in wanted:
                        cases[case.name] = case
            if not only or "python" in only:
                python = bench_python.start_rows(parts.start, free_port, broker)
            if not only or "link" in only:
                link = bench_link.Bench(parts.start, broker)
            for repetition in range(repetitions):
                where = f"repetition {repetition + 1} of {repetitions}:"
                for case in cases.values():
                    show(f"{where} {case.label}")
                    case.run()
                for row in python:
                    show(f"{where} {row.label}")
                    row.run(scale)
                if link:
                    link.round(scale, lambda what, where=where: show(f"{where} {what}"))
            show("")
        finally:
            parts.stop()
    if cases:
        print_cases(cases, repetitions)
    if python:
        bench_python.print_rows(python)
    if link:
        link.print_rows()
    if args.json:
        found = as_json(cases, repetitions, python, link)
        args.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
