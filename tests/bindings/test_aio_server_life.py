"""Limits, start and stop of the server of grpc_mqtt.aio.

Every test that takes `stack` runs with grpc.aio's own server and channel too, which thereby say
what is right.
"""

import asyncio

import grpc
import grpc.aio
import pytest
from aio_stacks import CHAT, STACKS, UNARY, MqttStack, Served, chat, echo, status_of
from aio_support import SOON, aio, later_grpcio, soon, until

import grpc_mqtt
import grpc_mqtt.aio


@pytest.fixture(params=list(STACKS))
def stack(request):
    return STACKS[request.param]()


@later_grpcio
@aio
async def test_maximum_concurrent_rpcs(stack):
    release, entered = asyncio.Event(), []

    async def handler(request, context):
        entered.append(request)
        await release.wait()
        return request

    async with Served(stack, {UNARY: handler}, maximum_concurrent_rpcs=3) as channel:
        unary = channel.unary_unary(UNARY)
        calls = [unary(b"a", timeout=SOON) for _ in range(3)]
        await until(lambda: len(entered) == 3)
        expected = (grpc.StatusCode.RESOURCE_EXHAUSTED, "Concurrent RPC limit exceeded!")
        assert await status_of(unary(b"b", timeout=SOON)) == expected
        release.set()
        await soon(asyncio.gather(*calls))
        for _ in range(100):  # the server needs a moment to count them out
            try:
                assert await unary(b"c", timeout=SOON) == b"c"
                break
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.02)
        else:
            raise AssertionError


@later_grpcio
@aio
async def test_bad_limit(stack):
    with pytest.raises(ValueError, match="maximum_concurrent_rpcs should be a positive integer"):
        stack.server(maximum_concurrent_rpcs=0)


@later_grpcio
@aio
async def test_stop_without_grace(stack):
    entered, ended = asyncio.Event(), asyncio.Event()

    async def handler(request, context):
        entered.set()
        try:
            await asyncio.sleep(5 * SOON)
        finally:
            ended.set()

    served = Served(stack, {UNARY: handler})
    async with served as channel:
        call = channel.unary_unary(UNARY)(b"")
        await soon(entered.wait())
        assert await served.server.wait_for_termination(0.05) is True
        waiting = asyncio.ensure_future(served.server.wait_for_termination())
        await soon(served.server.stop(None))
        assert ended.is_set()
        assert await soon(waiting) is False
        assert (await status_of(call))[0] is grpc.StatusCode.UNAVAILABLE
        await soon(served.server.stop(None))


@aio
async def test_stop_with_grace(stack):
    entered, release = asyncio.Event(), asyncio.Event()

    async def handler(request, context):
        entered.set()
        await release.wait()
        return request

    served = Served(stack, {UNARY: handler})
    async with served as channel:
        call = channel.unary_unary(UNARY)(b"a")
        await soon(entered.wait())
        stopping = asyncio.ensure_future(served.server.stop(SOON))
        await asyncio.sleep(0.2)
        assert not stopping.done()
        assert (await status_of(channel.unary_unary(UNARY)(b"new")))[
            0
        ] is grpc.StatusCode.UNAVAILABLE
        release.set()
        assert await soon(call) == b"a"
        await soon(stopping)


@aio
async def test_stop_when_the_grace_is_over(stack):
    entered = asyncio.Event()

    async def handler(request, context):
        entered.set()
        await asyncio.sleep(5 * SOON)

    served = Served(stack, {UNARY: handler})
    async with served as channel:
        call = channel.unary_unary(UNARY)(b"a")
        await soon(entered.wait())
        await soon(served.server.stop(0.2))
        assert (await status_of(call))[0] is grpc.StatusCode.UNAVAILABLE


@aio
async def test_stop_before_start(stack):
    server = stack.server()
    await server.stop(None)
    await server.start()
    await server.start()
    await server.stop(None)
    with pytest.raises(grpc.aio.UsageError):
        await server.start()


# ---- Ours alone


@aio
async def test_stop_that_is_not_awaited_to_the_end():
    entered, release = asyncio.Event(), asyncio.Event()

    async def handler(request, context):
        entered.set()
        await release.wait()
        return request

    served = Served(MqttStack(), {UNARY: handler})
    async with served as channel:
        call = channel.unary_unary(UNARY)(b"a")
        await soon(entered.wait())
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(served.server.stop(SOON), 0.1)
        release.set()
        assert await soon(call) == b"a"
        assert await soon(served.server.wait_for_termination()) is False


@aio
async def test_handler_stops_its_server():
    async def handler(request, context):
        await served.server.stop(None)

    served = Served(MqttStack(), {UNARY: handler})
    async with served as channel:
        code, _ = await status_of(channel.unary_unary(UNARY)(b"a"))
        assert code is grpc.StatusCode.UNAVAILABLE
        assert await soon(served.server.wait_for_termination()) is False


@aio
async def test_ports_do_no_harm():
    server = grpc_mqtt.aio.server("loopback://ports/base")
    assert server.add_insecure_port("[::]:50051") == 50051
    assert server.add_insecure_port("localhost:0") > 0
    assert server.add_secure_port("[::]:443", None) == 443


@aio
async def test_bad_arguments():
    with pytest.raises(grpc_mqtt.UrlError):
        grpc_mqtt.aio.server("nonsense")
    with pytest.raises(grpc_mqtt.OptionError):
        await grpc_mqtt.aio.server("loopback://a/b", options={"no_such": 1}).start()


@aio
async def test_dropped_server_goes():
    stack = MqttStack()
    served = Served(stack, {UNARY: echo})
    async with served as channel:
        assert await channel.unary_unary(UNARY)(b"a", timeout=SOON) == b"a"
        del served.server
        served.server = stack.server()

        async def refused():
            try:
                await channel.unary_unary(UNARY)(b"a", timeout=SOON)
            except grpc.aio.AioRpcError as error:
                return error.code() is grpc.StatusCode.UNAVAILABLE
            return False

        while not await soon(refused()):
            await asyncio.sleep(0.01)


@aio
async def test_unreachable_broker():
    server = grpc_mqtt.aio.server("mqtt://127.0.0.1:1/base")
    await soon(server.start())
    await soon(server.stop(None))


def test_sync_channel_to_an_aio_server():
    stack = MqttStack()

    @aio
    async def check():
        served = Served(stack, {UNARY: echo, CHAT: chat})
        async with served:
            channel = grpc_mqtt.channel(stack.url)
            loop = asyncio.get_running_loop()
            call = channel.unary_unary(UNARY)
            assert await loop.run_in_executor(None, call, b"a") == b"a"
            requests = [b"a", b"b"]

            def stream():
                return list(channel.stream_stream(CHAT)(iter(requests)))

            assert await loop.run_in_executor(None, stream) == requests
            channel.close()

    check()
