"""The states of channels, of grpc and grpc.aio: grpcio's own say what is right."""

import asyncio
import queue
import threading

import grpc
from aio_support import SOON, aio, open_channel, soon
from echo_servers import UNARY


def test_connectivity(echo):
    seen = []
    ready = threading.Event()

    def callback(state):
        seen.append(state)
        if state is grpc.ChannelConnectivity.READY:
            ready.set()

    with echo.channel() as channel:
        channel.subscribe(callback, try_to_connect=True)
        assert ready.wait(SOON)
        assert channel.unary_unary(UNARY)(b"meanwhile") == b"meanwhile"
        channel.unsubscribe(callback)
        channel.unsubscribe(callback)
    assert seen[-1] is grpc.ChannelConnectivity.READY


def test_idle_until_somebody_calls(echo):
    """As told to those who only watch; what is below is not asked for."""
    seen, told = queue.SimpleQueue(), []
    with echo.channel() as channel, echo.channel() as other:
        channel.subscribe(seen.put)
        assert seen.get(timeout=SOON) is grpc.ChannelConnectivity.IDLE
        grpc.channel_ready_future(other).result(timeout=SOON)  # so long it would have taken, too
        assert seen.empty()
        assert channel.unary_unary(UNARY)(b"a", timeout=SOON) == b"a"
        while told[-1:] != [grpc.ChannelConnectivity.READY]:
            told.append(seen.get(timeout=SOON))
    assert grpc.ChannelConnectivity.IDLE not in told


def test_idle_until_somebody_tries_to_connect(echo):
    first, second = queue.SimpleQueue(), queue.SimpleQueue()
    with echo.channel() as channel:
        channel.subscribe(first.put)
        assert first.get(timeout=SOON) is grpc.ChannelConnectivity.IDLE
        channel.subscribe(second.put, try_to_connect=True)
        for seen in (first, second):
            while seen.get(timeout=SOON) is not grpc.ChannelConnectivity.READY:
                pass


@aio
async def test_aio_connectivity(echo):
    async with open_channel(echo) as channel:
        state = channel.get_state(try_to_connect=True)
        assert isinstance(state, grpc.ChannelConnectivity)
        await soon(channel.channel_ready())
        assert channel.get_state() is grpc.ChannelConnectivity.READY
        await channel.wait_for_state_change(grpc.ChannelConnectivity.IDLE)
        waiting = asyncio.ensure_future(
            channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
        )
        await asyncio.sleep(0.05)
        assert not waiting.done()
        waiting.cancel()
    assert channel.get_state() is grpc.ChannelConnectivity.SHUTDOWN


@aio
async def test_aio_idle_until_somebody_asks(echo):
    async with open_channel(echo) as channel, open_channel(echo) as other:
        assert channel.get_state() is grpc.ChannelConnectivity.IDLE
        await soon(other.channel_ready())  # so long it would have taken, too
        assert channel.get_state() is grpc.ChannelConnectivity.IDLE
        waiting = asyncio.ensure_future(
            channel.wait_for_state_change(grpc.ChannelConnectivity.IDLE)
        )
        await asyncio.sleep(0)
        assert channel.get_state(try_to_connect=True) is grpc.ChannelConnectivity.IDLE
        await soon(waiting)
        assert channel.get_state() is not grpc.ChannelConnectivity.IDLE


@aio
async def test_aio_idle_until_somebody_calls(echo):
    async with open_channel(echo) as channel:
        assert channel.get_state() is grpc.ChannelConnectivity.IDLE
        await soon(channel.unary_unary(UNARY)(b""))
        assert channel.get_state() is grpc.ChannelConnectivity.READY
