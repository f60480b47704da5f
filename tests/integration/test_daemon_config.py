"""Configuration files of the daemons, reload, systemd's protocol, logs as JSON."""

import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
from servers import Server
from stack import GATEWAY, PATIENCE, PROXY, ROOT, Gateway, Process, protoset

R = "/test.relay.v1.Relay/"
GOOD = """\
listen = "mqtt://127.0.0.1:1/fleet/device42"
grace = 1.5
verbose = true

[[target]]
address = "127.0.0.1:2"
descriptors = ["{set}"]

[option]
keep_alive_s = 20
"""


def run(program, *arguments, status):
    process = Process(program, *arguments)
    try:
        assert process.wait() == status, process.lines
    finally:
        process.stop(signal.SIGKILL)
    return process.lines


@pytest.fixture
def config(tmp_path, relay_protoset):
    def write(text):
        file = tmp_path / "daemon.toml"
        file.write_text(text.replace("{set}", str(relay_protoset)))
        return file

    return write


def test_good_file(config):
    file = config(GOOD)
    assert run(GATEWAY, "--config", file, "--check", status=0) == [f"{file} is right"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("grace", "grase", ":2:1: grase: unknown key; is grace meant?"),
        ("grace = 1.5", "grace = 'soon'", ":2:1: grace: --grace wants seconds"),
        ("verbose = true", "verbose = 1", ":3:1: verbose: true or false is meant"),
        ("verbose = true", "verbose =", ":3:10: "),
        ("[[target]]", "[\\", ":5:1: this is not TOML"),
        ("verbose = true", "verbose = t", ":3:12: "),
        ("verbose = true", "check = true", ":3:1: check: unknown key"),
        ('"mqtt', '"nonsense', "nonsense"),
        ("address", "adress", ":6:1: adress: unknown key; is address meant?"),
        ("[[target]]", "[[goal]]", ":6:1: address: it stands in a table"),
        ('["{set}"]', '["/none"]', ':7:1: descriptors: cannot open descriptor set "/none"'),
        ("keep_alive_s", "keep_alive", ":10:1: keep_alive: not an option"),
        ("= 20", "= 20\ngrace = 2", ":11:1: grace: it belongs above the first table"),
        ("[option]", "grace = 2\n[option]", ":9:1: grace: it belongs above the first table"),
        ("grace", "keep_alive_s", ":2:1: keep_alive_s: it is an option of the library"),
        ("= 20", "= true", 'option "keep_alive_s" is "true": not a number'),
        ("= 20", "= -20", "-20"),
        ("= 20", "= 1979-05-27", ":10:16: keep_alive_s: a text, a number"),
    ],
)
def test_wrong_file(config, old, new, said):
    file = config(GOOD.replace(old, new))
    process = Process(GATEWAY, "--config", file, "--check")
    assert process.wait() in (1, 2), process.lines
    (line,) = process.lines
    assert line.startswith("grpc-mqtt-gateway: ") and said in line
    if said.startswith(":"):
        assert f"{file}{said}" in line


def test_missing_files_of_tls(config):
    """At work they are waited for; a check says that they are not there."""
    text = GOOD.replace("mqtt://", "mqtts://").replace("grace = 1.5", 'cafile = "/none/ca.pem"')
    (line,) = run(GATEWAY, "--config", config(text), "--check", status=1)
    assert line == 'grpc-mqtt-gateway: option "ca_file": /none/ca.pem: No such file or directory'
    words = ("-L", "mqtts://h/b", "--listen", "127.0.0.1:0", "--cert", "/none.pem", "--check")
    (line,) = run(PROXY, *words, status=1)
    assert '"cert_file": /none.pem: ' in line


def test_missing_file(tmp_path):
    (line,) = run(GATEWAY, "--config", tmp_path / "none.toml", status=1)
    assert "none.toml: No such file" in line


def test_flags_win(config, broker, base, relay_protoset):
    file = config(GOOD)
    flags = ("-L", broker.url(base), "-d", relay_protoset, "-t", "127.0.0.1:3", "--grace", "9")
    gateway = Process(GATEWAY, "--config", file, *flags)
    line = gateway.expect("ready: ")
    assert f"base {base}, 18 methods, targets 127.0.0.1:3" in line
    assert gateway.stop() == 0
    assert any("may go on for 9.0 s" in line for line in gateway.lines)
    assert any(" debug " in line for line in gateway.lines), "verbose, of the file"


def test_proxy(config):
    text = 'broker = "mqtt://127.0.0.1:1"\nlisten = ["127.0.0.1:0", "[::1]:0"]\nallow = "a/+"\n'
    run(PROXY, "--config", config(text), "--check", status=0)
    (line,) = run(PROXY, "--config", config(text + "max-cals = 3"), "--check", status=2)
    assert ":4:1: max-cals: unknown key; is max-calls meant?" in line
    (line,) = run(PROXY, "--config", config(text + "tls-cert = '/no.pem'"), "--check", status=1)
    assert "/no.pem" in line


@pytest.mark.parametrize(("page", "program"), [("gateway", GATEWAY), ("proxy", PROXY)])
def test_file_of_the_guide(config, tmp_path, page, program):
    (text,) = re.findall(r"```toml\n(.*?)```", (ROOT / f"docs/guide/{page}.md").read_text(), re.S)
    text = re.sub(r"/etc/grpc-mqtt/[a-z]+\.protoset", "{set}", text)
    (tmp_path / "password").write_text("sesame\n")
    file = config(text.replace("/etc/grpc-mqtt", str(tmp_path)))
    run(program, "--config", file, "--check", status=0)


def test_what_init_writes_is_right(tmp_path, relay_protoset):
    where = tmp_path / "etc"
    subprocess.run(
        [
            Path(sys.executable).with_name("grpc-mqtt"),
            "init",
            where,
            "-L",
            "mqtt://broker/fleet/d42",
        ],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    shutil.copy(relay_protoset, where / "methods.protoset")
    run(GATEWAY, "--config", where / "gateway.toml", "--check", status=0)


# ---- Reload ----


def test_reload_in_the_middle_of_a_stream(
    config, broker, base, server, relay_protoset, start_proxy, tmp_path
):
    """The stream goes on, what is new is served, what is gone is not; a proxy reloads, too."""
    demo = protoset(tmp_path, ROOT / "docs/examples/proto/demo.proto")
    text = GOOD.replace("mqtt://127.0.0.1:1/fleet/device42", broker.url(base))
    text = text.replace("127.0.0.1:2", server.target)
    gateway = Process(GATEWAY, "--config", config(text))
    gateway.expect("ready: ")
    rules = tmp_path / "proxy.toml"
    rules.write_text(f'descriptors = ["{relay_protoset}", "{demo}"]\n')
    proxy = start_proxy(broker.url(base), "--config", rules)
    with grpc.insecure_channel(proxy.target) as channel:
        requests = queue.Queue()
        stream = channel.stream_stream(R + "Chat")(iter(requests.get, None), timeout=PATIENCE)
        requests.put(b"before")
        assert next(stream) == b"before"

        config(text.replace('["{set}"]', f'"{demo}"'))
        gateway.send(signal.SIGHUP)
        gateway.expect("configuration was read again")
        with pytest.raises(grpc.RpcError) as gone:
            channel.unary_unary(R + "Echo")(b"", timeout=PATIENCE)
        assert gone.value.code() == grpc.StatusCode.UNIMPLEMENTED
        requests.put(b"after")
        assert next(stream) == b"after"

        config(text)
        gateway.send(signal.SIGHUP)
        gateway.expect("configuration was read again")
        assert channel.unary_unary(R + "Echo")(b"back", timeout=PATIENCE) == b"back"

        rules.write_text(f'descriptors = "{relay_protoset}"\nmax-calls = 1\nlisten = "[::1]:0"')
        proxy.send(signal.SIGHUP)
        proxy.expect("configuration was read again")
        with pytest.raises(grpc.RpcError) as many:
            channel.unary_unary(R + "Echo")(b"", timeout=PATIENCE)
        assert many.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        requests.put(b"still")
        assert next(stream) == b"still"
        requests.put(None)
        assert list(stream) == [] and stream.code() == grpc.StatusCode.OK
    assert gateway.stop() == 0


def test_reload_of_another_target(
    config, broker, base, server, relay_protoset, start_proxy, tmp_path
):
    """A stream at a target that is gone from the file goes on; new calls go to the new one."""
    other = Server(name="two")
    try:
        text = GOOD.replace("mqtt://127.0.0.1:1/fleet/device42", broker.url(base))
        gateway = Process(GATEWAY, "--config", config(text.replace("127.0.0.1:2", server.target)))
        gateway.expect("ready: ")
        proxy = start_proxy(broker.url(base), "--descriptors", relay_protoset)
        with grpc.insecure_channel(proxy.target) as channel:
            name = channel.unary_unary("/test.relay.v1.Other/Name")
            requests = queue.Queue()
            sent = iter(requests.get, None)
            stream = channel.stream_stream(R + "Chat")(sent, timeout=PATIENCE)
            requests.put(b"before")
            assert next(stream) == b"before" and name(b"", timeout=PATIENCE) == b"one"
            config(text.replace("127.0.0.1:2", other.target))
            gateway.send(signal.SIGHUP)
            gateway.expect("configuration was read again")
            assert name(b"", timeout=PATIENCE) == b"two"
            requests.put(b"after")
            assert next(stream) == b"after"
            requests.put(None)
            assert list(stream) == [] and stream.code() == grpc.StatusCode.OK
        assert gateway.stop() == 0
    finally:
        other.stop()


def test_reload_before_ready_tells_systemd_nothing(config, notify):
    gateway = Process(GATEWAY, "--config", config(GOOD), env={"NOTIFY_SOCKET": notify.path})
    gateway.expect("not connected")
    gateway.send(signal.SIGHUP)
    gateway.expect("configuration was read again")
    assert gateway.stop() == 0
    came = []
    while True:
        lines = notify.socket.recv(4096).decode().split("\n")
        came += lines
        if "STOPPING=1" in lines:
            break
    assert "READY=1" not in came and "RELOADING=1" not in came


def test_without_a_file_a_closed_terminal_ends_it(broker, base, relay_protoset):
    gateway = Gateway(broker.url(base), (relay_protoset, "127.0.0.1:2"))
    assert gateway.stop(signal.SIGHUP) == -signal.SIGHUP


def test_reload_of_a_wrong_file(config, broker, base):
    text = GOOD.replace("mqtt://127.0.0.1:1/fleet/device42", broker.url(base))
    gateway = Process(GATEWAY, "--config", config(text))
    gateway.expect("ready: ")
    config(text.replace("grace = 1.5", "grase = 1"))
    gateway.send(signal.SIGHUP)
    assert ":2:1: grase: unknown key" in gateway.expect(" error ")
    gateway.expect("configuration stays as it was")
    config(text.replace("keep_alive_s = 20", "keep_alive_s = 21"))
    gateway.send(signal.SIGHUP)
    gateway.expect("option has changed, which needs a restart")
    gateway.expect("configuration was read again")
    assert gateway.stop() == 0


def test_trace_context(broker, base, gateway, relay_protoset, start_proxy):
    """W3C's traceparent and tracestate pass through proxy and gateway as they are."""
    proxy = start_proxy(broker.url(base), "--descriptors", relay_protoset)
    sent = (
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
    )
    with grpc.insecure_channel(proxy.target) as channel:
        came = channel.unary_unary(R + "Metadata")(
            b"traceparent,tracestate", metadata=sent, timeout=PATIENCE
        )
    assert came.decode().split("\n") == [f"{key}={value}" for key, value in sent]


# ---- systemd ----


@pytest.fixture
def notify(tmp_path):
    """The socket that systemd would have: next() is what came."""

    class Notify:
        path = str(tmp_path / "notify")

        def __init__(self):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self.socket.bind(self.path)
            self.socket.settimeout(PATIENCE)

        def next(self, line):
            while True:
                lines = self.socket.recv(4096).decode().split("\n")
                if line in lines:
                    return lines

    made = Notify()
    yield made
    made.socket.close()


def test_notify(config, broker, base, notify):
    file = config(GOOD.replace("mqtt://127.0.0.1:1/fleet/device42", broker.url(base)))
    env = {"NOTIFY_SOCKET": notify.path, "WATCHDOG_USEC": "200000"}
    gateway = Process(GATEWAY, "--config", file, env=env)
    assert "STATUS=taking calls" in notify.next("READY=1")
    notify.next("WATCHDOG=1")
    notify.next("WATCHDOG=1")
    gateway.send(signal.SIGHUP)
    assert any(line.startswith("MONOTONIC_USEC=") for line in notify.next("RELOADING=1"))
    notify.next("READY=1")
    gateway.send(signal.SIGTERM)
    notify.next("STOPPING=1")
    assert gateway.wait() == 0


def test_notify_abstract(config, broker, base):
    file = config(GOOD.replace("mqtt://127.0.0.1:1/fleet/device42", broker.url(base)))
    name = f"grpc-mqtt-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name)
        listener.settimeout(PATIENCE)
        gateway = Process(GATEWAY, "--config", file, env={"NOTIFY_SOCKET": "@" + name})
        assert b"READY=1" in listener.recv(4096)
        assert gateway.stop() == 0


@pytest.mark.parametrize("name", ["grpc-mqtt-gateway", "grpc-mqtt-proxy"])
def test_unit(name, tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    text = (GATEWAY.parent.parent / f"{name}.service").read_text()
    installed = next(line for line in text.splitlines() if line.startswith("ExecStart="))
    unit = tmp_path / f"{name}.service"
    program = installed.removeprefix("ExecStart=").split()[0]
    unit.write_text(text.replace(program, str(GATEWAY.parent / name)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True
    )
    ours = [line for line in done.stderr.splitlines() if name in line]
    assert done.returncode == 0 and not ours, done.stderr


# ---- JSON ----


def test_json(config, broker, base):
    file = config(GOOD.replace("mqtt://127.0.0.1:1/fleet/device42", broker.url(base)))
    gateway = Process(GATEWAY, "--config", file, "--log-format", "json")
    gateway.expect("ready: ")
    assert gateway.stop() == 0
    lines = [json.loads(line) for line in gateway.lines]
    assert all({"time", "level", "text"} <= line.keys() for line in lines)
    events = [line["event"] for line in lines if "event" in line]
    assert events == ["ready", "stopping", "stopped"]
    assert next(line for line in lines if line.get("event") == "ready")["base"] == base
    (line,) = run(GATEWAY, "--log-format", "xml", status=2)
    assert "text or json, not xml" in line


def test_json_of_odd_characters(config, broker, base):
    """A base topic may hold quotes, backslashes and any character of Unicode."""
    url = broker.url(base + "/%22%5C\u00fc\U0001f41d")
    file = config(GOOD.replace("mqtt://127.0.0.1:1/fleet/device42", url))
    gateway = Process(GATEWAY, "--config", file, "--log-format", "json")
    line = json.loads(gateway.expect("ready: "))
    assert line["base"].startswith(base) and line["text"].startswith("ready: ")
    assert gateway.stop() == 0
    assert all(json.loads(line) for line in gateway.lines)
