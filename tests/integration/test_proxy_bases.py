"""Several base topics at one proxy; methods whose kind is asked for by reflection."""

from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from servers import Server
from session import eventually
from stack import PATIENCE

R = "/test.relay.v1.Relay/"
NAME = "/test.relay.v1.Other/Name"


@pytest.fixture
def devices(broker, base, relay_protoset, start_gateway):
    """Two devices, BASE/one and BASE/two, whose servers answer with their names."""
    servers = [Server(name=name) for name in ("one", "two")]
    for server in servers:
        start_gateway(broker.url(f"{base}/{server.name}"), (relay_protoset, server.target))
    yield servers
    for server in servers:
        server.stop()


def name_of(proxy, *, base=None, authority=None):
    options = [("grpc.default_authority", authority)] if authority else None
    metadata = [("grpc-mqtt-base", base)] if base else None
    with grpc.insecure_channel(proxy.target, options=options) as channel:
        return channel.unary_unary(NAME)(b"", timeout=PATIENCE, metadata=metadata).decode()


def refusal(proxy, **kwargs):
    with pytest.raises(grpc.RpcError) as caught:
        name_of(proxy, **kwargs)
    return caught.value


@pytest.mark.usefixtures("devices")
def test_by_metadata(broker, base, relay_protoset, start_proxy):
    proxy = start_proxy(broker.url(""), "-d", relay_protoset, "--allow", f"{base}/+")
    assert [name_of(proxy, base=f"{base}/{name}") for name in ("one", "two", "one")] == [
        "one",
        "two",
        "one",
    ]
    refused = refusal(proxy, base="other/one")
    assert refused.code() == grpc.StatusCode.PERMISSION_DENIED and "other/one" in refused.details()
    silent = refusal(proxy)
    assert silent.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "grpc-mqtt-base" in silent.details()
    for bad in ("#", f"{base}/+", f"{base}//one", "$SYS/broker", f"{base}/one/", "x" * 600):
        assert refusal(proxy, base=bad).code() == grpc.StatusCode.INVALID_ARGUMENT, bad
    nobody = refusal(proxy, base=f"{base}/three")
    assert nobody.code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.usefixtures("devices")
def test_by_authority(broker, base, relay_protoset, start_proxy):
    pair = f"{{device}}.fleet.mqtt={base}/{{device}}"
    proxy = start_proxy(broker.url(f"{base}/one"), "-d", relay_protoset, "--authority", pair)
    assert name_of(proxy, authority="two.fleet.mqtt") == "two"
    assert name_of(proxy, authority="two.FLEET.mqtt:50051") == "two"
    assert name_of(proxy, authority="other.host") == "one", "the base of the address"
    assert name_of(proxy) == "one"
    assert name_of(proxy, base=f"{base}/one", authority="two.fleet.mqtt") == "one", "of its own"
    chosen = refusal(proxy, base=f"{base}/two")
    assert chosen.code() == grpc.StatusCode.PERMISSION_DENIED, "nothing is allowed to be chosen"
    assert name_of(proxy, authority="a.two.fleet.mqtt") == "one", "one label, no more"


@pytest.mark.usefixtures("devices")
def test_what_is_allowed_holds_for_authorities_too(broker, base, relay_protoset, start_proxy):
    pair = f"{{device}}.fleet.mqtt={base}/{{device}}"
    words = ("-d", relay_protoset, "--authority", pair, "--allow", f"{base}/one")
    proxy = start_proxy(broker.url(""), *words)
    assert name_of(proxy, authority="one.fleet.mqtt") == "one"
    refused = refusal(proxy, authority="two.fleet.mqtt")
    assert refused.code() == grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.usefixtures("devices")
def test_base_apart_from_the_address(broker, base, relay_protoset, start_proxy):
    url = broker.url("", keep_alive_s=30)
    proxy = start_proxy(url, "--base", f"{base}/two", "-d", relay_protoset)
    assert name_of(proxy) == "two"
    assert f"base {base}/two" in "\n".join(proxy.lines)


@pytest.mark.usefixtures("devices")
def test_unused_bases_are_left(broker, base, relay_protoset, start_proxy):
    words = ("-d", relay_protoset, "--allow", "#", "--base-idle", "0.1", "-o", "log_level=3")
    proxy = start_proxy(broker.url(""), *words)
    connected = f"base {base}/one: connected"
    for times in (1, 2):
        assert name_of(proxy, base=f"{base}/one") == "one"
        eventually(lambda t=times: sum(connected in line for line in proxy.lines) == t)
        eventually(lambda: not sockets_to(proxy.pid, broker.port))


def sockets_to(pid, port):
    """The TCP connections of a process to a port."""
    with open(f"/proc/{pid}/net/tcp") as table:
        rows = [line.split() for line in table][1:]
    inodes = {row[9] for row in rows if row[2].endswith(f":{port:04X}") and row[3] == "01"}
    return inodes & own_sockets(pid)


def own_sockets(pid):
    found = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            name = str(entry.readlink())
        except FileNotFoundError:
            continue
        if name.startswith("socket:["):
            found.add(name[8:-1])
    return found


def test_limit_of_bases(broker, base, devices, relay_protoset, start_proxy):
    words = ("-d", relay_protoset, "--allow", "#", "--max-bases", "1")
    proxy = start_proxy(broker.url(""), *words)
    with grpc.insecure_channel(proxy.target) as channel:
        metadata = [("grpc-mqtt-base", f"{base}/one")]
        hanging = channel.unary_unary(R + "Hang").future(b"", metadata=metadata)
        assert devices[0].hanging.get(timeout=PATIENCE)
        full = refusal(proxy, base=f"{base}/two")
        assert full.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "base topics" in full.details()
        hanging.cancel()
        assert devices[0].cancelled.get(timeout=PATIENCE)
    eventually(lambda: _tries(proxy, f"{base}/two") == "two")  # the unused one makes room


def _tries(proxy, base):
    try:
        return name_of(proxy, base=base)
    except grpc.RpcError:
        return None


# ---- reflection ----


def described(*files):
    """A descriptor set of generated modules."""
    out = descriptor_pb2.FileDescriptorSet()
    for file in files:
        file.DESCRIPTOR.CopyToProto(out.file.add())
    return out.SerializeToString()


@pytest.fixture
def reflecting(broker, base, relay_protoset, start_gateway, tmp_path):
    """A gateway whose server offers reflection and health."""
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(relay_protoset.read_bytes()).file:
        pool.Add(file)
    own = tmp_path / "own.protoset"
    own.write_bytes(described(reflection_pb2, health_pb2))
    server = Server(name="mirror", prepare=lambda s: prepare(s, pool))
    start_gateway(broker.url(base), (relay_protoset, server.target), (own, server.target))
    yield server
    server.stop()


def prepare(server, pool):
    names = ("test.relay.v1.Relay", "test.relay.v1.Other", reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server, pool)
    servicer = health.HealthServicer()
    servicer.set("test.relay.v1.Relay", health_pb2.HealthCheckResponse.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)


@pytest.mark.usefixtures("reflecting")
def test_kinds_by_reflection(broker, base, start_proxy):
    proxy = start_proxy(broker.url(base))
    with grpc.insecure_channel(proxy.target) as channel:
        first = [channel.unary_unary(NAME).future(b"", timeout=PATIENCE) for _ in range(20)]
        assert [call.result() for call in first] == [b"mirror"] * 20, "all wait for one answer"
        assert channel.unary_unary(R + "Echo")(b"a", timeout=PATIENCE) == b"a"
        assert list(channel.unary_stream(R + "Repeat")(b"2 2", timeout=PATIENCE)) == [b"00", b"11"]
        assert channel.stream_unary(R + "Join")(iter((b"a", b"b")), timeout=PATIENCE) == b"ab"
        chat = channel.stream_stream(R + "Chat")(iter((b"a", b"b")), timeout=PATIENCE)
        assert list(chat) == [b"a", b"b"]
        for path in (R + "Nope", "/no.Such/Thing"):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(path)(b"", timeout=PATIENCE)
            assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED
            assert f"{path}: the proxy does not know this method" in caught.value.details()


def test_reason_of_a_server_that_cannot_be_asked(broker, base, start_proxy):
    """What is wrong comes first: it is not the method."""
    proxy = start_proxy(broker.url(base))
    with grpc.insecure_channel(proxy.target) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/some.Service/Method")(b"", timeout=PATIENCE)
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert caught.value.details().startswith("no server listens at this base topic (")
        assert "/some.Service/Method" in caught.value.details()


@pytest.mark.usefixtures("reflecting")
def test_health_and_reflection_pass_through(broker, base, start_proxy):
    proxy = start_proxy(broker.url(base))
    with grpc.insecure_channel(proxy.target) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="test.relay.v1.Relay")
        not_serving = health_pb2.HealthCheckResponse.NOT_SERVING
        assert stub.Check(request, timeout=PATIENCE).status == not_serving
        watch = stub.Watch(request, timeout=PATIENCE)
        assert next(watch).status == not_serving
        watch.cancel()
        database = ProtoReflectionDescriptorDatabase(channel)
        assert "test.relay.v1.Relay" in database.get_services()
        file = database.FindFileContainingSymbol("test.relay.v1.Relay")
        assert file.package == "test.relay.v1"


@pytest.mark.usefixtures("devices")
def test_the_link_dialect_needs_no_kinds(broker, base, start_proxy):
    proxy = start_proxy(broker.url(f"{base}/one", dialect="link"))
    with grpc.insecure_channel(proxy.target) as channel:
        for _ in range(2):  # the second does not ask
            assert channel.unary_unary(R + "Echo")(b"a", timeout=PATIENCE) == b"a"
        assert list(channel.unary_stream(R + "Repeat")(b"2 2", timeout=PATIENCE)) == [b"00", b"11"]
        assert channel.stream_unary(R + "Join")(iter((b"a", b"b")), timeout=PATIENCE) == b"ab"
        chat = channel.stream_stream(R + "Chat")(iter((b"a", b"b")), timeout=PATIENCE)
        assert list(chat) == [b"a", b"b"]
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(R + "Fail")(b"5", timeout=PATIENCE)
        assert (caught.value.code(), caught.value.details()) == (
            grpc.StatusCode.NOT_FOUND,
            "no: \u00fc",
        )
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary("/no.Such/Thing")(b"", timeout=PATIENCE)
        assert caught.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_nobody_knows_any_method(broker, base, server, start_gateway, start_proxy):
    """No descriptors, here or there, and no reflection: calls of all kinds pass all the same."""
    start_gateway(broker.url(base), arguments=("--target", server.target, "--passthrough"))
    proxy = start_proxy(broker.url(base, dialect="link"))
    with grpc.insecure_channel(proxy.target) as channel:
        reply, call = channel.unary_unary(R + "Echo").with_call(b"a", timeout=PATIENCE)
        assert reply == b"a" and dict(call.initial_metadata())["init-k"] == "init-v"
        assert list(channel.unary_stream(R + "Repeat")(b"2 2", timeout=PATIENCE)) == [b"00", b"11"]
        assert channel.stream_unary(R + "Join")(iter((b"a", b"b")), timeout=PATIENCE) == b"ab"
        chat = channel.stream_stream(R + "Chat")(iter((b"a", b"b")), timeout=PATIENCE)
        assert list(chat) == [b"a", b"b"]
        for method, code in (("Fail", 5), ("NotThere", 12)):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(R + method)(b"5", timeout=PATIENCE)
            assert caught.value.code().value[0] == code
        call = channel.unary_unary(R + "Hang").future(b"")
        assert server.hanging.get(timeout=PATIENCE)
        call.cancel()
        assert server.cancelled.get(timeout=PATIENCE)


@pytest.mark.usefixtures("devices")
def test_without_reflection_in_the_session_dialect(broker, base, start_proxy):
    proxy = start_proxy(broker.url(f"{base}/one", dialect="session"))
    for _ in range(2):  # the second does not ask
        error = refusal(proxy)
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED
        assert "descriptors" in error.details() and "reflection" in error.details()


def test_with_nobody_to_ask(broker, base, start_proxy):
    error = refusal(start_proxy(broker.url(base)))
    assert error.code() == grpc.StatusCode.UNAVAILABLE and "reflection" in error.details()
