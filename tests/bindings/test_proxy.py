"""grpc_mqtt.Proxy: the proxy in this process, before servers of the package and the gateway."""

import gc
import itertools
from concurrent import futures

import grpc
import pytest
from stack import PATIENCE, free_port

import grpc_mqtt

ANY = "127.0.0.1:0"
NAME = "/test.Names/Name"
_numbers = itertools.count()


@pytest.fixture
def broker_url():
    return f"loopback://proxy{next(_numbers)}"


@pytest.fixture
def methods():
    """A descriptor set of one service, test.Names with the unary Name."""
    from google.protobuf import descriptor_pb2

    file = descriptor_pb2.FileDescriptorProto(name="names.proto", package="test")
    file.message_type.add(name="Raw")
    method = file.service.add(name="Names").method.add(name="Name")
    method.input_type = method.output_type = ".test.Raw"
    return descriptor_pb2.FileDescriptorSet(file=[file])


@pytest.fixture
def devices(broker_url):
    """Two servers, at /one and /two, that answer with their names."""
    servers = [serve(f"{broker_url}/{name}", name) for name in ("one", "two")]
    yield servers
    for server in servers:
        server.stop(None).wait()


def serve(url, name):
    server = grpc_mqtt.server(url, futures.ThreadPoolExecutor(2))
    handler = grpc.unary_unary_rpc_method_handler(lambda request, _: name.encode() + request)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("test.Names", {"Name": handler}),)
    )
    server.start()
    return server


def ask(proxy, base=None, request=b""):
    metadata = [("grpc-mqtt-base", base)] if base else None
    with grpc.insecure_channel(f"127.0.0.1:{proxy.ports[0]}") as channel:
        call = channel.unary_unary(NAME)
        return call(request, timeout=PATIENCE, metadata=metadata).decode()


@pytest.mark.usefixtures("devices")
def test_proxy(broker_url, methods):
    with grpc_mqtt.Proxy(f"{broker_url}/one", ANY, descriptors=methods) as proxy:
        assert proxy.wait_ready(PATIENCE)
        assert ask(proxy, request=b"!") == "one!"
        assert not proxy.wait(0.01)
    assert proxy.wait(0)
    assert not proxy.wait_ready(0)


@pytest.mark.usefixtures("devices")
def test_bases_and_new_rules(broker_url, methods):
    with grpc_mqtt.Proxy(broker_url, [ANY], descriptors=methods, allow=["one"]) as proxy:
        assert proxy.wait_ready(PATIENCE), "without a base, it is ready when the broker is there"
        assert ask(proxy, "one") == "one"
        with pytest.raises(grpc.RpcError) as refused:
            ask(proxy, "two")
        assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
        proxy.configure(descriptors=methods, allow=["two"], max_calls=5, base_idle=1.5)
        assert ask(proxy, "two") == "two"
        with pytest.raises(grpc.RpcError) as refused:
            ask(proxy, "one")
        assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED


@pytest.mark.usefixtures("devices")
def test_authorities(broker_url, methods):
    with grpc_mqtt.Proxy(
        broker_url, ANY, descriptors=methods, authorities={"{name}.mqtt": "{name}"}
    ) as proxy:
        options = [("grpc.default_authority", "two.mqtt")]
        with grpc.insecure_channel(f"127.0.0.1:{proxy.ports[0]}", options) as channel:
            assert channel.unary_unary(NAME)(b"", timeout=PATIENCE) == b"two"


def text(number, data):
    """A protobuf field of bytes."""
    return bytes([number << 3 | 2, len(data)]) + data


#: What a server may say to "list your services", and to "which file has test.Names?".
ODD = {
    "nothing": [],
    "empty": [b""],
    "broken": [b"\xff\xff\xff"],
    "an error": [text(7, b"\x08\x05")],
    "no services": [text(6, b"")],
    "no file": [text(6, text(1, text(1, b"test.Names"))), text(7, b"\x08\x05")],
    "a broken file": [text(6, text(1, text(1, b"test.Names"))), text(4, text(1, b"\xff\xff"))],
    "services without names": [text(6, text(1, b"") + text(1, text(1, b"a\0b")) + b"\x0a\xff")],
    "one too many": [text(6, b""), text(6, b""), b""],
}


@pytest.mark.parametrize("dialect", ["link", "session"])
@pytest.mark.parametrize("said", ODD.values(), ids=ODD)
def test_odd_reflection(broker_url, said, dialect):
    """It does no harm; where the server is asked for the kind nothing is missing."""

    def reflect(requests, _context):
        for reply, _ in zip(said, requests, strict=False):
            yield reply

    server = serve(f"{broker_url}/one", "one")
    handler = grpc.stream_stream_rpc_method_handler(reflect)
    reflection = "grpc.reflection.v1.ServerReflection"
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(reflection, {"ServerReflectionInfo": handler}),)
    )
    with grpc_mqtt.Proxy(f"{broker_url}/one?dialect={dialect}", ANY) as proxy:
        if dialect == "link":
            assert ask(proxy) == "one"
        else:
            with pytest.raises(grpc.RpcError) as refused:
                ask(proxy)
            assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED
    server.stop(None).wait()


def test_abandoned_proxy_ends(broker_url):
    proxy = grpc_mqtt.Proxy(f"{broker_url}/one", ANY)
    gone = proxy._events.gone
    del proxy
    gc.collect()
    assert gone.wait(PATIENCE)


def test_bad_arguments(broker_url):
    address = f"127.0.0.1:{free_port()}"
    with grpc_mqtt.Proxy(f"{broker_url}/one", address):
        with pytest.raises(grpc_mqtt.IoError, match=f"{address}.*in use"):
            grpc_mqtt.Proxy(f"{broker_url}/one", address)
    with pytest.raises(grpc_mqtt.InvalidError, match="listen"):
        grpc_mqtt.Proxy(f"{broker_url}/one", [])
    with pytest.raises(grpc_mqtt.InvalidError, match="nonsense"):
        grpc_mqtt.Proxy(f"{broker_url}/one", "nonsense")
    with pytest.raises(grpc_mqtt.UrlError):
        grpc_mqtt.Proxy("nonsense", ANY)
    with pytest.raises(grpc_mqtt.OptionError, match="no_such"):
        grpc_mqtt.Proxy(broker_url, ANY, {"no_such": 1})
    with pytest.raises(grpc_mqtt.InvalidError, match="a/#/b"):
        grpc_mqtt.Proxy(broker_url, ANY, allow=["a/#/b"])
    with pytest.raises(grpc_mqtt.InvalidError, match="max_calls"):
        grpc_mqtt.Proxy(broker_url, ANY, max_calls=0)
    with pytest.raises(grpc_mqtt.IoError, match=r"missing\.pem"):
        grpc_mqtt.Proxy(broker_url, ANY, cert_file="/no/missing.pem")
