"""Our remote against the recorded traffic of the reference's client, the same gRPC server behind.

What the reference's remote published must come, byte for byte; compressed messages by their
meaning. Where ours is meant to differ, DIFFERENT says what it does instead.
"""

import time
from concurrent.futures import ThreadPoolExecutor

import golden_server
import pytest
import replay
from session import Response, SessionClient, chunk, parse_chunk
from stack import PATIENCE, ROOT, Gateway, free_port, protoset

# Nothing may depend on how fast this machine is: batches end with the stream, metadata is awaited.
PATIENT = {"linger_ms": 1500, "initial_metadata_wait_ms": 5000}
SLOW = (
    "unary_slow_heartbeat@L128k",
    "craft_no_heartbeat@craft",
    "client_stream_slow_sends@L128k-b",
)
CASES = {f"{case['case']}@{case['run']}": case for case in replay.load_cases()}


# ---- Where ours differs: a check of the messages that it sends for one session ----


def ok(messages):
    (message,) = messages
    got = Response(message)
    assert got.code == 0 and got.error is None and got.body


def decompresses(*bodies):
    """The reference hands the gRPC server a compressed request as it is."""

    def check(messages):
        got = Response(messages[-1])
        assert got.code == 0 and got.error is None
        elements = [e for m in messages[1:-1] if m for e in (parse_chunk(m))]
        assert (elements or [got.body]) == list(bodies)

    return check


def fails_with(code):
    def check(messages):
        assert Response(messages[-1]).code == code

    return check


def fails_in_order(code):
    """The whole sequence of a stream, where the reference leaves its client without a status."""

    def check(messages):
        *_, end, last = messages
        assert end == b"" and Response(last).error is None and Response(last).code == code

    return check


def remote_error(number):
    """The reference's type with a text of ours."""

    def check(messages):
        (message,) = messages
        assert Response(message).error == number and Response(message).details

    return check


def at_most(*expected):
    """Any beginning of this: the client's Terminate, or our patience, may have ended it earlier."""

    def check(messages):
        assert messages == list(expected[: len(messages)])

    return check


def nothing_or(check):
    return lambda messages: messages == [] or check(messages)


def deadlocked(messages):
    """Terminate comes as the deadline passes: either may be first."""
    assert messages[0] == INITIAL and messages[1:2] in ([], [b""])
    assert messages[2:] == [] or Response(messages[2]).code == 4


INITIAL = b"\x0a\x10\x0a\x06init-k\x12\x06init-v"
COMPRESSED = b"\x0a\xac\x02" + b"b" * 300 + b"\x10\x01"
DIFFERENT = {
    "unary_timeout_negative@L128k": ok,  # no deadline
    "craft_timeout_neg@craft": ok,
    "unary_z@L128k": decompresses(COMPRESSED),
    "unary_zc@L128k": decompresses(COMPRESSED),
    "unary_z_parse@L128k-b": decompresses(b"\x0a\x3c" + b"b" * 60 + b"\x10\x01"),
    "server_stream_z@L128k": decompresses(
        b"\x0a\x65" + b"d" * 100 + b"0", b"\x0a\x65" + b"d" * 100 + b"1\x10\x01"
    ),
    "server_stream_batched_z@L128k": decompresses(
        b"\x0a\x65" + b"d" * 100 + b"0", b"\x0a\x65" + b"d" * 100 + b"1\x10\x01"
    ),
    "unary_slow_timeout@L128k": nothing_or(fails_with(4)),
    "server_stream_timeout@L128k": nothing_or(fails_in_order(4)),
    "server_stream_handler_throws@L128k": at_most(
        INITIAL,
        chunk(b"\x0a\x02x0"),
        chunk(b"\x0a\x02x1\x10\x01"),
        chunk(b"\x0a\x02x2\x10\x02"),
        b"",
        b"\x0a\x14\x1a\x09\x0a\x07\x0a\x02ss\x12\x01t\x2a\x07ss done",
    ),
    "bidi_batched_pingpong@L128k": deadlocked,
    "bidi_fail@L128k": fails_in_order(10),
    "bidi_unimplemented@L128k": fails_in_order(12),
    "bidi_early_end@L128k-b": fails_in_order(0),
    "unary_large_200@L64-N4": ok,  # the reference lost its way among slices out of order
    "unary_large_seq@L64-N4": ok,
    "craft_index1@craft": nothing_or(fails_with(14)),  # the gap is given up after a while
    "craft_garbage_packet@craft": remote_error(2),
    "craft_empty_payload@craft": remote_error(3),
    "craft_no_options@craft": remote_error(3),
    "craft_clevel23@craft": remote_error(3),
    "craft_no_heartbeat@craft": fails_with(1),  # the watchdog ends unary calls too
    "unary_plain@grpcdown": fails_with(14),
    "client_stream@grpcdown": fails_with(14),
    "server_stream@grpcdown": fails_in_order(14),
    "bidi@grpcdown": fails_in_order(14),
}
# The reference's remote had another size limit in these runs than its client.
OTHER_SPLIT = ("@L128k-b", "@L16")


class Stage:
    """A gateway for each size limit, and one before a server that is down; plays cases there."""

    def __init__(self, broker, directory):
        self.port = broker.port
        self.server, port = golden_server.start()
        descriptors = protoset(directory, ROOT / "tests/fixtures/protos/golden.proto")
        self.gateways = []
        for base, limit, to in (
            ("golden/l128000", 128000, port),
            ("golden/l64", 64, port),
            ("golden/l16", 16, port),
            ("golden/down", 128000, free_port()),
        ):
            url = broker.url(base, msg_size_limit=limit, **PATIENT)
            self.gateways.append(Gateway(url, (descriptors, f"127.0.0.1:{to}")))
        self.pool = ThreadPoolExecutor(32)
        self.played, self.clients = {}, []

    def play(self, name):
        """Replies of one case. The quick ones are played all at once, and so are the slow ones."""
        if name not in self.played:
            for other, case in CASES.items():
                if (other in SLOW) == (name in SLOW):
                    self.played[other] = self.pool.submit(self._play, case)
        return self.played[name].result()

    def _play(self, case):
        limit = case["limit"] or 128000
        base = "golden/down" if case["run"] == "grpcdown" else f"golden/l{limit}"
        client = SessionClient(self.port, base)
        self.clients.append(client)
        return replay.play(client, base, case)

    def close(self):
        self.pool.shutdown()
        for client in self.clients:
            client.close()
        statuses = [gateway.stop() for gateway in self.gateways]
        self.server.stop(0)
        assert statuses == [0] * len(statuses)


@pytest.fixture(scope="module")
def stage(broker, tmp_path_factory):
    made = Stage(broker, tmp_path_factory.mktemp("golden"))
    yield made
    made.close()


def check_in_time(check, replies):
    """Ours may have more to say than the reference had, so it is given time."""
    deadline = time.monotonic() + PATIENCE
    while True:
        messages = list(map(replay.plain, replay.joined(replies.messages())))
        try:
            return check(messages)
        except (AssertionError, IndexError, ValueError):
            if time.monotonic() > deadline:
                raise
        replies.wait_for(len(messages) + 1, deadline - time.monotonic())


def parameters():
    for name in CASES:
        marks = (pytest.mark.slow, pytest.mark.timeout(180)) if name in SLOW else ()
        yield pytest.param(name, marks=marks, id=name)


@pytest.mark.parametrize("name", list(parameters()))
def test_replay(stage, name):
    recorded = replay.recorded_replies(CASES[name])
    for session, replies in stage.play(name).items():
        theirs = recorded[session].messages()
        if name not in DIFFERENT:  # the same will come, sooner or later
            replies.wait_for(len(theirs), PATIENCE)
        ours = replies.messages()
        whole_ours, whole_theirs = replay.joined(ours), replay.joined(theirs)
        if whole_ours == whole_theirs:
            assert ours == theirs or name.endswith(OTHER_SPLIT), "split in another way"
        elif name in DIFFERENT:
            check_in_time(DIFFERENT[name], replies)
        else:
            assert list(map(replay.plain, whole_ours)) == list(map(replay.plain, whole_theirs))
