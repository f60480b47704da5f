"""grpc-mqtt bench: load on a method; latencies and throughput."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import grpc

import grpc_mqtt.aio
from grpc_mqtt.cli import _report, _rpc, _schema
from grpc_mqtt.cli._address import address, channel_options, seconds
from grpc_mqtt.cli._failure import Failure, Usage, of_rpc, one_line
from grpc_mqtt.cli._terminal import Live, bar, cut, width
from grpc_mqtt.cli._values import Codec, Values, dumps, lines_of

NAME = "bench"
HELP = "load on a method: latencies, throughput, a histogram"
EXAMPLES = """\
  grpc-mqtt bench fleet/device42 demo.v1.Demo/SayHello -d '{"name": "you"}'
  grpc-mqtt bench -n 10000 -c 100 fleet/device42 demo.v1.Demo/SayHello -d '{"name": "you"}'
  grpc-mqtt bench -z 30s -c 20 -O report.html fleet/device42 demo.v1.Demo/Count -d '{"to": 100}'

A stream is one call: its requests are sent (as many as -d holds), all responses read.
Ctrl-C starts no further calls and shows what was measured; a second one gives up.
Exit status: 0 when every call ended OK, else 1."""

_TICK = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("base", metavar="BASE", help="base topic of the server, or a whole URL")
    parser.add_argument("method", metavar="METHOD", help="package.Service/Method")
    parser.add_argument("-n", "--total", type=int, metavar="N", help="calls; default: 200")
    parser.add_argument(
        "-c",
        "--concurrency",
        type=int,
        default=50,
        metavar="N",
        help="calls at a time; default: 50",
    )
    parser.add_argument(
        "-z",
        "--duration",
        type=seconds,
        metavar="TIME",
        help="for so long (10s, 2m), instead of -n",
    )
    parser.add_argument(
        "--connections",
        type=int,
        default=1,
        metavar="N",
        help="connections to the broker that share the calls; default: 1",
    )
    parser.add_argument("--json", action="store_true", help="the result as JSON on stdout")
    parser.add_argument("-O", "--output", metavar="FILE.html", help="also a page with plots")
    _rpc.add_rpc(parser)
    _schema.add_sources(parser)
    parser.set_defaults(max_time=20.0)


@dataclass
class Result:
    """What was measured. Times are in seconds."""

    title: str
    concurrency: int
    began: float = field(default_factory=time.time)
    took: float = 0.0
    latencies: list[float] = field(default_factory=list)  # of calls that ended OK
    ends: list[float] = field(default_factory=list)  # when, since the beginning
    codes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    responses: int = 0

    @property
    def count(self) -> int:
        return sum(self.codes.values())


class _Load:
    """Calls, so many at a time, until the total or the time is reached."""

    def __init__(
        self,
        calls: list[Any],
        requests: list[bytes],
        kind: int,
        args: argparse.Namespace,
        result: Result,
    ) -> None:
        self._calls = calls  # a multicallable of each connection
        self._requests = requests
        self._kind = kind
        self._how = {"timeout": args.max_time, "metadata": _rpc.metadata(args.header)}
        self.total: int | None = args.total or (None if args.duration else 200)
        self.duration: float | None = args.duration
        self._given = 0
        self.result = result
        self._began = time.perf_counter()
        self.stopped = False

    def elapsed(self) -> float:
        return time.perf_counter() - self._began

    def _more(self) -> bool:
        if self.stopped or (self.total is not None and self._given >= self.total):
            return False
        if self.duration is not None and self.elapsed() >= self.duration:
            return False
        self._given += 1
        return True

    async def _call(self, multicallable: Any) -> int:
        streams = self._kind in (_rpc.CLIENT_STREAMING, _rpc.BIDI)
        asked: Any = iter(self._requests) if streams else self._requests[0]
        rpc = multicallable(asked, **self._how)
        if self._kind in (_rpc.UNARY, _rpc.CLIENT_STREAMING):
            await rpc
            return 1
        count = 0
        async for _ in rpc:
            count += 1
        return count

    async def worker(self, index: int) -> None:
        multicallable = self._calls[index % len(self._calls)]
        while self._more():
            began = self.elapsed()
            try:
                responses = await self._call(multicallable)
            except grpc.RpcError as error:
                failed: Any = error
                self.result.codes[failed.code().name] += 1
                self.result.errors[f"{failed.code().name}: {one_line(failed.details())}"] += 1
            else:
                self.result.responses += responses
                self.result.codes["OK"] += 1
                self.result.latencies.append(self.elapsed() - began)
                self.result.ends.append(self.elapsed())

    def part(self) -> float:
        done = self.result.count / self.total if self.total else 0.0
        passed = self.elapsed() / self.duration if self.duration else 0.0
        return max(done, passed)

    async def run(self, workers: int) -> None:
        self._began = time.perf_counter()
        tasks = [asyncio.ensure_future(self.worker(index)) for index in range(workers)]
        progress = asyncio.ensure_future(self._progress())
        with _on_interrupt(self._stop):
            await asyncio.gather(*tasks)
        progress.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await progress
        self.result.took = self.elapsed()

    def _stop(self) -> None:
        self.stopped = True
        asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)  # the next one insists

    async def _progress(self) -> None:
        live = Live(sys.stderr)
        if not live.enabled:
            return
        try:
            while True:
                done, failed = self.result.count, self.result.count - self.result.codes["OK"]
                rate = done / max(self.elapsed(), 1e-9)
                wrong = f", {failed} failed" if failed else ""
                ends = ", waits for open calls" if self.stopped else ""
                line = f"{bar(self.part())} {done} calls, {rate:.0f}/s{wrong}{ends}"
                live.show([cut(line, width())])
                await asyncio.sleep(_TICK)
        finally:
            live.clear()


@contextlib.contextmanager
def _on_interrupt(stop: Any) -> Iterator[None]:
    """The first Ctrl-C ends the load in order."""
    loop = asyncio.get_running_loop()
    try:
        loop.add_signal_handler(signal.SIGINT, stop)
    except (NotImplementedError, RuntimeError, ValueError):
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _requests(codec: Codec, method: Any, data: str | None) -> list[bytes]:
    lines, source = lines_of(data)
    requests = [
        codec.message(method.input_type, value, f"{source}, line {line}").SerializeToString()
        for value, line, _ in Values(lines, source)
    ]
    if not _schema.kind_of(method) & 1:
        return [_rpc.only_one(requests, b"")]
    return requests


def _prepare(args: argparse.Namespace) -> tuple[str, str, int, list[bytes]]:
    """(base, path, kind, requests); the method is looked up over a connection of its own."""
    channel, _, base = _rpc.open_channel(args, args.base)
    with channel:
        schema = _schema.open_schema(args, channel, base, 10, _rpc.metadata(args.header))
        method = schema.method(args.method)
        requests = _requests(Codec(schema), method, args.data)
    path = f"/{method.containing_service.full_name}/{method.name}"
    return base, path, _schema.kind_of(method), requests


async def _measure(
    args: argparse.Namespace, path: str, kind: int, requests: list[bytes], result: Result
) -> None:
    found, rest = address(args, args.base)
    channels = []
    for index in range(args.connections):
        options = found.with_id(str(index)) if args.connections > 1 else channel_options(found)
        channels.append(grpc_mqtt.aio.channel(found.url(rest), options))
    try:
        calls = [_rpc.raw(channel, path, kind) for channel in channels]
        await asyncio.gather(*(_ready(channel, args.max_time) for channel in channels))
        await _Load(calls, requests, kind, args, result).run(args.concurrency)
    finally:
        for channel in channels:
            await channel.close()


async def _ready(channel: Any, timeout: float) -> None:
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(channel.channel_ready(), timeout)


def _check(args: argparse.Namespace) -> None:
    for name in ("total", "concurrency", "connections"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise Usage(f"--{name} {value}: 1 or more is meant")
    if args.output:
        directory = os.path.dirname(os.path.abspath(args.output))
        if not os.access(directory, os.W_OK):
            raise Failure(f"-O {args.output}: {directory} cannot be written to")


def run(args: argparse.Namespace) -> int:
    _check(args)
    base, path, kind, requests = _prepare(args)
    result = Result(f"{base} {path.strip('/')}", args.concurrency)
    try:
        asyncio.run(_measure(args, path, kind, requests, result))
    except grpc.RpcError as error:
        raise of_rpc(error) from error
    if not result.count:
        raise Failure("no call was made")
    print(dumps(_report.as_json(result), 2) if args.json else _report.as_text(result))
    if args.output:
        with open(args.output, "w", encoding="utf-8") as page:
            page.write(_report.as_html(result))
    return 0 if result.codes["OK"] == result.count else 1
