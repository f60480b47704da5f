"""The sync server.

Each test that takes `serve` runs with grpcio's server and channel too, which thereby says what is
right, then with ours over the in-process broker and over mosquitto.
"""

import contextvars
import logging
import threading
from concurrent import futures

import grpc
import pytest
from service_rig import SOON, call, echo, failure, ss, su, unary, us, uu

OLD_GRPCIO = tuple(map(int, grpc.__version__.split(".")[:2])) < (1, 66)


# ---- Kinds


def test_four_kinds(serve):
    served = serve(
        Unary=uu(lambda request, context: request + b"!"),
        Count=us(lambda request, context: (str(i).encode() for i in range(int(request)))),
        Join=su(lambda requests, context: b"".join(requests)),
        Echo=ss(lambda requests, context: (request * 2 for request in requests)),
    )
    channel = served.channel
    assert call(served)[0] == b"x!"
    assert list(channel.unary_stream("/test.S/Count")(b"500", timeout=SOON)) == [
        str(i).encode() for i in range(500)
    ]
    assert channel.stream_unary("/test.S/Join")(iter([b"a", b"", b"c"]), timeout=SOON) == b"ac"
    assert channel.stream_unary("/test.S/Join")(iter([]), timeout=SOON) == b""
    got = list(channel.stream_stream("/test.S/Echo")(iter([b"1", b"", b"3"]), timeout=SOON))
    assert got == [b"11", b"", b"33"]


def test_answers_while_requests_come(serve):
    served = serve(Echo=ss(lambda requests, context: requests))
    more = threading.Semaphore(1)

    def requests():
        for i in range(20):
            assert more.acquire(timeout=SOON)
            yield str(i).encode()

    for i, answer in enumerate(served.channel.stream_stream("/test.S/Echo")(requests())):
        assert answer == str(i).encode()
        more.release()
    assert i == 19


def test_handler_that_does_not_read(serve):
    served = serve(Early=ss(lambda requests, context: iter([b"done"])))
    requests = (b"x" * 1000 for _ in range(200))
    assert list(served.channel.stream_stream("/test.S/Early")(requests, timeout=SOON)) == [b"done"]


def test_large_messages_and_back_pressure(serve):
    """More than any buffer holds, in both directions, and slowly read."""
    piece = bytes(1 << 20)
    served = serve(
        Out=us(lambda request, context: (piece for _ in range(20))),
        In=su(lambda requests, context: str(sum(map(len, requests))).encode()),
    )
    stream = served.channel.unary_stream("/test.S/Out")(b"", timeout=60)
    assert sum(len(answer) for answer in stream) == 20 << 20
    sent = served.channel.stream_unary("/test.S/In")(iter([piece] * 7), timeout=60)
    assert sent == str(7 << 20).encode()


def test_serializers(serve):
    served = serve(
        Unary=uu(
            lambda request, context: request.upper(),
            request_deserializer=bytes.decode,
            response_serializer=str.encode,
        )
    )
    assert call(served, "grüße".encode())[0].decode() == "GRÜSSE"


def test_many_calls_at_a_time(serve):
    served = serve(Unary=uu(echo))
    call(served)
    calls = [unary(served).future(str(i).encode(), timeout=60) for i in range(200)]
    assert [one.result() for one in calls] == [str(i).encode() for i in range(200)]


# ---- Status


def test_unknown_method(serve):
    served = serve(Unary=uu(echo))
    call(served)
    code = grpc.StatusCode.UNIMPLEMENTED
    text = "Method not found!"
    assert failure(lambda: unary(served, "Nope")(b"")) == (code, text)
    for start in (
        lambda: list(served.channel.unary_stream("/test.S/Nope")(b"")),
        lambda: served.channel.stream_unary("/test.S/Nope")(iter([b"a"])),
        lambda: list(served.channel.stream_stream("/test.S/Nope")(iter([b"a"]))),
    ):
        assert failure(start) == (code, text)


def test_handlers_of_another_kind_than_the_call(serve):
    """What a stub of an older version of the service does."""

    def aborts(requests, context):
        context.abort(grpc.StatusCode.DATA_LOSS, "gone")

    def one(request, context):
        yield request

    def collect(requests, context):
        return b",".join(requests)

    served = serve(Unary=uu(echo), One=us(one), Collect=su(collect), Aborts=ss(aborts))
    if served.name == "session":
        pytest.skip("its clients and servers must agree: the bytes differ by kind")
    channel = served.channel
    assert call(served)[0] == b"x"
    assert unary(served, "One")(b"a", timeout=SOON) == b"a"
    assert unary(served, "Collect")(b"a", timeout=SOON) == b"a"
    assert channel.stream_unary("/test.S/Unary")(iter([b"a", b"b"]), timeout=SOON) == b"a"
    assert list(channel.unary_stream("/test.S/Unary")(b"a", timeout=SOON)) == [b"a"]
    assert list(channel.stream_stream("/test.S/Unary")(iter([b"a"]), timeout=SOON)) == [b"a"]
    assert list(channel.unary_stream("/test.S/Collect")(b"a", timeout=SOON)) == [b"a"]
    expected = (grpc.StatusCode.DATA_LOSS, "gone")
    assert failure(lambda: unary(served, "Aborts")(b"", timeout=SOON)) == expected


def test_abort(serve):
    def behavior(request, context):
        context.set_trailing_metadata((("why", "because"), ("why-bin", b"\x00\xff")))
        context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not so")
        raise AssertionError("abort() returned")

    def stream(request, context):
        yield b"one"
        behavior(request, context)

    served = serve(Unary=uu(behavior), Stream=us(stream))
    for start in (
        lambda: call(served),
        lambda: list(served.channel.unary_stream("/test.S/Stream")(b"", wait_for_ready=True)),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            start()
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert caught.value.details() == "not so"
        trailing = dict(caught.value.trailing_metadata())
        assert (trailing["why"], trailing["why-bin"]) == ("because", b"\x00\xff")


def test_abort_with_ok_is_unknown(serve):
    served = serve(Unary=uu(lambda request, context: context.abort(grpc.StatusCode.OK, "fine")))
    assert failure(lambda: call(served)) == (grpc.StatusCode.UNKNOWN, "")


def test_abort_of_a_stream_before_it_began(serve):
    def behavior(requests, context):
        context.abort(grpc.StatusCode.DATA_LOSS, "gone")

    served = serve(Stream=us(behavior), Bidi=ss(behavior), Join=su(behavior))
    code = (grpc.StatusCode.DATA_LOSS, "gone")
    channel = served.channel
    kwargs = {"timeout": SOON, "wait_for_ready": True}
    assert failure(lambda: list(channel.unary_stream("/test.S/Stream")(b"", **kwargs))) == code
    assert failure(lambda: list(channel.stream_stream("/test.S/Bidi")(iter([]), **kwargs))) == code
    assert failure(lambda: channel.stream_unary("/test.S/Join")(iter([]), **kwargs)) == code


def test_abort_with_status(serve):
    class Status(grpc.Status):
        code = grpc.StatusCode.NOT_FOUND
        details = "none here"
        trailing_metadata = (("key", "value"),)

    served = serve(Unary=uu(lambda request, context: context.abort_with_status(Status)))
    with pytest.raises(grpc.RpcError) as caught:
        call(served)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == "none here"
    assert ("key", "value") in caught.value.trailing_metadata()


def test_set_code_and_details(serve):
    seen = []

    def behavior(request, context):
        seen.append((context.code(), context.details(), context.trailing_metadata()))
        context.set_code(grpc.StatusCode.OUT_OF_RANGE)
        context.set_details("too far: ü")
        context.set_trailing_metadata((("t", "1"),))
        seen.append((context.code(), context.details(), context.trailing_metadata()))
        return request

    served = serve(Unary=uu(behavior))
    assert failure(lambda: call(served)) == (grpc.StatusCode.OUT_OF_RANGE, "too far: ü")
    assert seen == [
        (None, None, None),
        (grpc.StatusCode.OUT_OF_RANGE, "too far: ü".encode(), (("t", "1"),)),
    ]


def test_a_code_that_is_none(serve):
    def behavior(request, context):
        context.set_code(request.decode())
        return request

    served = serve(Unary=uu(behavior))
    assert failure(lambda: call(served))[0] is grpc.StatusCode.UNKNOWN


def boom(request, context):
    raise ValueError("boom")


def boom_later(request, context):
    yield b"one"
    raise ValueError("boom")


def test_exceptions(serve):
    def with_code(request, context):
        context.set_code(grpc.StatusCode.ABORTED)
        raise ValueError("boom")

    class Odd(Exception):
        def __str__(self):
            raise RuntimeError

    def unprintable(request, context):
        raise Odd

    served = serve(Unary=uu(boom), Later=us(boom_later), Code=uu(with_code), Odd=uu(unprintable))
    unknown = grpc.StatusCode.UNKNOWN
    assert failure(lambda: call(served)) == (unknown, "Exception calling application: boom")
    stream = served.channel.unary_stream("/test.S/Later")(b"")
    assert next(stream) == b"one"
    assert failure(lambda: next(stream)) == (unknown, "Exception iterating responses: boom")
    assert failure(lambda: unary(served, "Code")(b"")) == (
        grpc.StatusCode.ABORTED,
        "Exception calling application: boom",
    )
    if served.name == "grpcio" and OLD_GRPCIO:
        return  # it never answers that one
    assert failure(lambda: unary(served, "Odd")(b"")) == (
        unknown,
        "Calling application raised unprintable Exception!",
    )


def fails(_):
    raise RuntimeError("no")


def test_messages_that_do_not_parse(serve):
    def read(requests, context):
        return iter([b"%d" % len(list(requests))])

    served = serve(
        Unary=uu(echo, request_deserializer=fails),
        Bidi=ss(read, request_deserializer=fails),
        Out=uu(echo, response_serializer=fails),
        Stream=us(lambda request, context: iter([b"a"]), response_serializer=fails),
        Nothing=uu(lambda request, context: None),
    )
    internal = grpc.StatusCode.INTERNAL
    assert failure(lambda: call(served)) == (internal, "Exception deserializing request!")
    stream = served.channel.stream_stream("/test.S/Bidi")(iter([b"a"]))
    assert failure(lambda: next(stream)) == (internal, "Exception deserializing request!")
    text = "Failed to serialize response!"
    assert failure(lambda: unary(served, "Out")(b"")) == (internal, text)
    assert failure(lambda: next(served.channel.unary_stream("/test.S/Stream")(b""))) == (
        internal,
        text,
    )
    assert failure(lambda: unary(served, "Nothing")(b"")) == (internal, text)


def test_handler_lookup_that_raises(serve, caplog):
    served = serve(Unary=uu(echo))
    call(served)
    served.handlers.table = None
    with caplog.at_level(logging.CRITICAL):
        assert failure(lambda: unary(served)(b"")) == (
            grpc.StatusCode.UNKNOWN,
            "Error in service handler!",
        )


# ---- Metadata


def test_metadata(serve):
    seen = []

    def behavior(request, context):
        seen.append(context.invocation_metadata())
        context.send_initial_metadata((("first", "1"), ("first-bin", b"\x01")))
        with pytest.raises(ValueError, match="Initial metadata no longer allowed!"):
            context.send_initial_metadata((("second", "2"),))
        context.set_trailing_metadata((("last", "9"), ("last", "10")))
        return request

    served = serve(Unary=uu(behavior))
    _, done = call(served, metadata=(("k", "v"), ("k", "w"), ("k-bin", b"\xff")))
    pairs = [tuple(pair) for pair in seen[0]]
    assert [pair for pair in pairs if pair[0].startswith("k")] == [
        ("k", "v"),
        ("k", "w"),
        ("k-bin", b"\xff"),
    ]
    assert isinstance(seen[0], tuple) and seen[0][0].key and seen[0][0].value
    assert {("first", "1"), ("first-bin", b"\x01")} <= set(done.initial_metadata())
    assert [pair for pair in done.trailing_metadata() if pair[0] == "last"] == [
        ("last", "9"),
        ("last", "10"),
    ]


def test_initial_metadata_comes_before_the_first_answer(serve):
    go = threading.Event()

    def behavior(request, context):
        context.send_initial_metadata((("first", "1"),))
        go.wait(SOON)
        yield request

    stream = serve(Stream=us(behavior)).channel.unary_stream("/test.S/Stream")(
        b"x", wait_for_ready=True
    )
    assert ("first", "1") in stream.initial_metadata()
    go.set()
    assert list(stream) == [b"x"]


def test_initial_metadata_after_an_answer(serve):
    def behavior(request, context):
        yield request
        try:
            context.send_initial_metadata((("late", "1"),))
        except ValueError as error:
            yield str(error).encode()

    served = serve(Stream=us(behavior))
    got = list(served.channel.unary_stream("/test.S/Stream")(b"x", wait_for_ready=True))
    assert got == [b"x", b"Initial metadata no longer allowed!"]


def test_invalid_initial_metadata(serve):
    served = serve(
        Unary=uu(lambda request, context: context.send_initial_metadata((("Bad Key", "v"),)))
    )
    if served.name == "grpcio":
        pytest.skip("what happens differs from version to version")
    code, details = failure(lambda: call(served))
    assert code is grpc.StatusCode.UNKNOWN
    assert details.startswith("Exception calling application: metadata was invalid: ")


def test_invalid_trailing_metadata_ends_the_call(serve, caplog):
    def behavior(request, context):
        context.set_trailing_metadata((("Bad Key", "v"),))
        return request

    served = serve(Unary=uu(behavior))
    if served.name == "grpcio":
        pytest.skip("there the call hangs until its deadline")
    with caplog.at_level(logging.CRITICAL):
        assert failure(lambda: call(served))[0] is grpc.StatusCode.INTERNAL


# ---- Contexts


def test_context(serve):
    seen = {}

    def behavior(request, context):
        seen.update(
            active=context.is_active(),
            left=context.time_remaining(),
            peer=context.peer(),
            identities=context.peer_identities(),
            key=context.peer_identity_key(),
            auth=context.auth_context(),
        )
        context.set_compression(grpc.Compression.Gzip)
        context.disable_next_message_compression()
        return request

    served = serve(Unary=uu(behavior))
    call(served)
    assert seen["active"] is True and 0 < seen["left"] <= SOON + 1
    assert isinstance(seen["peer"], str) and seen["peer"]
    assert (seen["identities"], seen["key"]) == (None, None)
    assert isinstance(seen["auth"], dict)
    unary(served)(b"")
    assert seen["left"] > 1e9


def test_callbacks(serve):
    order = []
    over = threading.Event()

    def behavior(request, context):
        assert context.add_callback(lambda: order.append("first"))
        assert context.add_callback(fails_quietly)
        assert context.add_callback(lambda: (order.append("last"), over.set()))
        contexts.append(context)
        order.append("handler")
        return request

    def fails_quietly():
        raise RuntimeError("a callback")

    contexts = []
    call(serve(Unary=uu(behavior)))
    assert over.wait(SOON)
    assert order == ["handler", "first", "last"]
    assert not contexts[0].is_active()
    assert contexts[0].add_callback(print) is False


def test_cancelled_by_the_client(serve):
    began, over = threading.Event(), threading.Event()
    seen = []

    def behavior(requests, context):
        context.add_callback(over.set)
        try:
            next(requests)
            began.set()
            next(requests)
        except (grpc.RpcError, StopIteration):  # grpcio: either, as it happens
            seen.append(context.is_active())
            raise

    served = serve(Join=su(behavior), Unary=uu(echo))
    call(served)
    never = threading.Event()
    future = served.channel.stream_unary("/test.S/Join").future(_then_wait(never))
    assert began.wait(SOON)
    future.cancel()
    assert over.wait(SOON)
    never.set()
    served.pool.shutdown(wait=True)
    assert len(seen) == 1
    if served.name != "grpcio":  # whose handler may hear of it a moment too early
        assert seen == [False]


def _then_wait(event):
    yield b"a"
    event.wait(SOON)


def test_deadline(serve):
    began = threading.Event()
    over = threading.Event()

    def behavior(request, context):
        context.add_callback(over.set)
        began.set()
        over.wait(SOON)
        assert not context.is_active()
        return request

    served = serve(Unary=uu(echo), Hang=uu(behavior))
    call(served)
    code = failure(lambda: unary(served, "Hang")(b"", timeout=1))[0]
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert began.is_set() and over.wait(SOON)


def test_cancel_from_the_handler(serve):
    def behavior(request, context):
        context.cancel()
        over = threading.Event()
        if context.add_callback(over.set):
            over.wait(SOON)
        return request

    assert failure(lambda: call(serve(Unary=uu(behavior))))[0] is grpc.StatusCode.CANCELLED


def test_generator_is_not_run_on_after_a_cancel(serve):
    began, over = threading.Event(), threading.Event()
    pieces = []

    def behavior(request, context):
        context.add_callback(over.set)
        for i in range(10**9):
            pieces.append(i)
            yield bytes(10000)
            began.set()

    served = serve(Stream=us(behavior))
    stream = served.channel.unary_stream("/test.S/Stream")(b"", wait_for_ready=True)
    next(stream)
    assert began.wait(SOON)
    stream.cancel()
    assert over.wait(SOON)
    served.pool.shutdown(wait=True)
    count = len(pieces)
    assert 0 < count < 10**6


# ---- Interceptors


class Recording(grpc.ServerInterceptor):
    def __init__(self, name, record):
        self.name = name
        self.record = record

    def intercept_service(self, continuation, handler_call_details):
        self.record.append((self.name, handler_call_details.method))
        return continuation(handler_call_details)


def test_interceptors_in_order(serve):
    record = []
    served = serve(Unary=uu(echo), interceptors=(Recording("a", record), Recording("b", record)))
    assert call(served)[0] == b"x"
    assert record == [("a", "/test.S/Unary"), ("b", "/test.S/Unary")]


def test_interceptor_refuses(serve):
    class Refusing(grpc.ServerInterceptor):
        def intercept_service(self, continuation, handler_call_details):
            if ("token", "right") in handler_call_details.invocation_metadata:
                return continuation(handler_call_details)

            def refuse(request, context):
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")

            return uu(refuse)

    served = serve(Unary=uu(echo), interceptors=[Refusing()])
    assert failure(lambda: call(served)) == (grpc.StatusCode.UNAUTHENTICATED, "who are you?")
    assert call(served, metadata=(("token", "right"),))[0] == b"x"


def test_interceptor_changes_details_and_response(serve):
    class Changing(grpc.ServerInterceptor):
        def intercept_service(self, continuation, details):
            changed = type(details)("/test.S/Unary", details.invocation_metadata)
            handler = continuation(changed)
            return uu(lambda request, context: b"<" + handler.unary_unary(request, context) + b">")

    served = serve(Unary=uu(echo), interceptors=[Changing()])
    assert unary(served, "Whatever")(b"x", wait_for_ready=True) == b"<x>"


def test_interceptor_that_raises(serve, caplog):
    class Raising(grpc.ServerInterceptor):
        def intercept_service(self, continuation, details):
            raise RuntimeError("no")

    with caplog.at_level(logging.CRITICAL):
        served = serve(Unary=uu(echo), interceptors=[Raising()])
        expected = (grpc.StatusCode.UNKNOWN, "Error in service handler!")
        assert failure(lambda: call(served)) == expected


def test_context_variables_go_from_interceptor_to_handler(serve):
    variable = contextvars.ContextVar("variable", default=b"unset")

    class Setting(grpc.ServerInterceptor):
        def intercept_service(self, continuation, details):
            variable.set(b"set")
            return continuation(details)

    served = serve(Unary=uu(lambda request, context: variable.get()), interceptors=[Setting()])
    if served.name == "grpcio" and OLD_GRPCIO:
        pytest.skip("newer grpcio has it")
    assert call(served)[0] == b"set"
    assert variable.get() == b"unset"


# ---- The experimental non-blocking handlers


def test_non_blocking_handler(serve):
    senders = []

    def behavior(request, context, send_response):
        senders.append(send_response)
        send_response(request)

    behavior.experimental_non_blocking = True
    served = serve(Watch=us(behavior), workers=1)
    streams = [
        served.channel.unary_stream("/test.S/Watch")(b"%d" % i, wait_for_ready=True)
        for i in range(3)
    ]
    for i, stream in enumerate(streams):
        assert next(stream) == b"%d" % i
    for send in senders:
        send(b"more")
        send(None)
    for stream in streams:
        assert list(stream) == [b"more"]


def test_thread_pool_of_a_handler(serve):
    names = []

    def behavior(request, context):
        names.append(threading.current_thread().name)
        return request

    with futures.ThreadPoolExecutor(1, thread_name_prefix="of-its-own") as pool:
        behavior.experimental_thread_pool = pool
        call(serve(Unary=uu(behavior)))
    assert names[0].startswith("of-its-own")
