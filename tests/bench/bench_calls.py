"""Unary calls from Python, through an ordinary grpc.Channel: MQTT or, to compare, gRPC itself.

bench_calls.py TARGET [--payload N] [--count N] [--inflight N]

TARGET is an MQTT address (mqtt://host:port/base) or HOST:PORT of a gRPC server. Prints a line of
JSON.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
from collections.abc import Callable

import grpc

PATH = "/demo.v1.Demo/SayHello"


def open_channel(target: str) -> grpc.Channel:
    if "://" not in target:
        return grpc.insecure_channel(target)
    import grpc_mqtt

    return grpc_mqtt.channel(target)


def one_at_a_time(method: Callable[..., bytes], payload: bytes, count: int) -> list[float]:
    latencies = []
    for _ in range(count):
        start = time.perf_counter()
        reply = method(payload, timeout=60)
        latencies.append(time.perf_counter() - start)
        if len(reply) != len(payload):
            raise SystemExit("the reply has another size than the request")
    return latencies


def several(
    method: grpc.UnaryUnaryMultiCallable, payload: bytes, count: int, inflight: int
) -> list[float]:
    latencies: list[float] = []
    errors: list[BaseException] = []
    room = threading.Semaphore(inflight)
    for _ in range(count):
        room.acquire()
        start = time.perf_counter()

        def done(future: grpc.Future, start: float = start) -> None:
            latencies.append(time.perf_counter() - start)
            if (error := future.exception()) is not None:
                errors.append(error)
            room.release()

        method.future(payload, timeout=60).add_done_callback(done)
    for _ in range(inflight):
        room.acquire()
    if errors:
        raise SystemExit(f"{len(errors)} calls failed, the first with: {errors[0]}")
    return latencies


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    for name, default in (("--payload", 100), ("--count", 1000), ("--inflight", 1)):
        parser.add_argument(name, type=int, default=default)
    args = parser.parse_args()
    payload = bytes(args.payload)
    with open_channel(args.target) as channel:
        method = channel.unary_unary(PATH)
        one_at_a_time(method, payload, args.count // 5 + 1)
        start = time.perf_counter()
        if args.inflight == 1:
            latencies = one_at_a_time(method, payload, args.count)
        else:
            latencies = several(method, payload, args.count, args.inflight)
        seconds = time.perf_counter() - start
    latencies.sort()
    print(
        json.dumps(
            {
                "payload": args.payload,
                "inflight": args.inflight,
                "count": args.count,
                "p50_us": round(latencies[len(latencies) // 2] * 1e6, 1),
                "p99_us": round(latencies[len(latencies) * 99 // 100] * 1e6, 1),
                "rate": round(args.count / seconds, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
