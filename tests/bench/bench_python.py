"""Python at both ends: an ordinary client and server, over MQTT or, to compare, gRPC itself.

bench_python.py server TARGET [--aio]
bench_python.py client TARGET [--aio] --work unary|flight|stream [--payload N] [--count N]

TARGET is an MQTT address (mqtt://host:port/base) or HOST:PORT. `unary`: calls one at a time;
`flight`: 64 calls in flight; `stream`: messages of one server-streaming call. The server says
"ready"; the client prints a line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from concurrent import futures
from typing import Any

import grpc
import grpc.aio

UNARY, STREAM = "/bench.Python/Unary", "/bench.Python/Stream"
FLIGHT = 64
PATIENCE = 120


def package(aio: bool) -> Any:
    import grpc_mqtt
    import grpc_mqtt.aio

    return grpc_mqtt.aio if aio else grpc_mqtt


# ---- Servers


def pieces(request: bytes) -> tuple[int, bytes]:
    count, size = map(int, request.split())
    return count, bytes(size)


class Handlers(grpc.GenericRpcHandler):
    def __init__(self, aio: bool) -> None:
        unary, stream = (self.aio_unary, self.aio_stream) if aio else (self.unary, self.stream)
        self.handlers = {
            UNARY: grpc.unary_unary_rpc_method_handler(unary),
            STREAM: grpc.unary_stream_rpc_method_handler(stream),
        }

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return self.handlers.get(details.method)

    @staticmethod
    def unary(request: bytes, context: Any) -> bytes:
        return request

    @staticmethod
    def stream(request: bytes, context: Any) -> Iterator[bytes]:
        count, message = pieces(request)
        for _ in range(count):
            yield message

    @staticmethod
    async def aio_unary(request: bytes, context: Any) -> bytes:
        return request

    @staticmethod
    async def aio_stream(request: bytes, context: Any) -> AsyncIterator[bytes]:
        count, message = pieces(request)
        for _ in range(count):
            yield message


def serve(target: str) -> None:
    pool, handlers = futures.ThreadPoolExecutor(FLIGHT), (Handlers(False),)
    if "://" in target:
        server = package(False).server(target, pool, handlers)
    else:
        server = grpc.server(pool, handlers)
        server.add_insecure_port(target)
    server.start()
    print("ready", flush=True)
    server.wait_for_termination()


async def aio_serve(target: str) -> None:
    handlers = (Handlers(True),)
    if "://" in target:
        server = package(True).server(target, handlers=handlers)
    else:
        server = grpc.aio.server(handlers=handlers)
        server.add_insecure_port(target)
    await server.start()
    print("ready", flush=True)
    await server.wait_for_termination()


# ---- Clients


def unary(channel: grpc.Channel, payload: bytes, count: int) -> None:
    method = channel.unary_unary(UNARY)
    for _ in range(count):
        assert len(method(payload, timeout=PATIENCE)) == len(payload)


def flight(channel: grpc.Channel, payload: bytes, count: int) -> None:
    method = channel.unary_unary(UNARY)
    open_calls: deque[Any] = deque()
    for _ in range(count):
        if len(open_calls) == FLIGHT:
            open_calls.popleft().result()
        open_calls.append(method.future(payload, timeout=PATIENCE))
    for call in open_calls:
        call.result()


def stream(channel: grpc.Channel, payload: bytes, count: int) -> None:
    request = f"{count} {len(payload)}".encode()
    received = sum(1 for _ in channel.unary_stream(STREAM)(request, timeout=PATIENCE))
    assert received == count


async def aio_unary(channel: grpc.aio.Channel, payload: bytes, count: int) -> None:
    method = channel.unary_unary(UNARY)
    for _ in range(count):
        assert len(await method(payload, timeout=PATIENCE)) == len(payload)


async def aio_flight(channel: grpc.aio.Channel, payload: bytes, count: int) -> None:
    shares = [count // FLIGHT] * FLIGHT
    await asyncio.gather(*(aio_unary(channel, payload, share) for share in shares))


async def aio_stream(channel: grpc.aio.Channel, payload: bytes, count: int) -> None:
    received = 0
    request = f"{count} {len(payload)}".encode()
    async for _ in channel.unary_stream(STREAM)(request, timeout=PATIENCE):
        received += 1
    assert received == count


SYNC = {"unary": unary, "flight": flight, "stream": stream}
AIO = {"unary": aio_unary, "flight": aio_flight, "stream": aio_stream}


def measure(target: str, work: str, payload: bytes, count: int) -> float:
    mqtt = "://" in target
    with package(False).channel(target) if mqtt else grpc.insecure_channel(target) as channel:
        SYNC[work](channel, payload, count // 5 + 1)
        start = time.perf_counter()
        SYNC[work](channel, payload, count)
        return time.perf_counter() - start


async def aio_measure(target: str, work: str, payload: bytes, count: int) -> float:
    mqtt = "://" in target
    opened = package(True).channel(target) if mqtt else grpc.aio.insecure_channel(target)
    async with opened as channel:
        await AIO[work](channel, payload, count // 5 + 1)
        start = time.perf_counter()
        await AIO[work](channel, payload, count)
        return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("side", choices=("server", "client"))
    parser.add_argument("target")
    parser.add_argument("--aio", action="store_true")
    parser.add_argument("--work", choices=tuple(SYNC), default="unary")
    parser.add_argument("--payload", type=int, default=100)
    parser.add_argument("--count", type=int, default=1000)
    args = parser.parse_args()
    if args.side == "server":
        asyncio.run(aio_serve(args.target)) if args.aio else serve(args.target)
        return
    count = max(args.count // FLIGHT, 1) * FLIGHT
    arguments = (args.target, args.work, bytes(args.payload), count)
    seconds = asyncio.run(aio_measure(*arguments)) if args.aio else measure(*arguments)
    print(json.dumps({"work": args.work, "count": count, "rate": round(count / seconds, 1)}))


if __name__ == "__main__":
    main()
