"""The sync channel.

Every test that takes `channel` or `echo` runs with grpcio's own channel too,
which thereby says what is right.
"""

import logging
import threading

import grpc
import pytest
from echo_servers import BIDI, CLIENT_STREAM, HANG, HANG_STREAM, SERVER_STREAM, UNARY

SOON = 60  # s; nothing waits so long unless it fails


def terminated(call, code, details=None):
    assert call.code() is code
    if details is not None:
        assert call.details() == details


# ---- Unary


def test_unary(channel):
    assert channel.unary_unary(UNARY)(b"hello") == b"hello"


def test_unary_empty_message(channel):
    assert channel.unary_unary(UNARY)(b"") == b""


def test_unary_large_message(channel):
    data = bytes(range(256)) * 4096
    assert channel.unary_unary(UNARY)(data, timeout=SOON) == data


def test_serializers(channel):
    call = channel.unary_unary(UNARY, str.encode, bytes.decode)
    assert call("grüße") == "grüße"


def test_with_call(channel):
    metadata = (("x-initial", "first"), ("x-trailing", "last"), ("x-trailing-bin", b"\x00\xff"))
    response, call = channel.unary_unary(UNARY).with_call(b"a", timeout=SOON, metadata=metadata)
    assert response == b"a"
    terminated(call, grpc.StatusCode.OK, "")
    assert ("x-initial", "first") in call.initial_metadata()
    assert ("x-trailing", "last") in call.trailing_metadata()
    assert ("x-trailing-bin", b"\x00\xff") in call.trailing_metadata()
    assert not call.is_active()
    assert call.cancel() is False
    assert call.done() and call.result() == b"a"


def test_metadata_pairs_have_names(channel):
    _, call = channel.unary_unary(UNARY).with_call(b"", metadata=(("x-trailing", "v"),))
    pair = next(pair for pair in call.trailing_metadata() if pair[0] == "x-trailing")
    assert (pair.key, pair.value) == ("x-trailing", "v")


def test_error_status(channel):
    metadata = (("x-status", "5"), ("x-details", "no such thing"), ("x-trailing", "why"))
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(UNARY)(b"", metadata=metadata)
    error = caught.value
    terminated(error, grpc.StatusCode.NOT_FOUND, "no such thing")
    assert isinstance(error, grpc.Call) and isinstance(error, grpc.Future)
    assert error.done() and not error.running() and not error.cancelled() and not error.cancel()
    assert error.exception() is error and error.traceback() is not None
    with pytest.raises(grpc.RpcError):
        error.result()
    assert str(error).startswith(
        "<_InactiveRpcError of RPC that terminated with:\n\tstatus = StatusCode.NOT_FOUND\n"
        '\tdetails = "no such thing"\n\tdebug_error_string = '
    )
    seen = []
    error.add_done_callback(seen.append)
    assert seen == [error]


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code.value[0]])
def test_every_status(channel, code):
    metadata = (("x-status", str(code.value[0])), ("x-details", "so it is"))
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(UNARY)(b"", metadata=metadata)
    terminated(caught.value, code, "so it is")


def test_trailing_metadata_of_an_error(channel, echo):
    metadata = (("x-status", "5"), ("x-trailing", "why"))
    with pytest.raises(grpc.RpcError) as caught:
        list(channel.unary_stream(SERVER_STREAM)(b"0 0", metadata=metadata))
    assert ("x-trailing", "why") in caught.value.trailing_metadata()


def test_unknown_method(channel):
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary("/test.Echo/Nothing")(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_timeout(channel):
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(HANG)(b"", timeout=0.2)
    terminated(caught.value, grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")


def test_timeout_in_the_past(channel):
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(HANG)(b"", timeout=-1)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_time_remaining(channel):
    call = channel.unary_unary(HANG).future(b"", timeout=SOON)
    assert SOON - 15 < call.time_remaining() <= SOON
    call.cancel()
    assert channel.unary_unary(UNARY).future(b"").time_remaining() is None


def test_wait_for_ready(channel):
    call = channel.unary_unary(UNARY)
    assert call(b"1", wait_for_ready=True, timeout=SOON) == b"1"
    assert call(b"2", wait_for_ready=False, timeout=SOON) == b"2"


def test_compression_is_accepted(channel):
    assert channel.unary_unary(UNARY)(b"z" * 1000, compression=grpc.Compression.Gzip) == b"z" * 1000


def test_registered_method(echo):
    """Newer generated code passes _registered_method, by name or as the fourth argument."""
    if echo.name == "grpcio":
        pytest.skip("grpcio has it from 1.63 on")
    with echo.channel() as channel:
        assert channel.unary_unary(UNARY, _registered_method=True)(b"a") == b"a"
        assert channel.unary_unary(UNARY, None, None, True)(b"a") == b"a"
        assert list(channel.unary_stream(SERVER_STREAM, None, None, True)(b"1 1")) == [b"0"]
        assert channel.stream_unary(CLIENT_STREAM, None, None, True)(iter([b"a"])) == b"a"
        assert list(channel.stream_stream(BIDI, None, None, True)(iter([b"a"]))) == [b"a"]


# ---- What the caller did wrong


def test_credentials_on_an_insecure_channel(channel):
    credentials = grpc.access_token_call_credentials("secret")
    expected = (
        "Established channel does not have a sufficient security level to transfer call credential."
    )
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(UNARY)(b"", credentials=credentials)
    terminated(caught.value, grpc.StatusCode.UNAUTHENTICATED, expected)
    call = channel.unary_unary(UNARY).future(b"", credentials=credentials)
    assert call.exception() is call
    with pytest.raises(grpc.RpcError) as caught:
        list(channel.unary_stream(SERVER_STREAM)(b"", credentials=credentials))
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    "pair", [("UpperCase", "v"), ("key", "line\nbreak"), ("", "v"), ("k", "é")]
)
def test_invalid_metadata(mqtt_server, pair):
    """As grpcio 1.51 says it; newer ones end the call with INTERNAL instead."""
    with mqtt_server.channel() as channel:
        text = f"metadata was invalid: {pair}"
        for start in (
            lambda: channel.unary_unary(UNARY)(b"", metadata=(pair,)),
            lambda: channel.unary_unary(UNARY).future(b"", metadata=[pair]),
            lambda: channel.unary_stream(SERVER_STREAM)(b"", metadata=(pair,)),
            lambda: channel.stream_unary(CLIENT_STREAM)(iter(()), metadata=(pair,)),
            lambda: channel.stream_stream(BIDI)(iter(()), metadata=(pair,)),
        ):
            with pytest.raises(ValueError) as caught:
                start()
            assert text == str(caught.value)


def test_metadata_of_wrong_type(channel):
    with pytest.raises(TypeError, match="Expected str, not <class 'int'>"):
        channel.unary_unary(UNARY)(b"", metadata=(("key", 3),))
    with pytest.raises(ValueError):
        channel.unary_unary(UNARY)(b"", metadata=("key",))


def test_binary_metadata_wants_bytes(channel):
    text = "Binary metadata key=\"x-trailing-bin\" expected bytes, got <class 'str'>"
    with pytest.raises(TypeError) as caught:
        channel.unary_unary(UNARY)(b"", metadata=(("x-trailing-bin", "text"),))
    assert str(caught.value) == text


def test_metadata_none_is_empty(channel):
    _, call = channel.unary_unary(UNARY).with_call(b"", metadata=(("x-trailing", None),))
    assert ("x-trailing", "") in call.trailing_metadata()


def test_metadata_from_a_generator(channel):
    metadata = (pair for pair in [("x-trailing", "v")])
    _, call = channel.unary_unary(UNARY).with_call(b"", metadata=metadata)
    assert ("x-trailing", "v") in call.trailing_metadata()


def test_request_that_is_no_bytes(channel):
    with pytest.raises(TypeError):
        channel.unary_unary(UNARY)("text")


def boom(_):
    raise RuntimeError("boom")


def test_serializer_that_raises(channel, caplog):
    for start in (
        lambda: channel.unary_unary(UNARY, boom)(b""),
        lambda: channel.unary_unary(UNARY, boom).future(b""),
        lambda: channel.unary_stream(SERVER_STREAM, boom)(b""),
        lambda: channel.stream_unary(CLIENT_STREAM, boom)(iter([b""])),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            start()
        terminated(caught.value, grpc.StatusCode.INTERNAL, "Exception serializing request!")
    assert "boom" in caplog.text


def test_deserializer_that_raises(channel):
    for deserializer in (boom, lambda _: None):
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(UNARY, None, deserializer)(b"")
        terminated(caught.value, grpc.StatusCode.INTERNAL, "Exception deserializing response!")
        with pytest.raises(grpc.RpcError) as caught:
            list(channel.unary_stream(SERVER_STREAM, None, deserializer)(b"3 3"))
        terminated(caught.value, grpc.StatusCode.INTERNAL, "Exception deserializing response!")


# ---- Streams


def test_server_streaming(channel):
    responses = list(channel.unary_stream(SERVER_STREAM)(b"1000 10", timeout=SOON))
    assert [int(response.rstrip(b".")) for response in responses] == list(range(1000))


def test_server_streaming_of_large_messages(channel):
    responses = list(channel.unary_stream(SERVER_STREAM)(b"20 300000", timeout=SOON))
    assert [len(response) for response in responses] == [300000] * 20


def test_server_streaming_of_nothing(channel):
    call = channel.unary_stream(SERVER_STREAM)(b"0 0")
    assert list(call) == []
    terminated(call, grpc.StatusCode.OK, "")
    assert call.result() is None and call.exception() is None
    with pytest.raises(StopIteration):
        next(call)


def test_messages_come_before_the_error(channel):
    call = channel.unary_stream(SERVER_STREAM)(b"3 1", metadata=(("x-status", "10"),))
    assert [next(call) for _ in range(3)] == [b"0", b"1", b"2"]
    with pytest.raises(grpc.RpcError) as caught:
        next(call)
    assert caught.value is call
    terminated(call, grpc.StatusCode.ABORTED)
    assert "_MultiThreadedRendezvous of RPC that terminated with" in repr(call)


def test_client_streaming(channel):
    requests = (str(i).encode() for i in range(500))
    expected = b"".join(str(i).encode() for i in range(500))
    assert channel.stream_unary(CLIENT_STREAM)(requests, timeout=SOON) == expected


def test_client_streaming_with_call_and_future(channel):
    call = channel.stream_unary(CLIENT_STREAM)
    response, rpc = call.with_call(iter([b"a", b"b"]), metadata=(("x-trailing", "t"),))
    assert response == b"ab"
    assert ("x-trailing", "t") in rpc.trailing_metadata()
    assert call.future(iter([b"c"])).result(timeout=SOON) == b"c"


def test_upload_beyond_the_send_buffer(channel):
    """More than may wait to be sent: the request thread has to wait for room."""
    chunk = b"x" * 100_000
    answer = channel.stream_unary(CLIENT_STREAM)(iter([chunk] * 30), timeout=SOON)
    assert len(answer) == 3_000_000


def test_bidi(channel):
    requests = [str(i).encode() for i in range(200)]
    assert list(channel.stream_stream(BIDI)(iter(requests), timeout=SOON)) == requests


def test_bidi_ping_pong(channel):
    """Each request is made from the response before."""
    turn = threading.Semaphore(1)
    said = [b"0"]

    def requests():
        for _ in range(21):
            assert turn.acquire(timeout=SOON)
            yield said[-1]

    for response in channel.stream_stream(BIDI)(requests(), timeout=SOON):
        said.append(str(int(response) + 1).encode())
        turn.release()
    assert said[-1] == b"21"


def test_initial_metadata_before_messages(channel):
    call = channel.stream_stream(HANG_STREAM)(iter(()), metadata=(("x-initial", "early"),))
    assert ("x-initial", "early") in call.initial_metadata()
    assert call.is_active()
    call.cancel()


def test_request_iterator_that_raises(channel):
    def requests():
        yield b"1"
        raise RuntimeError("boom")

    for start in (
        lambda: channel.stream_unary(CLIENT_STREAM)(requests()),
        lambda: list(channel.stream_stream(BIDI)(requests())),
        lambda: channel.stream_unary(CLIENT_STREAM)([b"a list is no iterator"]),
    ):
        with pytest.raises(grpc.RpcError) as caught:
            start()
        terminated(caught.value, grpc.StatusCode.UNKNOWN, "Exception iterating requests!")


def test_iteration_from_another_thread(channel):
    call = channel.unary_stream(SERVER_STREAM)(b"100 1")
    seen = []
    thread = threading.Thread(target=lambda: seen.extend(call))
    thread.start()
    thread.join(SOON)
    assert len(seen) == 100


# ---- Futures


def test_future(channel):
    call = channel.unary_unary(UNARY).future(b"later")
    assert call.result(timeout=SOON) == b"later"
    assert call.done() and not call.running() and not call.cancelled()
    assert call.exception() is None and call.traceback() is None
    terminated(call, grpc.StatusCode.OK, "")
    assert repr(call) == (
        "<_MultiThreadedRendezvous of RPC that terminated with:\n"
        '\tstatus = StatusCode.OK\n\tdetails = ""\n>'
    )


def test_future_that_fails(channel):
    call = channel.unary_unary(UNARY).future(b"", metadata=(("x-status", "9"),))
    with pytest.raises(grpc.RpcError) as caught:
        call.result(timeout=SOON)
    assert caught.value is call and call.exception() is call and call.traceback() is not None
    terminated(call, grpc.StatusCode.FAILED_PRECONDITION)


def test_future_timeout_and_cancel(channel, echo):
    echo.cancelled.clear()
    call = channel.unary_unary(HANG).future(b"")
    with pytest.raises(grpc.FutureTimeoutError):
        call.result(timeout=0.1)
    with pytest.raises(grpc.FutureTimeoutError):
        call.exception(timeout=0.1)
    assert call.running() and not call.done() and call.is_active()
    assert repr(call) == "<_MultiThreadedRendezvous object>"
    assert call.cancel() is True
    assert call.cancel() is False
    terminated(call, grpc.StatusCode.CANCELLED, "Locally cancelled by application!")
    assert call.cancelled() and call.done() and not call.running()
    with pytest.raises(grpc.FutureCancelledError):
        call.result()
    with pytest.raises(grpc.FutureCancelledError):
        call.exception()
    assert tuple(call.initial_metadata()) == () and tuple(call.trailing_metadata()) == ()
    assert echo.cancelled.wait(SOON)  # the server hears of it


def test_unread_messages_hold_the_status_back(channel):
    """As long as messages are unread the call is not over, whatever the server has sent."""
    for metadata in (None, (("x-status", "5"),)):
        call = channel.unary_stream(SERVER_STREAM)(b"3 1", metadata=metadata)
        assert next(call) == b"0"
        assert call.is_active() and not call.done()
        assert call.cancel() is True
        with pytest.raises(grpc.RpcError):
            next(call)
        terminated(call, grpc.StatusCode.CANCELLED, "Locally cancelled by application!")


def test_unread_messages_hold_the_status_back_until_the_deadline(channel):
    for metadata in (None, (("x-status", "5"),)):
        call = channel.unary_stream(SERVER_STREAM)(b"3 1", timeout=0.5, metadata=metadata)
        codes = []
        thread = threading.Thread(target=lambda c=call, to=codes: to.append(c.code()), daemon=True)
        thread.start()
        thread.join(20)
        assert codes == [grpc.StatusCode.DEADLINE_EXCEEDED]


def test_code_while_another_thread_reads(channel):
    call = channel.unary_stream(SERVER_STREAM)(b"5 1")
    codes = []
    thread = threading.Thread(target=lambda: codes.append(call.code()))
    thread.start()
    assert len(list(call)) == 5
    thread.join(SOON)
    assert codes == [grpc.StatusCode.OK]


def test_done_callback_of_a_stream_comes_after_its_messages(channel):
    done = threading.Event()
    call = channel.unary_stream(SERVER_STREAM)(b"5 1")
    call.add_done_callback(lambda _: done.set())
    assert next(call) == b"0"
    assert not done.is_set()
    assert len(list(call)) == 4
    assert done.wait(SOON)


def test_cancel_of_a_stream(channel, echo):
    echo.cancelled.clear()
    call = channel.stream_stream(HANG_STREAM)(iter(()))
    assert next(call) == b"first"
    threading.Timer(0.1, call.cancel).start()
    with pytest.raises(grpc.RpcError) as caught:
        next(call)
    assert caught.value is call
    terminated(call, grpc.StatusCode.CANCELLED, "Locally cancelled by application!")
    assert echo.cancelled.wait(SOON)


def test_dropped_call_is_cancelled(channel, echo):
    echo.cancelled.clear()
    call = channel.stream_stream(HANG_STREAM)(iter(()))
    assert next(call) == b"first"
    del call
    assert echo.cancelled.wait(SOON)


def test_done_callbacks(channel):
    done = threading.Event()
    seen = []

    def callback(call):
        seen.append((call.result(), threading.current_thread()))
        done.set()

    call = channel.unary_unary(UNARY).future(b"x")
    call.add_done_callback(callback)
    assert done.wait(SOON)
    assert seen[0][0] == b"x"
    late = []
    call.add_done_callback(late.append)  # over: called at once, here
    assert late == [call]


def test_callback_of_the_context(channel):
    done = threading.Event()
    call = channel.stream_stream(BIDI)(iter([b"a"]))
    assert call.add_callback(done.set) is True
    assert list(call) == [b"a"]
    assert done.wait(SOON)
    assert call.add_callback(done.set) is False


def test_callback_that_raises_is_logged(channel, caplog):
    done = threading.Event()
    call = channel.unary_unary(HANG).future(b"")
    call.add_done_callback(boom)
    call.add_done_callback(lambda _: done.set())
    with caplog.at_level(logging.ERROR):
        call.cancel()
        assert done.wait(SOON)
    assert "boom" in caplog.text


def test_callback_may_call(echo, channel):
    if echo.name == "grpcio":
        pytest.skip("runs on grpcio's only thread")
    answers = []
    done = threading.Event()
    unary = channel.unary_unary(UNARY)

    def callback(call):
        answers.append(unary(b"nested"))
        answers.append(unary.future(b"nested future").result(timeout=SOON))
        done.set()

    unary.future(b"outer").add_done_callback(callback)
    assert done.wait(SOON)
    assert answers == [b"nested", b"nested future"]


def test_many_futures(channel):
    unary = channel.unary_unary(UNARY)
    calls = [unary.future(str(i).encode()) for i in range(300)]
    assert [call.result(timeout=SOON) for call in calls] == [str(i).encode() for i in range(300)]


def test_many_futures_with_callbacks(channel):
    unary = channel.unary_unary(UNARY)
    left = threading.Semaphore(0)
    for i in range(100):
        unary.future(str(i).encode()).add_done_callback(lambda _: left.release())
    for _ in range(100):
        assert left.acquire(timeout=SOON)


def test_many_threads(channel):
    """Threads that wait take turns in leading; none may be left behind."""
    unary = channel.unary_unary(UNARY)
    stream = channel.unary_stream(SERVER_STREAM)
    wrong = []

    def work(name):
        try:
            for i in range(50):
                data = f"{name} {i}".encode()
                if unary(data, timeout=SOON) != data:
                    wrong.append(data)
            if len(list(stream(b"100 5", timeout=SOON))) != 100:
                wrong.append(name)
        except grpc.RpcError as error:
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert wrong == []


# ---- Interceptors


class Adder(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    def intercept_unary_unary(self, continuation, details, request):
        return continuation(details, request + b"+")

    def intercept_unary_stream(self, continuation, details, request):
        return (response + b"!" for response in continuation(details, request))


def test_interceptors(channel):
    intercepted = grpc.intercept_channel(channel, Adder())
    unary = intercepted.unary_unary(UNARY)
    assert unary(b"a") == b"a+"
    assert unary.future(b"a").result(timeout=SOON) == b"a+"
    assert unary.with_call(b"a")[0] == b"a+"
    assert list(intercepted.unary_stream(SERVER_STREAM)(b"2 1")) == [b"0!", b"1!"]
    with pytest.raises(grpc.RpcError) as caught:
        unary(b"a", metadata=(("x-status", "7"),))
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


# ---- The end of the channel


def test_close_ends_calls(echo):
    channel = echo.channel()
    grpc.channel_ready_future(channel).result(timeout=SOON)
    call = channel.unary_unary(HANG).future(b"")
    stream = channel.stream_stream(HANG_STREAM)(iter(()))
    assert next(stream) == b"first"
    channel.close()
    terminated(call, grpc.StatusCode.CANCELLED, "Channel closed!")
    assert not call.cancelled()
    with pytest.raises(grpc.RpcError):
        call.result(timeout=SOON)
    with pytest.raises(grpc.RpcError):
        next(stream)
    terminated(stream, grpc.StatusCode.CANCELLED)
    channel.close()


def test_close_wakes_a_blocked_caller(echo):
    channel = echo.channel()
    grpc.channel_ready_future(channel).result(timeout=SOON)
    stream = channel.stream_stream(HANG_STREAM)(iter(()))
    assert next(stream) == b"first"
    threading.Timer(0.1, channel.close).start()
    with pytest.raises(grpc.RpcError):
        next(stream)
    terminated(stream, grpc.StatusCode.CANCELLED)


def test_use_after_close(echo):
    with echo.channel() as channel:
        pass
    with pytest.raises(ValueError, match="Cannot invoke RPC on closed channel!"):
        channel.unary_unary(UNARY)(b"")
    with pytest.raises(ValueError, match="Cannot invoke RPC on closed channel!"):
        channel.stream_unary(CLIENT_STREAM)(iter(()))
    for start in (
        lambda: channel.unary_unary(UNARY).future(b""),
        lambda: channel.unary_stream(SERVER_STREAM)(b""),
        lambda: channel.stream_stream(BIDI)(iter(())),
    ):
        with pytest.raises(ValueError, match="Cannot invoke RPC"):
            start()


def test_stub_outlives_the_channel_object(echo):
    call = echo.channel().unary_unary(UNARY)
    assert call(b"still here", timeout=SOON) == b"still here"


@pytest.mark.parametrize("path, streams", [(UNARY, False), (CLIENT_STREAM, True)])
def test_failed_unary_response_has_metadata(channel, path, streams):
    steer = (("x-status", "5"), ("x-initial", "first"), ("x-trailing-bin", b"\0last"))
    call = (channel.stream_unary if streams else channel.unary_unary)(path)
    with pytest.raises(grpc.RpcError) as caught:
        call(iter([b"a"]) if streams else b"a", metadata=steer, timeout=20)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert ("x-initial", "first") in caught.value.initial_metadata()
    assert ("x-trailing-bin", b"\0last") in caught.value.trailing_metadata()
