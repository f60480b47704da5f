"""--passthrough: methods that no descriptor names go to the gRPC server all the same."""

import grpc
import pytest
from servers import INITIAL, Server
from stack import PATIENCE

import grpc_mqtt

R = "/test.relay.v1.Relay/"


@pytest.fixture
def gateway(broker, base, server, start_gateway):
    return start_gateway(broker.url(base), arguments=("--target", server.target, "--passthrough"))


@pytest.fixture
def channel(broker, base, gateway):
    with grpc_mqtt.channel(broker.url(base)) as made:
        yield made


def test_all_kinds_without_any_descriptor(channel):
    sent = (("x-k", "v"),)
    reply, call = channel.unary_unary(R + "Echo").with_call(b"a", timeout=PATIENCE, metadata=sent)
    assert reply == b"a" and ("echo-x-k", "v") in call.trailing_metadata()
    assert INITIAL[0] in call.initial_metadata()
    assert channel.stream_unary(R + "Join")(iter([b"a", b"b"]), timeout=PATIENCE) == b"ab"
    assert list(channel.unary_stream(R + "Repeat")(b"3 1", timeout=PATIENCE)) == [b"0", b"1", b"2"]
    chat = channel.stream_stream(R + "Chat")
    assert list(chat(iter([b"a", b"b"]), timeout=PATIENCE)) == [b"a", b"b"]


def test_a_method_that_the_server_does_not_have(channel):
    call = channel.unary_unary("/no.Such/Method").future(b"", timeout=PATIENCE)
    assert call.code() is grpc.StatusCode.UNIMPLEMENTED
    assert "ethod not found" in call.details(), "the gRPC server's own words"


def test_the_session_dialect_says_no_kind(broker, base, gateway):
    with grpc_mqtt.channel(broker.url(base, dialect="session")) as channel:
        call = channel.unary_unary(R + "Echo").future(b"a", timeout=PATIENCE)
        assert call.code() is grpc.StatusCode.UNIMPLEMENTED


def test_it_is_off_by_default(broker, base, server, relay_protoset, start_gateway):
    start_gateway(broker.url(base), (relay_protoset, server.target))
    with grpc_mqtt.channel(broker.url(base)) as channel:
        call = channel.unary_unary("/no.Such/Method").future(b"", timeout=PATIENCE)
        assert call.code() is grpc.StatusCode.UNIMPLEMENTED
        assert "ethod not found" not in call.details(), "answered by the gateway"


def test_named_methods_keep_their_server(broker, base, server, relay_protoset, start_gateway):
    other = Server(name="two")
    try:
        start_gateway(
            broker.url(base),
            (relay_protoset, server.target),
            arguments=("--option", f"passthrough={other.target}"),
        )
        with grpc_mqtt.channel(broker.url(base)) as channel:
            call = channel.unary_stream(R + "HangStream")(b"", timeout=PATIENCE)
            assert next(call) == b"first"
            assert server.hanging.get(timeout=PATIENCE) and other.hanging.empty()
            call.cancel()
            assert server.cancelled.get(timeout=PATIENCE)
    finally:
        other.stop()


def test_in_python(broker, base, server):
    url = broker.url(base)
    with grpc_mqtt.Gateway(url, {}, {"passthrough": server.target}) as gateway:
        gateway.wait_ready(PATIENCE)
        with grpc_mqtt.channel(url) as channel:
            assert channel.unary_unary(R + "Echo")(b"a", timeout=PATIENCE) == b"a"
