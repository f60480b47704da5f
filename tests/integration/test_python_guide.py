"""docs/guide/python.md: its code is run, section by section, as it stands there."""

import asyncio
import importlib
import re
import sys
from concurrent import futures

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_tools import protoc
from stack import PATIENCE, ROOT

import grpc_mqtt.aio

PAGE = (ROOT / "docs/guide/python.md").read_text()


def compiled(directory, folder, name):
    """The modules that protoc makes of a file: (name_pb2, name_pb2_grpc)."""
    includes = [f"-I{folder}", f"-I{grpc_mqtt.proto_path()}"]
    outs = [f"--python_out={directory}", f"--grpc_python_out={directory}"]
    options = [f"haskell/grpc/mqtt/{part}.proto" for part in ("option", "clevel")]
    for file in (f"{name}.proto", *options):
        assert protoc.main(["protoc", *includes, *outs, file]) == 0
    sys.path.insert(0, str(directory))
    try:
        return [importlib.import_module(name + end) for end in ("_pb2", "_pb2_grpc")]
    finally:
        sys.path.remove(str(directory))


@pytest.fixture(scope="module")
def guide(tmp_path_factory):
    """What the page's code defines, all of it in one module."""
    compiled(tmp_path_factory.mktemp("stubs"), ROOT / "docs/examples/proto", "demo")
    names = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(code, names)
    return names


@pytest.fixture
def server(guide, broker, base):
    server = guide["serve"](broker.url(base))
    yield server
    server.stop(None).wait()


@pytest.fixture
def channel(broker, base):
    with grpc_mqtt.channel(broker.url(base)) as channel:
        yield channel


@pytest.fixture
def stub(guide, server, channel):
    return guide["demo_pb2_grpc"].DemoStub(channel)


@pytest.fixture
def hello(guide):
    return guide["demo_pb2"].HelloRequest(name="you")


def test_one_line(guide, server, broker, base):
    assert guide["greet"](broker.url(base)) == "Hello, you!"


def test_kinds(guide, stub):
    texts = ["Hello, a!", "Hello, b!"]
    assert guide["kinds"](stub) == ("Hello, you!", grpc.StatusCode.OK, texts, 45, [0, 1, 2, 3])


def test_errors(guide, stub):
    assert guide["why_not"](stub) == (grpc.StatusCode.INVALID_ARGUMENT, "a name is needed")


def test_ready(guide, server, channel):
    guide["when_ready"](channel)


def test_client_interceptor(guide, server, broker, base, hello):
    channel, trace = guide["traced"](broker.url(base))
    stub = guide["demo_pb2_grpc"].DemoStub(channel)
    assert stub.SayHello(hello, timeout=PATIENCE).text == "Hello, you!"
    assert trace.codes == [grpc.StatusCode.OK]
    channel.close()


def test_server_interceptor(guide, broker, base, channel, hello):
    server = guide["serve"](broker.url(base), interceptors=[guide["TokenNeeded"]()])
    stub = guide["demo_pb2_grpc"].DemoStub(channel)
    token = (("token", "secret"),)
    assert stub.SayHello(hello, timeout=PATIENCE, metadata=token).text == "Hello, you!"
    with pytest.raises(grpc.RpcError) as caught:
        stub.SayHello(hello, timeout=PATIENCE)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    server.stop(None).wait()


def test_services(guide, server, channel):
    guide["add_services"](server)
    check = health_pb2_grpc.HealthStub(channel).Check
    answer = check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_gateway(guide, broker, base, channel, hello):
    server = grpc.server(futures.ThreadPoolExecutor(2))
    guide["demo_pb2_grpc"].add_DemoServicer_to_server(guide["Greeter"](), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with guide["forward"](broker.url(base), f"127.0.0.1:{port}"):
        stub = guide["demo_pb2_grpc"].DemoStub(channel)
        assert stub.SayHello(hello, timeout=PATIENCE).text == "Hello, you!"
    server.stop(None).wait()


def test_aio(guide, broker, base, capsys):
    async def run():
        server = await guide["serve_aio"](broker.url(base))
        await asyncio.wait_for(guide["main"](broker.url(base)), PATIENCE)
        await server.stop(None)

    asyncio.run(run())
    assert capsys.readouterr().out.split("\n") == ["Hello, world!", "0", "1", "2", "3", ""]


def test_aio_interceptors(guide, broker, base, hello):
    async def run():
        server, channel = guide["checked"](broker.url(base))
        guide["demo_pb2_grpc"].add_DemoServicer_to_server(guide["Demo"](), server)
        await server.start()
        async with channel, grpc_mqtt.aio.channel(broker.url(base)) as plain:
            stub = guide["demo_pb2_grpc"].DemoStub(channel)
            assert (await stub.SayHello(hello, timeout=PATIENCE)).text == "Hello, you!"
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await guide["demo_pb2_grpc"].DemoStub(plain).SayHello(hello, timeout=PATIENCE)
            assert "no token" in caught.value.details()
        await server.stop(None)

    asyncio.run(run())


def test_batching(guide, broker, base, tmp_path):
    (proto,) = re.findall(r"```proto\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "telemetry.proto").write_text(proto)
    telemetry_pb2, telemetry_pb2_grpc = compiled(tmp_path, tmp_path, "telemetry")

    class Telemetry(telemetry_pb2_grpc.TelemetryServicer):
        def Watch(self, request, context):
            yield from (telemetry_pb2.Sample(value=value) for value in range(100))

    server = grpc_mqtt.server(broker.url(base), futures.ThreadPoolExecutor(2))
    telemetry_pb2_grpc.add_TelemetryServicer_to_server(Telemetry(), server)
    server.start()
    with guide["watching"](broker.url(base), telemetry_pb2) as channel:
        watch = telemetry_pb2_grpc.TelemetryStub(channel).Watch
        samples = watch(telemetry_pb2.Query(), timeout=PATIENCE)
        assert [sample.value for sample in samples] == list(range(100))
    server.stop(None).wait()


def test_options(guide, server, broker, base, hello):
    with guide["tuned"](broker.url(base)) as channel:
        stub = guide["demo_pb2_grpc"].DemoStub(channel)
        assert stub.SayHello(hello, timeout=PATIENCE).text == "Hello, you!"
