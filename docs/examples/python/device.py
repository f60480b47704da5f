"""A device of docs/guide/operations.md: an ordinary gRPC server, with health and reflection.

python device.py PORT NAME
"""

import signal
import sys
import time
from concurrent import futures
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "proto"))
demo_pb2, demo_pb2_grpc = grpc.protos_and_services("demo.proto")  # generates the code on the fly


class Demo(demo_pb2_grpc.DemoServicer):
    def __init__(self, name):
        self.name = name

    def SayHello(self, request, context):
        if not request.name:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "a name is needed")
        time.sleep(request.delay_ms / 1000)
        return demo_pb2.HelloReply(text=f"Hello, {request.name}, from {self.name}!")

    def Collect(self, request_iterator, context):
        values = [request.value for request in request_iterator]
        return demo_pb2.CollectReply(sum=sum(values), count=len(values))

    def Count(self, request, context):
        for value in range(getattr(request, "from"), request.to + 1):
            yield demo_pb2.CountReply(value=value)

    def Chat(self, request_iterator, context):
        yield from request_iterator


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    port, name = sys.argv[1:]
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    demo_pb2_grpc.add_DemoServicer_to_server(Demo(name), server)
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    reflection.enable_server_reflection(("demo.v1.Demo", health.SERVICE_NAME), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    print(f"ready: gRPC on 127.0.0.1:{port}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: server.stop(grace=1))
    server.wait_for_termination()


if __name__ == "__main__":
    main()
