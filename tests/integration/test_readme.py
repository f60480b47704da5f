"""The examples of the README, as they stand there."""

import os
import re
import subprocess
import sys

import grpc
import pytest
from stack import BUILD, ROOT, Process, free_port

import grpc_mqtt

README_URL = "mqtt://127.0.0.1:1883/fleet/device42"


def example(language):
    (found,) = re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert README_URL in found
    return found


@pytest.fixture
def start():
    started = []

    def run(*command):
        started.append(Process(*command))
        return started[-1]

    yield run
    for process in started:
        process.stop()


@pytest.fixture
def run_python_example(tmp_path):
    """The example against another address; what it printed."""
    includes = ROOT / "docs/examples/proto"
    generate = [sys.executable, "-m", "grpc_tools.protoc", f"-I{includes}", "demo.proto"]
    subprocess.run(
        [*generate, f"--python_out={tmp_path}", f"--grpc_python_out={tmp_path}"], check=True
    )

    def run(url):
        program = tmp_path / "readme_example.py"
        program.write_text(example("python").replace(README_URL, url))
        done = subprocess.run(
            [sys.executable, program],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    return run


def test_python(broker, base, demo_protoset, start, start_gateway, run_python_example):
    port = free_port()
    start(sys.executable, ROOT / "docs/examples/python/server.py", port).expect("ready")
    start_gateway(broker.url(base), (demo_protoset, f"127.0.0.1:{port}"))
    assert run_python_example(broker.url(base)) == ["Hello,", "you!", "1", "2", "3"]


def test_c(broker, base, start, tmp_path):
    source, program = tmp_path / "readme.c", tmp_path / "readme"
    source.write_text(example("c"))
    strict = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", f"-I{ROOT / 'include'}"]
    library = [f"-L{BUILD / 'lib'}", f"-Wl,-rpath,{BUILD / 'lib'}", "-lgrpc_mqtt"]
    subprocess.run(["cc", *strict, source, *library, "-o", program], check=True)
    start(program, broker.url(base))

    with grpc_mqtt.channel(broker.url(base)) as channel:
        say_hello = channel.unary_unary("/demo.v1.Demo/SayHello")
        assert say_hello(b"\x0a\x03you", timeout=20, wait_for_ready=True) == b"\x0a\x03you"
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/demo.v1.Demo/Unknown")(b"", timeout=20)
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
