"""The services of grpcio's companion packages, unmodified, on the server and channel of
grpc_mqtt.aio.
"""

import asyncio

import grpc
import grpc.aio
import pytest
from aio_stacks import COUNT, UNARY, MqttStack, Served, status_of
from aio_support import SOON, aio, soon


@aio
async def test_health():
    pytest.importorskip("grpc_health.v1")
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc

    status = health_pb2.HealthCheckResponse
    served = Served(MqttStack())
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, served.server)
    await servicer.set("a", status.SERVING)
    async with served as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service="a")
        assert (await stub.Check(request, timeout=SOON)).status == status.SERVING
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Check(health_pb2.HealthCheckRequest(service="b"), timeout=SOON)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        watch = stub.Watch(request)
        assert (await soon(watch.read())).status == status.SERVING
        await servicer.set("a", status.NOT_SERVING)
        assert (await soon(watch.read())).status == status.NOT_SERVING
        watch.cancel()


@aio
async def test_reflection():
    pytest.importorskip("grpc_reflection.v1alpha")
    from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc

    served = Served(MqttStack())
    reflection.enable_server_reflection(["a.B", reflection.SERVICE_NAME], served.server)
    async with served as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        requests = [reflection_pb2.ServerReflectionRequest(list_services="")]
        async for response in stub.ServerReflectionInfo(requests, timeout=SOON):
            names = [service.name for service in response.list_services_response.service]
            assert names == ["a.B", reflection.SERVICE_NAME]


@aio
async def test_status():
    pytest.importorskip("grpc_status")
    from google.protobuf import any_pb2
    from google.rpc import code_pb2, status_pb2
    from grpc_status import rpc_status

    detail = any_pb2.Any(type_url="type.googleapis.com/x.Y", value=b"\x00\x01")
    rich = status_pb2.Status(code=code_pb2.DATA_LOSS, message="gone", details=[detail])

    async def unary(request, context):
        await context.abort_with_status(rpc_status.to_status(rich))

    async def stream(request, context):
        yield b"a"
        await context.abort_with_status(rpc_status.to_status(rich))

    async with Served(MqttStack(), {UNARY: unary, COUNT: stream}) as channel:
        call = channel.unary_unary(UNARY)(b"")
        assert await status_of(call) == (grpc.StatusCode.DATA_LOSS, "gone")
        assert await rpc_status.aio.from_call(call) == rich
        call = channel.unary_stream(COUNT)(b"")
        assert await asyncio.wait_for(call.read(), SOON) == b"a"
        assert await status_of(call.read()) == (grpc.StatusCode.DATA_LOSS, "gone")
        assert await rpc_status.aio.from_call(call) == rich
