"""Serves demo.v1.Demo over MQTT with asyncio.

python aio_server.py mqtt://127.0.0.1:1883/fleet/device42
"""

import asyncio
import signal
import sys
from pathlib import Path

import grpc

import grpc_mqtt.aio

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "proto"))
demo_pb2, demo_pb2_grpc = grpc.protos_and_services("demo.proto")  # generates the code on the fly


class Demo(demo_pb2_grpc.DemoServicer):
    async def SayHello(self, request, context):
        if not request.name:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a name is needed")
        await asyncio.sleep(request.delay_ms / 1000)
        return demo_pb2.HelloReply(text=f"Hello, {request.name}!")

    async def Collect(self, requests, context):
        values = [request.value async for request in requests]
        return demo_pb2.CollectReply(sum=sum(values), count=len(values))

    async def Count(self, request, context):
        for value in range(getattr(request, "from"), request.to + 1):
            yield demo_pb2.CountReply(value=value)

    async def Chat(self, requests, context):
        async for request in requests:
            yield request


async def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    server = grpc_mqtt.aio.server(sys.argv[1])
    demo_pb2_grpc.add_DemoServicer_to_server(Demo(), server)
    await server.start()
    print("ready", flush=True)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()
    await server.stop(grace=1)


if __name__ == "__main__":
    asyncio.run(main())
