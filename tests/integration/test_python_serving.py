"""The example of a sync server, and the code of docs/guide/python.md on serving."""

import re
import subprocess
import sys
from concurrent import futures

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from stack import PATIENCE, ROOT, Process

import grpc_mqtt

EXAMPLES = ROOT / "docs" / "examples" / "python"


def test_example_program(broker, base):
    url = broker.url(base)
    server = Process(sys.executable, EXAMPLES / "serving.py", url)
    server.expect("ready")
    done = subprocess.run(
        [sys.executable, EXAMPLES / "client.py", url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Hello, world!" in done.stdout and "sum of 100 values: 5050" in done.stdout
    assert "INVALID_ARGUMENT: a name is needed" in done.stdout
    assert done.stderr == ""
    assert server.stop() == 0


@pytest.fixture(scope="module")
def guide(tmp_path_factory):
    """What the guide's code on serving defines."""
    from grpc_tools import protoc

    out = tmp_path_factory.mktemp("stubs")
    proto = ROOT / "docs" / "examples" / "proto"
    arguments = ["protoc", f"-I{proto}", f"--python_out={out}", f"--grpc_python_out={out}"]
    assert protoc.main([*arguments, "demo.proto"]) == 0
    sys.path.insert(0, str(out))
    import demo_pb2
    import demo_pb2_grpc

    sys.path.remove(str(out))
    names = {"grpc": grpc, "grpc_mqtt": grpc_mqtt, "futures": futures}
    names |= {"demo_pb2": demo_pb2, "demo_pb2_grpc": demo_pb2_grpc}
    names |= {"health": health, "health_pb2_grpc": health_pb2_grpc, "reflection": reflection}
    section = (ROOT / "docs/guide/python.md").read_text().split("\n## Serving\n")[1]
    for code in re.findall(r"```python\n(.*?)```", section.split("\n## ")[0], re.DOTALL):
        exec(code, names)
    return names


def stub_of(guide, channel):
    return guide["demo_pb2_grpc"].DemoStub(channel)


def test_guide(guide, broker, base):
    server = guide["serve"](broker.url(base))
    with grpc_mqtt.channel(broker.url(base)) as channel:
        stub = stub_of(guide, channel)
        request = guide["demo_pb2"].HelloRequest(name="you")
        assert stub.SayHello(request, timeout=PATIENCE).text == "Hello, you!"
        count = stub.Count(guide["demo_pb2"].CountRequest(to=3), timeout=PATIENCE)
        assert [reply.value for reply in count] == [0, 1, 2, 3]
        guide["add_services"](server)
        check = health_pb2_grpc.HealthStub(channel).Check
        answer = check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    server.stop(None)


def test_guide_interceptors(guide, broker, base):
    server = guide["serve"](broker.url(base), interceptors=[guide["TokenNeeded"]()])
    with grpc_mqtt.channel(broker.url(base)) as channel:
        stub = stub_of(guide, channel)
        request = guide["demo_pb2"].HelloRequest(name="you")
        token = (("token", "secret"),)
        assert stub.SayHello(request, timeout=PATIENCE, metadata=token).text == "Hello, you!"
        with pytest.raises(grpc.RpcError) as caught:
            stub.SayHello(request, timeout=PATIENCE)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    server.stop(None)
