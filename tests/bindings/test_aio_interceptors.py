"""Client interceptors with the channel of grpc_mqtt.aio.

Every test runs with grpc.aio's own channel too, which thereby says what is right.
"""

import asyncio

import grpc
import grpc.aio
import pytest
from aio_support import SOON, aio, check_status, everything, later_grpcio, open_channel, soon, until
from echo_servers import BIDI, CLIENT_STREAM, HANG, HANG_STREAM, SERVER_STREAM, UNARY

STEER = (("x-initial", "first"), ("x-trailing", "last"))


class Logging(
    grpc.aio.UnaryUnaryClientInterceptor,
):
    def __init__(self, name, log):
        self.name, self.log = name, log

    async def intercept_unary_unary(self, continuation, details, request):
        self.log.append(self.name)
        assert isinstance(details, grpc.aio.ClientCallDetails)
        assert isinstance(details.metadata, grpc.aio.Metadata)
        assert details.method in (UNARY.encode(), HANG.encode())
        return await continuation(details, request + self.name.encode())


class Streams:
    """An interceptor of each streaming kind."""

    class UnaryStream(grpc.aio.UnaryStreamClientInterceptor):
        async def intercept_unary_stream(self, continuation, details, request):
            return await continuation(details, b"2 " + request)

    class StreamUnary(grpc.aio.StreamUnaryClientInterceptor):
        async def intercept_stream_unary(self, continuation, details, requests):
            return await continuation(details, requests)

    class StreamStream(grpc.aio.StreamStreamClientInterceptor):
        async def intercept_stream_stream(self, continuation, details, requests):
            return await continuation(details, requests)


ALL_STREAMS = (Streams.UnaryStream(), Streams.StreamUnary(), Streams.StreamStream())


@later_grpcio
@aio
async def test_interceptors_in_order(echo):
    log = []
    interceptors = [Logging("+", log), Logging("-", log)]
    async with open_channel(echo, None, interceptors) as channel:
        call = channel.unary_unary(UNARY)(b"a", metadata=STEER)
        assert isinstance(call, grpc.aio.UnaryUnaryCall)
        assert isinstance(call, grpc.aio.InterceptedUnaryUnaryCall)
        assert not call.done() and not call.cancelled()
        assert await call == b"a+-"
        assert log == ["+", "-"]
        await check_status(call, grpc.StatusCode.OK, "")
        assert (await call.initial_metadata())["x-initial"] == "first"
        assert (await call.trailing_metadata())["x-trailing"] == "last"
        assert call.done() and not call.cancel()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(UNARY)(b"a", metadata=(("x-status", "7"),))
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


@later_grpcio
@aio
async def test_interceptor_changes_details(echo):
    class Change(grpc.aio.UnaryUnaryClientInterceptor):
        async def intercept_unary_unary(self, continuation, details, request):
            metadata = details.metadata + grpc.aio.Metadata(("x-trailing", "added"))
            changed = grpc.aio.ClientCallDetails(
                UNARY.encode(), SOON, metadata, details.credentials, details.wait_for_ready
            )
            call = await continuation(changed, request)
            assert SOON - 15 < call.time_remaining() <= SOON
            return call

    async with open_channel(echo, None, [Change()]) as channel:
        call = channel.unary_unary(HANG)(b"a", metadata=[("x-initial", "i")])
        assert await call == b"a"
        assert (await call.trailing_metadata())["x-trailing"] == "added"
        assert (await call.initial_metadata())["x-initial"] == "i"


@aio
async def test_interceptor_answers_itself(echo):
    class Answer(grpc.aio.UnaryUnaryClientInterceptor):
        async def intercept_unary_unary(self, continuation, details, request):
            return b"cached"

    async with open_channel(echo, None, [Answer()]) as channel:
        call = channel.unary_unary(HANG)(b"a")
        assert await call == b"cached" == await call
        await check_status(call, grpc.StatusCode.OK, "")
        assert call.done() and not call.cancelled() and not call.cancel()
        assert await call.initial_metadata() is None and await call.trailing_metadata() is None


@aio
async def test_interceptor_retries(echo):
    class Retry(grpc.aio.UnaryUnaryClientInterceptor):
        async def intercept_unary_unary(self, continuation, details, request):
            call = await continuation(details, request)
            if await call.code() is not grpc.StatusCode.OK:
                plain = details._replace(metadata=grpc.aio.Metadata())
                call = await continuation(plain, request + b" again")
            return call

    async with open_channel(echo, None, [Retry()]) as channel:
        unary = channel.unary_unary(UNARY)
        assert await unary(b"once", metadata=(("x-status", "14"),)) == b"once again"
        assert await unary(b"once") == b"once"


@aio
async def test_interceptor_that_raises(echo):
    class Raise(grpc.aio.UnaryUnaryClientInterceptor):
        async def intercept_unary_unary(self, continuation, details, request):
            if request == b"rpc":
                raise grpc.aio.AioRpcError(
                    grpc.StatusCode.DATA_LOSS, grpc.aio.Metadata(), grpc.aio.Metadata(), "mine"
                )
            raise RuntimeError("boom")

    async with open_channel(echo, None, [Raise()]) as channel:
        call = channel.unary_unary(UNARY)(b"rpc")
        with pytest.raises(grpc.aio.AioRpcError):
            await call
        await check_status(call, grpc.StatusCode.DATA_LOSS, "mine")
        assert call.done() and not call.cancel()
        seen = []
        call.add_done_callback(seen.append)
        assert seen == [call]
        with pytest.raises(RuntimeError, match="boom"):
            await channel.unary_unary(UNARY)(b"other")


@aio
async def test_cancel_an_intercepted_call(echo):
    """Before the interceptor goes on, while the call runs, and after."""

    begun = asyncio.Event()

    class Slow(grpc.aio.UnaryUnaryClientInterceptor):
        async def intercept_unary_unary(self, continuation, details, request):
            if request == b"before":
                begun.set()
                await asyncio.sleep(5 * SOON)
            call = await continuation(details, request)
            if request == b"after":
                call.cancel()
            return call

    async with open_channel(echo, None, [Slow()]) as channel:
        for request in (b"before", b"while", b"after"):
            echo.entered.clear()
            call = channel.unary_unary(HANG)(request)
            seen = []
            call.add_done_callback(seen.append)
            if request == b"before":
                await soon(begun.wait())
            else:
                await until(echo.entered.is_set if request == b"while" else call.done)
            assert call.cancel() is (request != b"after")
            with pytest.raises(asyncio.CancelledError):
                await call
            assert call.cancelled() and call.done()
            await check_status(call, grpc.StatusCode.CANCELLED, "Locally cancelled by application!")
            assert seen == [call]


@later_grpcio
@aio
async def test_intercepted_streams(echo):
    async def requests():
        yield b"a"
        yield b"b"

    async with open_channel(echo, None, ALL_STREAMS) as channel:
        call = channel.unary_stream(SERVER_STREAM)(b"1", metadata=STEER)
        assert isinstance(call, grpc.aio.UnaryStreamCall)
        assert await everything(call) == [b"0", b"1"]
        await check_status(call, grpc.StatusCode.OK)
        assert (await call.trailing_metadata())["x-trailing"] == "last"
        call = channel.unary_stream(SERVER_STREAM)(b"1")
        assert [await call.read() for _ in range(3)] == [b"0", b"1", grpc.aio.EOF]
        call = channel.stream_unary(CLIENT_STREAM)(requests())
        assert isinstance(call, grpc.aio.StreamUnaryCall)
        assert await call == b"ab"
        call = channel.stream_unary(CLIENT_STREAM)()
        for request in (b"x", b"y"):
            await call.write(request)
        await call.done_writing()
        assert await call == b"xy"
        with pytest.raises(asyncio.InvalidStateError):
            await call.write(b"late")
        call = channel.stream_stream(BIDI)(requests())
        assert isinstance(call, grpc.aio.StreamStreamCall)
        assert await everything(call) == [b"a", b"b"]
        call = channel.stream_stream(BIDI)()
        for request in (b"x", b"y"):
            await call.write(request)
            assert await call.read() == request
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        await check_status(call, grpc.StatusCode.OK)
        call = channel.stream_stream(BIDI)(requests())
        for misuse in (call.write(b""), call.done_writing()):
            with pytest.raises(grpc.aio.UsageError):
                await misuse
        assert len(await everything(call)) == 2


@later_grpcio
@aio
async def test_interceptor_replaces_responses(echo):
    class Unary(grpc.aio.UnaryStreamClientInterceptor):
        async def intercept_unary_stream(self, continuation, details, request):
            return shout(await continuation(details, request))

    class Bidi(grpc.aio.StreamStreamClientInterceptor):
        async def intercept_stream_stream(self, continuation, details, requests):
            return shout(await continuation(details, requests))

    async def shout(responses):
        async for response in responses:
            yield response + b"!"

    async with open_channel(echo, None, [Unary(), Bidi()]) as channel:
        call = channel.unary_stream(SERVER_STREAM)(b"2 1", metadata=STEER)
        assert await everything(call) == [b"0!", b"1!"]
        await check_status(call, grpc.StatusCode.OK)
        assert (await call.trailing_metadata())["x-trailing"] == "last"
        call = channel.stream_stream(BIDI)([b"a", b"b"])
        assert await everything(call) == [b"a!", b"b!"]
        call = channel.stream_stream(BIDI)()
        await call.write(b"x")
        assert await call.read() == b"x!"
        call.cancel()
        assert call.cancelled()


@aio
async def test_cancel_intercepted_streams(echo):
    async with open_channel(echo, None, ALL_STREAMS) as channel:
        call = channel.stream_stream(HANG_STREAM)()
        assert await call.read() == b"first"
        assert call.cancel() and not call.cancel()
        assert call.cancelled()
        with pytest.raises(asyncio.CancelledError):
            await call.read()
        with pytest.raises(asyncio.InvalidStateError):
            await call.write(b"")


@aio
async def test_what_is_no_interceptor(echo):
    with pytest.raises(ValueError, match="Interceptor 3 must be UnaryUnaryClientInterceptor or"):
        open_channel(echo, None, [3])


@aio
async def test_close_cancels_intercepted_calls(echo):
    channel = open_channel(echo, None, [Logging("+", [])])
    call = channel.unary_unary(HANG)(b"")
    await asyncio.sleep(0.1)
    await channel.close()
    assert call.cancelled()
