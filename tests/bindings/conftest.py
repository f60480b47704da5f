"""Fixtures of the tests of the Python binding."""

import sys
from pathlib import Path

import grpc
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from echo_servers import GrpcioServer, MqttServer
from service_rig import GrpcioRig, Handlers, MqttRig, Served


@pytest.fixture(scope="session", params=["grpcio", "link", "session"])
def echo(request):
    """A server of test.Echo, with grpcio's channel to it or with ours, in both dialects."""
    server = GrpcioServer() if request.param == "grpcio" else MqttServer(dialect=request.param)
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


@pytest.fixture(scope="module", params=["grpcio", "loopback", "session", "mosquitto"])
def rig(request):
    """Makes servers with a channel to each; see service_rig.py."""
    if request.param == "grpcio":
        return GrpcioRig()
    if request.param in ("loopback", "session"):
        dialect = "link" if request.param == "loopback" else "session"
        return MqttRig(request.param, f"loopback://{dialect}-servers/fleet", dialect)
    return MqttRig("mosquitto", request.getfixturevalue("broker").url("servers"))


@pytest.fixture
def serve(rig):
    """serve(Unary=uu(...), ...): a started server with these handlers; small letters are arguments
    of grpc.server().
    """
    started = []

    def start(*, workers=8, begin=True, **table):
        arguments = {key: table.pop(key) for key in list(table) if key.islower()}
        served = Served(rig, Handlers(**table), workers, **arguments)
        started.append(served)
        served.name = rig.name
        return served.start() if begin else served

    yield start
    for served in started:
        served.close()


@pytest.fixture(scope="session")
def demo_code(tmp_path_factory):
    """The code generated of demo.proto, for the tests of the command."""
    import cli_support

    return cli_support.demo_code(tmp_path_factory.mktemp("demo_code"))


@pytest.fixture(scope="session")
def device(broker, demo_code):
    """A server of demo.v1.Demo with health and reflection: the arguments that lead to it."""
    import cli_support

    server = cli_support.demo_server(broker.url("cli/device"), demo_code)
    yield ("-h", "127.0.0.1", "-p", str(broker.port), "cli/device")
    server.stop(0).wait()
