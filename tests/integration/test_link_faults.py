"""Faults by their numbers in docs/design/faults.md, where the link dialect promises more or other
things than the session dialect. What both keep alike: test_faults.py; restarts:
test_link_restart.py.
"""

import itertools
import signal
import sys
import threading

import grpc
import pytest
from session import eventually
from stack import PATIENCE, Broker, Process

import grpc_mqtt
from grpc_mqtt import gmq

R = "/test.relay.v1.Relay/"
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE
DENIED = grpc.StatusCode.PERMISSION_DENIED


def echo(channel, message=b"a", **options):
    return channel.unary_unary(R + "Echo")(message, timeout=PATIENCE, **options)


def code_of(channel, message=b"a", timeout=PATIENCE):
    return channel.unary_unary(R + "Echo").future(message, timeout=timeout).code()


@pytest.fixture
def channel_to():
    started = []

    def start(url):
        started.append(grpc_mqtt.channel(url, {"dialect": "link"}))
        return started[-1]

    yield start
    for channel in started:
        channel.close()


@pytest.fixture
def own_broker(tmp_path):
    started = []

    def start(*settings):
        started.append(Broker(tmp_path, *settings))
        return started[-1]

    yield start
    for broker in started:
        broker.stop()


# ---- 3 to 5: silence


@pytest.mark.parametrize("transport", ["paho", "mosquitto"])
@pytest.mark.parametrize("whose", ["client", "gateway"])
def test_row_3_silence_is_repaired(
    broker, wire, base, channel_to, relay_protoset, start_gateway, server, whose, transport
):
    """The connection of one end dies unnoticed; a new one comes within the link timeout."""
    mine = wire.url(base, keep_alive_s=2, connect_timeout_ms=500, transport=transport)
    url = broker.url(base)
    start_gateway(mine if whose == "gateway" else url, (relay_protoset, server.target))
    channel = channel_to(mine if whose == "client" else url)
    midway, sent = threading.Event(), [b"%d" % number for number in range(400)]

    def requests():
        yield from sent[:200]
        assert midway.wait(PATIENCE)
        yield from sent[200:]

    chat = channel.stream_stream(R + "Chat")(requests(), timeout=60)
    got = list(itertools.islice(chat, 100))
    wire.freeze()
    midway.set()  # what is said now reaches nobody
    wire.thaw()
    got.extend(chat)
    assert got == sent and chat.code() is grpc.StatusCode.OK


def test_row_4_and_5_silence_for_longer_than_the_link_timeout(
    broker, wire, base, channel_to, relay_protoset, start_gateway, server
):
    start_gateway(broker.url(base), (relay_protoset, server.target))
    mine = wire.url(base, link_timeout_ms=1500, ping_ms=500, connect_timeout_ms=500, keep_alive_s=5)
    channel = channel_to(mine)
    pending = channel.unary_unary(R + "Hang").future(b"")
    assert server.hanging.get(timeout=PATIENCE)
    wire.freeze()
    assert pending.exception(timeout=PATIENCE).code() is UNAVAILABLE, "it has no deadline"
    wire.thaw()
    eventually(lambda: code_of(channel) is grpc.StatusCode.OK)


# ---- 6, 7: an end goes

CLIENT = """
import sys, grpc_mqtt
channel = grpc_mqtt.channel(sys.argv[1], {"dialect": "link"})
calls = [channel.unary_unary("/test.relay.v1.Relay/Hang").future(b""),
         channel.unary_stream("/test.relay.v1.Relay/HangStream")(b""),
         channel.stream_stream("/test.relay.v1.Relay/HangChat")(iter(()))]
calls[0].result()
"""


def test_row_6_client_killed(broker, base, relay_protoset, start_gateway, server):
    start_gateway(broker.url(base), (relay_protoset, server.target))
    client = Process(sys.executable, "-c", CLIENT, broker.url(base))
    try:
        for _ in range(3):
            assert server.hanging.get(timeout=PATIENCE)
    finally:
        client.stop(signal.SIGKILL)
    for _ in range(3):  # by its Will: the link timeout is 30 s
        assert server.cancelled.get(timeout=PATIENCE)


def test_row_7_gateway_killed(broker, base, channel_to, relay_protoset, server, start_gateway):
    pair = (relay_protoset, server.target)
    gateway = start_gateway(broker.url(base), pair)
    channel = channel_to(broker.url(base))
    pending = channel.unary_unary(R + "Hang").future(b"")
    stream = channel.unary_stream(R + "HangStream")(b"")
    assert next(stream) == b"first"
    gateway.stop(signal.SIGKILL)
    for call in (pending, stream):  # by its Will
        assert call.exception(timeout=PATIENCE).code() is UNAVAILABLE
    assert code_of(channel) is UNAVAILABLE
    start_gateway(broker.url(base), pair)
    assert echo(channel, wait_for_ready=True) == b"a"


def test_row_7_gateway_killed_and_back_at_once(
    broker, base, channel_to, relay_protoset, server, start_gateway
):
    """A new incarnation: the calls of the old one are over, though they have no deadline."""
    pair = (relay_protoset, server.target)
    gateway = start_gateway(broker.url(base), pair)
    channel = channel_to(broker.url(base))
    pending = channel.unary_unary(R + "Hang").future(b"")
    assert server.hanging.get(timeout=PATIENCE)
    gateway.stop(signal.SIGKILL)
    start_gateway(broker.url(base), pair)
    assert pending.exception(timeout=PATIENCE).code() is UNAVAILABLE
    assert echo(channel, wait_for_ready=True) == b"a"


# ---- 14: slow readers


def test_row_14_slow_readers_stall_their_own_calls(
    broker, base, channel_to, relay_protoset, start_gateway, server
):
    start_gateway(broker.url(base), (relay_protoset, server.target))
    channel = channel_to(broker.url(base))
    slow = [
        channel.unary_stream(R + "Repeat")(b"300 60000", timeout=120) for _ in range(8)
    ]  # 18 MB each, of which nobody takes more than one message
    assert [len(next(stream)) for stream in slow] == [60_000] * 8
    for number in range(50):
        assert echo(channel, b"%d" % number) == b"%d" % number
    assert sum(len(message) for message in slow[0]) == 299 * 60_000
    for stream in slow[1:]:
        stream.cancel()
    assert echo(channel) == b"a"


# ---- 17, 27: limits


def test_row_17_a_limit_that_the_broker_does_not_tell(
    own_broker, channel_to, relay_protoset, start_gateway, server
):
    broker = own_broker("message_size_limit 1000")
    start_gateway(broker.url("b", msg_size_limit=1000), (relay_protoset, server.target))
    told = channel_to(broker.url("b", msg_size_limit=1000))
    for size in (*range(850, 1002), 20_000):
        assert echo(told, bytes(size)) == bytes(size)
    untold = channel_to(broker.url("b"))
    call = untold.unary_unary(R + "Echo").future(bytes(1001), timeout=PATIENCE)
    assert call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "msg_size_limit" in call.details()
    assert echo(untold, bytes(100)) == bytes(100)


def test_row_27_limits_shrink_on_reconnect(
    own_broker, channel_to, relay_protoset, start_gateway, server
):
    broker = own_broker("max_inflight_messages 20")
    gateway = start_gateway(broker.url("b"), (relay_protoset, server.target))
    channel = channel_to(broker.url("b"))
    assert echo(channel, bytes(100_000)) == bytes(100_000)
    broker.stop(signal.SIGKILL)
    with broker.config.open("a") as config:
        config.write("max_packet_size 500\n")
    gateway.expect("not connected")
    broker.start()
    gateway.expect("ready: ", patience=60)
    # a packet that was on its way and is too large now ends its link, no more than that
    eventually(lambda: code_of(channel) is grpc.StatusCode.OK)
    for size in (100, 400, 499, 500, 501, 20_000):
        assert echo(channel, bytes(size)) == bytes(size)
    assert not [line for line in broker.process.lines if "packet too large" in line.lower()]


# ---- 23: rights


def test_row_23_inbox_denied(
    own_broker, broker_rules, channel_to, relay_protoset, start_gateway, server
):
    broker = own_broker(*broker_rules, "plugin_opt_deny_subscribe grpc/inbox/")
    start_gateway(broker.url("b"), (relay_protoset, server.target))
    assert code_of(channel_to(broker.url("b")), timeout=None) is DENIED


def test_row_23_a_server_that_may_not_subscribe(own_broker, broker_rules):
    broker = own_broker(*broker_rules, "plugin_opt_deny_subscribe /grpc/link/")
    queue, methods = gmq.Queue(), gmq.MethodMap()
    methods.add(R + "Echo", gmq.RPC_UNARY)
    server = gmq.Server(broker.url("b", dialect="link"), None, methods, queue, 0)
    events = iter(lambda: queue.wait(PATIENCE * 1000, 1)[0], None)
    failed = next(
        e for e in events if (e[0], e[2]) == (gmq.EVENT_STATE, gmq.STATE_TRANSIENT_FAILURE)
    )
    assert "not authorised" in failed[3]
    server.close(0)
