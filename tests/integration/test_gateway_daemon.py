"""Command line of grpc-mqtt-gateway: help, bad arguments, log, exit status."""

import signal

import pytest
from session import eventually
from stack import GATEWAY, Process, free_port

URL = "mqtt://127.0.0.1:1/fleet/device42"


def run(*arguments, status):
    """One that ends by itself: its output."""
    process = Process(GATEWAY, *arguments)
    try:
        assert process.wait() == status, process.lines
    finally:
        process.stop(signal.SIGKILL)
    return process.lines


def test_help():
    text = "\n".join(run("--help", status=0))
    for word in (
        "--descriptors",
        "--target",
        "--option",
        "--grace",
        "Example",
        "Exit status",
        "SIGTERM",
    ):
        assert word in text


def test_version():
    (line,) = run("--version", status=0)
    assert line.split()[0] == "grpc-mqtt-gateway" and line.split()[1][0].isdigit()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "-L URL is missing"),
        (["-L", URL], "--descriptors FILE --target HOST:PORT is missing"),
        (["-L", URL, "--target", "127.0.0.1:2"], "no --descriptors before --target 127.0.0.1:2"),
        (["-L", URL, "--passthrough"], "--passthrough needs a --target"),
        (["-L", URL, "--descriptors", "{set}"], "no --target after --descriptors {set}"),
        (["-L", URL, "--descriptors", "{set}", "--target", ""], "target"),
        (["-L"], "-L"),
        (["--nonsense"], "--nonsense"),
        (["-L", URL, "stray"], "stray"),
        (["-L", URL, "--option", "novalue"], "novalue"),
        (["-L", URL, "--grace", "soon"], "soon"),
        (["-L", URL, "--grace", "-1"], "-1"),
        (["-L", URL, "--grace", "nan"], "nan"),
        (["-L", "nonsense://x/y", "{pair}"], "nonsense"),
        (["-L", "mqtt://127.0.0.1:1", "{pair}"], "base"),
        (["-L", "mqtt://127.0.0.1:99999/a/b", "{pair}"], "99999"),
        (["-L", "mqtt://127.0.0.1:1/a/%23", "{pair}"], "#"),
        (["-L", "mqtt://127.0.0.1:1/a//b", "{pair}"], "a//b"),
        (["-L", URL, "{pair}", "--option", "no_such=1"], "no_such"),
        (["-L", URL, "{pair}", "--option", "msg_size_limit=15"], "15"),
        (["-L", URL, "{pair}", "--option", "initial_metadata_wait_ms=soon"], "soon"),
    ],
)
def test_wrong_arguments_are_named(relay_protoset, arguments, named):
    words = []
    for word in arguments:
        if word == "{pair}":
            words += ["--descriptors", relay_protoset, "--target", "127.0.0.1:2"]
        else:
            words.append(word.format(set=relay_protoset))
    (line,) = run(*words, status=2)
    assert line.startswith("grpc-mqtt-gateway: ") and named.format(set=relay_protoset) in line


def test_missing_descriptor_file(tmp_path):
    missing = tmp_path / "none.protoset"
    (line,) = run("-L", URL, "--descriptors", missing, "--target", "127.0.0.1:2", status=1)
    assert (
        line.startswith("grpc-mqtt-gateway: ")
        and str(missing) in line
        and "no such file" in line.lower()
    )


def test_descriptor_file_that_is_none(tmp_path):
    bad = tmp_path / "bad.protoset"
    bad.write_bytes(b"\xff\xff\xff")
    (line,) = run("-L", URL, "--descriptors", bad, "--target", "127.0.0.1:2", status=1)
    assert str(bad) in line


def test_missing_password_file(relay_protoset, tmp_path):
    pair = ("--descriptors", relay_protoset, "--target", "127.0.0.1:2")
    missing = tmp_path / "password"
    (line,) = run("-L", URL, *pair, "--username", "u", "--password-file", missing, status=1)
    assert str(missing) in line


def test_unreachable_broker_is_said_and_tried_again(relay_protoset, start_gateway):
    port = free_port()
    gateway = start_gateway(
        f"mqtt://user:sesame@127.0.0.1:{port}/fleet/device42",
        (relay_protoset, "127.0.0.1:2"),
        ready=False,
    )
    for _ in range(2):
        line = gateway.expect("not connected")
        assert "refused" in line and str(port) in line
    assert gateway.stop() == 0
    assert "sesame" not in "\n".join(gateway.lines)


def test_ready_line_and_file(broker, base, relay_protoset, start_gateway, tmp_path):
    file = tmp_path / "ready"
    gateway = start_gateway(
        broker.url(base),
        (relay_protoset, "127.0.0.1:2"),
        arguments=("--ready-file", file),
        ready=False,
    )
    line = gateway.expect("ready")
    assert f"ready: base {base}, 18 methods, targets 127.0.0.1:2" in line
    assert line[:4].isdigit(), "a time is in front"
    assert gateway.stop() == 0
    assert file.read_text() == f"{gateway.pid}\n"


def test_quiet_and_verbose(broker, base, relay_protoset, start_gateway, tmp_path):
    pair = (relay_protoset, "127.0.0.1:2")
    verbose = start_gateway(broker.url(base), pair, arguments=("--verbose",))
    assert verbose.stop() == 0
    file = tmp_path / "ready"
    quiet = start_gateway(
        broker.url(base), pair, arguments=("--quiet", "--ready-file", file), ready=False
    )
    eventually(file.exists)
    assert quiet.stop() == 0
    assert quiet.lines == []
    assert [line for line in verbose.lines if " debug " in line]
