"""grpc-mqtt ls and ping; brokers that are not there, let nobody in, or forbid something."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import unicodedata
from concurrent import futures

import grpc
import pytest
from cli_support import Terminal, bad, demo_server, good, run
from stack import PATIENCE, Broker, Process, free_port

import grpc_mqtt
from grpc_mqtt import gmq
from grpc_mqtt.cli import _dynamic, _presence

Presence = _dynamic.messages("test.presence", {"Presence": _presence._FIELDS})["Presence"]


class Announcer:
    """Publishes presences as servers of the link dialect do."""

    def __init__(self, broker):
        self._queue = gmq.Queue()
        self._observer = gmq.Observer(broker.url("announcer"), None, self._queue, 1)

    def say(self, base, server, **fields):
        """Without fields: it is gone."""
        payload = Presence(server=server, **fields).SerializeToString() if fields else b""
        self._observer.publish(f"{base}/grpc/server/{server}", payload, None, 1, 1)
        while not any(event[0] == gmq.EVENT_PUBLISHED for event in self._queue.wait(20000, 1)):
            pass


@pytest.fixture
def announcer(broker):
    said = []
    announcer = Announcer(broker)
    plain = announcer.say

    def say(base, server, **fields):
        said.append((base, server))
        plain(base, server, **fields)

    announcer.say = say
    yield announcer
    for base, server in said:
        plain(base, server)


def at(broker):
    return ("-h", "127.0.0.1", "-p", str(broker.port))


LINK = {"instance": b"12345678", "dialects": ["link", "session"], "load": 3, "features": 1}


def test_ls(broker, announcer):
    now = int(time.time())
    announcer.say("here/a", "s1", services=["x.Y", "x.Z"], since_unix_s=now - 7200, **LINK)
    announcer.say("here/b/deep", "s2", services=["x.Y"], since_unix_s=now, **LINK)
    announcer.say("here/c", "s3", services=[], since_unix_s=now - 86400 * 3)
    lines = good("ls", *at(broker), "here/#").splitlines()
    assert lines[0].split() == "BASE SERVER INSTANCE UP LOAD DIALECTS SERVICES".split()
    assert lines[1].split() == "here/a s1 31323334 2h 3 link,session x.Y x.Z".split()
    assert lines[2].split()[:2] == ["here/b/deep", "s2"]
    assert lines[3].split() == ["here/c", "s3", "-", "3d", "draining", "-", "-"]
    assert len(good("ls", *at(broker), "here/+").splitlines()) == 3
    assert len(good("ls", "-L", f"mqtt://127.0.0.1:{broker.port}/here", "b/+").splitlines()) == 2
    shown = [json.loads(line) for line in good("ls", *at(broker), "here/a", "--json").splitlines()]
    assert [(each["base"], each["services"]) for each in shown] == [("here/a", ["x.Y", "x.Z"])]
    assert shown[0]["instance"] == "3132333435363738" and shown[0]["features"] == ["zstd"]
    everybody = good("ls", *at(broker))
    assert "here/a" in everybody and "here/b/deep" in everybody


def test_ls_of_a_server_of_ours(device):
    """Whoever serves announces himself, a server in Python with the services of its handlers."""
    shown = good("ls", *device)
    assert re.search(r"^cli/device +\S+ +\S+ +\d+[sm] +0 +link,session +demo.v1.Demo ", shown, re.M)
    assert shown.rstrip().endswith("grpc.health.v1.Health grpc.reflection.v1alpha.ServerReflection")


def test_ls_nobody_and_nonsense(broker, announcer):
    ended = run("ls", *at(broker), "void/+")
    assert ended.returncode == 0 and not ended.stdout and "nobody" in ended.stderr
    announcer.say("odd/a", "s1", services=["\x1b[31mred"], **LINK)
    assert "\x1b" not in good("ls", *at(broker), "odd/+"), "a stranger moves no cursor"


def test_ls_watch_draws(broker, announcer):
    announcer.say("watch/a", "s1", services=["x.Y"], **LINK)
    screen = Terminal("ls", *at(broker), "watch/+", "--watch")
    screen.until(r"1 server\(s\)(?s:.*)watch/a")
    announcer.say("watch/b", "s2", services=["x.Z"], **LINK)
    screen.until(r"2 server\(s\)(?s:.*)watch/b")
    announcer.say("watch/a", "s1")
    screen.until(r"2 server\(s\)(?s:.*)1 server\(s\)")
    assert "\x1b[1m" in screen.text, "heads are bold"
    screen.send(signal.SIGINT)
    assert screen.end() == 130


def test_ls_watch_fits_the_terminal(broker, announcer):
    """Lines that had to be wrapped, or were scrolled away, could not be drawn over."""
    for number in range(12):
        announcer.say(f"tall/\u8bbe{number}", "\u30c7\u30d0\u30a4\u30b9", services=["x.Y"], **LINK)
    screen = Terminal("ls", *at(broker), "tall/+", "--watch", COLUMNS="40", LINES="8")
    screen.until(r"12 server\(s\)(?s:.*)\u2026 8 more\r\n")
    screen.send(signal.SIGINT)
    assert screen.end() == 130
    drawn = screen.plain.split("\r")
    assert max(width(line.strip("\n")) for line in drawn) <= 40


def width(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def test_ls_aligns_wide_names(broker, announcer):
    announcer.say("wide/\u8bbe\u5907", "e\u0301", services=["x.Y"], **LINK)
    announcer.say("wide/a", "longer", services=["x.Y"], **LINK)
    heads, *rows = good("ls", *at(broker), "wide/+").splitlines()
    rows = [unicodedata.normalize("NFC", row) for row in rows]
    places = {width(row[: row.index("x.Y")]) for row in rows}
    assert places == {heads.index("SERVICES")}


def test_ls_watch_over_a_restart(tmp_path):
    """Nobody is shown of whom the broker no longer knows."""
    own = Broker(tmp_path)
    try:
        Announcer(own).say("watch/a", "s1", services=["x.Y"], **LINK)
        screen = Terminal("ls", *at(own), "watch/+", "--watch")
        screen.until(r" 1 server\(s\)")
        own.stop()
        screen.until(r" 0 server\(s\)  \S+  mqtt://")
        own.start()
        Announcer(own).say("watch/b", "s2", services=["x.Y"], **LINK)
        screen.until(r"watch/b")
        screen.send(signal.SIGINT)
        assert screen.end() == 130
    finally:
        own.stop()


def test_ls_watch_without_colour(broker, announcer):
    announcer.say("plain/a", "s1", services=["x.Y"], **LINK)
    screen = Terminal("ls", *at(broker), "plain/+", "--watch", NO_COLOR="1")
    screen.until("plain/a")
    assert "\x1b[1m" not in screen.text and "\x1b[2m" not in screen.text
    screen.send(signal.SIGINT)
    assert screen.end() == 130


def test_ping(device):
    text = good("ping", *device, "-c", "3", "--interval", "0.01")
    times = re.findall(r"^answer from cli/device: seq=(\d) time=[\d.]+ ms \(SERVING\)$", text, re.M)
    assert times == ["1", "2", "3"]
    assert "3 calls, 3 answered, 0% lost" in text
    assert re.search(r"rtt min/avg/max/mdev = ([\d.]+/){3}[\d.]+ ms", text)
    assert "--count 0: 1 or more" in bad(2, "ping", *device, "-c", "0")
    shown = json.loads(good("ping", *device, "-c", "1", "--json"))
    assert shown["answered"] == 1 and shown["min_ms"] > 0


def test_ping_until_interrupted(device):
    screen = Terminal("ping", *device, "--interval", "0.05")
    screen.until(r"seq=2 ")
    screen.send(signal.SIGINT)
    screen.until("answered, 0% lost")
    assert screen.end() == 0


def test_a_ping_that_is_interrupted_is_not_lost(broker):
    second, over = threading.Event(), threading.Event()
    answers = iter((b"\x08\x01",))

    def check(_request, _context):
        for answer in answers:
            return answer
        second.set()
        over.wait(PATIENCE)
        return b""

    handlers = {"Check": grpc.unary_unary_rpc_method_handler(check)}
    server = grpc_mqtt.server(broker.url("cli/hangs-later"), futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("grpc.health.v1.Health", handlers),)
    )
    server.start()
    try:
        screen = Terminal("ping", *at(broker), "-W", PATIENCE, "--interval", "0", "cli/hangs-later")
        assert second.wait(PATIENCE)
        screen.send(signal.SIGINT)
        screen.until("1 calls, 1 answered, 0% lost")
        assert screen.end() == 0
    finally:
        over.set()
        server.stop(None).wait()


# ---- What is in the way


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A broker with users of different rights."""
    directory = tmp_path_factory.mktemp("strict")
    passwords, acl = directory / "passwords", directory / "acl"
    for index, name in enumerate(("all", "mute", "deaf", "narrow")):
        create = ["-c"] if index == 0 else []
        words = ["mosquitto_passwd", "-b", *create, str(passwords), name, "secret"]
        subprocess.run(words, check=True, capture_output=True)
    acl.write_text(
        "user all\ntopic readwrite #\n"
        "user mute\ntopic read #\n"
        "user deaf\ntopic write #\n"
        "user narrow\ntopic write +/+/grpc/request/#\ntopic write +/+/grpc/session/+/control\n"
        "topic read +/+/grpc/server/+\n"
    )
    passwords.chmod(0o644)
    started = Broker(
        directory, "allow_anonymous false", f"password_file {passwords}", f"acl_file {acl}"
    )
    yield started
    started.stop()


@pytest.fixture(scope="module")
def guarded(strict, demo_code):
    """A server at the strict broker; (user) -> the arguments that lead to it."""
    url = f"mqtt://all:secret@127.0.0.1:{strict.port}/fleet/guarded"
    server = demo_server(url, demo_code)
    yield lambda user, base="fleet/guarded": (*at(strict), "-u", user, "-P", "secret", base)
    server.stop(0).wait()


def verdict(status, *words, timeout="30"):
    ended = run("ping", "--probe", "--json", *words, "-W", timeout)
    assert ended.returncode == status, ended.stderr + ended.stdout
    return json.loads(ended.stdout)["verdict"]


def test_probe_tells_apart(guarded):
    assert verdict(0, *guarded("all")) == "answered"
    assert verdict(1, "-h", "127.0.0.1", "-p", "1", "a/b") == "no broker"
    assert verdict(1, *guarded("nobody")) == "not authorised to connect"
    assert verdict(1, *guarded("mute")) == "not authorised to publish"
    assert verdict(1, *guarded("deaf"), timeout="2") == "not authorised to read the reply"
    unsaid = verdict(1, *guarded("narrow"), timeout="2")
    assert unsaid in ("no answer", "not authorised to read the reply")
    assert verdict(1, *guarded("all", "fleet/nobody")) == "nobody there"
    assert verdict(1, *guarded("all", "fleet/nobody"), "-V", "311", timeout="2") == "no answer"


def test_ping_says_what_the_probe_found(guarded):
    for user, what in (("mute", "not authorised to publish"), ("nobody", "check -u and -P")):
        ended = run("ping", *guarded(user), "-c", "1", "-W", "30")
        lines = ended.stderr.splitlines()
        assert ended.returncode == 1 and len(lines) == 1 and what in lines[0], ended.stderr


HANGING = """
import sys, threading
from grpc_mqtt import gmq
queue = gmq.Queue()
observer = gmq.Observer(sys.argv[1], None, queue, 1)
observer.subscribe("cli/hangs/grpc/request/#", 1)
while not any(event[0] == gmq.EVENT_SUBSCRIBED for event in queue.wait(20000, 1)): pass
print("there", flush=True)
threading.Event().wait()
"""


def test_probe_too_slow(broker):
    hanging = Process(sys.executable, "-c", HANGING, broker.url("a"))
    try:
        hanging.expect("there")
        assert verdict(1, *at(broker), "cli/hangs", timeout="2") == "too slow"
    finally:
        hanging.stop(signal.SIGKILL)


def test_ping_of_a_gateway_whose_server_is_dead(broker, start_gateway):
    dead = f"127.0.0.1:{free_port()}"
    start_gateway(broker.url("cli/behind"), arguments=("--target", dead, "--passthrough"))
    line = bad(1, "ping", *at(broker), "-c", "1", "cli/behind")
    assert "answers, but not the server behind it: the call ended UNAVAILABLE" in line


def test_broker_errors_say_what_to_do(guarded, strict):
    line = bad(78, "list", "-h", "127.0.0.1", "-p", "1", "a/b")
    assert "connection refused" in line and "is a broker running there?" in line
    line = bad(1, "ls", "-h", "127.0.0.1", "-p", "1")
    assert "connection refused" in line and "is a broker running there?" in line
    wrong = (*at(strict), "-u", "all", "-P", "wrong")
    assert "check -u and -P" in bad(80, "list", *wrong, "fleet/guarded")
    assert "check -u and -P" in bad(1, "ls", *wrong)
    assert "is the server up?" in bad(78, "list", *guarded("all", "fleet/nobody"))
    assert bad(71, "list", *guarded("mute")).count("PERMISSION_DENIED") == 1
    assert "no address of a broker" in bad(2, "ls", "-L", "http://x/")
    hidden = bad(2, "ls", "-L", "http://me:hush@x/")
    assert "hush" not in hidden


def test_password_of_file_and_environment(guarded, strict, tmp_path):
    where = (*at(strict), "-u", "all", "fleet/guarded")
    file = tmp_path / "password"
    file.write_text("secret\n")
    assert "demo.v1.Demo" in good("list", *where, "--password-file", file)
    assert "demo.v1.Demo" in good("list", *where, GRPC_MQTT_PASSWORD="secret")
    missing = bad(1, "list", *where, "--password-file", tmp_path / "missing")
    assert "No such file" in missing and "password_file" in missing


def _openssl(directory, *words):
    subprocess.run(["openssl", *map(str, words)], cwd=directory, check=True, capture_output=True)


CA = """[ca]
default_ca = own
[own]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
certificate = ca.pem
private_key = ca.key
[any]
commonName = supplied
"""


@pytest.fixture
def expired(tmp_path):
    """A broker whose certificate ended years ago."""
    new = ("req", "-newkey", "rsa:2048", "-nodes")
    _openssl(tmp_path, *new, "-x509", "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
    _openssl(tmp_path, *new, "-subj", "/CN=127.0.0.1", "-keyout", "key", "-out", "request")
    (tmp_path / "ca.cnf").write_text(CA)
    (tmp_path / "extensions").write_text("subjectAltName=IP:127.0.0.1\n")
    (tmp_path / "index").touch()
    (tmp_path / "serial").write_text("01\n")
    dates = ("-startdate", "20200101000000Z", "-enddate", "20200102000000Z")
    words = ("-config", "ca.cnf", "-extfile", "extensions", "-in", "request", "-out", "cert")
    _openssl(tmp_path, "ca", "-batch", *dates, *words)
    for name in ("key", "cert", "ca.pem"):
        os.chmod(tmp_path / name, 0o644)
    files = {"cafile": "ca.pem", "certfile": "cert", "keyfile": "key"}
    started = Broker(tmp_path, *(f"{key} {tmp_path / name}" for key, name in files.items()))
    yield started
    started.stop()


def test_expired_certificate(expired):
    trust = ("--cafile", expired.directory / "ca.pem")
    for status, words in ((78, ("list", *at(expired), "a/b")), (1, ("ls", *at(expired)))):
        line = bad(status, *words, *trust)
        assert "certificate has expired" in line and "renew it" in line
    assert "does this port want TLS?" in bad(1, "ls", *at(expired))
    assert run("ls", *at(expired), "--insecure").returncode == 0
