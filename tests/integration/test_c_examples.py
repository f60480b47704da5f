"""The C examples against each other over mosquitto: they are what users copy."""

import subprocess

import pytest
from stack import BUILD, PATIENCE, Process


def run(name, *arguments):
    """(exit status, stdout, stderr) of an example."""
    done = subprocess.run(
        [BUILD / "bin" / name, *arguments],
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
def server(url):
    started = Process(BUILD / "bin" / "server", url)
    started.expect("^ready")
    yield started
    if started.running:
        started.send(15)
        started.wait()


@pytest.mark.usefixtures("server")
def test_unary(url):
    assert run("unary", url, "you") == (0, "Hello, you!\n", "")


@pytest.mark.usefixtures("server")
def test_an_error(url):
    assert run("unary", url, "") == (1, "", "INVALID_ARGUMENT: a name is needed\n")


@pytest.mark.usefixtures("server")
def test_client_streaming(url):
    assert run("client_streaming", url, "500") == (0, "sum of 500 values: 125250\n", "")


@pytest.mark.usefixtures("server")
def test_server_streaming(url):
    numbers = "".join(f"{n}\n" for n in range(5, 405))
    assert run("server_streaming", url, "5", "404") == (0, numbers, "")


@pytest.mark.usefixtures("server")
def test_batched_streams_carry_more(url):
    status, text, errors = run("client_streaming", f"{url}?batched_stream=on", "50000")
    assert (status, text, errors) == (0, "sum of 50000 values: 1250025000\n", "")


@pytest.mark.usefixtures("server")
def test_bidi(url):
    assert run("bidi", url, "a", "b", "c") == (0, "a\nb\nc\n", "")


@pytest.mark.usefixtures("server")
def test_dynamic(url):
    protoset = str(BUILD / "fixtures" / "demo.protoset")
    assert run("dynamic", url, protoset, "demo.v1.Demo/SayHello", "name=you") == (
        0,
        "text: Hello, you!\n",
        "",
    )
    numbers = "".join(f"value: {n}\n" for n in range(5, 8))
    assert run("dynamic", url, protoset, "demo.v1.Demo/Count", "from=5", "to=7") == (0, numbers, "")
    status, _, errors = run("dynamic", url, protoset, "demo.v1.Demo/Count", "from=-1")
    assert (status, errors) == (
        1,
        "GMQ_E_INVALID: field demo.v1.CountRequest.from (uint32) cannot be set to -1, "
        "which is out of its range\n",
    )
    status, _, errors = run("dynamic", url, protoset, "demo.v1.Demo/Missing")
    assert (status, errors) == (2, "no method with one request: demo.v1.Demo/Missing\n")


def test_one_process_and_thread(url):
    status, text, errors = run("embedded", f"{url}?drive=caller")
    assert (status, errors) == (0, "")
    assert [line.split()[0] for line in text.splitlines()][-1] == "/demo.v1.Demo/Chat"
    assert text.count("[OK") == 4


def test_server_ends_in_order(server):
    server.send(15)
    assert server.wait() == 0


def test_nobody_serves(url):
    status, text, errors = run("unary", url)
    assert (status, text) == (1, "")
    assert errors.startswith("UNAVAILABLE: ")


def test_unreachable_broker_is_named():
    status, _, errors = run("unary", "mqtt://127.0.0.1:1/base")
    assert status == 1
    assert "mqtt://127.0.0.1:1: connection refused" in errors.lower()


def test_bad_address_says_where():
    status, _, errors = run("unary", "mqtt://127.0.0.1:99999/base")
    assert status == 1
    assert errors == 'GMQ_E_URL: address, character 18: port "99999" is not from 1 to 65535\n'
