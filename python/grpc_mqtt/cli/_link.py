"""The link dialect as it passes: packets of a link put into order, frames read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from grpc_mqtt.cli._traffic import Call, Event, Undecoded

_ID = 16
_INSTANCE = 8
_FROM_SERVER, _HAS_GAPS = 0x01, 0x02
_MORE, _COMPRESSED, _ENDS = 0x01, 0x02, 0x04
_HELD_MAX = 1024
_OPEN, _ACCEPT, _HEADERS, _MESSAGE, _HALF_CLOSE, _STATUS, _CANCEL = 1, 2, 3, 4, 5, 6, 7
_GOAWAY, _CLOSE = 0x0B, 0x0C


class Bytes:
    """Reads numbers and strings off the front."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int) -> bytes:
        if size > self.left():
            raise Undecoded("a packet of the link dialect is cut off")
        part = self._data[self._at : self._at + size]
        self._at += size
        return part

    def byte(self) -> int:
        return self.take(1)[0]

    def varint(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise Undecoded("a number of more than 10 bytes")

    def string(self) -> bytes:
        return self.take(self.varint())

    def text(self) -> str:
        return self.string().decode("utf-8", "replace")


@dataclass
class Packet:
    """The head, and the frames: (type, flags, call, body)."""

    link: bytes
    from_server: bool
    instance: bytes
    number: int
    frames: list[tuple[int, int, int, bytes]]


def read_packet(data: bytes) -> Packet:
    at = Bytes(data)
    version, flags = at.byte(), at.byte()
    if version >> 4 != 1:
        raise Undecoded(f"a packet of version {version >> 4} of the link dialect")
    link = at.take(_ID)
    from_server = bool(flags & _FROM_SERVER)
    instance = at.take(_INSTANCE) if from_server else b""
    number = at.varint()
    at.varint()  # the acknowledgement
    if flags & _HAS_GAPS:
        for _ in range(2 * at.varint()):
            at.varint()
    frames = []
    while at.left():
        kind, bits, call = at.byte(), at.byte(), at.varint()
        frames.append((kind, bits, call, at.string()))
    return Packet(link, from_server, instance, number, frames)


def _metadata(at: Bytes) -> list[tuple[str, str | bytes]]:
    pairs: list[tuple[str, str | bytes]] = []
    for _ in range(at.varint()):
        key, value = at.text(), at.string()
        pairs.append((key, value if key.endswith("-bin") else value.decode("utf-8", "replace")))
    return pairs


@dataclass
class _Side:
    """One direction: what is next, what came early, fragments of each call's message."""

    next: int | None = None
    held: dict[int, Packet] = field(default_factory=dict)
    parts: dict[int, list[bytes]] = field(default_factory=dict)

    def order(self, packet: Packet) -> Iterator[Packet]:
        if packet.number == 0:
            yield packet
            return
        if self.next is None:
            self.next = packet.number  # we may have come late
        if packet.number < self.next or packet.number in self.held:
            return
        self.held[packet.number] = packet
        if len(self.held) > _HELD_MAX:
            self.next = min(self.held)
            self.parts.clear()
        while self.next in self.held:
            yield self.held.pop(self.next)
            self.next += 1


class Link:
    """A link that passes."""

    def __init__(self, base: str, ident: bytes, new_call: Callable[[str, str, str], Call]) -> None:
        self.base = base
        self.id = ident.hex()[:6]
        self._new_call = new_call
        self._sides: dict[tuple[bool, bytes], _Side] = {}
        self._calls: dict[int, Call] = {}
        self.over = False

    def feed(self, packet: Packet, at: float) -> Iterator[Event]:
        side = self._sides.setdefault((packet.from_server, packet.instance), _Side())
        way = "<" if packet.from_server else ">"
        for each in side.order(packet):
            for kind, flags, call, body in each.frames:
                yield from self._frame(side, way, at, kind, flags, call, body)

    def _frame(
        self, side: _Side, way: str, at: float, kind: int, flags: int, number: int, body: bytes
    ) -> Iterator[Event]:
        if number == 0:
            yield from self._of_link(way, at, kind, Bytes(body))
            return
        if kind == _HEADERS and way == ">":
            yield self._begin(at, number, Bytes(body))
            return
        call = self._calls.get(number)
        if call is None:
            return  # begun before we came, or over
        call.at = at
        if kind == _MESSAGE:
            yield from self._message(side, call, way, number, flags, body)
        else:
            yield from self._other(call, way, kind, Bytes(body))
        if call.over:
            self._calls.pop(number, None)

    def _begin(self, at: float, number: int, body: Bytes) -> Event:
        path = body.text()
        body.byte()  # the kind
        wait = body.varint()
        body.take(2)  # options
        call = self._new_call(self.base, f"{self.id[:4]}.{number}", path)
        call.at = at
        self._calls[number] = call
        return call.begin(_metadata(body), (wait - 1) / 1000 if wait else None)

    def _message(
        self, side: _Side, call: Call, way: str, number: int, flags: int, body: bytes
    ) -> Iterator[Event]:
        parts = side.parts.setdefault(number, [])
        parts.append(body)
        if flags & _MORE:
            return
        del side.parts[number]
        yield call.message(way, b"".join(parts))
        if flags & _ENDS:
            yield call.half_close(way)

    def _other(self, call: Call, way: str, kind: int, body: Bytes) -> Iterator[Event]:
        if kind == _HEADERS:
            yield call.initial(_metadata(body))
        elif kind == _HALF_CLOSE:
            yield call.half_close(way)
        elif kind == _STATUS:
            code, details = body.varint(), body.text()
            yield call.status(code, details, _metadata(body))
        elif kind == _CANCEL:
            call.over = True
            yield call.control("cancel")

    def _of_link(self, way: str, at: float, kind: int, body: Bytes) -> Iterator[Event]:
        def event(name: str, **more: Any) -> Event:
            return Event(at, self.base, self.id, way, name, more)

        if kind == _OPEN:
            yield event("link_open", inbox=body.text())
        elif kind == _ACCEPT:
            yield event("link_accept", server=body.text())
        elif kind == _GOAWAY:
            last, text = body.varint(), body.text()
            yield event("link_goaway", last=last, text=text)
        elif kind == _CLOSE:
            self.over = True
            code, text = body.varint(), body.text()
            yield event("link_close", code=code, text=text)
