"""A server of demo.v1.Demo over MQTT: an ordinary servicer, and no gRPC port.

python serving.py [URL]
"""

import signal
import sys
import time
from concurrent import futures
from pathlib import Path

import grpc

import grpc_mqtt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "proto"))
demo_pb2, demo_pb2_grpc = grpc.protos_and_services("demo.proto")  # generates the code on the fly


class Demo(demo_pb2_grpc.DemoServicer):
    def SayHello(self, request, context):
        if not request.name:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a name is needed")
        time.sleep(request.delay_ms / 1000)
        return demo_pb2.HelloReply(text=f"Hello, {request.name}!")

    def Collect(self, request_iterator, context):
        values = [request.value for request in request_iterator]
        return demo_pb2.CollectReply(sum=sum(values), count=len(values))

    def Count(self, request, context):
        for value in range(getattr(request, "from"), request.to + 1):
            yield demo_pb2.CountReply(value=value)

    def Chat(self, request_iterator, context):
        yield from request_iterator


def main(url="mqtt://127.0.0.1:1883/fleet/device42"):
    server = grpc_mqtt.server(url, futures.ThreadPoolExecutor(max_workers=16))
    demo_pb2_grpc.add_DemoServicer_to_server(Demo(), server)
    server.start()
    print(f"ready: {url.partition('?')[0]}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: server.stop(grace=1))
    server.wait_for_termination()


if __name__ == "__main__":
    main(*sys.argv[1:])
