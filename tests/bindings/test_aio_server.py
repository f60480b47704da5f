"""The server of grpc_mqtt.aio, by its own channel.

Every test that takes `stack` runs with grpc.aio's own server and channel too, which thereby say
what is right.
"""

import asyncio
import contextvars
import threading
from concurrent import futures

import grpc
import grpc.aio
import pytest
from aio_stacks import (
    CHAT,
    COLLECT,
    COUNT,
    STACKS,
    UNARY,
    Served,
    chat,
    collect,
    count,
    echo,
    status_of,
)
from aio_support import SOON, aio, check_status, everything, later_grpcio, soon, until


@pytest.fixture(params=list(STACKS))
def stack(request):
    return STACKS[request.param]()


# ---- Handlers


async def collect_reading(requests, context):
    got = []
    while (request := await context.read()) is not grpc.aio.EOF:
        got.append(request)
    return b"".join(got)


async def count_writing(request, context):
    for i in range(int(request)):
        await context.write(b"%d" % i)


async def chat_writing(requests, context):
    while (request := await context.read()) is not grpc.aio.EOF:
        await context.write(request)


def sync_echo(request, context):
    assert threading.current_thread() is not threading.main_thread()
    return request


def sync_collect(requests, context):
    return b"".join(requests)


def sync_count(request, context):
    for i in range(int(request)):
        yield b"%d" % i


def sync_chat(requests, context):
    yield from requests


STYLES = {
    "generators": {UNARY: echo, COLLECT: collect, COUNT: count, CHAT: chat},
    "read-write": {
        UNARY: echo,
        COLLECT: collect_reading,
        COUNT: count_writing,
        CHAT: chat_writing,
    },
    "sync": {UNARY: sync_echo, COLLECT: sync_collect, COUNT: sync_count, CHAT: sync_chat},
}


@pytest.mark.parametrize("pool", [False, True], ids=["", "pool"])
@pytest.mark.parametrize("style", STYLES)
def test_handlers(stack, style, pool):
    @aio
    async def check():
        executor = futures.ThreadPoolExecutor(4) if pool else None
        async with Served(stack, STYLES[style], migration_thread_pool=executor) as channel:
            assert await channel.unary_unary(UNARY)(b"a", timeout=SOON) == b"a"
            assert await channel.unary_unary(UNARY)(b"", timeout=SOON) == b""
            wanted = [b"%d" % i for i in range(100)]
            joined = b"".join(wanted)
            assert await channel.stream_unary(COLLECT)(wanted, timeout=SOON) == joined
            assert await channel.stream_unary(COLLECT)([], timeout=SOON) == b""
            assert await everything(channel.unary_stream(COUNT)(b"100")) == wanted
            assert await everything(channel.unary_stream(COUNT)(b"0")) == []
            assert await everything(channel.stream_stream(CHAT)(wanted)) == wanted
            call = channel.stream_stream(CHAT)()
            for i in range(20):
                await call.write(b"%d" % i)
                assert await soon(call.read()) == b"%d" % i
            await call.done_writing()
            assert await soon(call.read()) is grpc.aio.EOF
            await check_status(call, grpc.StatusCode.OK, "")
            unary = channel.unary_unary(UNARY)
            assert await soon(asyncio.gather(*map(unary, wanted))) == wanted
        if executor:
            executor.shutdown()

    check()


@aio
async def test_large_and_many(stack):
    async def large(request, context):
        for _ in range(20):
            yield b"x" * 300_000

    async with Served(stack, {COUNT: large, COLLECT: collect, UNARY: echo}) as channel:
        stream = channel.unary_stream(COUNT)(b"", timeout=SOON)
        assert [len(response) async for response in stream] == [300_000] * 20
        chunks = [b"x" * 100_000] * 30
        assert len(await channel.stream_unary(COLLECT)(chunks, timeout=SOON)) == 3_000_000
        data = bytes(range(256)) * 8000
        assert await channel.unary_unary(UNARY)(data, timeout=SOON) == data


# ---- The answer


@aio
async def test_metadata(stack):
    async def handler(request, context):
        sent = dict(context.invocation_metadata())
        assert sent["key"] == "value" and sent["key-bin"] == b"\x00\xff"
        await context.send_initial_metadata((("first", "1"), ("first-bin", b"\xfe")))
        context.set_trailing_metadata((("last", "2"), ("last-bin", b"\xfd")))
        assert context.trailing_metadata() == (("last", "2"), ("last-bin", b"\xfd"))
        with pytest.raises(grpc.aio.UsageError, match="already sent"):
            await context.send_initial_metadata(())
        return b""

    async with Served(stack, {UNARY: handler}) as channel:
        metadata = (("key", "value"), ("key-bin", b"\x00\xff"))
        call = channel.unary_unary(UNARY)(b"", metadata=metadata)
        await soon(call)
        initial, trailing = await call.initial_metadata(), await call.trailing_metadata()
        assert initial["first"] == "1" and initial["first-bin"] == b"\xfe"
        assert trailing["last"] == "2" and trailing["last-bin"] == b"\xfd"


@aio
async def test_initial_metadata_before_the_first_message(stack):
    go_on = asyncio.Event()

    async def handler(request, context):
        await context.send_initial_metadata((("early", "yes"),))
        await go_on.wait()
        yield b"a"

    async with Served(stack, {COUNT: handler}) as channel:
        call = channel.unary_stream(COUNT)(b"")
        assert (await soon(call.initial_metadata()))["early"] == "yes"
        go_on.set()
        assert await soon(everything(call)) == [b"a"]


@pytest.mark.parametrize("wrong", [{"a": "b"}, 3, [["a", "b"]]])
def test_bad_trailing_metadata(stack, wrong):
    async def handler(request, context):
        with pytest.raises(TypeError, match="Invalid trailing metadata type"):
            context.set_trailing_metadata(wrong)
        return b"fine"

    @aio
    async def check():
        async with Served(stack, {UNARY: handler}) as channel:
            assert await soon(channel.unary_unary(UNARY)(b"")) == b"fine"

    check()


@aio
async def test_handlers_of_another_kind_than_the_call(stack):
    """What a stub of an older version of the service does."""
    if "session" in getattr(stack, "url", ""):
        pytest.skip("its clients and servers must agree: the bytes differ by kind")
    async with Served(stack, {UNARY: echo, COUNT: count, COLLECT: collect}) as channel:
        assert await soon(channel.unary_unary(COUNT)(b"1")) == b"0"
        assert await soon(channel.unary_unary(COLLECT)(b"a")) == b"a"
        assert await soon(channel.stream_unary(UNARY)(iter([b"a", b"b"]))) == b"a"
        assert await soon(everything(channel.unary_stream(UNARY)(b"a"))) == [b"a"]
        assert await soon(everything(channel.stream_stream(UNARY)(iter([b"a"])))) == [b"a"]


@later_grpcio
@aio
async def test_set_code(stack):
    async def unary(request, context):
        context.set_code(grpc.StatusCode.NOT_FOUND)
        context.set_details("no such thing")
        assert context.code() == grpc.StatusCode.NOT_FOUND
        assert context.details() == "no such thing"
        return b"dropped"

    async def stream(request, context):
        yield b"kept"
        context.set_code(grpc.StatusCode.ABORTED)
        context.set_details("half way")

    async with Served(stack, {UNARY: unary, COUNT: stream}) as channel:
        expected = (grpc.StatusCode.NOT_FOUND, "no such thing")
        assert await status_of(channel.unary_unary(UNARY)(b"")) == expected
        call = channel.unary_stream(COUNT)(b"")
        assert await soon(call.read()) == b"kept"
        assert await status_of(call.read()) == (grpc.StatusCode.ABORTED, "half way")


@aio
async def test_abort(stack):
    async def unary(request, context):
        context.set_trailing_metadata((("why", "because"),))
        with pytest.raises(grpc.aio.AbortError):
            await context.abort(grpc.StatusCode.DATA_LOSS, "gone")
        assert context.done()
        with pytest.raises(grpc.aio.UsageError, match="Abort already called"):
            await context.abort(grpc.StatusCode.DATA_LOSS, "again")
        with pytest.raises(grpc.aio.AbortError):
            await context.read()
        raise AssertionError  # nobody hears of this any more

    async def stream(request, context):
        yield b"a"
        await context.abort(grpc.StatusCode.DATA_LOSS, "gone", (("why", "so"),))

    async with Served(stack, {UNARY: unary, COUNT: stream}) as channel:
        expected = (grpc.StatusCode.DATA_LOSS, "gone")
        assert await status_of(channel.unary_unary(UNARY)(b"")) == expected
        call = channel.unary_stream(COUNT)(b"")
        assert await soon(call.read()) == b"a"
        assert await status_of(call.read()) == expected
        assert (await call.trailing_metadata())["why"] == "so"


class Status(
    grpc.Status,
):
    code = grpc.StatusCode.OUT_OF_RANGE
    details = "too far"
    trailing_metadata = (("k", "v"),)


@aio
async def test_abort_with_status(stack):
    async def stream(request, context):
        yield b"a"
        await context.abort_with_status(Status())

    async with Served(stack, {COUNT: stream}) as channel:
        call = channel.unary_stream(COUNT)(b"")
        assert await soon(call.read()) == b"a"
        assert await status_of(call.read()) == (Status.code, Status.details)
        assert (await call.trailing_metadata())["k"] == "v"


@aio
async def test_swallowed_abort(stack):
    async def handler(request, context):
        try:
            await context.abort(grpc.StatusCode.DATA_LOSS, "gone")
        except Exception:
            pass
        return b"as if nothing had happened"

    async with Served(stack, {UNARY: handler}) as channel:
        expected = (grpc.StatusCode.DATA_LOSS, "gone")
        assert await status_of(channel.unary_unary(UNARY)(b"")) == expected


def boom(*_):
    raise RuntimeError("boom")


async def boom_unary(request, context):
    boom()


async def boom_stream(request, context):
    yield b"a"
    boom()


def sync_boom_stream(request, context):
    yield b"a"
    boom()


@pytest.mark.parametrize("on_loop", [True, False], ids=["async", "sync"])
def test_handler_that_raises(stack, on_loop):
    handlers = {
        UNARY: boom_unary if on_loop else boom,
        COUNT: boom_stream if on_loop else sync_boom_stream,
    }

    @aio
    async def check():
        async with Served(stack, handlers) as channel:
            expected = (grpc.StatusCode.UNKNOWN, "Unexpected <class 'RuntimeError'>: boom")
            assert await status_of(channel.unary_unary(UNARY)(b"")) == expected
            call = channel.unary_stream(COUNT)(b"")
            assert await soon(call.read()) == b"a"
            assert await status_of(call.read()) == expected

    check()


@aio
async def test_raising_with_a_code(stack):
    async def handler(request, context):
        context.set_code(grpc.StatusCode.PERMISSION_DENIED)
        boom()

    async with Served(stack, {UNARY: handler}) as channel:
        code, details = await status_of(channel.unary_unary(UNARY)(b""))
        assert code is grpc.StatusCode.PERMISSION_DENIED and "boom" in details


@aio
async def test_serializers_that_raise(stack):
    class Bad(grpc.GenericRpcHandler):
        def service(self, details):
            if details.method == UNARY:
                return grpc.unary_unary_rpc_method_handler(echo, boom)
            if details.method == COUNT:
                return grpc.unary_stream_rpc_method_handler(count, None, boom)
            return None

    async with Served(stack, handlers=[Bad()]) as channel:
        assert (await status_of(channel.unary_unary(UNARY)(b"")))[0] is grpc.StatusCode.UNKNOWN
        assert (await status_of(channel.unary_stream(COUNT)(b"2")))[0] is grpc.StatusCode.UNKNOWN


@aio
async def test_unknown_method(stack):
    async with Served(stack, {UNARY: echo}) as channel:
        expected = (grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
        assert await status_of(channel.unary_unary("/test.Aio/Nothing")(b"")) == expected
        assert await status_of(channel.unary_stream("/no.Such/Thing")(b"")) == expected
        assert await status_of(channel.stream_unary("/no.Such/Thing")([b"a"])) == expected
        assert await status_of(channel.stream_stream("/no.Such/Thing")([b"a"])) == expected


@aio
async def test_early_end_of_an_upload(stack):
    async def first(requests, context):
        async for request in requests:
            return request
        return None

    async with Served(stack, {COLLECT: first}) as channel:
        call = channel.stream_unary(COLLECT)()
        await call.write(b"1")
        assert await soon(call) == b"1"
        with pytest.raises(asyncio.InvalidStateError):
            await call.write(b"2")


@aio
async def test_registered_handlers(stack):
    server = stack.server()
    if not hasattr(server, "add_registered_method_handlers"):
        pytest.skip("this grpcio has none")
    handlers = {"Unary": grpc.unary_unary_rpc_method_handler(echo)}
    server.add_registered_method_handlers("test.Aio", handlers)
    await server.start()
    async with stack.channel() as channel:
        call = channel.unary_unary(UNARY, _registered_method=True)(b"a", timeout=SOON)
        assert await call == b"a"
    await server.stop(None)


# ---- Sync contexts


@aio
async def test_sync_context(stack):
    over = threading.Event()

    def handler(request, context):
        assert dict(context.invocation_metadata())["key"] == "value"
        context.send_initial_metadata((("first", "1"),))
        context.set_trailing_metadata((("last", "2"),))
        assert 0 < context.time_remaining() <= SOON + 1
        context.add_callback(over.set)
        return request + context.peer()[:1].encode()

    def aborting(request, context):
        yield b"a"
        context.abort(grpc.StatusCode.DATA_LOSS, "gone")

    def coded(requests, context):
        context.set_code(grpc.StatusCode.NOT_FOUND)
        context.set_details("not here")
        return b""

    handlers = {UNARY: handler, COUNT: aborting, COLLECT: coded}
    async with Served(stack, handlers) as channel:
        call = channel.unary_unary(UNARY)(b"a", metadata=(("key", "value"),), timeout=SOON)
        assert len(await call) == 2
        assert (await call.initial_metadata())["first"] == "1"
        assert (await call.trailing_metadata())["last"] == "2"
        await until(over.is_set)
        expected = (grpc.StatusCode.NOT_FOUND, "not here")
        assert await status_of(channel.stream_unary(COLLECT)([b"a"])) == expected
        if stack.name == "grpcio":
            return  # its abort() in a generator of a thread ends nothing
        stream = channel.unary_stream(COUNT)(b"")
        assert await soon(stream.read()) == b"a"
        assert await status_of(stream.read()) == (grpc.StatusCode.DATA_LOSS, "gone")


# ---- Life of a call


@aio
async def test_context(stack):
    seen = []

    async def handler(request, context):
        assert isinstance(context.peer(), str) and context.peer()
        assert context.peer_identities() is None and context.peer_identity_key() is None
        assert isinstance(context.auth_context(), dict)
        assert not context.done() and not context.cancelled()
        context.set_compression(grpc.Compression.NoCompression)
        context.disable_next_message_compression()
        left = context.time_remaining()
        context.add_done_callback(seen.append)
        return b"%d" % (0 if left is None else left)

    async with Served(stack, {UNARY: handler}) as channel:
        assert 5 <= int(await channel.unary_unary(UNARY)(b"", timeout=SOON)) <= SOON + 1
        assert await channel.unary_unary(UNARY)(b"") == b"0"
        await until(lambda: len(seen) == 2)
        assert all(context.done() for context in seen)


@aio
async def test_cancelled_by_the_client(stack):
    entered, ended, seen = asyncio.Event(), asyncio.Event(), []

    async def handler(request, context):
        context.add_done_callback(seen.append)
        entered.set()
        try:
            await asyncio.sleep(5 * SOON)
        except asyncio.CancelledError:
            ended.set()
            raise

    async def reading(requests, context):
        await handler(None, context)
        yield b""

    async with Served(stack, {UNARY: handler, CHAT: reading}) as channel:
        for start in (
            lambda: channel.unary_unary(UNARY)(b""),
            lambda: channel.stream_stream(CHAT)(),
        ):
            entered.clear()
            ended.clear()
            seen.clear()
            call = start()
            await soon(entered.wait())
            call.cancel()
            await soon(ended.wait())
            await until(lambda: len(seen) == 1)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(UNARY)(b"", timeout=0.3)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


@aio
async def test_writing_to_a_client_that_has_gone(stack):
    ended = asyncio.Event()

    async def handler(request, context):
        try:
            while True:
                await context.write(b"x")
                await asyncio.sleep(0.001)
        finally:
            ended.set()

    async with Served(stack, {COUNT: handler}) as channel:
        call = channel.unary_stream(COUNT)(b"")
        assert await soon(call.read()) == b"x"
        call.cancel()
        await soon(ended.wait())


@aio
async def test_handlers_run_at_the_same_time(stack):
    entered = []
    all_in = asyncio.Event()

    async def handler(request, context):
        entered.append(request)
        if len(entered) == 20:
            all_in.set()
        await all_in.wait()
        return request

    async with Served(stack, {UNARY: handler}) as channel:
        unary = channel.unary_unary(UNARY)
        await soon(asyncio.gather(*(unary(b"") for _ in range(20))))


# ---- Interceptors


class Logging(
    grpc.aio.ServerInterceptor,
):
    def __init__(self, name, log):
        self.name, self.log = name, log

    async def intercept_service(self, continuation, details):
        self.log.append((self.name, details.method))
        assert dict(details.invocation_metadata)["key"] == "value"
        return await continuation(details)


@aio
async def test_interceptors(stack):
    log = []
    interceptors = [Logging("one", log), Logging("two", log)]
    async with Served(stack, {UNARY: echo}, interceptors=interceptors) as channel:
        metadata = (("key", "value"),)
        assert await channel.unary_unary(UNARY)(b"a", metadata=metadata) == b"a"
        assert log == [("one", UNARY), ("two", UNARY)]


VARIABLE = contextvars.ContextVar("variable", default="unset")


@aio
async def test_interceptor_replaces_the_handler(stack):
    class Deny(grpc.aio.ServerInterceptor):
        async def intercept_service(self, continuation, details):
            async def deny(request, context):
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")

            if "token" in dict(details.invocation_metadata):
                VARIABLE.set("known")
                return await continuation(details)
            return grpc.unary_unary_rpc_method_handler(deny)

    async def handler(request, context):
        return VARIABLE.get().encode()

    async with Served(stack, {UNARY: handler}, interceptors=[Deny()]) as channel:
        unary = channel.unary_unary(UNARY)
        expected = (grpc.StatusCode.UNAUTHENTICATED, "who are you?")
        assert await status_of(unary(b"")) == expected
        assert await unary(b"", metadata=(("token", "t"),)) == b"known"
    assert VARIABLE.get() == "unset"


@aio
async def test_interceptor_that_raises(stack):
    class Raise(grpc.aio.ServerInterceptor):
        async def intercept_service(self, continuation, details):
            boom()

    async with Served(stack, {UNARY: echo}, interceptors=[Raise()]) as channel:
        code, details = await status_of(channel.unary_unary(UNARY)(b""))
        assert code is grpc.StatusCode.UNKNOWN and "boom" in details


@aio
async def test_what_is_no_interceptor(stack):
    with pytest.raises(ValueError, match="Interceptor must be ServerInterceptor"):
        stack.server(interceptors=[3])
