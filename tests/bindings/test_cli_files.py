"""grpc-mqtt init, completion, gateway, proxy."""

import os
import shutil
import signal
import socket
import stat
import subprocess
from concurrent import futures

import grpc
import pytest
from cli_support import COMMAND, bad, environment, good
from stack import Broker, Process

try:
    import tomllib
except ImportError:
    tomllib = None


# ---- init


def test_init_writes_what_a_gateway_needs(tmp_path):
    where = tmp_path / "made"
    words = ("--url", "mqtts://b.example/fleet/d7", "--target", "unix:/run/x", "-u", "d7")
    written = good("init", where, *words).split()
    names = ["gateway.toml", "grpc-mqtt-gateway.service", "acl.conf", "password"]
    assert written == [str(where / name) for name in names] and (where / "tls").is_dir()
    assert stat.S_IMODE(os.stat(where / "password").st_mode) == 0o600
    unit = (where / "grpc-mqtt-gateway.service").read_text()
    assert f"--config {where}/gateway.toml" in unit and "Restart=on-failure" in unit
    if tomllib:
        content = tomllib.loads((where / "gateway.toml").read_text())
        assert content["listen"] == "mqtts://b.example/fleet/d7"
        assert content["cafile"] == f"{where}/tls/ca.pem"
        assert content["target"][0]["address"] == "unix:/run/x"
    assert "--force" in bad(1, "init", where)
    assert good("init", where, "--force", *words)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--url", "mqtt://host"), "mqtts://host/base/topic"),
        (("--url", "mqtt://me:pw@host/base"), "--username"),
        (("--username", 'a"b'), "cannot stand there"),
        (("--program", "/opt/50%/gateway"), "'/opt/50%/gateway': a path in a unit"),
    ],
)
def test_init_bad_input(tmp_path, words, says):
    assert says in bad(2, "init", tmp_path / "x", *words)
    assert not (tmp_path / "x").exists()


def test_init_acl_is_what_calls_need(tmp_path, demo_code):
    """mosquitto takes the file, and a call passes between its two users, and no further."""
    from cli_support import demo_server

    where = tmp_path / "made"
    good("init", where, "-L", "mqtt://127.0.0.1/fleet/d7", "-u", "device", "--client", "caller")
    passwords = tmp_path / "passwords"
    for create, name in ((["-c"], "device"), ([], "caller")):
        words = ["mosquitto_passwd", "-b", *create, str(passwords), name, "pw"]
        subprocess.run(words, check=True, capture_output=True)
    for file in (passwords, where / "acl.conf"):
        file.chmod(0o644)
    broker = Broker(
        tmp_path,
        "allow_anonymous false",
        f"password_file {passwords}",
        f"acl_file {where / 'acl.conf'}",
    )
    try:
        server = demo_server(f"mqtt://device:pw@127.0.0.1:{broker.port}/fleet/d7", demo_code)
        at = ("-h", "127.0.0.1", "-p", str(broker.port), "-P", "pw")
        for dialect in ("session", "link"):
            words = ("-u", "caller", "fleet/d7", "-o", f"dialect={dialect}")
            assert "demo.v1.Demo" in good("list", *at, *words)
        denied = bad(71, "list", *at, "-u", "caller", "fleet/d8", "--max-time", "5")
        assert "PERMISSION_DENIED" in denied
        server.stop(0).wait()
    finally:
        broker.stop()


# ---- completion


def completed(script, *words):
    """What bash offers for the last word."""
    line = " ".join(f"'{word}'" for word in words)
    code = (
        f"source {script}; COMP_WORDS=(grpc-mqtt {line}); COMP_CWORD={len(words)}; "
        '_shtab_grpc_mqtt; printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    assert not done.stderr
    return done.stdout.split()


def test_completion_bash(tmp_path):
    script = tmp_path / "completion.bash"
    script.write_text(good("completion", "bash"))
    assert completed(script, "ca") == ["call"]
    assert completed(script, "ping", "--pro") == ["--probe", "--protocol-version"]
    assert completed(script, "completion", "") == ["bash", "zsh"]


def test_completion_zsh(tmp_path):
    script = good("completion", "zsh")
    assert script.startswith("#compdef grpc-mqtt")
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    (tmp_path / "_grpc-mqtt").write_text(script)
    done = subprocess.run(
        ["zsh", "-n", str(tmp_path / "_grpc-mqtt")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and not done.stderr


# ---- gateway, proxy


@pytest.fixture
def grpc_server(demo_code):
    """An ordinary server with reflection; its address."""
    from grpc_reflection.v1alpha import reflection

    class Servicer(demo_code.grpc.DemoServicer):
        def SayHello(self, request, context):
            return demo_code.pb2.HelloReply(text=f"Hello, {request.name}!")

    server = grpc.server(futures.ThreadPoolExecutor(4))
    demo_code.grpc.add_DemoServicer_to_server(Servicer(), server)
    reflection.enable_server_reflection(("demo.v1.Demo", reflection.SERVICE_NAME), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(0).wait()


def test_gateway(broker, base, grpc_server):
    at = ("-h", "127.0.0.1", "-p", str(broker.port), base)
    gateway = Process(COMMAND, "gateway", *at, "-t", grpc_server, env=environment())
    try:
        assert base in gateway.expect("^ready: ")
        words = ("demo.v1.Demo/SayHello", "-d", '{"name": "you"}')
        assert "Hello, you!" in good("call", *at, *words)
    finally:
        assert gateway.stop(signal.SIGTERM) == 0, gateway.lines
    assert "Traceback" not in "\n".join(gateway.lines)


def test_gateway_bad_input(broker, base):
    at = ("-h", "127.0.0.1", "-p", str(broker.port), base)
    assert "--target HOST:PORT is missing" in bad(2, "gateway", *at)
    line = bad(1, "gateway", *at, "-t", "127.0.0.1:1")
    assert "reflection of 127.0.0.1:1" in line and "is the gRPC server running there?" in line


@pytest.mark.parametrize("words", [("gateway", "a/b", "-t", "127.0.0.1:1"), ("proxy",)])
def test_daemons_say_why_they_wait(tmp_path, demo_protoset, words):
    """For a broker that is not there yet."""
    broker = Broker(tmp_path)
    broker.stop()
    where = ("-h", "127.0.0.1", "-p", str(broker.port), "--protoset", demo_protoset)
    listen = () if words[0] == "gateway" else ("--listen", "127.0.0.1:0")
    daemon = Process(COMMAND, *words, *where, *listen, env=environment())
    try:
        line = daemon.expect("not connected: ")
        assert " WARNING " in line and "connection refused: is a broker running there?" in line
        broker.start()
        daemon.expect(" INFO connected$")
    finally:
        assert daemon.stop(signal.SIGTERM) == 0, daemon.lines
        broker.stop()


def test_proxy(device, demo_code):
    words = (*device[:-1], "--base", device[-1], "--listen", "127.0.0.1:0")
    proxy = Process(COMMAND, "proxy", *words, env=environment())
    try:
        port = proxy.expect("^ready: ").rpartition(":")[2]
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = demo_code.grpc.DemoStub(channel)
            assert stub.SayHello(demo_code.pb2.HelloRequest(name="a"), timeout=20).text
    finally:
        assert proxy.stop(signal.SIGTERM) == 0, proxy.lines


def test_proxy_bad_input(device):
    at = (*device[:-1], "--base", device[-1])
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        line = bad(1, "proxy", *at, "--listen", f"127.0.0.1:{port}")
    assert f"127.0.0.1:{port}" in line and "in use" in line
    assert "PATTERN=BASE is meant" in bad(2, "proxy", *at, "--authority", "x")
