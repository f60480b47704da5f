"""Names of methods that are not /service/method: carried all the same, as gRPC does."""

from concurrent import futures

import grpc
import pytest
from aio_support import aio, soon

import grpc_mqtt.aio
from grpc_mqtt import _paths

ODD = ["Method", "/Method", "/a/b/c", "a/b", "/with-dash/M", "/a/\x01", "//", "%"]
REFUSED = ["/a/b+c", "/ü/#", "/a\x00/b", "+", "#"]
ORDINARY = ["/test.Echo/Unary", "/a/b", "/test.Echo/with-dash", "/a b/c"]


@pytest.mark.parametrize("name", [*ODD, *ORDINARY, "/grpc_mqtt.path/x"])
def test_there_and_back(name):
    wire = _paths.to_wire(name)
    assert _paths.from_wire(wire) == name
    assert (wire == name) == (name in ORDINARY)
    assert _paths.to_wire(name.encode()) == wire


@pytest.mark.parametrize("name", REFUSED)
def test_refused_before_anything_is_sent(name):
    with grpc_mqtt.channel("loopback://paths/nobody/here") as channel:
        with pytest.raises(ValueError, match=r"\+|#|NUL"):
            channel.unary_unary(name)(b"", timeout=20)


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


@pytest.mark.parametrize("kind", ["grpcio", "mqtt"])
@aio
async def test_aio_calls(kind):
    pool = futures.ThreadPoolExecutor(4)
    if kind == "grpcio":
        server = grpc.aio.server(pool, (Handler(),))
        port = server.add_insecure_port("127.0.0.1:0")
        channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    else:
        url = "loopback://aio-paths/fleet/device"
        server, channel = grpc_mqtt.aio.server(url, pool, (Handler(),)), grpc_mqtt.aio.channel(url)
    await server.start()
    async with channel:
        for name in ["Method", "/Method", "/a/b/c", "/with-dash/M", *ORDINARY]:
            assert await soon(channel.unary_unary(name)(b"")) == name.encode()
    await server.stop(None)
