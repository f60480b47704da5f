"""grpc-mqtt sniff: what passes on the broker's gRPC topics, as calls."""

from __future__ import annotations

import argparse
import queue
import sys
import threading
from collections.abc import Iterator
from typing import Any

from google.protobuf.message import DecodeError

import grpc_mqtt
from grpc_mqtt.cli import _presence, _schema
from grpc_mqtt.cli._address import Address, address, seconds
from grpc_mqtt.cli._failure import Failure
from grpc_mqtt.cli._link import Link, read_packet
from grpc_mqtt.cli._observe import Observer, Seen, base_filters
from grpc_mqtt.cli._session import SessionCall
from grpc_mqtt.cli._terminal import paint
from grpc_mqtt.cli._traffic import Call, Event, Reader, Undecoded
from grpc_mqtt.cli._values import Codec

NAME = "sniff"
HELP = "what passes on the broker's gRPC topics, decoded to calls, messages, statuses"
EXAMPLES = """\
  grpc-mqtt sniff                                   # every base topic of up to 7 levels
  grpc-mqtt sniff fleet/device42 --protoset demo.protoset
  grpc-mqtt sniff 'fleet/+' --reflect --json

Messages are shown as JSON where their methods are known: from files, or with --reflect
from the server. Else only their size is shown. Values that look like secrets (metadata such as
authorization, members such as password) are masked, always. The user needs the right to
read the topics. While this listens, a call to a server that is not there is not refused at once:
to the broker somebody has subscribed."""

_SLICE = 0.5
_CALLS_MAX = 10000  # remembered
_ASK = 3.0  # s for reflection
_OURS = "x-grpc-mqtt-sniff"  # metadata of our own calls, which are not shown
_PARTS = ("request", "session", "server", "link", "gone", "inbox")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "filter",
        nargs="?",
        metavar="FILTER",
        help="base topics, + and # (at the end) as in MQTT; default: all",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument(
        "--bytes",
        action="store_true",
        help="the first bytes of messages that cannot be decoded, in hex: they may hold secrets",
    )
    parser.add_argument("--reflect", action="store_true", help="ask servers for their methods")
    parser.add_argument(
        "--inbox",
        default="grpc/inbox",
        metavar="TOPIC",
        help="where answers of the link dialect go; default: grpc/inbox",
    )
    parser.add_argument("-n", "--count", type=int, metavar="N", help="end after N events")
    parser.add_argument(
        "--time", type=seconds, metavar="SECONDS", help="end after so long a silence"
    )
    _schema.add_sources(parser, "none, see --reflect")


class _Methods:
    """Descriptors of methods: of files, or of each server."""

    def __init__(self, files: _schema.Schema | None, broker: Address | None) -> None:
        self._files = files
        self._broker = broker  # None: nobody is asked
        self._schemas: dict[str, _schema.Schema | None] = {}
        self._known: dict[tuple[str, str], Any] = {}

    def schema(self, base: str) -> _schema.Schema | None:
        return self._files if self._files is not None else self._schemas.get(base)

    def codec(self, base: str) -> Codec | None:
        schema = self.schema(base)
        return None if schema is None else Codec(schema)

    def find(self, base: str, path: str) -> Any:
        key = (base, path)
        if key not in self._known:
            self._known[key] = self._look(base, path)
        return self._known[key]

    def _look(self, base: str, path: str) -> Any:
        if self._files is None and self._broker is not None and base not in self._schemas:
            self._ask(base)
        schema = self.schema(base)
        try:
            return None if schema is None else schema.method(path)
        except Failure:
            return None

    def _ask(self, base: str) -> None:
        assert self._broker is not None
        schema = self._schemas[base] = _schema.Schema(None, None)
        try:
            url = self._broker.without_prefix().url(base)
            options = self._broker.with_id("reflection")
            with grpc_mqtt.channel(url, options) as channel:
                asked = _schema.Reflection(channel, base, _ASK, ((_OURS, "1"),))
                schema.learn_from(asked.files(asked.services()))
        except (Failure, grpc_mqtt.Error):
            pass  # its messages stay unread


class Decoder:
    """Messages in, events out. Keeps the calls that are open."""

    def __init__(self, reader: Reader, inbox: str = "grpc/inbox") -> None:
        self._reader = reader
        self._inbox = inbox.strip("/") + "/"
        self._sessions: dict[tuple[str, str], SessionCall] = {}
        self._links: dict[bytes, Link] = {}
        self._hidden: set[str] = set()  # calls of our own

    def feed(self, seen: Seen) -> Iterator[Event]:
        """Events of one message; one that makes no sense is an event, too."""
        for event in self._events(seen):
            if _OURS in event.more.get("metadata", ()):
                self._hidden.add(event.call)
            if event.call not in self._hidden:
                yield event

    def _events(self, seen: Seen) -> Iterator[Event]:
        base, part, levels = _split(seen.topic)
        try:
            if seen.topic.startswith(self._inbox):
                yield from self._link_packet("", seen)
            elif part == "server":
                yield from self._presence(base, levels, seen)
            elif part == "link":
                yield from self._link_packet(base, seen)
            elif part == "gone" and levels:
                yield Event(seen.at, base, levels[0][:6], "-", "client_gone", {})
            elif part in ("request", "session") and levels:
                yield from self._session(base, part, levels, seen)
        except (Undecoded, DecodeError, UnicodeDecodeError, RecursionError) as error:
            text = str(error) if isinstance(error, Undecoded) else "it is no packet of ours"
            more = {"topic": seen.topic, "bytes": len(seen.payload), "text": text}
            yield Event(seen.at, base, "", "-", "undecoded", more)

    def _presence(self, base: str, levels: list[str], seen: Seen) -> Iterator[Event]:
        who = levels[0] if levels else ""
        if not seen.payload:
            yield Event(seen.at, base, who[:6], "-", "server_gone", {"server": who})
            return
        present = _presence.decode(seen.topic, seen.payload)
        if present is None:
            raise Undecoded("a presence that is none")
        more = {"server": who, "services": present.services, "dialects": present.dialects}
        yield Event(seen.at, base, who[:6], "-", "server", more)

    # ---- Session dialect

    def _session(self, base: str, part: str, levels: list[str], seen: Seen) -> Iterator[Event]:
        sid = levels[0]
        path = "/" + levels[1].replace("-", ".") + "/" + levels[2] if len(levels) == 3 else None
        state = self._sessions.get((base, sid))
        if state is None:
            state = self._new_session(base, sid, path)
        state.call.at = seen.at
        number = _number(seen)
        if part == "request":
            yield from state.request(number, seen.payload)
        elif levels[1:] == ["control"]:
            yield from state.control(seen.payload)
        elif len(levels) == 1:
            yield from state.response(number, seen.payload)

    def _new_session(self, base: str, sid: str, path: str | None) -> SessionCall:
        call = Call(self._reader, base, sid[:6], path or "", "session", joined_late=path is None)
        while len(self._sessions) >= _CALLS_MAX:
            self._sessions.pop(next(iter(self._sessions)))
        state = self._sessions[base, sid] = SessionCall(call)
        return state

    # ---- Link dialect

    def _new_call(self, base: str, ident: str, path: str) -> Call:
        return Call(self._reader, base, ident, path, "link")

    def _link_packet(self, base: str, seen: Seen) -> Iterator[Event]:
        packet = read_packet(seen.payload)
        link = self._links.get(packet.link)
        if link is None:
            if not base:
                return  # an answer on a link whose base we have not seen
            while len(self._links) >= _CALLS_MAX:
                self._links.pop(next(iter(self._links)))
            link = self._links[packet.link] = Link(base, packet.link, self._new_call)
        yield from link.feed(packet, seen.at)
        if link.over:
            self._links.pop(packet.link, None)


def _split(topic: str) -> tuple[str, str, list[str]]:
    """(base, what of it, the levels below): the last "grpc" that something of ours follows."""
    levels = topic.split("/")
    for at in range(len(levels) - 2, 0, -1):
        if levels[at] == "grpc" and levels[at + 1] in _PARTS:
            return "/".join(levels[:at]), levels[at + 1], levels[at + 2 :]
    return "", "", []


def _number(seen: Seen) -> int | None:
    for key, value in seen.properties:
        if key == "i" and isinstance(value, str) and value.isascii() and value.isdigit():
            return int(value)
    return None


class _Listener(threading.Thread):
    """Takes messages as they come, so that their times are true while we ask a server."""

    def __init__(self, observer: Observer) -> None:
        super().__init__(name="grpc-mqtt-sniff", daemon=True)
        self._observer = observer
        self._seen: queue.SimpleQueue[Seen] = queue.SimpleQueue()
        self._stopped = False
        self.start()

    def run(self) -> None:
        while not self._stopped:
            seen = self._observer.next(_SLICE)
            if seen is not None:
                self._seen.put(seen)

    def next(self, timeout: float) -> Seen | None:
        try:
            return self._seen.get(timeout=timeout)
        except queue.Empty:
            return None

    def stop(self) -> None:
        self._stopped = True
        self.join()


def _filters(args: argparse.Namespace, broker: Address) -> list[str]:
    inbox = args.inbox.strip("/") + "/+"
    return [*base_filters(args.filter, "grpc/#", broker.prefix), inbox]


def run(args: argparse.Namespace) -> int:
    broker, _ = address(args)
    files = _schema.load_files(args) if _schema.has_sources(args) else None
    methods = _Methods(files, broker if args.reflect else None)
    decoder = Decoder(Reader(methods.find, methods.codec, args.bytes), args.inbox)
    count = 0
    with Observer(broker) as observer:
        observer.wait_connected()
        observer.subscribe_all(_filters(args, broker))
        if not args.json:
            print(
                paint(f"listening at {broker.broker}", "dim", sys.stderr),
                file=sys.stderr,
                flush=True,
            )
        listener = _Listener(observer)
        while args.count is None or count < args.count:
            seen = listener.next(args.time or _SLICE)
            while observer.news:
                print(observer.news.popleft(), file=sys.stderr, flush=True)
            if seen is None and args.time:
                break
            for event in decoder.feed(seen) if seen else ():
                print(event.as_json() if args.json else event.as_text(), flush=True)
                count += 1
        listener.stop()
    return 0
