"""Options of a channel: the library's, gRPC's, descriptors."""

import asyncio
import functools
import itertools
from concurrent import futures

import grpc
import grpc.experimental
import pytest
from echo_servers import SERVER_STREAM, UNARY

import grpc_mqtt.aio
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
        [(b"grpc.primary_user_agent", b"me/1"), ("grpc.http2.min_time", 0.5)],
        [(grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1)],
        [(b"dialect", b"session"), (b"receive_limit", 100_000)],
        iter([("linger_ms", 1)]),
    ],
)
def test_accepted(mqtt_server, options):
    with channel(mqtt_server, options) as made:
        assert made.unary_unary(UNARY)(b"a") == b"a"


@pytest.mark.parametrize(
    "options, named",
    [
        ({"no_such": 1}, "no_such"),
        ({"no_such": 0.5}, "no_such"),
        ([("grpc_mqtt.no_such", 1)], "no_such"),
        ([("receive_limit", "many")], "receive_limit"),
        ([("receive_limit", -5)], "receive_limit"),
        ([("linger_ms", 1.5)], "linger_ms"),
        ([("grpc.max_receive_message_length", "big")], "grpc.max_receive_message_length"),
        ([(1, 2)], "1"),
        ([("dialect", b"loud")], "dialect"),
        ([("dialect", 0.5)], "dialect"),
        ([("key",)], "key"),
        ("str", "pairs"),
    ],
)
def test_refused(mqtt_server, options, named):
    with pytest.raises(grpc_mqtt.OptionError, match=named):
        channel(mqtt_server, options)


def test_arguments_of_somebody_else(mqtt_server, caplog):
    """As in gRPC, where any name is free to mean nothing; but a slip of the pen is seen."""
    made_up = [("iv", 0.5), ("tag", b"bytes"), ("pointer", object()), ("dialekt", "link"), ("n", 1)]
    with channel(mqtt_server, made_up) as made:
        assert made.unary_unary(UNARY)(b"a") == b"a"
    ignored = [record.getMessage() for record in caplog.records if record.name == "grpc_mqtt"]
    assert [name for name, _ in made_up if any(repr(name) in line for line in ignored)] == [
        name for name, _ in made_up
    ]


@pytest.mark.parametrize("kind", ["grpc", "grpc.aio"])
@pytest.mark.parametrize(
    "query, options, named",
    [
        ("", {"no_such": 1}, "no_such"),
        ("", [("subscriptions", 5)], "subscriptions"),
        ("", [("grpc.max_receive_message_length", "big")], "max_receive_message_length"),
        ("?tombstone_ms=-1", None, "tombstone_ms"),
        ("?wait_for_ready=1", None, "wait_for_ready"),
    ],
)
def test_a_server_refuses_when_it_is_made(kind, query, options, named):
    """... and not only in start()."""
    url = f"loopback://refusing/fleet/device{query}"
    with pytest.raises(grpc_mqtt.OptionError, match=named):
        if kind == "grpc":
            grpc_mqtt.server(url, futures.ThreadPoolExecutor(1), options=options)
        else:
            asyncio.run(aio_server(url, options))


async def aio_server(url, options):
    return grpc_mqtt.aio.server(url, options=options)


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


_numbers = itertools.count()
LIMITED = [("grpc.max_send_message_length", 5)]
RECEIVING = [("grpc.max_receive_message_length", 1000)]


class Doubler(grpc.GenericRpcHandler):
    """Answers with twice the request: in one message, or as the second of three."""

    def service(self, details):
        if details.method == "/test.Limits/Unary":
            return grpc.unary_unary_rpc_method_handler(lambda request, context: 2 * request)
        if details.method == "/test.Limits/Upload":
            return grpc.stream_unary_rpc_method_handler(lambda requests, _: b"".join(requests))
        return grpc.unary_stream_rpc_method_handler(
            lambda request, context: iter([b"first", 2 * request, b"last"])
        )


def limited(kind, channel_options, server_options):
    """(channel, server), of grpcio or ours"""
    pool, handlers = futures.ThreadPoolExecutor(4), (Doubler(),)
    if kind == "grpcio":
        server = grpc.server(pool, handlers, options=server_options)
        target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        channel = grpc.insecure_channel(target, channel_options)
    else:
        url = f"loopback://limits{next(_numbers)}/fleet/device?dialect={kind}"
        server = grpc_mqtt.server(url, pool, handlers, options=server_options)
        channel = grpc_mqtt.channel(url, channel_options)
    server.start()
    return channel, server


def exhausted(call, text):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert f"Sent message larger than max ({text})" in caught.value.details()


@pytest.mark.parametrize("kind", ["grpcio", "link", "session"])
def test_send_limit_of_the_channel(kind):
    made, server = limited(kind, LIMITED, None)
    with made:
        unary, stream = made.unary_unary("/test.Limits/Unary"), made.unary_stream("/test.Limits/S")
        assert unary(b"12345", timeout=20) == b"1234512345"
        exhausted(lambda: unary(b"123456", timeout=20), "6 vs. 5")
        exhausted(lambda: unary.future(b"123456", timeout=20).result(), "6 vs. 5")
        exhausted(lambda: next(stream(b"1234567", timeout=20)), "7 vs. 5")
        upload = made.stream_unary("/test.Limits/Upload")
        exhausted(lambda: upload(iter([b"12", b"123456789"]), timeout=20), "9 vs. 5")
    server.stop(None).wait()


@pytest.mark.parametrize("kind", ["grpcio", "link", "session"])
def test_send_limit_of_the_server(kind):
    made, server = limited(kind, None, LIMITED)
    with made:
        unary, stream = made.unary_unary("/test.Limits/Unary"), made.unary_stream("/test.Limits/S")
        assert unary(b"12", timeout=20) == b"1212"
        exhausted(lambda: unary(b"123", timeout=20), "6 vs. 5")
        responses = stream(b"1234", timeout=20)
        assert next(responses) == b"first"
        exhausted(lambda: next(responses), "8 vs. 5")
    server.stop(None).wait()


@pytest.mark.parametrize("kind", ["grpcio", "link", "session"])
@pytest.mark.parametrize("limits, size", [((RECEIVING, None), 600), ((None, RECEIVING), 1200)])
def test_text_of_the_receive_limit(kind, limits, size):
    """As grpcio's, with both sizes: programs look into it. The answer is twice the request."""
    made, server = limited(kind, *limits)
    with made:
        for call in (
            functools.partial(made.unary_unary("/test.Limits/Unary"), bytes(size)),
            lambda timeout: list(made.unary_stream("/test.Limits/S")(bytes(size), timeout)),
            functools.partial(made.stream_unary("/test.Limits/Upload"), iter([bytes(1200)])),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                call(timeout=20)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            text = "Received message larger than max (1200 vs. 1000)"
            assert text in caught.value.details()
    server.stop(None).wait()


@pytest.mark.parametrize("kind", ["grpcio", "link", "session"])
def test_no_send_limit(kind):
    made, server = limited(kind, [("grpc.max_send_message_length", -1)], None)
    with made:
        assert made.unary_unary("/test.Limits/Unary")(b"123456", timeout=20) == b"123456" * 2
    server.stop(None).wait()


class Mirror(grpc.GenericRpcHandler):
    """Answers with the request's metadata as trailing metadata."""

    def service(self, details):
        def handler(request, context):
            context.set_trailing_metadata(
                [pair for pair in context.invocation_metadata() if pair[0] != "user-agent"]
            )
            return b""

        return grpc.unary_unary_rpc_method_handler(handler)


@pytest.mark.parametrize("kind", ["grpcio", "link", "session"])
def test_keys_of_grpc(kind):
    """Taken, and not sent: as tracing libraries set them. Only what carries a rich status is."""
    pool = futures.ThreadPoolExecutor(4)
    url = f"loopback://keys{next(_numbers)}/fleet/device?dialect={kind}"
    server = grpc.server(pool) if kind == "grpcio" else grpc_mqtt.server(url, pool)
    server.add_generic_rpc_handlers((Mirror(),))
    target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    metadata = (
        ("grpc-trace-bin", b"\0"),
        ("grpc-tags-bin", b"\0"),
        ("grpc-status-details-bin", b"\1"),
        ("grpc-encoding", "identity"),
        ("x-own", "1"),
    )
    made = grpc.insecure_channel(target) if kind == "grpcio" else grpc_mqtt.channel(url)
    with made:
        call = made.unary_unary("/test.Limits/Keys")
        _, done = call.with_call(b"", metadata=metadata, timeout=20)
        expected = [("grpc-status-details-bin", b"\1"), ("x-own", "1")]
        assert sorted(map(tuple, done.trailing_metadata())) == expected
    server.stop(None).wait()


@pytest.mark.parametrize("kind", ["grpcio", "mqtt"])
def test_user_agent(kind):
    """Sent where a program asks for one; grpcio always sends one."""
    seen = []

    def handler(request, context):
        seen.append(dict(context.invocation_metadata()).get("user-agent"))
        return b""

    table = {"Unary": grpc.unary_unary_rpc_method_handler(handler)}
    services = (grpc.method_handlers_generic_handler("test.Agents", table),)
    pool, url = futures.ThreadPoolExecutor(4), f"loopback://agents{next(_numbers)}/fleet/device"
    server = (
        grpc.server(pool, services) if kind == "grpcio" else grpc_mqtt.server(url, pool, services)
    )
    target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    given = [("grpc.primary_user_agent", "me/1"), ("grpc.secondary_user_agent", b"last")]
    for options in (given, None):
        if kind == "grpcio":
            made = grpc.insecure_channel(target, options)
        else:
            made = grpc_mqtt.channel(url, options)
        with made:
            made.unary_unary("/test.Agents/Unary")(b"", timeout=20)
    assert seen[0].startswith(f"me/1 grpc-python/{grpc.__version__} ")
    assert seen[0].endswith(" last")
    assert kind == "grpcio" or seen[1] is None
    server.stop(None).wait()
