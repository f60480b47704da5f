"""Subscriptions that the broker refuses: SUBACK "not authorised"."""

import grpc
import pytest
from stack import PATIENCE, Broker, Gateway

from grpc_mqtt import channel, gmq

ECHO = "/test.relay.v1.Relay/Echo"


@pytest.fixture
def deny(tmp_path, broker_rules):
    """deny(text): a broker that refuses subscriptions with `text` in them."""
    started = []

    def start(text):
        started.append(Broker(tmp_path, *broker_rules, f"plugin_opt_deny_subscribe {text}"))
        return started[-1]

    yield start
    for broker in started:
        broker.stop()


def test_a_client_that_may_not_subscribe_its_replies(
    deny, base, relay_protoset, start_gateway, server
):
    broker = deny("/grpc/session/")
    with channel(broker.url(base, dialect="session")) as denied:
        for _ in range(2):  # the second one is refused like the first
            call = denied.unary_unary(ECHO).future(b"a", timeout=PATIENCE)
            assert call.code() is grpc.StatusCode.PERMISSION_DENIED, call.details()
            assert "not authorised" in call.details()


def test_a_server_that_may_not_subscribe_requests(deny, base):
    broker = deny("/grpc/request/")
    queue, methods = gmq.Queue(), gmq.MethodMap()
    methods.add(ECHO, gmq.RPC_UNARY)
    server = gmq.Server(broker.url(base, dialect="session"), None, methods, queue, 0)
    events = iter(lambda: queue.wait(PATIENCE * 1000, 1)[0], None)
    failed = next(
        e for e in events if (e[0], e[2]) == (gmq.EVENT_STATE, gmq.STATE_TRANSIENT_FAILURE)
    )
    assert "not authorised" in failed[3] and f'below "{base}"' in failed[3]
    server.close(0)


def test_a_gateway_says_what_it_may_not_subscribe(deny, base, relay_protoset, server):
    broker = deny("/grpc/request/")
    gateway = Gateway(
        broker.url(base, dialect="session"), (relay_protoset, server.target), ready=False
    )
    try:
        gateway.expect("not authorised")
    finally:
        gateway.stop()
