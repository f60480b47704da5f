"""The session dialect as it passes: packets of one call put together and read."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError

from grpc_mqtt.cli import _dynamic
from grpc_mqtt.cli._secret import prose
from grpc_mqtt.cli._traffic import Call, Event, Undecoded, compressed, inflate

_HELD_MAX = 256  # packets that wait for an earlier one
_PARTS_MAX = 1 << 20  # packets of one message

_types = _dynamic.messages(
    "grpc_mqtt.cli.session",
    {
        "Packet": (("payload", 1, "bytes"), ("position", 2, "fixed32"), ("npackets", 3, "fixed32")),
        "Entry": (("key", 1, "bytes"), ("value", 2, "repeated bytes")),
        "MetadataMap": (("entry", 1, "repeated Entry"),),
        "Request": (
            ("message", 1, "bytes"),
            ("options", 2, "repeated uint32"),
            ("timeout", 3, "sint64"),
            ("metadata", 4, "repeated Entry"),
        ),
        "Elems": (("chunk", 1, "repeated bytes"),),
        "RemoteError": (
            ("type", 1, "int32"),
            ("message", 2, "bytes"),
            ("status_code", 3, "int32"),
            ("embedded", 4, "RemoteError"),
        ),
        "Chunk": (("elems", 1, "Elems"), ("error", 2, "RemoteError")),
        "Body": (("value", 1, "bytes"),),
        "Response": (
            ("body", 1, "Body"),
            ("initial", 2, "MetadataMap"),
            ("trailing", 3, "MetadataMap"),
            ("code", 4, "int32"),
            ("details", 5, "bytes"),
        ),
        "Wrapped": (("response", 1, "Response"), ("error", 2, "RemoteError")),
        "Control": (("message", 1, "int32"),),
    },
)
#: Status of an error that names none: timeout, failed connection, ...; else UNKNOWN.
_ERROR_CODES = {5: 14, 2: 13, 3: 13, 15: 13, 20: 4, 21: 14, 27: 14}


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _packet(payload: bytes) -> bytes:
    head = b"\x0a" + _varint(len(payload)) + payload
    return head + b"\x15" + struct.pack("<I", 0) + b"\x1d" + struct.pack("<I", 1)


def empty_request(timeout: float) -> bytes:
    """The one packet of a unary call without message and metadata."""
    wait = max(1, int(timeout + 0.999))
    return _packet(b"\x0a\x00\x12\x03\x00\x00\x00\x18" + _varint(wait << 1))


def _pairs(entries: Any) -> list[tuple[str, str | bytes]]:
    pairs: list[tuple[str, str | bytes]] = []
    for entry in entries:
        key = entry.key.decode("utf-8", "replace")
        for value in entry.value:
            pairs.append((key, value if key.endswith("-bin") else value.decode("utf-8", "replace")))
    return pairs


@dataclass
class _Stream:
    """The packets of one topic, in order, to messages."""

    next: int = 0
    held: dict[int, Any] = field(default_factory=dict)
    parts: dict[int, bytes] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)

    def feed(self, number: int | None, payload: bytes) -> Iterator[bytes]:
        packet = _types["Packet"].FromString(payload)
        if number is None:
            yield from self._join(packet)
            return
        if number < self.next or number in self.held:
            return  # twice
        self.held[number] = packet
        if len(self.held) > _HELD_MAX:  # one was lost on the way to us
            self.next = min(self.held)
            self.parts.clear()
        while self.next in self.held:
            yield from self._join(self.held.pop(self.next))
            self.next += 1

    def _join(self, packet: Any) -> Iterator[bytes]:
        count = packet.npackets if packet.HasField("npackets") else 1
        if count > _PARTS_MAX:
            raise Undecoded(f"a message of {count} packets")
        if count <= 1:
            yield packet.payload
            return
        self.parts[packet.position] = packet.payload
        if len(self.parts) >= count:
            yield b"".join(self.parts[at] for at in sorted(self.parts))
            self.parts.clear()


class SessionCall:
    """A call of the session dialect, from its first packet that was seen."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self._asked, self._answered = _Stream(), _Stream()
        self._first = True
        self._levels = (0, 0)  # zstd: server, client
        self._got = 0  # messages of the server's topic
        self._ended = False  # the stream of responses

    # ---- Client to server

    def request(self, number: int | None, payload: bytes) -> Iterator[Event]:
        for message in self._asked.feed(number, payload):
            if self._first and not self.call.joined_late:
                self._first = False
                yield from self._on_request(message)
            else:
                yield from self._on_chunk(message, ">", self._levels[1])

    def _on_request(self, data: bytes) -> Iterator[Event]:
        got = _types["Request"].FromString(data)
        options = [*got.options, 0, 0, 0]
        self._levels = (options[1], options[2])
        timeout = got.timeout if got.HasField("timeout") else None
        wait = None if timeout is None or timeout < 0 else float(timeout)
        yield self.call.begin(_pairs(got.metadata), wait)
        if got.message or self.call.sends_one:
            yield self.call.message(">", got.message, self._levels[1])

    def control(self, payload: bytes) -> Iterator[Event]:
        word = _types["Control"].FromString(payload).message
        yield self.call.control({1: "alive", 2: "terminate"}.get(word, f"control {word}"))

    def _on_chunk(self, data: bytes, way: str, level: int) -> Iterator[Event]:
        if not data:
            yield self.call.half_close(way)
            return
        got = _types["Chunk"].FromString(inflate(data) if compressed(data) else data)
        if got.HasField("error"):
            yield self.call.note(way, "error", text=prose(_error_text(got.error)))
            return
        for element in got.elems.chunk:
            yield self.call.message(way, element, level)
        if not got.HasField("elems"):
            yield self.call.half_close(way)

    # ---- Server to client

    def response(self, number: int | None, payload: bytes) -> Iterator[Event]:
        for message in self._answered.feed(number, payload):
            self._got += 1
            yield from self._on_answer(inflate(message) if compressed(message) else message)

    def _on_answer(self, data: bytes) -> Iterator[Event]:
        wrapped = _wrapped(data)
        if wrapped is not None and (self._ended or self._got == 1):
            yield from self._on_status(wrapped)
        elif self._got == 1:
            entries = _types["MetadataMap"].FromString(data).entry
            yield self.call.initial(_pairs(entries))
        elif not data:
            self._ended = True
        else:
            yield from self._on_chunk(data, "<", self._levels[0])

    def _on_status(self, wrapped: Any) -> Iterator[Event]:
        if wrapped.HasField("error"):
            code = _error_code(wrapped.error)
            yield self.call.status(code, _error_text(wrapped.error), [])
            return
        got = wrapped.response
        if got.initial.entry:
            yield self.call.initial(_pairs(got.initial.entry))
        if got.HasField("body"):
            yield self.call.message("<", got.body.value, self._levels[0])
        details = got.details.decode("utf-8", "replace")
        yield self.call.status(got.code, details, _pairs(got.trailing.entry))


def _wrapped(data: bytes) -> Any | None:
    """The WrappedResponse that `data` is; None for a MetadataMap or a chunk.

    A map's entries have fields 1 and 2 only; a response always writes its field 3.
    """
    try:
        got = _types["Wrapped"].FromString(data)
    except DecodeError:
        return None
    if got.HasField("error"):
        return got
    full = got.HasField("response") and got.response.HasField("trailing")
    return got if full else None


def _error_code(error: Any) -> int:
    while error.HasField("embedded") and not error.HasField("status_code"):
        error = error.embedded
    if error.HasField("status_code"):
        return int(error.status_code)
    return _ERROR_CODES.get(error.type, 2)


def _error_text(error: Any) -> str:
    text = error.message.decode("utf-8", "replace")
    return f"{text}: {_error_text(error.embedded)}" if error.HasField("embedded") else text
