"""The channel of grpc_mqtt.aio.

Every test that takes `echo` runs with grpc.aio's own channel too, which thereby says what is right.
"""

import asyncio
import gc
import time

import grpc
import grpc.aio
import pytest
from aio_support import SOON, aio, check_status, everything, later_grpcio, open_channel, soon, until
from echo_servers import BIDI, CLIENT_STREAM, HANG, HANG_STREAM, SERVER_STREAM, UNARY

import grpc_mqtt
import grpc_mqtt.aio

STEER = (("x-initial", "first"), ("x-trailing", "last"), ("x-trailing-bin", b"\x00\xff"))


async def check_local_cancel(call):
    assert call.done() and call.cancelled()
    await check_status(call, grpc.StatusCode.CANCELLED, "Locally cancelled by application!")
    assert not call.cancel()


# ---- Unary


@aio
async def test_unary(echo):
    async with open_channel(echo) as channel:
        call = channel.unary_unary(UNARY)(b"hello", metadata=STEER, timeout=SOON)
        assert isinstance(call, grpc.aio.UnaryUnaryCall)
        assert not call.done() and SOON - 15 < call.time_remaining() <= SOON
        assert await call == b"hello"
        assert await call == b"hello"
        await check_status(call, grpc.StatusCode.OK, "")
        assert (await call.initial_metadata())["x-initial"] == "first"
        trailing = await call.trailing_metadata()
        assert isinstance(trailing, grpc.aio.Metadata)
        assert trailing["x-trailing"] == "last" and trailing["x-trailing-bin"] == b"\x00\xff"
        assert call.done() and not call.cancelled() and not call.cancel()
        await call.wait_for_connection()
        assert not await call.debug_error_string()


@aio
async def test_unary_sizes(echo):
    async with open_channel(echo) as channel:
        unary = channel.unary_unary(UNARY)
        for data in (b"", bytes(range(256)) * 4096):
            assert await unary(data, timeout=SOON) == data
        assert unary(b"").time_remaining() is None


@aio
async def test_serializers(echo):
    async with open_channel(echo) as channel:
        assert await channel.unary_unary(UNARY, str.encode, bytes.decode)("grüße") == "grüße"


@aio
async def test_metadata_forms(echo):
    async with open_channel(echo) as channel:
        for metadata in (
            grpc.aio.Metadata(("x-trailing", "v")),
            (("x-trailing", "v"),),
            [("x-trailing", "v")],
        ):
            call = channel.unary_unary(UNARY)(b"", metadata=metadata)
            assert (await call.trailing_metadata())["x-trailing"] == "v"


@aio
async def test_error_status(echo):
    metadata = (("x-status", "5"), ("x-details", "no such thing"))
    async with open_channel(echo) as channel:
        call = channel.unary_unary(UNARY)(b"", metadata=metadata)
        for _ in range(2):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
        error = caught.value
        assert error.code() is grpc.StatusCode.NOT_FOUND and error.details() == "no such thing"
        assert isinstance(error.trailing_metadata(), grpc.aio.Metadata)
        assert "no such thing" in error.debug_error_string()
        await check_status(call, grpc.StatusCode.NOT_FOUND, "no such thing")
        assert "no such thing" in repr(call)
        with pytest.raises(grpc.aio.AioRpcError):
            await call.wait_for_connection()


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.value[0]])
def test_every_status(echo, code):
    @aio
    async def check():
        metadata = (("x-status", str(code.value[0])), ("x-details", "so it is"))
        async with open_channel(echo) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(UNARY)(b"", metadata=metadata)
            assert (caught.value.code(), caught.value.details()) == (code, "so it is")
            stream = channel.unary_stream(SERVER_STREAM)(b"2 2", metadata=metadata)
            assert [await stream.read(), await stream.read()] == [b"0.", b"1."]
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stream.read()
            assert (caught.value.code(), caught.value.details()) == (code, "so it is")

    check()


@aio
async def test_trailing_metadata_of_an_error(echo):
    metadata = (("x-status", "5"), ("x-trailing", "why"))
    async with open_channel(echo) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await everything(channel.unary_stream(SERVER_STREAM)(b"0 0", metadata=metadata))
        assert caught.value.trailing_metadata()["x-trailing"] == "why"


@aio
async def test_unknown_method(echo):
    async with open_channel(echo) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/test.Echo/Nothing")(b"")
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@aio
async def test_timeout(echo):
    async with open_channel(echo) as channel:
        for timeout in (0.2, 0, -1):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(HANG)(b"", timeout=timeout)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert caught.value.details() == "Deadline Exceeded"
        stream = channel.stream_stream(HANG_STREAM)(timeout=2)
        assert await stream.read() == b"first"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stream.read()
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


@aio
async def test_wait_for_ready_and_compression(echo):
    async with open_channel(echo) as channel:
        call = channel.unary_unary(UNARY)
        assert await call(b"1", wait_for_ready=True, timeout=SOON) == b"1"
        assert await call(b"2", wait_for_ready=False, timeout=SOON) == b"2"
        assert await call(b"z" * 999, compression=grpc.Compression.Gzip) == b"z" * 999


@aio
async def test_many_at_once(echo):
    async with open_channel(echo) as channel:
        unary = channel.unary_unary(UNARY)
        wanted = [b"%d" % i for i in range(300)]
        assert await soon(asyncio.gather(*map(unary, wanted))) == wanted


def test_registered_method(echo):
    """Newer generated code passes _registered_method, by name or as the fourth argument."""

    @aio
    async def check():
        async with open_channel(echo) as channel:
            assert await channel.unary_unary(UNARY, _registered_method=True)(b"a") == b"a"
            assert await channel.unary_unary(UNARY, None, None, True)(b"a") == b"a"
            stream = channel.unary_stream(SERVER_STREAM, None, None, True)(b"1 1")
            assert await everything(stream) == [b"0"]
            assert await channel.stream_unary(CLIENT_STREAM, None, None, True)([b"a"]) == b"a"
            stream = channel.stream_stream(BIDI, None, None, True)([b"a"])
            assert await everything(stream) == [b"a"]

    if echo.name == "grpcio":
        pytest.skip("grpcio has it from 1.63 on")
    check()


# ---- Cancelling


@aio
async def test_cancel(echo):
    echo.entered.clear()
    echo.cancelled.clear()
    async with open_channel(echo) as channel:
        call = channel.unary_unary(HANG)(b"")
        seen = []
        call.add_done_callback(seen.append)
        await until(echo.entered.is_set)
        assert not call.done() and not seen
        assert call.cancel() is True
        assert seen == [call]
        await check_local_cancel(call)
        with pytest.raises(asyncio.CancelledError):
            await call
        assert len(await call.initial_metadata()) == len(await call.trailing_metadata()) == 0
        await until(echo.cancelled.is_set)


@aio
async def test_cancel_while_awaited(echo):
    echo.entered.clear()
    async with open_channel(echo) as channel:
        call = channel.unary_unary(HANG)(b"")

        async def wait():
            await call

        task = asyncio.ensure_future(wait())
        await until(echo.entered.is_set)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await soon(task)
        await check_local_cancel(call)


@aio
async def test_cancelled_task_cancels_the_call(echo):
    echo.entered.clear()
    echo.cancelled.clear()
    async with open_channel(echo) as channel:
        call = channel.unary_unary(HANG)(b"")

        async def wait():
            await call

        task = asyncio.ensure_future(wait())
        await until(echo.entered.is_set)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await soon(task)
        await check_local_cancel(call)
        await until(echo.cancelled.is_set)
        for read in (lambda call: call.read(), everything):
            stream = channel.stream_stream(HANG_STREAM)()
            task = asyncio.ensure_future(read(stream))
            await stream.initial_metadata()
            await asyncio.sleep(0.05)
            task.cancel()
            task.cancelled() or await asyncio.wait((task,))
            if not task.cancelled():  # it had read the first message
                stream.cancel()
            await check_local_cancel(stream)


@aio
async def test_cancel_of_a_stream(echo):
    echo.cancelled.clear()
    async with open_channel(echo) as channel:
        stream = channel.stream_stream(HANG_STREAM)()
        assert await stream.read() == b"first"
        assert stream.cancel() and not stream.cancel()
        with pytest.raises(asyncio.CancelledError):
            await stream.read()
        await check_local_cancel(stream)
        with pytest.raises(asyncio.InvalidStateError, match="RPC already finished"):
            await stream.write(b"a")
        await until(echo.cancelled.is_set)
        stream = channel.stream_stream(HANG_STREAM)()
        seen = []
        with pytest.raises(asyncio.CancelledError):
            async for response in stream:
                seen.append(response)
                stream.cancel()
        assert seen == [b"first"]


@aio
async def test_cancelled_by_the_server(echo):
    metadata = (("x-status", "1"), ("x-details", "not any more"))
    async with open_channel(echo) as channel:
        call = channel.unary_unary(UNARY)(b"", metadata=metadata)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.CANCELLED and call.cancelled()


@aio
async def test_dropped_call_is_cancelled(echo):
    if echo.name == "grpcio":
        pytest.skip("grpcio's own tasks hold the call until it ends")
    echo.cancelled.clear()
    async with open_channel(echo) as channel:
        call = channel.stream_stream(HANG_STREAM)()
        assert await call.read() == b"first"
        del call

        gc.collect()
        await until(echo.cancelled.is_set)


@aio
async def test_stream_that_only_its_iteration_holds(echo):
    async with open_channel(echo) as channel:
        stream = channel.unary_stream(SERVER_STREAM)
        seen = 0
        async for _ in stream(b"200 10"):
            seen += 1
            if seen % 50 == 0:
                gc.collect()
        assert seen == 200


# ---- Callbacks


@aio
async def test_done_callbacks(echo):
    async with open_channel(echo) as channel:
        call = channel.unary_unary(UNARY)(b"x")
        seen = []
        call.add_done_callback(seen.append)
        assert await call == b"x"
        assert seen == [call]
        call.add_done_callback(seen.append)
        assert seen == [call, call]
        stream = channel.unary_stream(SERVER_STREAM)(b"3 3")
        stream.add_done_callback(seen.append)
        await everything(stream)
        assert seen[2:] == [stream]


# ---- What the caller did wrong


@aio
async def test_bad_metadata(echo):
    async with open_channel(echo) as channel:
        for metadata, error in (
            ((("key", 3),), TypeError),
            (((3, "value"),), TypeError),
            ((("Key", "v"),), grpc.aio.InternalError),
        ):
            call = channel.unary_unary(UNARY)(b"", metadata=metadata)
            with pytest.raises(error):
                await call


@aio
async def test_request_that_is_no_bytes(echo):
    async with open_channel(echo) as channel:
        with pytest.raises(TypeError):
            await channel.unary_unary(UNARY)("text")


@aio
async def test_credentials_on_an_insecure_channel(echo):
    async with open_channel(echo) as channel:
        with pytest.raises(grpc.aio.UsageError, match="only valid on secure channels"):
            await channel.unary_unary(UNARY)(
                b"", credentials=grpc.access_token_call_credentials("secret")
            )


def boom(_):
    raise RuntimeError("boom")


@aio
async def test_serializers_that_raise(mqtt_server):
    """grpc.aio goes on with an empty message, or None; here it is an error, as in the sync API."""
    async with open_channel(mqtt_server) as channel:
        for call in (
            channel.unary_unary(UNARY, boom)(b""),
            channel.stream_unary(CLIENT_STREAM, boom)([b""]),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
            assert caught.value.code() is grpc.StatusCode.INTERNAL
            assert caught.value.details() == "Exception serializing request!"
            await check_status(call, grpc.StatusCode.INTERNAL)
        with pytest.raises(grpc.aio.AioRpcError):
            await everything(channel.unary_stream(SERVER_STREAM, boom)(b"1 1"))
        for deserializer in (boom, lambda _: None):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(UNARY, None, deserializer)(b"")
            assert caught.value.details() == "Exception deserializing response!"
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await everything(channel.unary_stream(SERVER_STREAM, None, deserializer)(b"9 9"))
            assert caught.value.details() == "Exception deserializing response!"


@aio
async def test_styles_do_not_mix(echo):
    async with open_channel(echo) as channel:
        stream = channel.unary_stream(SERVER_STREAM)(b"9 9")
        assert await stream.read() == b"0........"
        with pytest.raises(grpc.aio.UsageError, match="may not be mixed"):
            await everything(stream)
        stream.cancel()
        stream = channel.stream_stream(HANG_STREAM)([b"a"])
        for misuse in (stream.write(b""), stream.done_writing()):
            with pytest.raises(grpc.aio.UsageError, match="may not be mixed"):
                await misuse
        async for response in stream:
            assert response == b"first"
            break
        with pytest.raises(grpc.aio.UsageError, match="may not be mixed"):
            await stream.read()


# ---- Streams


@aio
async def test_server_streaming(echo):
    async with open_channel(echo) as channel:
        stream = channel.unary_stream(SERVER_STREAM)
        call = stream(b"1000 10", timeout=SOON, metadata=STEER)
        assert isinstance(call, grpc.aio.UnaryStreamCall)
        await call.wait_for_connection()
        assert (await call.initial_metadata())["x-initial"] == "first"
        responses = await everything(call)
        assert [int(response.rstrip(b".")) for response in responses] == list(range(1000))
        await check_status(call, grpc.StatusCode.OK, "")
        assert (await call.trailing_metadata())["x-trailing"] == "last"
        assert [len(response) async for response in stream(b"20 300000")] == [300000] * 20
        assert await everything(stream(b"0 0")) == []
        assert await everything(call) == []


@aio
async def test_reading_past_the_end(echo):
    async with open_channel(echo) as channel:
        call = channel.unary_stream(SERVER_STREAM)(b"2 1")
        assert [await call.read() for _ in range(4)] == [b"0", b"1", grpc.aio.EOF, grpc.aio.EOF]
        assert not grpc.aio.EOF


@aio
async def test_unread_messages_hold_the_status_back_until_the_deadline(echo):
    async with open_channel(echo) as channel:
        call = channel.unary_stream(SERVER_STREAM)(b"3 1", timeout=0.5)
        assert await soon(call.code()) is grpc.StatusCode.DEADLINE_EXCEEDED


@aio
async def test_unread_messages_hold_the_status_back(echo):
    async with open_channel(echo) as channel:
        call = channel.unary_stream(SERVER_STREAM)(b"3 3", metadata=(("x-status", "5"),))
        assert await call.read() == b"0.."
        await asyncio.sleep(0.1)
        assert not call.done() and call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call.read()


@aio
async def test_break_and_go_on(echo):
    async with open_channel(echo) as channel:
        call = channel.unary_stream(SERVER_STREAM)(b"10 1")
        async for response in call:
            if response == b"3":
                break
        assert await everything(call) == [b"4", b"5", b"6", b"7", b"8", b"9"]


@aio
async def test_client_streaming(echo):
    async def requests(count):
        for i in range(count):
            if i % 100 == 0:
                await asyncio.sleep(0.001)
            yield b"%d" % i

    expected = b"".join(b"%d" % i for i in range(500))
    async with open_channel(echo) as channel:
        stream = channel.stream_unary(CLIENT_STREAM)
        assert await stream(requests(500), timeout=SOON) == expected
        assert await stream([b"%d" % i for i in range(500)]) == expected
        assert await stream(requests(0)) == b""
        call = stream(metadata=STEER)
        assert isinstance(call, grpc.aio.StreamUnaryCall)
        await call.wait_for_connection()
        for i in range(3):
            await call.write(b"%d" % i)
        await call.done_writing()
        await call.done_writing()
        with pytest.raises(asyncio.InvalidStateError):
            await call.write(b"late")
        assert await call == b"012"
        assert (await call.trailing_metadata())["x-trailing"] == "last"


@aio
async def test_upload_beyond_the_send_buffer(echo):
    """More than may wait to be sent: writing has to wait for room."""
    chunk = b"x" * 100_000
    async with open_channel(echo) as channel:
        stream = channel.stream_unary(CLIENT_STREAM)
        assert len(await stream([chunk] * 30, timeout=SOON)) == 3_000_000
        call = stream(timeout=SOON)
        for _ in range(30):
            await call.write(chunk)
        await call.done_writing()
        assert len(await call) == 3_000_000


@aio
async def test_bidi(echo):
    requests = [b"%d" % i for i in range(200)]
    async with open_channel(echo) as channel:
        stream = channel.stream_stream(BIDI)
        assert await everything(stream(requests, timeout=SOON)) == requests
        call = stream(metadata=STEER)
        assert isinstance(call, grpc.aio.StreamStreamCall)
        await call.wait_for_connection()
        for i in range(50):  # each request after the response before
            await call.write(b"%d" % i)
            assert await call.read() == b"%d" % i
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        await check_status(call, grpc.StatusCode.OK)
        assert (await call.trailing_metadata())["x-trailing"] == "last"


@aio
async def test_reader_and_writer_in_two_tasks(echo):
    async with open_channel(echo) as channel:
        call = channel.stream_stream(BIDI)(timeout=SOON)

        async def write():
            for i in range(300):
                await call.write(b"%d" % i)
            await call.done_writing()

        writer = asyncio.ensure_future(write())
        assert await everything(call) == [b"%d" % i for i in range(300)]
        await writer


@aio
async def test_request_iterator_that_raises(echo):
    async def requests():
        yield b"1"
        raise RuntimeError("boom")

    def sync_requests():
        yield b"1"
        raise RuntimeError("boom")

    async with open_channel(echo) as channel:
        for make in (requests, sync_requests):
            with pytest.raises(asyncio.CancelledError):
                await soon(channel.stream_unary(CLIENT_STREAM)(make()))
            stream = channel.stream_stream(HANG_STREAM)(make())
            with pytest.raises(asyncio.CancelledError):
                await soon(everything(stream))


@aio
async def test_long_sync_iterator_leaves_the_loop_its_turn(echo):
    turns = 0

    async def count():
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with open_channel(echo) as channel:
        counter = asyncio.ensure_future(count())
        await channel.stream_unary(CLIENT_STREAM)(b"" for _ in range(2000))
        counter.cancel()
    assert turns > 50


# ---- The end of the channel


@later_grpcio
@aio
async def test_close_cancels_calls(echo):
    channel = open_channel(echo)
    call = channel.unary_unary(HANG)(b"")
    stream = channel.stream_stream(HANG_STREAM)()
    assert await stream.read() == b"first"
    unary = channel.unary_unary(UNARY)
    await channel.close()
    for ended in (call, stream):
        await check_local_cancel(ended)
    with pytest.raises(asyncio.CancelledError):
        await call
    with pytest.raises(asyncio.CancelledError):
        await stream.read()
    for use in (
        lambda: unary(b""),
        lambda: channel.unary_stream(SERVER_STREAM)(b""),
        lambda: channel.stream_unary(CLIENT_STREAM)(),
        lambda: channel.stream_stream(BIDI)(),
    ):
        with pytest.raises(grpc.aio.UsageError, match="Channel is closed"):
            use()
    with pytest.raises(grpc.aio.UsageError):
        await channel.wait_for_state_change(grpc.ChannelConnectivity.SHUTDOWN)
    await channel.close()


@later_grpcio
@aio
async def test_close_with_grace(echo):
    channel = open_channel(echo)
    stream = channel.stream_stream(BIDI)()
    await stream.write(b"a")
    assert await stream.read() == b"a"
    closing = asyncio.ensure_future(channel.close(SOON))
    await asyncio.sleep(0.05)
    assert not closing.done()
    await stream.write(b"b")
    assert await stream.read() == b"b"
    await stream.done_writing()
    assert await stream.read() is grpc.aio.EOF
    await soon(closing)
    await check_status(stream, grpc.StatusCode.OK)
    channel = open_channel(echo)
    call = channel.unary_unary(HANG)(b"")
    await channel.close(0.1)
    await check_local_cancel(call)


@later_grpcio
@aio
async def test_negative_grace(echo):
    channel = open_channel(echo)
    with pytest.raises(ValueError, match="grace must be non-negative, got -1"):
        await channel.close(-1)
    await channel.close()


@later_grpcio
def test_stub_outlives_the_channel_object(echo):
    @aio
    async def check():
        call = open_channel(echo).unary_unary(UNARY)
        gc.collect()
        assert await soon(call(b"still here", timeout=SOON)) == b"still here"

    check()


# ---- Ours alone


@aio
async def test_channels_share_a_queue(mqtt_server):
    from grpc_mqtt import _aio_pump

    async with open_channel(mqtt_server) as one, open_channel(mqtt_server) as other:
        assert one._connection.pump is other._connection.pump
        assert await other.unary_unary(UNARY)(b"a") == b"a"
    assert await_nothing(_aio_pump) == 1


def await_nothing(module):
    gc.collect()
    return sum(1 for reference in module._pumps.values() if reference() is not None)


def test_loops_come_and_go(mqtt_server):
    """Channels left open, closed, and dropped, each on a loop of its own: no descriptor stays."""
    import os

    left = []

    async def use(how):
        channel = open_channel(mqtt_server)
        assert await channel.unary_unary(UNARY)(b"a", timeout=SOON) == b"a"
        if how == 0:
            await channel.close()
        elif how == 1:
            left.append(channel)
        else:
            stream = channel.stream_stream(HANG_STREAM)()
            assert await stream.read() == b"first"

    def files():
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    for how in range(3):
        asyncio.run(use(how))
    left.clear()
    before = files()
    for how in range(15):
        asyncio.run(use(how % 3))
        left.clear()
    deadline = time.monotonic() + SOON
    while files() > before and time.monotonic() < deadline:  # the last ones say goodbye
        time.sleep(0.01)
    assert files() <= before


def test_two_loops_in_two_threads(mqtt_server):
    import threading

    answers = []

    async def use(name):
        async with open_channel(mqtt_server) as channel:
            unary = channel.unary_unary(UNARY)
            answers.extend(await asyncio.gather(*(unary(name) for _ in range(50))))

    threads = [threading.Thread(target=asyncio.run, args=(use(b"%d" % i),)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5 * SOON)
    assert sorted(answers) == sorted([b"0", b"1", b"2"] * 50)


@aio
async def test_no_thread_of_python(mqtt_server):
    import threading

    before = set(threading.enumerate())  # some of which may end meanwhile
    async with open_channel(mqtt_server) as channel:
        stream = channel.stream_stream(BIDI)([b"a"])
        assert await everything(stream) == [b"a"]
        assert set(threading.enumerate()) <= before


@aio
async def test_unreachable_broker():
    """Refused at once, with the broker's address; taken up when a call may wait."""
    async with grpc_mqtt.aio.channel("mqtt://127.0.0.1:1/base") as channel:
        for start in (
            lambda: channel.unary_unary(UNARY)(b"", timeout=SOON),
            lambda: channel.stream_unary(CLIENT_STREAM)([b"a"], timeout=SOON),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await start()
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
            assert "127.0.0.1:1" in caught.value.details()
        stream = channel.stream_stream(BIDI)(timeout=SOON)
        with pytest.raises(grpc.aio.AioRpcError):
            await stream.wait_for_connection()
        with pytest.raises(asyncio.InvalidStateError):
            await stream.write(b"a")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(UNARY)(b"", timeout=0.3, wait_for_ready=True)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


@aio
async def test_bad_arguments():
    with pytest.raises(grpc_mqtt.UrlError):
        grpc_mqtt.aio.channel("nonsense")
    with pytest.raises(grpc_mqtt.OptionError):
        grpc_mqtt.aio.channel("loopback://a/b", {"no_such": 1})


@aio
async def test_receive_limit(mqtt_server):
    options = [("grpc.max_receive_message_length", 1000)]
    async with open_channel(mqtt_server, options) as channel:
        stream = channel.unary_stream(SERVER_STREAM)
        assert len(await stream(b"1 900").read()) == 900
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await everything(stream(b"1 2000"))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_fork_is_refused(mqtt_server):
    from test_process import in_child

    loop = asyncio.new_event_loop()

    async def work():
        async with open_channel(mqtt_server) as channel:
            unary = channel.unary_unary(UNARY)
            assert await unary(b"before") == b"before"
            text = in_child(lambda: unary(b"in the child"))
            assert text.startswith("ForkedError: ") and "in the child" in text, text
            assert await unary(b"after") == b"after"

    loop.run_until_complete(work())
    loop.close()
