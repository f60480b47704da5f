"""grpc-mqtt-proxy as a program: arguments, log, exit status, certificates, its end."""

import queue
import shutil
import signal
import socket
import subprocess

import grpc
import pytest
from session import eventually
from stack import PATIENCE, PROXY, Broker, Process, free_port

URL = "mqtt://127.0.0.1:1/fleet/device42"
R = "/test.relay.v1.Relay/"


def run(*arguments, status):
    """One that ends by itself: its output."""
    process = Process(PROXY, *arguments)
    try:
        assert process.wait() == status, process.lines
    finally:
        process.stop(signal.SIGKILL)
    return process.lines


def test_help_and_version():
    text = "\n".join(run("--help", status=0))
    for word in ("--listen", "--authority", "--allow", "--tls-cert", "grpc-mqtt-base", "Examples"):
        assert word in text
    (line,) = run("--version", status=0)
    assert line.split()[0] == "grpc-mqtt-proxy" and line.split()[1][0].isdigit()


LISTEN = ("--listen", "127.0.0.1:0")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "-L URL is missing"),
        (("-L", URL), "--listen HOST:PORT is missing"),
        (("-L", URL, "--listen", "50051"), "50051"),
        (("-L", URL, "--listen", "127.0.0.1:99999"), "99999"),
        (("-L", URL, *LISTEN, "--tls-key", "k.pem"), "no certificate"),
        (("-L", URL, *LISTEN, "--base", "other"), "--base says other"),
        (("-L", URL, *LISTEN, "--allow", "a/b+"), "a/b+"),
        (("-L", URL, *LISTEN, "--allow", "a/#/b"), "a/#/b"),
        (("-L", URL, *LISTEN, "--authority", "{device}.mqtt"), "PATTERN=BASE"),
        (("-L", URL, *LISTEN, "--authority", "{device}.mqtt=fleet/{other}"), "{other}"),
        (("-L", URL, *LISTEN, "--authority", "{device}x.mqtt=fleet/{device}"), "{device}x"),
        (("-L", URL, *LISTEN, "--authority", "{Device}.mqtt=fleet"), "{Device}"),
        (("-L", URL, *LISTEN, "--authority", "a.mqtt=fleet//x"), "fleet//x"),
        (("-L", URL, *LISTEN, "--max-calls", "0"), "--max-calls"),
        (("-L", URL, *LISTEN, "--max-bases", "many"), "many"),
        (("-L", URL, *LISTEN, "--base-idle", "-1"), "-1"),
        (("-L", URL, *LISTEN, "--option", "no_such=1"), "no_such"),
        (("-L", URL, *LISTEN, "--option", "watchdog_ms=1000"), "watchdog_ms"),
        (("-L", "nonsense://x/y", *LISTEN), "nonsense"),
        (("-L", "mqtt://127.0.0.1:99999/a", *LISTEN), "99999"),
        (("-L", "mqtt://127.0.0.1:1/a/%23", *LISTEN), "#"),
        (("-L", URL, *LISTEN, "stray"), "stray"),
    ],
)
def test_wrong_arguments_are_named(arguments, named):
    (line,) = run(*arguments, status=2)
    assert line.startswith("grpc-mqtt-proxy: ") and named in line


def test_files_that_are_not_there(tmp_path):
    missing = tmp_path / "missing.pem"
    (line,) = run("-L", URL, *LISTEN, "--descriptors", missing, status=1)
    assert str(missing) in line
    (line,) = run("-L", URL, *LISTEN, "--tls-cert", missing, status=1)
    assert str(missing) in line and "no such file" in line.lower()
    missing.write_text("not a certificate")
    (line,) = run("-L", URL, *LISTEN, "--tls-cert", missing, status=1)
    assert str(missing) in line and "PEM" in line


def test_port_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        (line,) = run("-L", URL, "--listen", address, status=1)
    assert address in line and "in use" in line and "choose another" in line


def test_unreachable_broker_is_said_and_tried_again(broker, start_proxy, base, tmp_path):
    port = free_port()
    url = f"mqtt://user:sesame@127.0.0.1:{port}"
    for path in ("", f"/{base}"):
        proxy = start_proxy(url + path, ready=False)
        for _ in range(2):
            line = proxy.expect("not connected")
            assert "refused" in line and str(port) in line
        assert "sesame" not in "\n".join(proxy.lines)
        assert proxy.stop() == 0


def test_wrong_password_is_said_and_tried_again(tmp_path, start_proxy):
    passwords, secret = tmp_path / "passwords", tmp_path / "secret"
    words = ["mosquitto_passwd", "-b", "-c", str(passwords), "proxy", "open sesame"]
    subprocess.run(words, check=True, capture_output=True)
    passwords.chmod(0o644)
    secret.write_text("wrong\n")
    broker = Broker(tmp_path, "allow_anonymous false", f"password_file {passwords}")
    try:
        credentials = ("--username", "proxy", "--password-file", secret)
        proxy = start_proxy(broker.url(""), *credentials, ready=False)
        assert "authori" in proxy.expect("not connected").lower()
        assert proxy.stop() == 0
        secret.write_text("open sesame\n")
        start_proxy(broker.url(""), *credentials)
    finally:
        broker.stop()


@pytest.mark.parametrize("dialect", ["auto", "link", "session"])
def test_trying_the_broker_needs_no_rights_and_no_server(tmp_path, start_proxy, dialect):
    rights = tmp_path / "rights"
    rights.write_text("topic read nothing\n")
    rights.chmod(0o644)
    broker = Broker(tmp_path, f"acl_file {rights}")
    try:
        assert "by the call" in start_proxy(broker.url("", dialect=dialect)).lines[-1]
    finally:
        broker.stop()


def test_calls_without_a_broker_fail_at_once(start_proxy, relay_protoset, base):
    url, listen = f"mqtt://127.0.0.1:{free_port()}/{base}", f"127.0.0.1:{free_port()}"
    proxy = start_proxy(url, "-d", relay_protoset, listen=listen, ready=False)
    proxy.expect("not connected")
    with grpc.insecure_channel(listen) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(R + "Echo")(b"", timeout=PATIENCE)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE


def test_unix_socket_and_several_addresses(broker, base, gateway, start_proxy, relay_protoset):
    path = f"/tmp/gmq-proxy-{free_port()}.sock"  # a short name: such paths have a limit
    proxy = start_proxy(broker.url(base), "-d", relay_protoset, "--listen", f"unix:{path}")
    for target in (proxy.target, f"unix:{path}"):
        with grpc.insecure_channel(target) as channel:
            assert channel.unary_unary(R + "Echo")(b"a", timeout=PATIENCE) == b"a"


# ---- certificates ----


def certificate(directory, name, issuer=None, subject="127.0.0.1"):
    """A key and a certificate, signed by `issuer` or by itself."""
    key, cert = directory / f"{name}.key", directory / f"{name}.crt"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    words += ["-nodes", "-days", "2", "-keyout", str(key), "-out", str(cert)]
    words += ["-subj", f"/CN={subject}"]
    if issuer:
        words += ["-CA", str(issuer[1]), "-CAkey", str(issuer[0])]
        words += ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:false"]
    subprocess.run(words, check=True, capture_output=True)
    return key, cert


def secure(target, authority, pair=None):
    """An answer over TLS, or what went wrong."""
    key, chain = (file.read_bytes() for file in pair) if pair else (None, None)
    credentials = grpc.ssl_channel_credentials(authority[1].read_bytes(), key, chain)
    with grpc.secure_channel(target, credentials) as channel:
        try:
            return channel.unary_unary(R + "Echo")(b"safe", timeout=PATIENCE)
        except grpc.RpcError as error:
            return error.code()


def test_tls_of_both_sides(broker, base, gateway, start_proxy, relay_protoset, tmp_path):
    authority = certificate(tmp_path, "authority", subject="authority")
    stranger = certificate(tmp_path, "stranger", subject="stranger")
    key, cert = certificate(tmp_path, "proxy", authority)
    ours = certificate(tmp_path, "client", authority, subject="client")
    words = ("-d", relay_protoset, "--tls-cert", cert, "--tls-key", key)
    proxy = start_proxy(broker.url(base), *words)
    assert secure(proxy.target, authority) == b"safe"
    assert secure(proxy.target, stranger) == grpc.StatusCode.UNAVAILABLE
    strict = start_proxy(broker.url(base), *words, "--tls-client-ca", authority[1])
    assert secure(strict.target, authority, ours) == b"safe"
    assert secure(strict.target, authority) == grpc.StatusCode.UNAVAILABLE
    assert secure(strict.target, authority, stranger) == grpc.StatusCode.UNAVAILABLE


def test_certificate_and_key_that_do_not_belong_together(tmp_path):
    key, _ = certificate(tmp_path, "one")
    _, cert = certificate(tmp_path, "two")
    words = ("-L", URL, *LISTEN, "--tls-cert", cert, "--tls-key", key)
    (line,) = run(*words, status=1)
    assert str(cert) in line and str(key) in line and "belong together" in line


def test_an_expired_certificate_is_told(broker, base, start_proxy, tmp_path):
    key, cert = certificate(tmp_path, "old", subject="old")
    wish = tmp_path / "old.csr"
    subprocess.run(
        ["openssl", "req", "-new", "-key", key, "-out", wish, "-subj", "/CN=old"], check=True
    )
    words = ["openssl", "x509", "-req", "-in", wish, "-signkey", key, "-days", "-1", "-out", cert]
    subprocess.run(words, check=True, capture_output=True)
    proxy = start_proxy(broker.url(base), "--tls-cert", cert, "--tls-key", key)
    (line,) = (line for line in proxy.lines if str(cert) in line)
    assert " warning " in line and "the certificate expired on " in line and "renew it" in line
    assert " GMT: " in line


def test_a_new_certificate_is_taken(broker, base, gateway, start_proxy, relay_protoset, tmp_path):
    authorities = [certificate(tmp_path, name, subject=name) for name in ("former", "latter")]
    files = [certificate(tmp_path, f"by{i}", issuer) for i, issuer in enumerate(authorities)]
    key, cert = tmp_path / "proxy.key", tmp_path / "proxy.crt"

    def install(pair):
        for source, target in zip(pair, (key, cert), strict=True):
            shutil.copy(source, f"{target}.new")
            target.with_name(f"{target.name}.new").rename(target)

    install(files[0])
    words = ("-d", relay_protoset, "--tls-cert", cert, "--tls-key", key)
    proxy = start_proxy(broker.url(base), *words)
    assert secure(proxy.target, authorities[0]) == b"safe"
    install(files[1])
    assert secure(proxy.target, authorities[1]) == b"safe"
    assert secure(proxy.target, authorities[0]) == grpc.StatusCode.UNAVAILABLE
    cert.write_text("nonsense")
    assert secure(proxy.target, authorities[1]) == b"safe", "the former one goes on"
    eventually(lambda: any("proxy.crt: not a PEM file" in line for line in proxy.lines))


# ---- its end ----


def test_sigterm_drains(broker, base, gateway, server, start_proxy, relay_protoset):
    proxy = start_proxy(broker.url(base), "-d", relay_protoset, "--grace", "20")
    with grpc.insecure_channel(proxy.target) as channel:
        held = Held()
        chat = channel.stream_stream(R + "Chat")(held, timeout=PATIENCE)
        held.say(b"a")
        assert next(chat) == b"a"
        proxy.send(signal.SIGTERM)
        proxy.expect("draining")
        held.say(b"b")
        assert next(chat) == b"b", "an open call goes on"
        held.say(None)
        assert list(chat) == [] and chat.code() == grpc.StatusCode.OK
    assert proxy.wait() == 0


class Held:
    """Requests that are said one by one; None ends them."""

    def __init__(self):
        self._said = queue.Queue()

    def say(self, request):
        self._said.put(request)

    def __iter__(self):
        return self

    def __next__(self):
        said = self._said.get(timeout=PATIENCE)
        if said is None:
            raise StopIteration
        return said


def test_calls_are_ended_when_the_grace_is_over(
    broker, base, gateway, server, start_proxy, relay_protoset
):
    proxy = start_proxy(broker.url(base), "-d", relay_protoset, "--grace", "0.1")
    with grpc.insecure_channel(proxy.target) as channel:
        call = channel.unary_unary(R + "Hang").future(b"")
        assert server.hanging.get(timeout=PATIENCE)
        proxy.send(signal.SIGINT)
        assert call.code() == grpc.StatusCode.UNAVAILABLE
    assert server.cancelled.get(timeout=PATIENCE)
    assert proxy.wait() == 0


def test_ready_file(broker, base, start_proxy, tmp_path):
    file = tmp_path / "ready"
    proxy = start_proxy(broker.url(base), "--ready-file", file, "--quiet", ready=False)
    eventually(file.exists)
    assert proxy.stop() == 0
    assert (file.read_text(), proxy.lines) == (f"{proxy.pid}\n", [])
