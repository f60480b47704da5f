"""Calls each kind of RPC of demo.v1.Demo over MQTT, with the ordinary generated stub.

python client.py mqtt://127.0.0.1:1883/fleet/device42
"""

import sys
import time
from pathlib import Path

import grpc

import grpc_mqtt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "proto"))
demo_pb2, demo_pb2_grpc = grpc.protos_and_services("demo.proto")  # generates the code on the fly


def timed(what, call):
    started = time.perf_counter()
    answer = call()
    print(f"{what:<18} {answer:<42} {(time.perf_counter() - started) * 1000:8.2f} ms")


def say_hello(stub, name):
    return stub.SayHello(demo_pb2.HelloRequest(name=name), timeout=10).text


def collect(stub):
    requests = (demo_pb2.CollectRequest(value=value) for value in range(1, 101))
    reply = stub.Collect(requests, timeout=10)
    return f"sum of {reply.count} values: {reply.sum}"


def count(stub):
    request = demo_pb2.CountRequest(to=10, **{"from": 1})
    return " ".join(str(reply.value) for reply in stub.Count(request, timeout=10))


def chat(stub):
    words = ["one", "two", "three"]
    replies = stub.Chat((demo_pb2.ChatMessage(text=word) for word in words), timeout=10)
    return ", ".join(reply.text for reply in replies)


def refused(stub):
    try:
        return say_hello(stub, "")
    except grpc.RpcError as error:
        return f"{error.code().name}: {error.details()}"


def many(stub, calls=200):
    started = time.perf_counter()
    request = demo_pb2.HelloRequest(name="you")
    pending = [stub.SayHello.future(request, timeout=30) for _ in range(calls)]
    for call in pending:
        call.result()
    return f"{calls} at a time: {calls / (time.perf_counter() - started):.0f} calls/s"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    with grpc_mqtt.channel(sys.argv[1]) as channel:
        grpc.channel_ready_future(channel).result(timeout=10)
        stub = demo_pb2_grpc.DemoStub(channel)
        timed("unary", lambda: say_hello(stub, "world"))
        timed("unary, again", lambda: say_hello(stub, "world"))
        timed("client streaming", lambda: collect(stub))
        timed("server streaming", lambda: count(stub))
        timed("bidi streaming", lambda: chat(stub))
        timed("an error", lambda: refused(stub))
        timed("unary futures", lambda: many(stub))


if __name__ == "__main__":
    main()
