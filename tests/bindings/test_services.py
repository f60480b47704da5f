"""grpcio-health-checking, grpcio-reflection and grpcio-status, unmodified: with grpcio's own server
and channel, and with ours.
"""

import threading

import grpc
import pytest
from google.protobuf import any_pb2, descriptor_pb2, struct_pb2
from google.rpc import code_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status
from service_rig import SOON, us, uu

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


@pytest.fixture(params=["non-blocking", "blocking"])
def healthy(serve, request):
    served = serve(begin=False, workers=8)
    if served.name == "grpcio" and request.param == "non-blocking":
        pytest.skip("grpcio's server and its health service wait for each other now and then")
    servicer = health.HealthServicer(experimental_non_blocking=request.param == "non-blocking")
    health_pb2_grpc.add_HealthServicer_to_server(servicer, served.server)
    served.start()
    yield health_pb2_grpc.HealthStub(served.channel), servicer
    servicer.enter_graceful_shutdown()


def ask(service=""):
    return health_pb2.HealthCheckRequest(service=service)


def test_health_check(healthy):
    stub, servicer = healthy
    assert stub.Check(ask(), timeout=SOON, wait_for_ready=True).status == SERVING
    servicer.set("lamp", NOT_SERVING)
    assert stub.Check(ask("lamp"), timeout=SOON).status == NOT_SERVING
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(ask("nothing"), timeout=SOON)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def until_watched_by(number, servicer, service):
    """The servicer is told of each client's end, soon."""
    pause = threading.Event()
    for _ in range(400):
        if len(servicer._send_response_callbacks[service]) == number:
            return
        pause.wait(0.05)
    pytest.fail(f"{servicer._send_response_callbacks[service]}")


def test_health_watch(healthy):
    stub, servicer = healthy
    watches = [stub.Watch(ask("lamp"), wait_for_ready=True) for _ in range(3)]
    for watch in watches:
        assert next(watch).status == SERVICE_UNKNOWN
    servicer.set("lamp", SERVING)
    for watch in watches:
        assert next(watch).status == SERVING
    watches[0].cancel()
    until_watched_by(2, servicer, "lamp")
    servicer.set("lamp", NOT_SERVING)
    for watch in watches[1:]:
        assert next(watch).status == NOT_SERVING
        watch.cancel()


def test_watches_take_no_threads(serve):
    """As many as one likes on a pool of one thread."""
    served = serve(begin=False, workers=1)
    if served.name == "grpcio":
        pytest.skip("grpcio's server and its health service wait for each other now and then")
    servicer = health.HealthServicer(experimental_non_blocking=True)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, served.server)
    served.start()
    stub = health_pb2_grpc.HealthStub(served.channel)
    watches = [stub.Watch(ask(), wait_for_ready=True) for _ in range(10)]
    for watch in watches:
        assert next(watch).status == SERVING
    for watch in watches:
        watch.cancel()
    if served.name != "grpcio":  # which is not told of each
        until_watched_by(0, servicer, "")


def test_reflection(serve):
    served = serve(begin=False)
    servicer = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, served.server)
    names = (health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, served.server)
    served.start()
    stub = reflection_pb2_grpc.ServerReflectionStub(served.channel)
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=health.SERVICE_NAME),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="no.such.Symbol"),
    ]
    listed, described, missing = stub.ServerReflectionInfo(
        iter(requests), timeout=SOON, wait_for_ready=True
    )
    assert {service.name for service in listed.list_services_response.service} == set(names)
    files = [
        descriptor_pb2.FileDescriptorProto.FromString(data)
        for data in described.file_descriptor_response.file_descriptor_proto
    ]
    assert "grpc/health/v1/health.proto" in {file.name for file in files} or any(
        file.package == "grpc.health.v1" for file in files
    )
    assert missing.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


def rich_status():
    detail = any_pb2.Any()
    detail.Pack(struct_pb2.Value(string_value="quota of ü\x00 exceeded"))
    return status_pb2.Status(
        code=code_pb2.RESOURCE_EXHAUSTED, message="too much", details=[detail, detail]
    )


def test_status_details(serve):
    def abort(request, context):
        context.abort_with_status(rpc_status.to_status(rich_status()))

    def stream(request, context):
        yield request
        abort(request, context)

    served = serve(Unary=uu(abort), Stream=us(stream))
    channel = served.channel
    for start in (
        lambda: channel.unary_unary("/test.S/Unary")(b"", timeout=SOON, wait_for_ready=True),
        lambda: list(channel.unary_stream("/test.S/Stream")(b"", timeout=SOON)),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            start()
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert rpc_status.from_call(caught.value) == rich_status()
