"""Names of methods that are not /service/method: carried all the same, as gRPC does."""

from concurrent import futures

import grpc
import pytest

import grpc_mqtt
from grpc_mqtt import _paths

ODD = ["Method", "/Method", "/a/b/c", "a/b", "/with-dash/M", "/a/b+c", "/ü/#", "/a/\x01", "//", "%"]
ORDINARY = ["/test.Echo/Unary", "/a/b", "/test.Echo/with-dash", "/a b/c"]


@pytest.mark.parametrize("name", [*ODD, *ORDINARY, "/grpc_mqtt.path/x"])
def test_there_and_back(name):
    wire = _paths.to_wire(name)
    assert _paths.from_wire(wire) == name
    assert (wire == name) == (name in ORDINARY)
    assert _paths.to_wire(name.encode()) == wire


class Handler(grpc.GenericRpcHandler):
    """Answers with the name of the method called."""

    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: details.method.encode())


@pytest.mark.parametrize("kind", ["grpcio", "mqtt"])
def test_calls(kind):
    pool, handlers = futures.ThreadPoolExecutor(4), (Handler(),)
    if kind == "grpcio":
        server = grpc.server(pool, handlers)
        target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        channel = grpc.insecure_channel(target)
    else:
        url = "loopback://paths/fleet/device"
        server, channel = grpc_mqtt.server(url, pool, handlers), grpc_mqtt.channel(url)
    server.start()
    with channel:
        for name in ["Method", "/Method", "/a/b/c", "/with-dash/M", *ORDINARY]:
            assert channel.unary_unary(name)(b"", timeout=20) == name.encode()
    server.stop(None).wait()
