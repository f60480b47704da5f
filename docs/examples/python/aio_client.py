"""Calls each kind of RPC of demo.v1.Demo over MQTT with asyncio, with the ordinary generated stub.

python aio_client.py mqtt://127.0.0.1:1883/fleet/device42
"""

import asyncio
import sys
from pathlib import Path

import grpc

import grpc_mqtt.aio

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "proto"))
demo_pb2, demo_pb2_grpc = grpc.protos_and_services("demo.proto")  # generates the code on the fly


async def say_hello(stub, name):
    reply = await stub.SayHello(demo_pb2.HelloRequest(name=name), timeout=10)
    return reply.text


async def collect(stub):
    async def requests():
        for value in range(1, 101):
            yield demo_pb2.CollectRequest(value=value)

    reply = await stub.Collect(requests(), timeout=10)
    return f"sum of {reply.count} values: {reply.sum}"


async def count(stub):
    request = demo_pb2.CountRequest(to=10, **{"from": 1})
    return " ".join([str(reply.value) async for reply in stub.Count(request, timeout=10)])


async def chat(stub):
    call = stub.Chat(timeout=10)
    said = []
    for word in ("one", "two", "three"):
        await call.write(demo_pb2.ChatMessage(text=word))
        said.append((await call.read()).text)
    await call.done_writing()
    assert await call.code() is grpc.StatusCode.OK
    return ", ".join(said)


async def refused(stub):
    try:
        return await say_hello(stub, "")
    except grpc.aio.AioRpcError as error:
        return f"{error.code().name}: {error.details()}"


async def many(stub):
    answers = await asyncio.gather(*(say_hello(stub, f"number {i}") for i in range(64)))
    return f"{len(answers)} at a time, the last: {answers[-1]}"


async def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    async with grpc_mqtt.aio.channel(sys.argv[1]) as channel:
        await asyncio.wait_for(channel.channel_ready(), 10)
        stub = demo_pb2_grpc.DemoStub(channel)
        print("unary           ", await say_hello(stub, "world"))
        print("client streaming", await collect(stub))
        print("server streaming", await count(stub))
        print("bidi streaming  ", await chat(stub))
        print("an error        ", await refused(stub))
        print("unary           ", await many(stub))


if __name__ == "__main__":
    asyncio.run(main())
