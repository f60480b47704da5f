"""MQTT 3.1.1: calls work as with MQTT 5, on either side or both, over mosquitto, a mosquitto
that refuses all other versions, and RabbitMQ.

There are no user properties, so nothing carries a sequence number, and no reason codes: a call that
nobody serves ends with its deadline.
"""

import queue
import re
import sys

import grpc
import paho.mqtt.client as mqtt
import pytest
from rabbitmq import RabbitMq, what_is_missing
from session import SessionClient, chunk
from stack import PATIENCE, ROOT, Broker, Gateway, protoset

sys.path.insert(0, str(ROOT / "tests" / "bindings"))

from echo_servers import (
    BIDI,
    CLIENT_STREAM,
    HANG,
    SERVER_STREAM,
    UNARY,
    GrpcioServer,
    MqttServer,
    pieces,
)

import grpc_mqtt

BIG = bytes(range(256)) * 1200  # more than two packets of the default size
Z = {"server_clevel": 3, "client_clevel": 3}

# (how the broker is called, version of the client, version of the server), or of either end's MQTT
# library, too
WAYS = [
    ("mosquitto", "4", "4"),
    ("mosquitto", "4&transport=mosquitto", "4&transport=mosquitto"),
    ("mosquitto", "4", "5"),
    ("mosquitto", "5", "4"),
    ("limited", "4", "3.1.1"),
    pytest.param(("rabbitmq", "3.1.1", "4"), marks=pytest.mark.slow),
]


@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory):
    missing = what_is_missing()
    if missing:
        pytest.skip(missing)
    started = RabbitMq(tmp_path_factory.mktemp("rabbitmq"))
    yield started
    started.stop()


@pytest.fixture(scope="session")
def limited(tmp_path_factory, broker_rules):
    """mosquitto that lets in clients of MQTT 3.1.1 only."""
    started = Broker(tmp_path_factory.mktemp("limited"), *broker_rules, "plugin_opt_only_version 4")
    yield started
    started.stop()


class Service:
    """test.Echo at one end; `url(version)` for the other."""

    def __init__(self, broker, base, version, behind, directory):
        self._broker, self._base, self._gateway = broker, base, None
        url = broker.url(base, mqtt_version=version)
        if behind == "server":
            self.echo = MqttServer(url)
        else:
            self.echo = GrpcioServer()
            file = protoset(directory, ROOT / "tests" / "bindings" / "echo.proto")
            self._gateway = Gateway(url, (file, self.echo.target))

    def channel(self, version, **options):
        return grpc_mqtt.channel(self._broker.url(self._base, mqtt_version=version, **options))

    def stop(self):
        if self._gateway:
            assert self._gateway.stop() == 0
        self.echo.stop()


@pytest.fixture(scope="module", params=["server", "gateway"])
def behind(request):
    return request.param


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: "-".join(way))
def way(request, behind, tmp_path_factory):
    name, client, server = request.param
    started = request.getfixturevalue("broker" if name == "mosquitto" else name)
    base = "mqtt311/" + re.sub(r"\W+", "-", f"{behind}-{name}-{client}-{server}")
    service = Service(started, base, server, behind, tmp_path_factory.mktemp("echo"))
    service.version = client
    yield service
    service.stop()


@pytest.fixture(params=[{}, Z, {"batched_stream": "on", **Z}], ids=["plain", "zstd", "batched"])
def channel(way, request):
    with way.channel(way.version, **request.param) as result:
        grpc.channel_ready_future(result).result(timeout=PATIENCE)
        yield result


def test_the_limited_broker_refuses_mqtt_5(limited, base):
    with grpc_mqtt.channel(limited.url(base)) as channel:
        call = channel.unary_unary(UNARY).future(b"", timeout=PATIENCE)
        assert call.code() is grpc.StatusCode.UNAUTHENTICATED
        assert "mqtt://127.0.0.1" in call.details()


def test_unary(channel):
    sent = (("x-initial", "1"), ("x-trailing-bin", b"\x00\xff"))
    unary = channel.unary_unary(UNARY)
    for message in (b"", b"hello", BIG):
        got, call = unary.with_call(message, timeout=PATIENCE, metadata=sent)
        assert got == message
        assert ("x-initial", "1") in call.initial_metadata()
        assert ("x-trailing-bin", b"\x00\xff") in call.trailing_metadata()


def test_client_streaming(channel):
    parts = [b"%d," % i for i in range(200)] + [BIG]
    joined = channel.stream_unary(CLIENT_STREAM)(iter(parts), timeout=PATIENCE)
    assert joined == b"".join(parts)


def test_server_streaming(channel):
    stream = channel.unary_stream(SERVER_STREAM)
    for request in (b"0 0", b"300 10", b"5 200000"):
        assert list(stream(request, timeout=PATIENCE)) == list(pieces(request))


def test_bidi_in_step_and_ahead(channel):
    bidi = channel.stream_stream(BIDI)
    ahead = [b"%d" % i for i in range(200)] + [BIG]
    assert list(bidi(iter(ahead), timeout=PATIENCE)) == ahead
    requests = queue.SimpleQueue()
    call = bidi(iter(requests.get, None), timeout=PATIENCE)
    for i in range(20):
        requests.put(b"%d" % i)
        assert next(call) == b"%d" % i
    requests.put(None)
    assert list(call) == [] and call.code() is grpc.StatusCode.OK


def test_many_at_once(channel):
    unary = channel.unary_unary(UNARY)
    calls = [unary.future(b"%d" % i, timeout=PATIENCE) for i in range(200)]
    assert [call.result() for call in calls] == [b"%d" % i for i in range(200)]


def test_errors_keep_code_and_details(channel):
    steer = (("x-status", "10"), ("x-details", "half way"))
    unary = channel.unary_unary(UNARY).future(b"", timeout=PATIENCE, metadata=steer)
    stream = channel.unary_stream(SERVER_STREAM)(b"3 1", timeout=PATIENCE, metadata=steer)
    got = []
    with pytest.raises(grpc.RpcError):
        got.extend(stream)  # keeps what came before the error
    for call in (unary, stream):
        assert (call.code(), call.details()) == (grpc.StatusCode.ABORTED, "half way")
    assert got == list(pieces(b"3 1"))


def test_cancel_reaches_the_server(way):
    way.echo.entered.clear()
    way.echo.cancelled.clear()
    with way.channel(way.version) as channel:
        call = channel.unary_unary(HANG).future(b"")
        assert way.echo.entered.wait(PATIENCE)
        call.cancel()
        assert way.echo.cancelled.wait(PATIENCE)


def test_nobody_serves(way, base):
    """Found out at once with MQTT 5 only."""
    way_there, way._base = way._base, base
    try:
        with way.channel(way.version) as channel:
            told = way.version == "5"
            call = channel.unary_unary(UNARY).future(b"", timeout=PATIENCE if told else 1)
            late = grpc.StatusCode.DEADLINE_EXCEEDED
            assert call.code() is (grpc.StatusCode.UNAVAILABLE if told else late)
    finally:
        way._base = way_there


def test_a_hand_written_client_without_properties(broker, behind, base, tmp_path):
    """One that is not ours: neither `i` nor any other property in what it sends or is sent."""
    service = Service(broker, base, "5", behind, tmp_path)
    client = SessionClient(broker.port, base, mqtt.MQTTv311)
    try:
        got = client.call(UNARY, b"plain old").response()
        assert (got.error, got.code, got.body) == (None, 0, b"plain old")
        call = client.call(CLIENT_STREAM)
        for i in range(50):
            call.send(chunk(b"%d," % i))
        call.end()
        assert call.response().body == b"".join(b"%d," % i for i in range(50))
        _, elements, got = client.call(SERVER_STREAM, b"20 1").stream()
        assert (elements, got.code) == (list(pieces(b"20 1")), 0)
    finally:
        client.close()
        service.stop()
