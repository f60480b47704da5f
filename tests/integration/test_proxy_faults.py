"""The proxy when something around it fails, and calls that are given up."""

import signal

import grpc
import pytest
from session import eventually
from stack import PATIENCE, Broker

R = "/test.relay.v1.Relay/"
DIALECTS = pytest.mark.parametrize("dialect", ["link", "session"])


@pytest.fixture
def own_broker(tmp_path):
    broker = Broker(tmp_path)
    yield broker
    broker.stop()


def echo(channel, **kwargs):
    try:
        return channel.unary_unary(R + "Echo")(b"a", timeout=PATIENCE, **kwargs)
    except grpc.RpcError as error:
        return error.code()


@DIALECTS
def test_broker_that_goes_and_comes_back(
    own_broker, server, base, relay_protoset, start_gateway, start_proxy, dialect
):
    url = own_broker.url(base, dialect=dialect, reconnect_max_ms=300, keep_alive_s=5)
    start_gateway(url, (relay_protoset, server.target))
    proxy = start_proxy(url, "-d", relay_protoset)
    with grpc.insecure_channel(proxy.target) as channel:
        assert echo(channel) == b"a"
        own_broker.stop(signal.SIGKILL)
        proxy.expect("not connected")
        assert echo(channel) is grpc.StatusCode.UNAVAILABLE
        own_broker.start()
        eventually(lambda: echo(channel) == b"a")


def test_gateway_that_is_killed(broker, gateway, server, base, relay_protoset, start_proxy):
    proxy = start_proxy(broker.url(base, dialect="link"), "-d", relay_protoset)
    with grpc.insecure_channel(proxy.target) as channel:
        call = channel.unary_unary(R + "Hang").future(b"", timeout=60)
        assert server.hanging.get(timeout=PATIENCE)
        gateway.send(signal.SIGKILL)
        assert call.code() is grpc.StatusCode.UNAVAILABLE
        gateway.wait()


def test_proxy_that_is_killed(broker, gateway, server, base, relay_protoset, start_proxy):
    proxy = start_proxy(broker.url(base, dialect="link"), "-d", relay_protoset)
    with grpc.insecure_channel(proxy.target) as channel:
        call = channel.unary_unary(R + "Hang").future(b"", timeout=60)
        assert server.hanging.get(timeout=PATIENCE)
        proxy.send(signal.SIGKILL)
        assert call.code() is grpc.StatusCode.UNAVAILABLE
        proxy.wait()
    assert server.cancelled.get(timeout=PATIENCE)


@DIALECTS
def test_calls_that_are_given_up_leave_nothing(
    broker, gateway, server, base, relay_protoset, start_proxy, dialect
):
    """300 of them, at any moment of their life, where 30 may be open at a time."""
    words = ("-d", relay_protoset, "--max-calls", "30")
    proxy = start_proxy(broker.url(base, dialect=dialect), *words)
    with grpc.insecure_channel(proxy.target) as channel:
        for i in range(300):
            if i % 3 == 0:
                call = channel.unary_unary(R + "Echo").future(b"a")
            elif i % 3 == 1:
                call = channel.stream_stream(R + "Chat")(iter([b"a"] * 20))
            else:
                call = channel.unary_stream(R + "Repeat")(b"100 1000")
            if i % 2:
                call.initial_metadata()
            call.cancel()

        def all_may_be_open():
            calls = [channel.unary_unary(R + "Echo").future(b"a") for _ in range(30)]
            return {call.code() for call in calls} == {grpc.StatusCode.OK}

        eventually(all_may_be_open)  # when the last that were given up are gone


def test_calls_that_wait_for_the_broker(
    own_broker, server, base, relay_protoset, start_gateway, start_proxy
):
    """With wait_for_ready a call made while the broker is away succeeds when it is back."""
    url = own_broker.url(base, reconnect_max_ms=300, wait_for_ready=1)
    plain = url.replace("&wait_for_ready=1", "")
    start_gateway(plain, (relay_protoset, server.target))
    proxy = start_proxy(url, "-d", relay_protoset)
    with grpc.insecure_channel(proxy.target) as channel:
        assert echo(channel) == b"a"
        own_broker.stop(signal.SIGKILL)
        proxy.expect("not connected")
        waiting = channel.unary_unary(R + "Echo").future(b"late", timeout=3 * PATIENCE)
        own_broker.start()
        assert waiting.result() == b"late"
