"""The asyncio examples, and the code of docs/guide/python.md on asyncio as it stands there."""

import asyncio
import re
import subprocess
import sys

import grpc
import grpc.aio
import pytest
from stack import PATIENCE, ROOT, Process

import grpc_mqtt.aio

EXAMPLES = ROOT / "docs" / "examples" / "python"


def test_example_programs(broker, base):
    url = broker.url(base)
    server = Process(sys.executable, EXAMPLES / "aio_server.py", url)
    server.expect("ready")
    for client in ("aio_client.py", "client.py"):
        done = subprocess.run(
            [sys.executable, EXAMPLES / client, url],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Hello, world!" in done.stdout and "sum of 100 values: 5050" in done.stdout
        assert "1 2 3 4 5 6 7 8 9 10" in done.stdout and "one, two, three" in done.stdout
        assert "INVALID_ARGUMENT: a name is needed" in done.stdout
        assert done.stderr == ""
    assert server.stop() == 0


@pytest.fixture(scope="module")
def guide(tmp_path_factory):
    """What the guide's code on asyncio defines."""
    from grpc_tools import protoc

    out = tmp_path_factory.mktemp("stubs")
    proto = ROOT / "docs" / "examples" / "proto"
    arguments = ["protoc", f"-I{proto}", f"--python_out={out}", f"--grpc_python_out={out}"]
    assert protoc.main([*arguments, "demo.proto"]) == 0
    sys.path.insert(0, str(out))
    import demo_pb2
    import demo_pb2_grpc

    sys.path.remove(str(out))
    names = {"grpc": grpc, "grpc_mqtt": grpc_mqtt, "demo_pb2": demo_pb2}
    names["demo_pb2_grpc"] = demo_pb2_grpc
    section = (ROOT / "docs/guide/python.md").read_text().split("\n## asyncio\n")[1]
    for code in re.findall(r"```python\n(.*?)```", section.split("\n## ")[0], re.DOTALL):
        exec(code, names)
    return names


def test_guide(guide, broker, base, capsys):
    async def run():
        server = await guide["serve"](broker.url(base))
        await asyncio.wait_for(guide["main"](broker.url(base)), PATIENCE)
        await server.stop(None)

    asyncio.run(run())
    assert capsys.readouterr().out.split("\n") == ["Hello, world!", "0", "1", "2", "3", ""]


def test_guide_interceptors(guide, broker, base):
    async def run():
        server, channel = guide["checked"](broker.url(base))
        guide["demo_pb2_grpc"].add_DemoServicer_to_server(guide["Demo"](), server)
        await server.start()
        request = guide["demo_pb2"].HelloRequest(name="you")
        async with channel, grpc_mqtt.aio.channel(broker.url(base)) as plain:
            stub = guide["demo_pb2_grpc"].DemoStub(channel)
            assert (await stub.SayHello(request, timeout=PATIENCE)).text == "Hello, you!"
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await guide["demo_pb2_grpc"].DemoStub(plain).SayHello(request, timeout=PATIENCE)
            assert "no token" in caught.value.details()
        await server.stop(None)

    asyncio.run(run())
