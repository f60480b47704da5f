"""The typed examples, whose clients and servers protoc-gen-grpc-mqtt-c makes of demo.proto: against
each other, the plain C examples, Python, and a gRPC server behind the gateway."""

import subprocess
import sys

import grpc
import pytest
from stack import BUILD, PATIENCE, ROOT, Process, free_port

import grpc_mqtt

PYTHON = ROOT / "docs/examples/python"
ALL_KINDS = "\n".join(
    ["Hello, world!", "sum of 100 values: 5050", *map(str, range(1, 11)), "one", "two", "three", ""]
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The generated Python of demo.proto: messages and stub."""
    from grpc_tools import protoc

    out = tmp_path_factory.mktemp("stubs")
    proto = ROOT / "docs" / "examples" / "proto"
    arguments = ["protoc", f"-I{proto}", f"--python_out={out}", f"--grpc_python_out={out}"]
    assert protoc.main([*arguments, "demo.proto"]) == 0
    sys.path.insert(0, str(out))
    import demo_pb2
    import demo_pb2_grpc

    sys.path.remove(str(out))
    return demo_pb2, demo_pb2_grpc


def run(*command):
    """(exit status, stdout, stderr)."""
    words = [str(BUILD / "bin" / command[0]), *command[1:]]
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def url(broker, base):
    return broker.url(base)


@pytest.fixture
def start():
    """Starts a server that is stopped after the test, in order."""
    started = []

    def begin(*command):
        started.append(Process(*command))
        started[-1].expect("^ready")
        return started[-1]

    yield begin
    for process in reversed(started):
        assert process.stop() == 0, process.lines


@pytest.fixture
def typed_server(start, url):
    return start(BUILD / "bin/typed_server", url)


@pytest.mark.usefixtures("typed_server")
def test_each_kind(url):
    assert run("typed_client", url) == (0, ALL_KINDS, "")


@pytest.mark.usefixtures("typed_server")
def test_more_than_buffers_hold(url):
    assert run("typed_client", url, "client_streaming", "3000") == (
        0,
        "sum of 3000 values: 4501500\n",
        "",
    )
    status, text, errors = run("typed_client", url, "server_streaming", "1", "20000")
    assert (status, text.splitlines(), errors) == (0, [str(n) for n in range(1, 20001)], "")
    words = [f"{n} {'x' * 3000}" for n in range(30)]
    status, text, errors = run("typed_client", url, "bidi", *words)
    assert (status, text.splitlines(), errors) == (0, words, "")


@pytest.mark.usefixtures("typed_server")
def test_an_error(url):
    refused = (1, "", "INVALID_ARGUMENT: a name is needed\n")
    assert run("typed_client", url, "unary", "") == refused


def test_nobody_serves(url):
    status, text, errors = run("typed_client", url, "unary")
    assert (status, text) == (1, "")
    assert errors.startswith("UNAVAILABLE: ")


def test_unreachable_broker_is_named():
    status, _, errors = run("typed_client", "mqtt://127.0.0.1:1/base", "unary")
    assert status == 1
    assert "mqtt://127.0.0.1:1: connection refused" in errors.lower()


@pytest.mark.usefixtures("typed_server")
def test_plain_c_clients(url):
    assert run("unary", url, "you") == (0, "Hello, you!\n", "")
    assert run("client_streaming", url, "500") == (0, "sum of 500 values: 125250\n", "")
    assert run("server_streaming", url, "5", "7") == (0, "5\n6\n7\n", "")
    assert run("bidi", url, "a", "b", "c") == (0, "a\nb\nc\n", "")


def test_a_plain_c_server(start, url):
    start(BUILD / "bin/server", url)
    assert run("typed_client", url) == (0, ALL_KINDS, "")


def test_a_python_server(start, url):
    start(sys.executable, PYTHON / "serving.py", url)
    assert run("typed_client", url) == (0, ALL_KINDS, "")
    assert run("typed_client", url, "unary", "")[2] == "INVALID_ARGUMENT: a name is needed\n"


def test_a_grpc_server_behind_the_gateway(start, start_gateway, url, demo_protoset):
    port = free_port()
    start(sys.executable, PYTHON / "server.py", str(port))
    start_gateway(url, (demo_protoset, f"127.0.0.1:{port}"))
    assert run("typed_client", url) == (0, ALL_KINDS, "")
    assert run("typed_client", url, "unary", "")[2] == "INVALID_ARGUMENT: a name is needed\n"


def test_a_gateway_inside_a_program(start, url, demo_protoset):
    port = free_port()
    start(sys.executable, PYTHON / "server.py", str(port))
    start(BUILD / "bin/gateway", url, demo_protoset, f"127.0.0.1:{port}")
    assert run("typed_client", url) == (0, ALL_KINDS, "")


@pytest.mark.usefixtures("typed_server")
def test_a_python_client(url):
    done = subprocess.run(
        [sys.executable, PYTHON / "client.py", url],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for words in ["Hello, world!", "sum of 100 values: 5050", "one, two, three", "1 2 3 4 5 6"]:
        assert words in done.stdout


@pytest.mark.usefixtures("typed_server")
def test_answers_that_come_later(url, demo):
    """While one call waits for its answer the server serves others; and one that is cancelled
    meanwhile is forgotten."""
    demo_pb2, demo_pb2_grpc = demo
    with grpc_mqtt.channel(url) as channel:
        stub = demo_pb2_grpc.DemoStub(channel)
        slow = [
            stub.SayHello.future(demo_pb2.HelloRequest(name=f"{n}", delay_ms=200 + n), timeout=20)
            for n in range(20)
        ]
        never = stub.SayHello.future(demo_pb2.HelloRequest(name="never", delay_ms=600_000))
        assert stub.SayHello(demo_pb2.HelloRequest(name="quick"), timeout=20).text
        assert not never.done()
        assert [call.result().text for call in slow] == [f"Hello, {n}!" for n in range(20)]
        never.cancel()
        assert never.code() is grpc.StatusCode.CANCELLED
        with pytest.raises(grpc.RpcError) as late:
            stub.SayHello(demo_pb2.HelloRequest(name="late", delay_ms=600_000), timeout=0.2)
        assert late.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert stub.SayHello(demo_pb2.HelloRequest(name="again"), timeout=20).text


def test_it_ends_in_order_with_calls_open(url, demo):
    demo_pb2, demo_pb2_grpc = demo
    server = Process(BUILD / "bin/typed_server", url)
    server.expect("^ready")
    with grpc_mqtt.channel(url) as channel:
        stub = demo_pb2_grpc.DemoStub(channel)
        hanging = stub.SayHello.future(demo_pb2.HelloRequest(name="x", delay_ms=600_000))
        assert stub.SayHello(demo_pb2.HelloRequest(name="there"), timeout=20).text
        server.send(15)
        assert server.wait() == 0
        assert hanging.exception(PATIENCE).code() is not grpc.StatusCode.OK


def test_misuse_of_the_client_is_told(url):
    assert run("typed_client", url, "sideways")[0] == 2
    assert run("typed_client")[0] == 2
    assert run("typed_client", "mqtt://127.0.0.1:99999/base") == (
        1,
        "",
        'GMQ_E_URL: address, character 18: port "99999" is not from 1 to 65535\n',
    )
