"""Fixtures of the tests of the Python binding."""

import sys
from pathlib import Path

import grpc
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from echo_servers import GrpcioServer, MqttServer


@pytest.fixture(scope="session", params=["grpcio", "mqtt"])
def echo(request):
    """A server of test.Echo, with grpcio's channel to it or with ours."""
    server = GrpcioServer() if request.param == "grpcio" else MqttServer()
    server.name = request.param
    yield server
    server.stop()


@pytest.fixture
def channel(echo):
    with echo.channel() as result:
        grpc.channel_ready_future(result).result(timeout=20)
        yield result


@pytest.fixture(scope="session")
def mqtt_server():
    server = MqttServer()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def demo_descriptors(tmp_path_factory):
    """The FileDescriptorSet of demo.proto."""
    from grpc_tools import protoc

    proto = Path(__file__).resolve().parents[2] / "docs" / "examples" / "proto"
    out = tmp_path_factory.mktemp("descriptors") / "demo.protoset"
    arguments = ["protoc", f"-I{proto}", "--include_imports", f"--descriptor_set_out={out}"]
    assert protoc.main([*arguments, "demo.proto"]) == 0
    return out.read_bytes()
