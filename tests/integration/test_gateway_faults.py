"""The gateway when something around it fails."""

import signal

import pytest
from servers import Server
from session import SessionClient, eventually
from stack import Broker, free_port

R = "/test.relay.v1.Relay/"
NAME = "/test.relay.v1.Other/Name"


def test_target_that_is_down(broker, base, relay_protoset, start_gateway, client):
    port = free_port()
    start_gateway(broker.url(base), (relay_protoset, f"127.0.0.1:{port}"))
    got = client.call(R + "Echo", b"a").response()
    assert got.code == 14 and "connect" in got.details
    initial, elements, got = client.call(R + "Repeat", b"1 1").stream()
    assert (initial, elements, got.code) == ([], [], 14)

    for _ in range(2):  # up, gone, up again
        server = Server(port)
        eventually(lambda: client.call(R + "Echo", b"a").response().code == 0)
        server.stop()
        eventually(lambda: client.call(R + "Echo", b"a").response().code == 14)


def test_server_that_dies_in_a_stream(client, gateway, server):
    call = client.call(R + "HangStream", b"")
    assert server.hanging.get(timeout=20)
    server.stop()
    _, elements, got = call.stream()
    assert elements == [b"first"] and got.code in (1, 14), got


def test_watchdog_cancels_for_a_client_that_died(
    broker, base, relay_protoset, start_gateway, server
):
    start_gateway(broker.url(base, watchdog_ms=1000), (relay_protoset, server.target))
    mortal = SessionClient(broker.port, base)
    for method in ("Hang", "HangStream", "HangChat"):
        mortal.call(R + method, b"", timeout_s=600)
        assert server.hanging.get(timeout=20)
    mortal.die()
    for _ in range(3):
        assert server.cancelled.get(timeout=20)


def test_heartbeats_keep_a_call_alive(broker, base, relay_protoset, start_gateway, server, client):
    start_gateway(broker.url(base, watchdog_ms=3000), (relay_protoset, server.target))
    lively, silent = (client.call(R + "Hang", b"", timeout_s=600) for _ in range(2))
    assert server.hanging.get(timeout=20) and server.hanging.get(timeout=20)

    def silent_is_over():
        lively.control(1)
        return not server.cancelled.empty()

    eventually(silent_is_over)
    assert server.cancelled.get() and server.cancelled.empty()
    lively.control(2)
    assert server.cancelled.get(timeout=20)
    assert silent.sid != lively.sid


def test_several_targets_the_left_wins(
    broker, base, relay_protoset, demo_protoset, start_gateway, client
):
    one, two = Server(name="one"), Server(name="two")
    try:
        gateway = start_gateway(
            broker.url(base),
            (relay_protoset, one.target),
            (demo_protoset, two.target),
            (relay_protoset, two.target),
        )
        assert one.target in gateway.lines[-1] and two.target in gateway.lines[-1]
        assert client.call(NAME, b"").response().body == b"one"
        got = client.call("/demo.v1.Demo/SayHello", b"").response()
        assert (got.code, got.details) == (12, "Method not found!"), "not from the second"
        one.stop()
        eventually(lambda: client.call(NAME, b"").response().code == 14)
        assert client.call("/demo.v1.Demo/SayHello", b"").response().code == 12
    finally:
        one.stop()
        two.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_drains_and_exits_0(client, gateway, server, number):
    assert client.call(R + "Echo", b"a").response().code == 0
    call = client.call(R + "Chat")
    assert call.next() == b""
    gateway.send(number)
    gateway.expect("draining")
    refused = client.call(R + "Echo", b"a").response()
    assert refused.code == 14 or refused.error == 21, refused
    call.end()  # the open call ends in order, well within the grace
    assert call.next() == b"" and call.response().code == 0
    assert gateway.wait() == 0
    assert server.cancelled.empty()


def test_calls_that_outlive_the_grace(broker, base, relay_protoset, start_gateway, server, client):
    gateway = start_gateway(
        broker.url(base), (relay_protoset, server.target), arguments=("--grace", "0.5")
    )
    call = client.call(R + "Hang", b"")
    assert server.hanging.get(timeout=20)
    gateway.send(signal.SIGTERM)
    got = call.response()
    assert got.code == 14 or got.error == 21, got
    assert server.cancelled.get(timeout=20)
    assert gateway.wait() == 0


def test_second_signal_ends_it_at_once(client, gateway, server):
    client.call(R + "Hang", b"")
    assert server.hanging.get(timeout=20)
    gateway.send(signal.SIGTERM)
    gateway.expect("draining")
    gateway.send(signal.SIGTERM)
    assert gateway.wait() == 128 + signal.SIGTERM


def test_broker_that_restarts(tmp_path, base, relay_protoset, start_gateway, server):
    broker = Broker(tmp_path)
    try:
        gateway = start_gateway(broker.url(base), (relay_protoset, server.target))
        client = SessionClient(broker.port, base)
        client.call(R + "Hang", b"")
        assert server.hanging.get(timeout=20)
        client.close()
        broker.stop(signal.SIGKILL)
        assert server.cancelled.get(timeout=20), "the gateway ends what it had"
        gateway.expect("not connected")
        broker.start()
        gateway.expect("ready: ", patience=60)
        client = SessionClient(broker.port, base)
        assert client.call(R + "Echo", b"a").response().body == b"a"
        client.close()
    finally:
        broker.stop()


def test_slow_stream_does_not_hold_others_up(client, gateway, server):
    big = client.call(R + "Repeat", b"200 100000", timeout_s=60)
    small = [client.call(R + "Echo", b"%d" % i) for i in range(20)]
    assert [call.response().body for call in small] == [b"%d" % i for i in range(20)]
    _, elements, got = big.stream()
    assert (len(elements), got.code) == (200, 0)
