"""Faults between a real client, broker and gateway, by their numbers in docs/design/faults.md.

A call that fails ends once, with the status that the table says, and never with a part of the truth
and OK; and afterwards calls work again.
"""

import signal
import subprocess
import sys
import threading
import time

import grpc
import pytest
from servers import Server
from session import eventually
from stack import PATIENCE, Broker, Process, free_port

import grpc_mqtt
from grpc_mqtt import gmq

R = "/test.relay.v1.Relay/"
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
DENIED = grpc.StatusCode.PERMISSION_DENIED
LATE = grpc.StatusCode.DEADLINE_EXCEEDED


def echo(channel, message=b"a", timeout=PATIENCE, **kwargs):
    return channel.unary_unary(R + "Echo")(message, timeout=timeout, **kwargs)


def code_of(channel, message=b"a", timeout=PATIENCE, method="Echo"):
    return channel.unary_unary(R + method).future(message, timeout=timeout).code()


def collect(stream):
    """(messages that came, status)"""
    got = []
    try:
        got.extend(stream)
    except grpc.RpcError:
        pass
    return got, stream.code()


@pytest.fixture
def start_broker(tmp_path):
    started = []

    def start(*settings):
        directory = tmp_path / f"broker{len(started)}"
        directory.mkdir()
        directory.chmod(0o755)
        started.append(Broker(directory, *settings))
        return started[-1]

    yield start
    for broker in started:
        broker.stop()


@pytest.fixture
def channel_to(request):
    """channel(url) that is closed after the test, connected before it is returned.

    It speaks the session dialect, unless the test is for both; see test_link_faults.py."""
    started = []
    way = getattr(request, "param", "paho")
    options = {"dialect": "session", "transport": way}
    if way == "link":
        options = {"dialect": "link"}

    def start(url, ready=True):
        started.append(grpc_mqtt.channel(url, options))
        if ready:
            grpc.channel_ready_future(started[-1]).result(timeout=PATIENCE)
        return started[-1]

    yield start
    for channel in started:
        channel.close()


BY_BOTH = pytest.mark.parametrize("channel_to", ["paho", "mosquitto"], indirect=True)
"""The client's MQTT library; the gateway's is paho."""
EVERY_WAY = pytest.mark.parametrize("channel_to", ["paho", "mosquitto", "link"], indirect=True)
BOTH_DIALECTS = pytest.mark.parametrize("channel_to", ["paho", "link"], indirect=True)


def rewrite(broker, **settings):
    """Gives the settings other values, for when the broker is started again."""
    lines = broker.config.read_text().splitlines()
    lines = [line for line in lines if line.split()[0] not in settings]
    lines += [f"{key} {value}" for key, value in settings.items()]
    broker.config.write_text("\n".join(lines) + "\n")


# ---- 1, 2: the broker goes, and comes back


@BY_BOTH
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["1-killed", "2-restarted"])
def test_row_1_and_2_broker_goes_in_mid_stream(
    start_broker, channel_to, relay_protoset, start_gateway, server, how
):
    broker = start_broker()
    gateway = start_gateway(broker.url("b"), (relay_protoset, server.target))
    channel = channel_to(broker.url("b"))
    down = channel.unary_stream(R + "Repeat")(b"2000 100000")
    first = next(down)
    go_on = threading.Event()

    def requests():
        yield b"one"
        go_on.wait(PATIENCE)

    up = channel.stream_unary(R + "Join").future(requests())
    pending = channel.unary_unary(R + "Hang").future(b"")
    assert server.hanging.get(timeout=PATIENCE)
    broker.stop(how)
    got, status = collect(down)
    assert first == b"0" * 100000 and len(got) < 1999 and status is UNAVAILABLE
    assert pending.code() is UNAVAILABLE and up.code() is UNAVAILABLE
    go_on.set()
    assert server.cancelled.get(timeout=PATIENCE)
    gateway.expect("not connected")
    broker.start()
    gateway.expect("ready: ", patience=60)
    assert echo(channel, b"again", wait_for_ready=True) == b"again"


# ---- 5: half-open connections


@pytest.mark.parametrize(
    ("channel_to", "sending"),
    [("paho", False), ("paho", True), ("mosquitto", True)],
    ids=["idle", "send-buffer-full", "send-buffer-full-mosquitto"],
    indirect=["channel_to"],
)
def test_row_5_half_open_at_the_client(
    broker, wire, base, channel_to, relay_protoset, start_gateway, server, sending
):
    start_gateway(broker.url(base), (relay_protoset, server.target))
    channel = channel_to(wire.url(base, keep_alive_s=5, connect_timeout_ms=500))
    assert echo(channel) == b"a"
    pending = channel.unary_unary(R + "Hang").future(b"")
    assert server.hanging.get(timeout=PATIENCE)
    over = threading.Event()

    def requests():
        while not over.is_set():
            yield bytes(100_000)

    upload = channel.stream_unary(R + "Join").future(requests()) if sending else None
    frozen = time.monotonic()
    wire.freeze()
    assert pending.exception(timeout=PATIENCE).code() is UNAVAILABLE, "it has no deadline"
    if upload:
        assert upload.exception(timeout=PATIENCE).code() is UNAVAILABLE
    assert time.monotonic() - frozen < 1.5 * 5 + 2, "within 1.5 keep alives, and a machine's pauses"
    over.set()
    wire.thaw()
    assert echo(channel, b"again", wait_for_ready=True) == b"again"


def test_row_5_half_open_at_the_gateway(
    broker, wire, base, channel_to, relay_protoset, start_gateway, server
):
    url = wire.url(base, keep_alive_s=2, connect_timeout_ms=500)
    gateway = start_gateway(url, (relay_protoset, server.target))
    channel = channel_to(broker.url(base))
    pending = channel.unary_unary(R + "Hang").future(b"", timeout=PATIENCE)
    assert server.hanging.get(timeout=PATIENCE)
    wire.freeze()
    assert server.cancelled.get(timeout=PATIENCE), "noticed, and the call ended there"
    gateway.expect("not connected")
    pending.cancel()
    wire.thaw()
    gateway.expect("ready: ", patience=60)
    assert echo(channel, b"again") == b"again"


# ---- 6 to 9: an end goes

CLIENT = """
import sys, grpc_mqtt
channel = grpc_mqtt.channel(sys.argv[1])
calls = [channel.unary_unary("/test.relay.v1.Relay/Hang").future(b""),
         channel.unary_stream("/test.relay.v1.Relay/HangStream")(b""),
         channel.stream_stream("/test.relay.v1.Relay/HangChat")(iter(()))]
print("calling", flush=True)
calls[0].result()
"""


def test_row_6_client_killed(broker, base, relay_protoset, start_gateway, server):
    start_gateway(broker.url(base, watchdog_ms=3000), (relay_protoset, server.target))
    url = broker.url(base, heartbeat_ms=100, dialect="session")
    client = Process(sys.executable, "-c", CLIENT, url)
    try:
        for _ in range(3):
            assert server.hanging.get(timeout=PATIENCE)
        since = time.monotonic()
        # longer than the watchdog: a client that lives keeps its calls
        eventually(lambda: time.monotonic() > since + 4)
        assert server.cancelled.empty()
    finally:
        client.stop(signal.SIGKILL)
    for _ in range(3):
        assert server.cancelled.get(timeout=PATIENCE)


@pytest.mark.slow
def test_row_6_client_killed_at_the_default_watchdog(
    broker, base, relay_protoset, start_gateway, server
):
    start_gateway(broker.url(base), (relay_protoset, server.target))
    client = Process(sys.executable, "-c", CLIENT, broker.url(base, dialect="session"))
    try:
        for _ in range(3):
            assert server.hanging.get(timeout=PATIENCE)
    finally:
        client.stop(signal.SIGKILL)
    for _ in range(3):
        assert server.cancelled.get(timeout=30 + PATIENCE)


def test_row_7_gateway_killed(broker, base, channel_to, relay_protoset, server, start_gateway):
    pair = (relay_protoset, server.target)
    gateway = start_gateway(broker.url(base), pair)
    channel = channel_to(broker.url(base))
    pending = channel.unary_unary(R + "Hang").future(b"", timeout=6)
    stream = channel.unary_stream(R + "HangStream")(b"", timeout=6)
    assert next(stream) == b"first"
    assert server.hanging.get(timeout=PATIENCE)
    gateway.stop(signal.SIGKILL)
    assert server.cancelled.get(timeout=PATIENCE), "its connection to the server is closed"
    eventually(lambda: code_of(channel) is UNAVAILABLE)  # as soon as the broker knows
    assert pending.code() is LATE
    assert collect(stream) == ([], LATE)
    start_gateway(broker.url(base), pair)
    assert echo(channel, b"again") == b"again"


def test_row_7_gateway_killed_and_no_deadline(
    broker, base, channel_to, relay_protoset, server, start_gateway
):
    """The broker says of the next sign of life that nobody takes it."""
    gateway = start_gateway(broker.url(base), (relay_protoset, server.target))
    channel = channel_to(broker.url(base, heartbeat_ms=200))
    pending = channel.unary_unary(R + "Hang").future(b"")
    stream = channel.unary_stream(R + "HangStream")(b"")
    assert next(stream) == b"first"
    assert server.hanging.get(timeout=PATIENCE) and server.hanging.get(timeout=PATIENCE)
    gateway.stop(signal.SIGKILL)
    assert pending.exception(timeout=PATIENCE).code() is UNAVAILABLE
    assert collect(stream) == ([], UNAVAILABLE)


@BY_BOTH
def test_row_7_gateway_killed_and_back_and_no_deadline(
    broker, base, channel_to, relay_protoset, server, start_gateway
):
    """Somebody takes the next sign of life, but knows nothing of the call."""
    pair = (relay_protoset, server.target)
    gateway = start_gateway(broker.url(base), pair)
    channel = channel_to(broker.url(base, heartbeat_ms=5000))
    pending = channel.unary_unary(R + "Hang").future(b"")
    stream = channel.unary_stream(R + "HangStream")(b"")
    assert next(stream) == b"first"
    assert server.hanging.get(timeout=PATIENCE) and server.hanging.get(timeout=PATIENCE)
    gateway.stop(signal.SIGKILL)
    start_gateway(broker.url(base), pair)
    assert pending.exception(timeout=PATIENCE).code() is UNAVAILABLE
    assert collect(stream) == ([], UNAVAILABLE)
    assert echo(channel, b"again") == b"again"


@BOTH_DIALECTS
def test_row_8_gateway_drains(broker, base, channel_to, relay_protoset, server, start_gateway):
    gateway = start_gateway(broker.url(base), (relay_protoset, server.target))
    channel = channel_to(broker.url(base))
    go_on = threading.Event()

    def requests():
        yield b"before, "
        assert go_on.wait(PATIENCE)
        yield b"after"

    stream = channel.stream_stream(R + "Chat")(requests(), timeout=PATIENCE)
    assert next(stream) == b"before, "
    gateway.send(signal.SIGTERM)
    gateway.expect("draining")
    eventually(lambda: code_of(channel) is UNAVAILABLE)
    go_on.set()
    assert collect(stream) == ([b"after"], grpc.StatusCode.OK)
    assert gateway.wait() == 0


@BOTH_DIALECTS
def test_row_9_grpc_server_dies(broker, base, channel_to, relay_protoset, start_gateway):
    server = Server()
    start_gateway(broker.url(base), (relay_protoset, server.target))
    channel = channel_to(broker.url(base))
    stream = channel.unary_stream(R + "HangStream")(b"", timeout=PATIENCE)
    assert server.hanging.get(timeout=PATIENCE)
    server.stop()
    got, status = collect(stream)
    assert got == [b"first"] and status in (UNAVAILABLE, grpc.StatusCode.CANCELLED)
    eventually(lambda: code_of(channel) is UNAVAILABLE)
    again = Server(server.port)
    eventually(lambda: code_of(channel) is grpc.StatusCode.OK)
    again.stop()


# ---- 15, 17, 27: limits


@EVERY_WAY
@pytest.mark.parametrize("most", [1, 10, 20])
def test_row_15_receive_maximum_with_500_calls(
    start_broker, channel_to, relay_protoset, start_gateway, server, most
):
    broker = start_broker(f"max_inflight_messages {most}", "max_queued_messages 100000")
    gateway = start_gateway(broker.url("b", keep_alive_s=5), (relay_protoset, server.target))
    channel = channel_to(broker.url("b", keep_alive_s=5))
    unary = channel.unary_unary(R + "Echo")
    calls = [unary.future(b"%d" % i, timeout=60) for i in range(500)]
    assert [call.result() for call in calls] == [b"%d" % i for i in range(500)]
    assert never_disconnected(broker)
    assert not any("not connected" in line for line in gateway.lines)


def exact_sizes(channel, sizes):
    for size in sizes:
        assert len(echo(channel, bytes(size))) == size


def never_disconnected(broker):
    """No client went, or was sent away, while the test ran."""
    return not [line for line in broker.process.lines if "disconnect" in line.lower()]


@EVERY_WAY
def test_row_17_sizes_around_the_brokers_maximum_packet(
    start_broker, channel_to, relay_protoset, start_gateway, server
):
    """Announced in CONNACK: packets are cut so that they fit, to the byte."""
    broker = start_broker("max_packet_size 1000")
    start_gateway(broker.url("b"), (relay_protoset, server.target))
    channel = channel_to(broker.url("b"))
    exact_sizes(channel, [*range(750, 1002), *range(1650, 2002, 3)])
    stream = channel.stream_stream(R + "Chat")(map(bytes, range(780, 1002)), timeout=PATIENCE)
    assert [len(message) for message in stream] == list(range(780, 1002))
    assert never_disconnected(broker)


def test_row_17_sizes_around_a_limit_that_the_broker_does_not_tell(
    start_broker, channel_to, relay_protoset, start_gateway, server
):
    broker = start_broker("message_size_limit 1000")
    start_gateway(broker.url("b", msg_size_limit=1000), (relay_protoset, server.target))
    told = channel_to(broker.url("b", msg_size_limit=1000))
    exact_sizes(told, [*range(940, 1003), *range(1950, 1990)])
    untold = channel_to(broker.url("b"))
    assert echo(untold, bytes(900)) == bytes(900)
    assert code_of(untold, bytes(1001)) is EXHAUSTED, "at once, and of that call alone"
    assert echo(untold, bytes(900)) == bytes(900)
    assert never_disconnected(broker)


@BOTH_DIALECTS
def test_row_17_sizes_around_our_own_limits(
    broker, base, channel_to, relay_protoset, start_gateway, server
):
    start_gateway(broker.url(base, receive_limit=5000), (relay_protoset, server.target))
    channel = channel_to(broker.url(base, receive_limit=4000, metadata_limit=1000))
    exact_sizes(channel, [3999, 4000])
    assert code_of(channel, bytes(4001)) is EXHAUSTED  # its answer
    assert code_of(channel, bytes(5001)) is EXHAUSTED  # the request, at the gateway
    fits = 1000 - 32 - len("x-a")
    assert echo(channel, b"", metadata=(("x-a", "v" * (fits // 4)),)) == b""
    too_much = channel.unary_unary(R + "Echo")
    with pytest.raises(grpc.RpcError) as caught:
        too_much(b"", timeout=PATIENCE, metadata=(("x-a", "v" * (fits + 1)),))
    assert caught.value.code() is EXHAUSTED
    assert echo(channel) == b"a"


@BY_BOTH
def test_row_27_limits_shrink_on_reconnect(
    start_broker, channel_to, relay_protoset, start_gateway, server
):
    broker = start_broker("max_inflight_messages 20")
    gateway = start_gateway(broker.url("b"), (relay_protoset, server.target))
    channel = channel_to(broker.url("b"))
    exact_sizes(channel, [100_000])
    broker.stop(signal.SIGKILL)
    rewrite(broker, max_packet_size=500, max_inflight_messages=1)
    gateway.expect("not connected")
    broker.start()
    gateway.expect("ready: ", patience=60)
    assert echo(channel, b"again", wait_for_ready=True) == b"again"
    seen = len(broker.process.lines)
    exact_sizes(channel, [100, 400, 499, 500, 501, 20_000])
    calls = [channel.unary_unary(R + "Echo").future(bytes(i), timeout=60) for i in range(100)]
    assert [len(call.result()) for call in calls] == list(range(100))
    assert not [line for line in broker.process.lines[seen:] if "disconnect" in line.lower()]


# ---- 23, 24: rights, identity

ACL = """
user gateway
topic readwrite #
user client
topic readwrite #
user mute
topic read #
user silent
topic read b/grpc/request/+/+/+
topic read b/grpc/session/+/control
"""


@pytest.fixture
def guarded(start_broker, tmp_path):
    """A broker with users; url(user)."""
    passwords, rights = tmp_path / "passwords", tmp_path / "rights"
    for number, user in enumerate(("gateway", "client", "mute", "silent")):
        words = ["mosquitto_passwd", "-b", *(["-c"] if number == 0 else []), passwords, user, "pw"]
        subprocess.run(words, check=True, capture_output=True)
    rights.write_text(ACL)
    for file in (passwords, rights):
        file.chmod(0o644)
    for directory in (tmp_path, *list(tmp_path.parents)[:2]):
        directory.chmod(0o755)
    broker = start_broker(
        "allow_anonymous false", f"password_file {passwords}", f"acl_file {rights}"
    )
    return lambda user: broker.url("b").replace("://", f"://{user}:pw@")


@EVERY_WAY
def test_row_23_request_denied(guarded, channel_to, relay_protoset, start_gateway, server):
    start_gateway(guarded("gateway"), (relay_protoset, server.target))
    denied = channel_to(guarded("mute"))
    for method in ("Echo", "Hang"):
        assert code_of(denied, method=method, timeout=None) is DENIED, "at once: no deadline"
    stream = denied.stream_stream(R + "Chat")(iter([b"a"]))
    assert collect(stream) == ([], DENIED)
    assert echo(channel_to(guarded("client"))) == b"a"


@BY_BOTH
def test_row_23_reply_denied(guarded, channel_to):
    """The broker tells the server, and nobody tells the client: its deadline does."""
    queue, methods = gmq.Queue(), gmq.MethodMap()
    methods.add(R + "HangStream", gmq.RPC_SERVER_STREAMING)
    server = gmq.Server(guarded("silent"), None, methods, queue, 0)
    events = iter(lambda: queue.wait(PATIENCE * 1000, 1)[0], None)
    assert next(e for e in events if e[0] == gmq.EVENT_STATE and e[2] == gmq.STATE_READY)
    channel = channel_to(guarded("client"))
    stream = channel.unary_stream(R + "HangStream")(b"", timeout=3)
    call, _tag = next(e for e in events if e[0] == gmq.EVENT_CALL)[4]
    call.send_initial_metadata(())
    finished = next(e for e in events if e[0] == gmq.EVENT_FINISHED)
    assert finished[2] == DENIED.value[0]
    assert collect(stream) == ([], LATE)
    server.close(0)


@EVERY_WAY
def test_row_23_credentials_refused(guarded, channel_to):
    channel = channel_to(guarded("nobody"), ready=False)
    assert code_of(channel) is grpc.StatusCode.UNAUTHENTICATED


@EVERY_WAY
def test_row_24_two_clients_with_one_id(
    broker, base, channel_to, relay_protoset, start_gateway, server
):
    """They push each other out; the more often, the longer each waits before it comes back."""
    start_gateway(broker.url(base), (relay_protoset, server.target))
    url = broker.url(base, client_id="the-same")
    losses, seen = threading.Semaphore(0), []

    def watch(state):
        seen.append(state)
        if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
            losses.release()

    began = time.monotonic()
    first = channel_to(url)
    first.subscribe(watch, try_to_connect=True)
    second = channel_to(url, ready=False)
    second.subscribe(watch, try_to_connect=True)
    for _ in range(6):
        assert losses.acquire(timeout=PATIENCE)
    assert time.monotonic() - began > 1.5, "no storm"
    second.close()
    eventually(lambda: code_of(first) is grpc.StatusCode.OK, patience=60)


# ---- 28: TLS


def certificate(directory, name, issuer=None):
    key, cert = directory / f"{name}.key", directory / f"{name}.crt"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    words += ["-keyout", key, "-out", cert, "-subj", f"/CN={name}"]
    if issuer:
        words += ["-CA", issuer[1], "-CAkey", issuer[0]]
        words += ["-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:false"]
    subprocess.run(words, check=True, capture_output=True)
    for file in (key, cert):
        file.chmod(0o644)
    return key, cert


@EVERY_WAY
def test_row_28_authority_rotated(
    start_broker, tmp_path, channel_to, relay_protoset, start_gateway, server
):
    """The files are read anew for every connection: no restart on our side."""
    for directory in (tmp_path, *list(tmp_path.parents)[:2]):
        directory.chmod(0o755)
    trusted = tmp_path / "trusted.crt"
    old, new = (certificate(tmp_path, name) for name in ("old-authority", "new-authority"))
    (old_key, old_cert), (new_key, new_cert) = (
        certificate(tmp_path, name, by) for name, by in (("old", old), ("new", new))
    )
    trusted.write_bytes(old[1].read_bytes())
    broker = start_broker(f"certfile {old_cert}", f"keyfile {old_key}")
    url = broker.url("b", ca_file=trusted, reconnect_max_ms=500).replace("mqtt:", "mqtts:")
    gateway = start_gateway(url, (relay_protoset, server.target))
    channel = channel_to(url)
    assert echo(channel) == b"a"
    broker.stop()
    rewrite(broker, certfile=new_cert, keyfile=new_key)
    broker.start()
    assert "certificate" in gateway.expect("certificate", patience=60).lower()
    trusted.write_bytes(new[1].read_bytes())
    gateway.expect("ready: ", patience=60)
    assert echo(channel, b"again", wait_for_ready=True) == b"again"


@EVERY_WAY
def test_no_broker_at_all(channel_to):
    channel = channel_to(f"mqtt://127.0.0.1:{free_port()}/b", ready=False)
    assert code_of(channel) is UNAVAILABLE
