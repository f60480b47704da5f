"""grpcio clients and servers of all kinds, with proxy and gateway between them."""

import threading

import grpc
import pytest
from servers import INITIAL, TRAILING
from stack import PATIENCE

R = "/test.relay.v1.Relay/"


@pytest.fixture(params=["link", "session"])
def proxy(request, broker, base, gateway, relay_protoset, start_proxy):
    return start_proxy(broker.url(base, dialect=request.param), "--descriptors", relay_protoset)


@pytest.fixture
def channel(proxy):
    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(proxy.target, options=options) as opened:
        yield opened


def plain(metadata):
    """As lists of (key, bytes), sorted by key, values of one key in order."""
    pairs = [(k, v.encode() if isinstance(v, str) else v) for k, v in metadata]
    return sorted(pairs, key=lambda pair: pair[0])


def failure(call):
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value


def test_unary(channel):
    sent = (("x-one", "1"), ("x-raw-bin", b"\x00\x01\xfe"), ("x-rep", "b"), ("x-rep", "a"))
    reply, call = channel.unary_unary(R + "Echo").with_call(
        b"\x00hello", metadata=sent, timeout=PATIENCE
    )
    assert (reply, call.code()) == (b"\x00hello", grpc.StatusCode.OK)
    assert plain(call.initial_metadata()) == plain(INITIAL)
    echoed = (("echo-" + key, value) for key, value in sent)
    assert plain(call.trailing_metadata()) == plain((*TRAILING, *echoed))


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 127985, 4_000_000])
def test_unary_of_any_size(channel, size):
    message = (bytes(range(256)) * (size // 256 + 1))[:size]
    assert channel.unary_unary(R + "Echo")(message, timeout=PATIENCE) == message


def test_reserved_metadata_does_not_travel(channel):
    sent = (("grpc-mqtt-x", "x"), ("x-kept", "yes"))
    _, call = channel.unary_unary(R + "Echo").with_call(b"", metadata=sent, timeout=PATIENCE)
    trailing = dict(call.trailing_metadata())
    assert trailing["echo-x-kept"] == "yes" and not any("grpc" in key for key in trailing)


def test_trace_context_travels(channel):
    """W3C: two keys, which are carried as any others."""
    sent = (
        ("x-b3", "0"),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ("tracestate", "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"),
    )
    names = [pair[0] for pair in sent]
    reply = channel.unary_unary(R + "Metadata")(",".join(names).encode(), metadata=sent)
    assert reply.decode().splitlines() == [f"{key}={value}" for key, value in sent]


@pytest.mark.parametrize("code", range(1, 17))
def test_every_status_code(channel, code):
    error = failure(lambda: channel.unary_unary(R + "Fail")(b"%d" % code, timeout=PATIENCE))
    assert (error.code().value[0], error.details()) == (code, "no: \u00fc")
    assert error.trailing_metadata() == (("why", "because"),)


def test_status_details(channel):
    """google.rpc.Status, in the one key of gRPC's own that applications set."""
    error = failure(lambda: channel.unary_unary(R + "Details")(b"\x08\x05", timeout=PATIENCE))
    assert ("grpc-status-details-bin", b"\x08\x05") in error.trailing_metadata()


def test_methods_that_are_not_there(channel):
    error = failure(lambda: channel.unary_unary(R + "NotThere")(b"", timeout=PATIENCE))
    assert (error.code(), error.details()) == (
        grpc.StatusCode.UNIMPLEMENTED,
        "Method not found!",
    )
    error = failure(lambda: channel.unary_unary(R + "Nope")(b"", timeout=PATIENCE))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED
    assert R + "Nope" in error.details() and "descriptors" in error.details()


@pytest.mark.parametrize("path", ["/nothing", "/a/b/c", "//", "/test.relay.v1.Relay/+"])
def test_paths_that_are_none(channel, path):
    error = failure(lambda: channel.unary_unary(path)(b"", timeout=PATIENCE))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED


def test_client_streaming(channel):
    call = channel.stream_unary(R + "Join")
    sent = [b"a", b"", b"bb", *(b"%d," % i for i in range(300))]
    reply, call = call.with_call(iter(sent), timeout=PATIENCE)
    assert reply == b"".join(sent)
    assert plain(call.initial_metadata()) == plain(INITIAL)
    assert plain(call.trailing_metadata()) == plain(TRAILING)


def test_client_streaming_answered_early(channel):
    more = threading.Event()

    def requests():
        yield b"first"
        more.wait(PATIENCE)

    assert channel.stream_unary(R + "JoinEarly")(requests(), timeout=PATIENCE) == b"first"
    more.set()


def test_server_streaming(channel):
    call = channel.unary_stream(R + "Repeat")(b"5 3", timeout=PATIENCE)
    assert plain(call.initial_metadata()) == plain(INITIAL)
    assert list(call) == [b"000", b"111", b"222", b"333", b"444"]
    assert plain(call.trailing_metadata()) == plain(TRAILING)
    assert list(channel.unary_stream(R + "Repeat")(b"0 0", timeout=PATIENCE)) == []


def test_server_streaming_that_fails_half_way(channel):
    call = channel.unary_stream(R + "RepeatThenFail")(b"x", timeout=PATIENCE)
    assert next(call) == b"x"
    error = failure(lambda: next(call))
    assert (error.code(), error.details()) == (grpc.StatusCode.ABORTED, "half way")


def test_bidi_in_turns(channel):
    turn = threading.Semaphore(0)
    said = []

    def requests():
        for i in range(20):
            yield b"%d" % i
            assert turn.acquire(timeout=PATIENCE)

    for reply in channel.stream_stream(R + "Chat")(requests(), timeout=PATIENCE):
        said.append(reply)
        turn.release()
    assert said == [b"%d" % i for i in range(20)]


def test_much_in_both_directions(channel):
    """More than all buffers together: each side is slowed down by the other."""
    call = channel.stream_stream(R + "Chat")
    sent = [b"%d" % (i % 10) * 100_000 for i in range(80)]
    assert list(call(iter(sent), timeout=2 * PATIENCE)) == sent
    joined = channel.stream_unary(R + "Join")(iter(sent[:40]), timeout=PATIENCE)
    assert joined == b"".join(sent[:40])


def peak_kb(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


@pytest.mark.parametrize("proxy", ["link"], indirect=True)
def test_a_slow_reader_costs_little_memory(proxy, gateway, channel):
    """100 MB for a client that does not read: it waits at the server, and other calls go on. The
    first such client fills the windows on its way, a second one finds the memory there.
    """
    pids = [process.pid for process in (proxy, gateway)]
    for most_kb in (50_000, 20_000):
        before = [peak_kb(pid) for pid in pids]
        slow = channel.unary_stream(R + "Repeat")(b"1000 100000", timeout=3 * PATIENCE)
        assert len(next(slow)) == 100_000
        for i in range(200):
            assert channel.unary_unary(R + "Echo")(b"%d" % i, timeout=PATIENCE) == b"%d" % i
        assert sum(len(message) for message in slow) == 999 * 100_000
        grown = [peak_kb(pid) - kb for pid, kb in zip(pids, before, strict=True)]
        assert max(grown) < most_kb, grown


def test_compressed_messages(proxy):
    with grpc.insecure_channel(proxy.target, compression=grpc.Compression.Gzip) as channel:
        message = b"all the same " * 10_000
        assert channel.unary_unary(R + "Echo")(message, timeout=PATIENCE) == message


def test_deadline_reaches_the_server(channel):
    time_left = channel.unary_unary(R + "TimeLeft")
    assert time_left(b"") == b"none"
    assert 20_000 < int(time_left(b"", timeout=40)) <= 43_000  # rounded up on each leg


def test_deadline_passes(channel, server):
    error = failure(lambda: channel.unary_unary(R + "Hang")(b"", timeout=1))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    assert server.cancelled.get(timeout=PATIENCE)


@pytest.mark.parametrize("method", ["Hang", "HangStream", "HangChat"])
def test_cancel_reaches_the_server(channel, server, method):
    if method == "Hang":
        call = channel.unary_unary(R + method).future(b"")
    elif method == "HangStream":
        call = channel.unary_stream(R + method)(b"")
    else:
        call = channel.stream_stream(R + method)(iter([b""]))
    assert server.hanging.get(timeout=PATIENCE)
    call.cancel()
    assert server.cancelled.get(timeout=PATIENCE)


def test_client_that_dies_is_a_cancelled_call(proxy, server):
    channel = grpc.insecure_channel(proxy.target)
    call = channel.unary_unary(R + "Hang").future(b"")
    assert server.hanging.get(timeout=PATIENCE)
    channel.close()
    assert call.code() == grpc.StatusCode.CANCELLED
    assert server.cancelled.get(timeout=PATIENCE)


def test_many_at_once(channel):
    echo = channel.unary_unary(R + "Echo")
    calls = [echo.future(b"%d" % i, timeout=PATIENCE) for i in range(300)]
    assert [call.result() for call in calls] == [b"%d" % i for i in range(300)]


def test_limit_of_calls(broker, base, gateway, relay_protoset, start_proxy, server):
    proxy = start_proxy(broker.url(base), "-d", relay_protoset, "--max-calls", 2)
    with grpc.insecure_channel(proxy.target) as channel:
        hanging = [channel.unary_unary(R + "Hang").future(b"") for _ in range(2)]
        for _ in hanging:
            assert server.hanging.get(timeout=PATIENCE)
        error = failure(lambda: channel.unary_unary(R + "Echo")(b"", timeout=PATIENCE))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "calls" in error.details()
        for call in hanging:
            call.cancel()
            assert server.cancelled.get(timeout=PATIENCE)


def test_message_above_the_limit(broker, base, gateway, relay_protoset, start_proxy):
    proxy = start_proxy(broker.url(base, receive_limit=1000), "-d", relay_protoset)
    with grpc.insecure_channel(proxy.target) as channel:
        error = failure(lambda: channel.unary_unary(R + "Echo")(b"a" * 1001, timeout=PATIENCE))
        assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert channel.unary_unary(R + "Echo")(b"a" * 1000, timeout=PATIENCE)
        replies = channel.unary_stream(R + "Repeat")(b"2 1001", timeout=PATIENCE)
        assert failure(lambda: next(replies)).code() == grpc.StatusCode.RESOURCE_EXHAUSTED
