"""Two gateways of one base topic and one group: they share the links of the clients."""

import signal
import threading

import grpc
import paho.mqtt.client as mqtt
import pytest
from servers import Server
from stack import PATIENCE

import grpc_mqtt

R = "/test.relay.v1.Relay/"
CHANNELS = 12


class Named(Server):
    """Answers Echo with its name, and counts what it answered."""

    def __init__(self, name):
        self.answered = []
        super().__init__(name=name)

    def echo(self, request, context):
        self.answered.append(request)
        return self.name.encode()


@pytest.fixture
def pair():
    started = {name: Named(name) for name in ("one", "two")}
    yield started
    for server in started.values():
        server.stop()


@pytest.fixture
def gateways(broker, base, pair, relay_protoset, start_gateway, query):
    return {
        name: start_gateway(broker.url(base, **query), (relay_protoset, server.target))
        for name, server in pair.items()
    }


@pytest.fixture(params=["5", "3.1.1"])
def query(request):
    return {"group": "pool", "mqtt_version": request.param}


@pytest.fixture
def channels(broker, base, gateways, query):
    made = [grpc_mqtt.channel(broker.url(base, dialect="link")) for _ in range(CHANNELS)]
    yield made
    for channel in made:
        channel.close()


def who(channel, message=b"", **options):
    return channel.unary_unary(R + "Echo")(message, timeout=PATIENCE, **options).decode()


def test_links_are_shared_and_calls_pinned(channels, pair):
    first = [who(channel, b"%d 0" % number) for number, channel in enumerate(channels)]
    assert set(first) == {"one", "two"}
    for turn in range(1, 6):
        assert [who(ch, b"%d %d" % (number, turn)) for number, ch in enumerate(channels)] == first
    ran = [request for server in pair.values() for request in server.answered]
    assert sorted(ran) == sorted(b"%d %d" % (n, t) for n in range(CHANNELS) for t in range(6))


def test_openings_that_a_sleeping_member_is_given(broker, base, gateways, pair):
    """mosquitto hands shared messages to persistent members that are offline, too."""
    sleeper = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2, "sleeper", clean_session=False, protocol=mqtt.MQTTv311
    )
    subscribed = threading.Event()
    sleeper.on_subscribe = lambda *_: subscribed.set()
    sleeper.connect("127.0.0.1", broker.port)
    sleeper.loop_start()
    sleeper.subscribe(f"$share/pool/{base}/grpc/link/+", 1)
    assert subscribed.wait(PATIENCE)
    sleeper.disconnect()
    sleeper.loop_stop()
    for number in range(CHANNELS):
        with grpc_mqtt.channel(broker.url(base, dialect="link")) as channel:
            assert who(channel, b"%d" % number) in pair
    ran = [request for server in pair.values() for request in server.answered]
    assert sorted(ran) == sorted(b"%d" % number for number in range(CHANNELS))


def test_one_killed_in_mid_call(channels, gateways, pair):
    homes = [who(channel) for channel in channels]
    assert set(homes) == {"one", "two"}
    hanging = [ch.unary_stream(R + "HangStream")(b"", timeout=PATIENCE) for ch in channels]
    assert [next(stream) for stream in hanging] == [b"first"] * CHANNELS
    gateways["one"].stop(signal.SIGKILL)
    for home, stream in zip(homes, hanging, strict=True):
        if home == "one":
            with pytest.raises(grpc.RpcError):
                next(stream)
            assert stream.code() is grpc.StatusCode.UNAVAILABLE
    for channel in channels:
        assert who(channel, wait_for_ready=True) == "two"
    for home, stream in zip(homes, hanging, strict=True):
        if home == "two":
            assert stream.is_active()
            stream.cancel()
            assert pair["two"].cancelled.get(timeout=PATIENCE)
