"""The state of a channel in the link dialect: broker and server."""

import asyncio
import threading
from concurrent import futures

import grpc
import pytest
from stack import PATIENCE

import grpc_mqtt.aio

UNARY = "/test.Presence/Unary"
State = grpc.ChannelConnectivity


class Handler(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(lambda request, context: request)


def serve(url):
    server = grpc_mqtt.server(url, futures.ThreadPoolExecutor(2), (Handler(),))
    server.start()
    return server


class Watcher:
    """What a channel says of its state, in order."""

    def __init__(self, channel):
        self._seen, self._changed = [], threading.Condition()
        channel.subscribe(self._take, try_to_connect=True)

    def _take(self, state):
        with self._changed:
            self._seen.append(state)
            self._changed.notify_all()

    def expect(self, state):
        with self._changed:
            assert self._changed.wait_for(lambda: self._seen[-1:] == [state], PATIENCE), self._seen


@pytest.fixture
def url(broker, base):
    return broker.url(base, dialect="link")


def test_a_server_comes_and_goes(url):
    with grpc_mqtt.channel(url) as channel:
        watcher, unary = Watcher(channel), channel.unary_unary(UNARY)
        watcher.expect(State.TRANSIENT_FAILURE)
        with pytest.raises(grpc.RpcError) as caught:
            unary(b"", timeout=PATIENCE)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        waiting = unary.future(b"waits", wait_for_ready=True, timeout=PATIENCE)
        server = serve(url)
        watcher.expect(State.READY)
        assert waiting.result() == b"waits"
        server.stop(None).wait()
        watcher.expect(State.TRANSIENT_FAILURE)
        server = serve(url)
        watcher.expect(State.READY)
        assert unary(b"again", timeout=PATIENCE) == b"again"
        server.stop(None).wait()


@pytest.mark.parametrize("dialect", ["auto", "link", "session"])
def test_nobody_and_then_a_server(broker, base, dialect):
    """In the session dialect nothing is announced: the broker is asked, now and then."""
    url = broker.url(base, dialect=dialect)
    with grpc_mqtt.channel(url) as channel:
        watcher = Watcher(channel)
        watcher.expect(State.TRANSIENT_FAILURE)
        ready = grpc.channel_ready_future(channel)
        server = serve(url)
        ready.result(timeout=PATIENCE)
        assert channel.unary_unary(UNARY)(b"now", timeout=PATIENCE) == b"now"
        server.stop(None).wait()


def test_a_server_that_was_announced_goes(broker, base):
    url = broker.url(base)
    server = serve(url)
    with grpc_mqtt.channel(url) as channel:
        watcher = Watcher(channel)
        watcher.expect(State.READY)
        server.stop(None).wait()
        watcher.expect(State.TRANSIENT_FAILURE)
        server = serve(url)
        watcher.expect(State.READY)
        server.stop(None).wait()


def test_probe_may_be_switched_off(broker, base):
    with grpc_mqtt.channel(broker.url(base, dialect="session", probe="false")) as channel:
        grpc.channel_ready_future(channel).result(timeout=PATIENCE)
    with grpc_mqtt.channel(broker.url(base, dialect="session"), {"probe": False}) as channel:
        grpc.channel_ready_future(channel).result(timeout=PATIENCE)


def test_a_server_comes_and_goes_aio(url):
    async def until(channel, state):
        while (now := channel.get_state(try_to_connect=True)) is not state:
            await asyncio.wait_for(channel.wait_for_state_change(now), PATIENCE)

    async def main():
        async with grpc_mqtt.aio.channel(url) as channel:
            unary = channel.unary_unary(UNARY)
            await until(channel, State.TRANSIENT_FAILURE)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await unary(b"", timeout=PATIENCE)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            for start in (
                unary(b""),
                channel.stream_unary(UNARY)(),
                channel.stream_stream(UNARY)(),
            ):
                with pytest.raises(grpc.aio.AioRpcError):
                    await asyncio.wait_for(start.wait_for_connection(), PATIENCE)
            waiting = unary(b"waits", wait_for_ready=True, timeout=PATIENCE)
            server = grpc_mqtt.aio.server(url, handlers=(Handler(),))
            await server.start()
            await asyncio.wait_for(channel.channel_ready(), PATIENCE)
            assert await waiting == b"waits"
            await server.stop(None)
            await until(channel, State.TRANSIENT_FAILURE)

    asyncio.run(main())
