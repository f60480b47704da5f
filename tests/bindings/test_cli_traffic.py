"""grpc-mqtt sniff and bench."""

import json
import re
import signal
import xml.etree.ElementTree as ElementTree

import pytest
from cli_support import COMMAND, Terminal, bad, environment, good, run
from stack import Process

from grpc_mqtt.cli import _link, _secret, sniff
from grpc_mqtt.cli._observe import Seen, base_filters
from grpc_mqtt.cli._traffic import Reader

DEMO = "demo.v1.Demo"


def start_sniff(device, *words):
    child = Process(COMMAND, "sniff", *device, *words, env=environment())
    child.expect("listening at")
    return child


# ---- sniff


@pytest.mark.parametrize("dialect", ["session", "link"])
def test_sniff_shows_calls(device, demo_protoset, dialect):
    child = start_sniff(device, "--protoset", demo_protoset)
    files = ("--protoset", demo_protoset, "-o", f"dialect={dialect}")
    try:
        words = ("-d", '{"name": "you"}', "-H", "authorization: Bearer hush", "-H", "x-a: b")
        good("call", *device, f"{DEMO}/SayHello", *words, *files, "--max-time", "7")
        told = child.expect(" > /demo")  # what is left of the 7 s
        assert re.search(rf"/{DEMO}/SayHello timeout (7|6\.\d+)s", told), told
        assert '> {"name": "you"}' in child.expect(" > {")
        assert '"x-first": ["1"]' in child.expect("initial metadata")
        assert '< {"text": "Hello, you!"}' in child.expect(" < {")
        assert "OK after" in child.expect(" < OK")
        good("call", *device, f"{DEMO}/Count", "-d", '{"to": 1}', *files)
        for text in (f"/{DEMO}/Count", '> {"to": 1}', "< {}", '< {"value": 1}', "< OK after"):
            child.expect(re.escape(text))
        good("call", *device, f"{DEMO}/Chat", "-d", '{"text": "a"}', *files)
        for text in (f"/{DEMO}/Chat", '> {"text": "a"}', "< OK after"):
            child.expect(re.escape(text))
        run("call", *device, f"{DEMO}/SayHello", *files)
        child.expect("< INVALID_ARGUMENT: a name is needed after")
    finally:
        child.stop(signal.SIGINT)
    said = "\n".join(child.lines)
    assert '"x-a": ["b"]' in said and '"authorization": ["***"]' in said
    assert "hush" not in said and "very-private" not in said and "Traceback" not in said


def test_sniff_json_by_reflection(device):
    words = [COMMAND, "sniff", *device, "--reflect", "--json"]
    child = Process(*words, env=environment())
    try:
        # nothing says when it listens: call until it has heard
        while not any('"event": "status"' in line for line in child.lines):
            run("call", *device, f"{DEMO}/SayHello", "-d", '{"name": "you"}')
    finally:
        child.stop(signal.SIGINT)
    events = [json.loads(line) for line in child.lines]
    hello = [each["message"] for each in events if "text" in each.get("message", ())]
    assert hello and hello[0] == {"text": "Hello, you!"}
    assert not any("x-grpc-mqtt-sniff" in str(each) for each in events), "our own calls"


def test_sniff_without_descriptors_shows_sizes(device):
    child = start_sniff(device)
    try:
        good("call", *device, f"{DEMO}/SayHello", "-d", '{"name": "hush"}')
        child.expect(f"> /{DEMO}/SayHello")
        assert child.expect("bytes").endswith("6 bytes")
    finally:
        child.stop(signal.SIGINT)
    assert "hush" not in "\n".join(child.lines) and b"hush".hex() not in "\n".join(child.lines)


def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def text(value):
    return varint(len(value)) + value


LINK = b"0123456789abcdef"


def frame(kind, call, body=b"", flags=0):
    return bytes([kind, flags]) + varint(call) + text(body)


def packet(number, *frames, server=False):
    head = b"\x10\x01" + LINK + b"INSTANCE" if server else b"\x10\x00" + LINK
    return head + varint(number) + varint(0) + b"".join(frames)


def seen(topic, payload, properties=()):
    return Seen(topic, payload, False, 1, properties, 1700000000.0)


def decoder():
    return sniff.Decoder(Reader(lambda base, path: None, lambda base: None))


def test_sniff_link_dialect():
    """Hand-made packets: fragments, copies, packets out of order."""
    pairs = varint(2) + text(b"authorization") + text(b"hush") + text(b"k") + text(b"v")
    headers = text(b"/p.S/M") + b"\x03" + varint(1501) + b"\x00\x00" + pairs
    there = [
        packet(1, frame(1, 0, text(b"grpc/inbox/c1") + b"\0" * 4), frame(3, 1, headers)),
        packet(3, frame(4, 1, b"lo", flags=4)),
        packet(2, frame(4, 1, b"hel", flags=1)),
        packet(2, frame(4, 1, b"hel", flags=1)),
    ]
    back = [
        packet(1, frame(2, 0, text(b"s1") + b"INSTANCE"), frame(3, 1, varint(0)), server=True),
        packet(2, frame(4, 1, b"answer"), server=True),
        packet(3, frame(6, 1, varint(5) + text(b"gone") + varint(0)), server=True),
    ]
    read = decoder()
    events = [e for p in there for e in read.feed(seen("fleet/d1/grpc/link/c1", p))]
    events += [e for p in back for e in read.feed(seen("grpc/inbox/c1", p))]
    told = [(each.way, each.kind) for each in events]
    assert told == [
        (">", "link_open"),
        (">", "call"),
        (">", "message"),
        (">", "half_close"),
        ("<", "link_accept"),
        ("<", "initial_metadata"),
        ("<", "message"),
        ("<", "status"),
    ]
    call, message, status = events[1].more, events[2].more, events[-1].more
    assert call["method"] == "/p.S/M" and call["timeout_s"] == 1.5
    assert call["metadata"] == {"authorization": ["***"], "k": ["v"]}
    assert message["bytes"] == 5
    assert status["code"] == "NOT_FOUND" and status["details"] == "gone"
    assert all(json.loads(each.as_json()) and each.as_text() for each in events)


def piece(payload, position=0, count=1):
    """A packet of the session dialect."""
    head = b"\x0a" + text(payload)
    return head + b"\x15" + position.to_bytes(4, "little") + b"\x1d" + count.to_bytes(4, "little")


def test_sniff_session_dialect():
    """Hand-made packets: slices in any order, many copies, a gap that is never filled."""
    read = decoder()

    def feed(topic, *packets):
        """Packets with their numbers; (kind, bytes of messages) of what comes of them."""
        told = []
        for number, payload in packets:
            for event in read.feed(seen(f"d/grpc/{topic}", payload, (("i", str(number)),))):
                told.append((event.kind, event.more.get("bytes")))
        return told

    request = b"\x0a\x00\x12\x03\x00\x00\x00\x18\x14"
    chunk = b"\x0a\x07\x0a\x05hello"  # Elems of one element
    asked = feed(
        "request/sid/p-S/M",
        (0, piece(request)),
        (3, piece(chunk[:4], 0, 2)),
        (2, piece(chunk[4:], 1, 2)),
        *[(0, piece(request))] * 300,
        (1, piece(chunk)),
        (4, piece(b"")),
    )
    assert asked == [("call", None), ("message", 5), ("message", 5), ("half_close", None)]
    mapped = b"\x0a\x06\x0a\x01k\x12\x01v"  # a MetadataMap
    final = b"\x0a\x07\x1a\x00\x20\x05\x2a\x01x"
    answered = feed(
        "session/sid", (1, piece(chunk)), (0, piece(mapped)), (2, piece(b"")), (3, piece(final))
    )
    assert answered == [("initial_metadata", None), ("message", 5), ("status", None)]
    late = [(number, piece(b"")) for number in range(10, 300)]
    assert ("half_close", None) in feed("request/sid/p-S/M", *late), "it goes on behind a gap"


@pytest.mark.parametrize(
    "topic",
    [
        "a/grpc/request/sid/p-S/M",
        "a/grpc/session/sid",
        "a/grpc/session/sid/control",
        "a/grpc/link/c",
        "a/grpc/link/c/s",
        "a/grpc/server/s",
        "a/grpc/gone/c",
        "grpc/inbox/c",
        "a/grpc/session",
        "elsewhere",
    ],
)
def test_sniff_survives_anything(topic):
    """Whatever is published at these topics, there is a line for it or none, and no more."""
    read = decoder()
    whole = packet(1, frame(3, 1, text(b"/p.S/M") + b"\x03\x00\x00\x00\x00"), server=True)
    samples = [b"", b"\0", b"\xff" * 40, b"\x0a\x05ab", b"\x1d\xff\xff\xff\xff", b"\x0a" * 300]
    samples += [b"\x1a\x02\xff\xfe\x2a\x02\xc3\x28\x42\x01\x80"]  # a presence with no UTF-8 in it
    samples += [whole[:at] for at in range(len(whole))]
    samples += [bytes([at]) + whole[1:] for at in range(0, 256, 15)]
    for number, payload in enumerate(samples):
        for properties in ((), (("i", str(number)),), (("i", "x"),)):
            for event in read.feed(seen(topic, payload, properties)):
                assert event.as_text() and event.as_json()


def test_sniff_refuses_endless_numbers():
    with pytest.raises(_link.Undecoded):
        _link.Bytes(b"\xff" * 20).varint()


def test_secrets_are_masked():
    shown = _secret.mask({"user": "me", "accessToken": "t", "deep": [{"Password": "p", "n": 1}]})
    assert shown == {"user": "me", "accessToken": "***", "deep": [{"Password": "***", "n": 1}]}
    pairs = (("x-api-key", "k"), ("b-bin", b"123"), ("plain", "Bearer abc"), ("plain", "c"))
    assert _secret.metadata(pairs) == {
        "x-api-key": ["***"],
        "b-bin": ["<3 bytes>"],
        "plain": ["***", "c"],
    }


def test_filters_of_base_topics():
    assert base_filters("fleet/d1", "grpc/#") == ["fleet/d1/grpc/#"]
    assert base_filters("*", "x", "pre") == ["pre/+/x"]
    assert base_filters("a/#", "x", depth=3) == ["a/x", "a/+/x", "a/+/+/x"]
    assert base_filters(None, "x", depth=2) == ["+/x", "+/+/x"]


# ---- bench


def test_bench_text(device):
    said = good("bench", *device, f"{DEMO}/SayHello", "-d", '{"name": "a"}', "-n", "60", "-c", "7")
    assert re.search(r"^  Count: +60$", said, re.M)
    assert len(re.findall(r" ms \[\d+\]\t\|", said)) == 10
    assert sum(map(int, re.findall(r" ms \[(\d+)\]", said))) == 60
    assert re.search(r"^  99 % in [\d.]+ ms$", said, re.M)
    assert "[OK]\t60 responses" in said


def test_bench_json_and_page(device, tmp_path):
    page = tmp_path / "page.html"
    words = ("-d", '{"text": "a"} {"text": "b"}', "-n", "20", "-c", "4", "--connections", "2")
    shown = json.loads(good("bench", *device, f"{DEMO}/Chat", *words, "--json", "-O", page))
    assert shown["count"] == 20 and shown["responses"] == 40 and shown["statuses"] == {"OK": 20}
    assert sum(each["count"] for each in shown["histogram"]) == 20
    latency = shown["latency_ms"]
    assert latency["fastest"] <= latency["p50"] <= latency["p99"] <= latency["slowest"]
    html = page.read_text()
    plots = re.findall(r"<svg.*?</svg>", html, re.S)
    assert len(plots) == 2 and all(ElementTree.fromstring(each) is not None for each in plots)
    assert plots[1].count("<circle") == 20 and "<script" not in html


def test_bench_for_a_time_with_failures(device):
    ended = run("bench", *device, f"{DEMO}/SayHello", "-z", "200ms", "-c", "2")
    assert ended.returncode == 1
    assert "[INVALID_ARGUMENT]" in ended.stdout and "a name is needed" in ended.stdout


def test_bench_draws_progress(device):
    screen = Terminal("bench", *device, f"{DEMO}/Count", "-d", '{"to": 3}', "-z", "30s", "-c", "2")
    screen.until(r"[█░]{30} \d+ calls, \d+/s")
    screen.send(signal.SIGINT)
    screen.until(r"Count: +\d+")
    assert screen.end() == 0


def test_bench_wrong_usage(device, tmp_path):
    assert "1 or more" in bad(2, "bench", *device, f"{DEMO}/SayHello", "-n", "0")
    missing = tmp_path / "no" / "page.html"
    assert "cannot be written" in bad(1, "bench", *device, f"{DEMO}/SayHello", "-O", missing)
    assert "nearest: SayHello" in bad(1, "bench", *device, f"{DEMO}/SayHelo")
