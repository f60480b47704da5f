"""grpc_mqtt.Gateway: the gateway in this process, descriptors in every form, reflection."""

import gc
import importlib
import itertools
import sys
import threading
from concurrent import futures
from types import SimpleNamespace

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from stack import PATIENCE, ROOT, free_port

import grpc_mqtt
from grpc_mqtt import _descriptors, _reflection

_numbers = itertools.count()


@pytest.fixture(scope="session")
def demo(tmp_path_factory):
    """The code generated of demo.proto."""
    from grpc_tools import protoc

    out = tmp_path_factory.mktemp("gateway_demo")
    proto = ROOT / "docs/examples/proto"
    arguments = ["protoc", f"-I{proto}", f"--python_out={out}", f"--grpc_python_out={out}"]
    assert protoc.main([*arguments, "demo.proto"]) == 0
    sys.path.insert(0, str(out))
    messages, stubs = (importlib.import_module(name) for name in ("demo_pb2", "demo_pb2_grpc"))
    yield SimpleNamespace(pb2=messages, grpc=stubs)
    sys.path.remove(str(out))


def serve(demo, text, *, reflection=()):
    """An ordinary grpcio server; its target and the server."""

    class Servicer(demo.grpc.DemoServicer):
        def SayHello(self, request, context):
            return demo.pb2.HelloReply(text=f"{text} {request.name}")

        def Count(self, request, context):
            for value in range(request.to):
                yield demo.pb2.CountReply(value=value)
            if request.to == 7:
                self.waiting.set()
                self.release.wait(PATIENCE)

        waiting = threading.Event()
        release = threading.Event()

    server = grpc.server(futures.ThreadPoolExecutor(4))
    demo.grpc.add_DemoServicer_to_server(Servicer(), server)
    for add in reflection:
        add(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    server.servicer = Servicer
    return f"127.0.0.1:{port}", server


@pytest.fixture
def target(demo):
    address, server = serve(demo, "hello")
    server.address = address
    yield server
    server.servicer.release.set()
    server.stop(None).wait()


@pytest.fixture
def url():
    return f"loopback://gateway{next(_numbers)}/fleet/device"


def say(demo, url, name="you"):
    with grpc_mqtt.channel(url) as channel:
        request = demo.pb2.HelloRequest(name=name)
        return demo.grpc.DemoStub(channel).SayHello(request, timeout=PATIENCE).text


def forms(demo, data, directory):
    file = demo.pb2.DESCRIPTOR
    path = directory / "demo.protoset"
    path.write_bytes(data)
    return {
        "bytes": data,
        "file": path,
        "name of a file": str(path),
        "FileDescriptorSet": descriptor_pb2.FileDescriptorSet.FromString(data),
        "FileDescriptor": file,
        "ServiceDescriptor": file.services_by_name["Demo"],
        "module": demo.pb2,
        "list": [file, data],
    }


def test_forms_of_descriptors(demo, demo_descriptors, tmp_path, url):
    for name, given in forms(demo, demo_descriptors, tmp_path).items():
        made = _descriptors.method_map(given)
        assert made.count() == 4, name
        assert made.input_type(made.find("/demo.v1.Demo/Chat")) == "demo.v1.ChatMessage", name
        grpc_mqtt.channel(url, descriptors=given).close()


def two_services():
    """A file of two services, importing another with the types."""
    pool = descriptor_pool.DescriptorPool()
    types = descriptor_pb2.FileDescriptorProto(name="types.proto", package="two")
    types.message_type.add(name="Empty")
    file = descriptor_pb2.FileDescriptorProto(name="two.proto", package="two")
    file.dependency.append("types.proto")
    for name in ("A", "B"):
        method = file.service.add(name=name).method.add(name="Do")
        method.input_type = method.output_type = ".two.Empty"
    for each in (types, file):
        pool.Add(each) if hasattr(pool, "Add") else pool.AddSerializedFile(each.SerializeToString())
    return pool.FindFileByName("two.proto")


def test_one_service_of_a_file():
    file = two_services()
    assert _descriptors.method_map(file).count() == 2
    made = _descriptors.method_map(file.services_by_name["B"])
    assert [made.path(i) for i in range(made.count())] == ["/two.B/Do"]


@pytest.mark.parametrize("given", [5, [5], object(), [["/no/such/file.protoset"], 3]])
def test_no_descriptors(given):
    with pytest.raises(grpc_mqtt.Error):
        _descriptors.method_map(given)


def test_gateway(demo, target, url):
    with grpc_mqtt.Gateway(url, targets={target.address: demo.pb2}) as gateway:
        assert gateway.wait_ready(PATIENCE)
        assert "/demo.v1.Demo/SayHello" in gateway.methods
        assert say(demo, url) == "hello you"
        assert not gateway.wait(0.01)
    assert gateway.wait(0)
    assert not gateway.wait_ready(0)


def test_two_targets(demo, target, url):
    """Of a method that both have, the first has it; the same on a broker with options."""
    other, server = serve(demo, "other")
    file = two_services()
    with grpc_mqtt.Gateway(
        url, {other: [file, demo.pb2], target.address: demo.pb2}, {"keep_alive_s": 5}
    ) as gateway:
        assert len(gateway.methods) == 6
        assert gateway.wait_ready(PATIENCE)
        assert say(demo, url) == "other you"
    server.stop(None).wait()


def test_over_a_broker(demo, target, broker):
    url = broker.url("tests/python/gateway_in_process")
    with grpc_mqtt.Gateway(url, {target.address: demo.pb2}) as gateway:
        assert gateway.wait_ready(PATIENCE)
        assert say(demo, url, "broker") == "hello broker"


def test_close_with_grace(demo, target, url):
    gateway = grpc_mqtt.Gateway(url, {target.address: demo.pb2})
    assert gateway.wait_ready(PATIENCE)
    with grpc_mqtt.channel(url) as channel:
        counting = demo.grpc.DemoStub(channel).Count(demo.pb2.CountRequest(to=7), timeout=PATIENCE)
        assert next(counting).value == 0
        assert target.servicer.waiting.wait(PATIENCE)
        gone = gateway.close(grace=PATIENCE)
        assert not gone.is_set()
        target.servicer.release.set()
        assert [reply.value for reply in counting] == [1, 2, 3, 4, 5, 6]
        assert gone.wait(PATIENCE)


def test_abandoned_gateway_ends(demo, target, url):
    gateway = grpc_mqtt.Gateway(url, {target.address: demo.pb2})
    gone = gateway._events.gone
    del gateway
    gc.collect()
    assert gone.wait(PATIENCE)


def test_nothing_to_forward(url):
    with pytest.raises(grpc_mqtt.InvalidError):
        grpc_mqtt.Gateway(url, {})
    with pytest.raises(grpc_mqtt.InvalidError, match="5"):
        grpc_mqtt.Gateway(url, {5: b""})


def test_bad_arguments(demo, target):
    with pytest.raises(grpc_mqtt.UrlError):
        grpc_mqtt.Gateway("nonsense", {target.address: demo.pb2})
    with pytest.raises(grpc_mqtt.OptionError, match="no_such"):
        grpc_mqtt.Gateway("loopback://a/b", {target.address: demo.pb2}, {"no_such": 1})


# ---- Reflection


def with_reflection(server):
    from grpc_reflection.v1alpha import reflection

    reflection.enable_server_reflection(("demo.v1.Demo", reflection.SERVICE_NAME), server)


def with_v1(server):
    """The service under its later name: the messages are the same."""
    from grpc_reflection.v1alpha import reflection, reflection_pb2

    servicer = reflection.ReflectionServicer(("demo.v1.Demo",))
    handler = grpc.stream_stream_rpc_method_handler(
        servicer.ServerReflectionInfo,
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                "grpc.reflection.v1.ServerReflection", {"ServerReflectionInfo": handler}
            ),
        )
    )


@pytest.mark.parametrize("add", [with_reflection, with_v1])
def test_reflection(demo, url, add):
    pytest.importorskip("grpc_reflection")
    address, server = serve(demo, "reflected", reflection=[add])
    try:
        with grpc_mqtt.Gateway(url, {address: None}) as gateway:
            assert gateway.wait_ready(PATIENCE)
            assert "/demo.v1.Demo/Chat" in gateway.methods
            assert say(demo, url) == "reflected you"
    finally:
        server.stop(None).wait()


def test_reflection_keeps_options_and_kinds(demo, demo_descriptors):
    pytest.importorskip("grpc_reflection")
    address, server = serve(demo, "reflected", reflection=[with_reflection])
    try:
        asked, given = _reflection.method_map(address), _descriptors.method_map(demo_descriptors)
        for index in range(given.count()):
            found = asked.find(given.path(index))
            assert asked.kind(found) == given.kind(index)
            assert asked.output_type(found) == given.output_type(index)
    finally:
        server.stop(None).wait()


def test_no_reflection(demo, target, url):
    with pytest.raises(grpc_mqtt.IoError, match="no reflection service") as caught:
        grpc_mqtt.Gateway(url, {target.address: None})
    assert target.address in str(caught.value)


def test_target_unreachable(url):
    nobody = f"127.0.0.1:{free_port()}"
    with pytest.raises(grpc_mqtt.IoError, match=nobody):
        grpc_mqtt.Gateway(url, {nobody: None})


@pytest.mark.parametrize("data", [b"\x0a", b"\x0a\x05ab", b"\x80", b"\x0b", b"\x09\x00"])
def test_broken_messages(data):
    with pytest.raises(grpc_mqtt.ParseError):
        _reflection.fields(data)


def test_fields():
    data = b"\x0a\x02hi" + b"\x10\x96\x01" + b"\x1d\x00\x00\x00\x00" + b"\x0a\x00"
    assert _reflection.fields(data) == {1: [b"hi", b""]}
