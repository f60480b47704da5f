"""Options of a channel: the library's, gRPC's, descriptors."""

import grpc
import pytest
from echo_servers import SERVER_STREAM, UNARY

import grpc_mqtt
from grpc_mqtt import _descriptors


def channel(mqtt_server, options):
    return grpc_mqtt.channel(mqtt_server.url, options)


@pytest.mark.parametrize(
    "options",
    [
        None,
        (),
        [("grpc.keepalive_time_ms", 1000), ("grpc.enable_retries", 0), ("grpc.no_such", object())],
        {"receive_limit": 100_000, "batched_stream": True, "dialect": "session"},
        [("grpc_mqtt.linger_ms", 1)],
    ],
)
def test_accepted(mqtt_server, options):
    with channel(mqtt_server, options) as made:
        assert made.unary_unary(UNARY)(b"a") == b"a"


@pytest.mark.parametrize(
    "options, named",
    [
        ([("no_such", 1)], "no_such"),
        ([("receive_limit", "many")], "receive_limit"),
        ([("receive_limit", -5)], "receive_limit"),
        ([("linger_ms", 1.5)], "linger_ms"),
        ([("grpc.max_receive_message_length", "big")], "grpc.max_receive_message_length"),
        ([(1, 2)], "1"),
    ],
)
def test_refused(mqtt_server, options, named):
    with pytest.raises(grpc_mqtt.OptionError, match=named):
        channel(mqtt_server, options)


def test_receive_limit(mqtt_server):
    for key in ("grpc.max_receive_message_length", "receive_limit"):
        with channel(mqtt_server, [(key, 1000)]) as made:
            assert len(next(made.unary_stream(SERVER_STREAM)(b"1 900"))) == 900
            with pytest.raises(grpc.RpcError) as caught:
                list(made.unary_stream(SERVER_STREAM)(b"1 2000"))
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_default_receive_limit_is_that_of_grpc(echo):
    with echo.channel() as made:
        stream = made.unary_stream(SERVER_STREAM)
        assert len(next(stream(b"1 4000000", timeout=30))) == 4_000_000
        with pytest.raises(grpc.RpcError) as caught:
            list(stream(b"1 4200000", timeout=30))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_unlimited_receive(echo):
    with echo.channel([("grpc.max_receive_message_length", -1)]) as made:
        assert len(next(made.unary_stream(SERVER_STREAM)(b"1 5000000", timeout=60))) == 5_000_000


def test_descriptors(mqtt_server, demo_descriptors, tmp_path):
    file = tmp_path / "demo.protoset"
    file.write_bytes(demo_descriptors)
    for given in (demo_descriptors, bytearray(demo_descriptors), str(file), file):
        made = _descriptors.method_map(given)
        assert made.find("/demo.v1.Demo/Chat") >= 0
        with grpc_mqtt.channel(mqtt_server.url, descriptors=given) as with_map:
            assert with_map.unary_unary(UNARY)(b"a") == b"a"
    with channel(mqtt_server, [("grpc_mqtt.descriptors", demo_descriptors)]) as with_map:
        assert with_map.unary_unary(UNARY)(b"a") == b"a"


def test_bad_descriptors(tmp_path):
    missing = tmp_path / "missing.protoset"
    with pytest.raises(grpc_mqtt.IoError, match=r"missing\.protoset"):
        grpc_mqtt.channel("loopback://a/b", descriptors=missing)
    with pytest.raises(grpc_mqtt.ParseError):
        grpc_mqtt.channel("loopback://a/b", descriptors=b"\xff\xff")
    with pytest.raises(grpc_mqtt.OptionError):
        grpc_mqtt.channel("loopback://a/b", descriptors=5)


def test_proto_path():
    import os

    assert os.path.exists(os.path.join(grpc_mqtt.proto_path(), "haskell/grpc/mqtt/option.proto"))
    assert os.path.exists(os.path.join(grpc_mqtt.proto_path(), "hs_grpc_mqtt.proto"))
