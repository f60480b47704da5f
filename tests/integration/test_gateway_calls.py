"""The gateway between a hand-written client of the dialect and an ordinary gRPC server."""

import pytest
from servers import INITIAL, TRAILING
from session import SessionClient, chunk

R = "/test.relay.v1.Relay/"

pytestmark = pytest.mark.usefixtures("gateway")


def plain(metadata):
    """As lists of (key, bytes), sorted by key, values of one key in order."""
    pairs = [(k, v.encode() if isinstance(v, str) else v) for k, v in metadata]
    return sorted(pairs, key=lambda pair: pair[0])


def test_unary(client):
    sent = (("x-one", "1"), ("x-raw-bin", b"\x00\x01\xfe"), ("x-rep", "b"), ("x-rep", "a"))
    got = client.call(R + "Echo", b"\x00hello", metadata=sent).response()
    assert (got.error, got.code, got.body, got.details) == (None, 0, b"\x00hello", "all well")
    assert plain(got.initial) == plain(INITIAL)
    assert plain(got.trailing) == plain(
        (*TRAILING, *(("echo-" + key, value) for key, value in sent))
    )


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 127984, 127985, 1_000_000, 4_000_000])
def test_unary_of_any_size(client, size):
    message = bytes(range(256)) * (size // 256 + 1)
    got = client.call(R + "Echo", message[:size]).response()
    assert got.code == 0 and got.body == message[:size]


def test_reserved_metadata_does_not_travel(client):
    forged = (
        ("grpc-timeout", "1n"),
        ("te", "x"),
        ("content-type", "x"),
        ("user-agent", "x"),
        ("connection", "close"),
        ("host", "x"),
        ("x-kept", "yes"),
    )
    got = client.call(R + "Echo", b"a", metadata=forged).response()
    assert got.code == 0 and got.body == b"a"
    assert ("echo-x-kept", b"yes") in got.trailing


@pytest.mark.parametrize("key", [":path", "Upper", "sp ace", "nul\0"])
def test_metadata_that_grpc_cannot_carry_is_refused_as_by_the_reference(client, key):
    got = client.call(R + "Echo", b"a", metadata=((key, "x"),)).response()
    assert got.error == 14


@pytest.mark.parametrize("code", range(1, 17))
def test_every_status_code(client, code):
    got = client.call(R + "Fail", b"%d" % code).response()
    assert (got.code, got.details, got.body) == (code, "no: \u00fc", None)


def test_method_that_the_server_does_not_have(client):
    got = client.call(R + "NotThere", b"a").response()
    assert (got.code, got.details) == (12, "Method not found!")


def test_method_that_is_not_in_the_map(client):
    got = client.call("/test.relay.v1.Relay/Nope", b"a").response()
    assert (got.error, got.code, got.details) == (5, 12, "/test.relay.v1.Relay/Nope")


def test_more_than_one_reply_where_one_is_allowed(client):
    got = client.call(R + "Many", b"a").response()
    assert got.code == 13 and "more than one message" in got.details


def test_no_reply_where_one_is_expected(client):
    got = client.call(R + "None", b"a").response()
    assert (got.error, got.code, got.body) == (None, 0, None)


def test_client_streaming(client):
    call = client.call(R + "Join")
    for element in (b"a", b"", b"bb"):
        call.send(chunk(element))
    call.send(chunk(b"c", b"d"))
    call.end()
    got = call.response()
    assert (got.code, got.body) == (0, b"abbcd")
    assert plain(got.initial) == plain(INITIAL) and plain(got.trailing) == plain(TRAILING)


def test_client_streaming_of_many(client):
    call = client.call(R + "Join")
    for i in range(300):
        call.send(chunk(b"%d," % i))
    call.end()
    assert call.response().body == b"".join(b"%d," % i for i in range(300))


def test_client_streaming_answered_early(client):
    call = client.call(R + "JoinEarly")
    call.send(chunk(b"first"))
    got = call.response()
    assert (got.code, got.body) == (0, b"first")


def test_server_streaming(client):
    initial, elements, got = client.call(R + "Repeat", b"5 3").stream()
    assert plain(initial) == plain(INITIAL)
    assert elements == [b"000", b"111", b"222", b"333", b"444"]
    assert (got.error, got.code, got.body) == (None, 0, None) and plain(got.trailing) == plain(
        TRAILING
    )


def test_server_streaming_of_much(client):
    _, elements, got = client.call(R + "Repeat", b"100 200000").stream()
    assert [(len(e), e[:1]) for e in elements] == [(200000, b"%d" % (i % 10)) for i in range(100)]
    assert got.code == 0


def test_server_streaming_of_nothing(client):
    initial, elements, got = client.call(R + "Repeat", b"0 0").stream()
    assert (plain(initial), elements, got.code) == (plain(INITIAL), [], 0)


def test_server_streaming_that_fails_half_way(client):
    _, elements, got = client.call(R + "RepeatThenFail", b"x").stream()
    assert elements == [b"x"]
    assert (got.code, got.details, got.trailing) == (10, "half way", [("why", b"because")])


def test_bidi(client):
    call = client.call(R + "Chat")
    assert call.next() == b"", (
        "an empty map, though the server has sent none: or it would never begin"
    )
    for i in range(20):
        call.send(chunk(b"%d" % i))
        assert call.next() == chunk(b"%d" % i)
    call.end()
    assert call.next() == b""
    assert call.response().code == 0


def test_initial_metadata_that_comes_late_goes_with_the_trailing(client):
    call = client.call(R + "LateMetadata")
    assert call.next() == b""
    call.send(chunk(b"a"))
    call.end()
    assert call.next() == chunk(b"a")
    assert call.next() == b""
    got = call.response()
    assert got.code == 0 and plain(got.trailing) == plain((*INITIAL, *TRAILING))


def test_many_at_once(client):
    calls = [client.call(R + "Echo", b"%d" % i) for i in range(100)]
    assert [call.response().body for call in calls] == [b"%d" % i for i in range(100)]


def test_deadline_reaches_the_server(client):
    assert client.call(R + "TimeLeft", b"", timeout_s=-1).response().body == b"none"
    left = int(client.call(R + "TimeLeft", b"", timeout_s=40).response().body)
    assert 20_000 < left <= 41_000  # gRPC rounds up on the wire


def test_deadline_passes(client, server):
    got = client.call(R + "Hang", b"", timeout_s=1).response()
    assert got.code == 4
    assert server.cancelled.get(timeout=20)


@pytest.mark.parametrize("method", ["Hang", "HangStream", "HangChat"])
def test_terminate_reaches_the_server(client, server, method):
    call = client.call(R + method, b"")
    assert server.hanging.get(timeout=20)
    call.control(2)
    assert server.cancelled.get(timeout=20)


def test_upload_of_much(client):
    call = client.call(R + "Join")
    for i in range(80):
        call.send(chunk(b"%d" % (i % 10) * 100_000))
    call.end()
    got = call.response()
    assert got.code == 0 and got.body == b"".join(b"%d" % (i % 10) * 100_000 for i in range(80))


def test_kinds_mixed_and_many(client, server):
    """Calls of all kinds at once, every fifth given up: each gets its own answer, and no other."""
    calls = []
    for i in range(100):
        text = b"%d" % i
        kind = i % 5
        if kind == 0:
            calls.append((client.call(R + "Echo", text), lambda c: c.response().body, text))
        elif kind == 1:
            calls.append((client.call(R + "Join"), lambda c: c.response().body, text + text))
            calls[-1][0].send(chunk(text, text))
            calls[-1][0].end()
        elif kind == 2:
            call = client.call(R + "RepeatThenFail", text)
            calls.append((call, lambda c: c.stream()[1], [text]))
        elif kind == 3:
            calls.append((client.call(R + "Chat"), lambda c: c.stream()[1], [text]))
            calls[-1][0].send(chunk(text))
            calls[-1][0].end()
        elif i < 40:
            call = client.call(R + "HangStream", text)
            assert server.hanging.get(timeout=20)
            call.control(2)
    assert [read(call) for call, read, _ in calls] == [wanted for _, _, wanted in calls]
    for _ in range(8):
        assert server.cancelled.get(timeout=20)


def test_offered_methods_without_a_target(broker, base, server, relay_protoset, start_gateway):
    other = f"{base}_offer"
    url = broker.url(other, unknown_methods="offer")
    start_gateway(url, (relay_protoset, server.target))
    client = SessionClient(broker.port, other)
    got = client.call(R + "Nothing", b"").response()
    assert (got.code, got.details) == (12, R + "Nothing")
    assert client.call(R + "Echo", b"x").response().code == 0
    client.close()
