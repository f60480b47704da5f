"""What passes, as events of calls; secrets are masked before anything else sees them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from grpc_mqtt.cli import _secret
from grpc_mqtt.cli._terminal import paint, safe
from grpc_mqtt.cli._values import Codec, dumps

_ZSTD = b"\x28\xb5\x2f\xfd"
_LONGEST = 500  # characters of a message in a line of text
_LARGEST = 64 << 20
_FOREVER = 365 * 86400  # s: what a session without a deadline says
_CODES = {code.value[0]: code.name for code in grpc.StatusCode}

Pairs = Iterable[tuple[str, str | bytes]]


class Undecoded(Exception):
    """What passed is nothing that we know, or cannot be looked into."""


def compressed(data: bytes) -> bool:
    return data.startswith(_ZSTD)


def _decompressor() -> Callable[[bytes], bytes] | None:
    try:
        zstandard: Any = importlib.import_module("zstandard")
        return lambda data: bytes(
            zstandard.ZstdDecompressor().decompress(data, max_output_size=_LARGEST)
        )
    except ImportError:
        pass
    try:
        zstd: Any = importlib.import_module("compression.zstd")  # Python 3.14
        return lambda data: bytes(zstd.ZstdDecompressor().decompress(data, _LARGEST))
    except ImportError:
        return None


_inflate = _decompressor()


def inflate(data: bytes) -> bytes:
    """The content of a zstd frame."""
    if _inflate is None:
        raise Undecoded("it is compressed: pip install 'grpc-mqtt[cli]' lets us look inside")
    try:
        return _inflate(data)
    except Exception as error:
        raise Undecoded(f"its compression is broken: {error}") from error


def code_name(code: int) -> str:
    return _CODES.get(code, f"CODE_{code}")


@dataclass
class Event:
    """One thing that happened on a call, or beside calls."""

    at: float
    base: str
    call: str
    way: str  # ">" to the server, "<" from it, "-" neither
    kind: str
    more: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> str:
        stamp = datetime.fromtimestamp(self.at).astimezone().isoformat(timespec="milliseconds")
        ways = {">": "request", "<": "response", "-": None}
        head = {"time": stamp, "base": self.base, "call": self.call, "way": ways[self.way]}
        return dumps({**head, "event": self.kind, **self.more})

    def as_text(self) -> str:
        stamp = datetime.fromtimestamp(self.at).strftime("%H:%M:%S.%f")[:-3]
        call = paint(safe(self.call).ljust(6), "cyan")
        what = _TEXTS.get(self.kind, _plain)(self)
        return f"{paint(stamp, 'dim')} {safe(self.base)} {call} {self.way} {what}"


def _plain(event: Event) -> str:
    rest = " ".join(f"{key}={safe(str(value))}" for key, value in event.more.items())
    return f"{event.kind} {rest}".rstrip()


def _metadata_text(more: dict[str, Any]) -> str:
    return f" {safe(dumps(more['metadata']))}" if more.get("metadata") else ""


def _call_text(event: Event) -> str:
    more = event.more
    wait = "" if more["timeout_s"] is None else f" timeout {round(more['timeout_s'], 2):g}s"
    return paint(safe(more["method"]), "bold") + wait + _metadata_text(more)


def _message_text(event: Event) -> str:
    more = event.more
    if "message" in more:
        text = safe(dumps(more["message"]))
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({more['bytes']} bytes)"
    hint = f" {more['hex']}" if "hex" in more else ""
    return paint(f"{more['bytes']} bytes", "dim") + hint


def _status_text(event: Event) -> str:
    more = event.more
    details = f": {safe(more['details'])}" if more["details"] else ""
    took = "" if more["ms"] is None else f" after {more['ms']:.1f} ms"
    colour = "green" if more["code"] == "OK" else "red"
    return paint(more["code"], colour) + details + took + _metadata_text(more)


def _initial_text(event: Event) -> str:
    return "initial metadata" + _metadata_text(event.more)


_TEXTS: dict[str, Callable[[Event], str]] = {
    "call": _call_text,
    "message": _message_text,
    "status": _status_text,
    "initial_metadata": _initial_text,
}


@dataclass
class Reader:
    """What is known of methods, and how much is shown."""

    find: Callable[[str, str], Any]  # (base, path) -> method descriptor or None
    codec: Callable[[str], Codec | None]  # of a base
    show_bytes: bool = False

    def message(self, base: str, path: str, way: str, data: bytes) -> dict[str, Any]:
        method = self.find(base, path)
        codec = self.codec(base) if method is not None else None
        if method is not None and codec is not None:
            kind = method.input_type if way == ">" else method.output_type
            try:
                value = codec.to_value(codec.parse(kind, data))
                return {"bytes": len(data), "message": _secret.mask(value)}
            except (DecodeError, TypeError, ValueError):
                pass
        shown: dict[str, Any] = {"bytes": len(data)}
        if self.show_bytes:
            shown["hex"] = data[:64].hex() + ("..." if len(data) > 64 else "")
        return shown


@dataclass
class Call:
    """A call that passes, of either dialect."""

    reader: Reader
    base: str
    id: str
    path: str
    dialect: str
    joined_late: bool = False
    at: float = 0.0  # of the packet that is being read
    began: float | None = None
    over: bool = False

    @property
    def sends_one(self) -> bool:
        """Known to take one request; an empty one counts, too."""
        method = self.reader.find(self.base, self.path)
        return method is not None and not _client_streams(method)

    def _event(self, way: str, kind: str, **more: Any) -> Event:
        return Event(self.at, self.base, self.id, way, kind, more)

    def begin(self, pairs: Pairs, timeout: float | None) -> Event:
        self.began = self.at
        if timeout is not None and timeout >= _FOREVER:
            timeout = None
        return self._event(
            ">",
            "call",
            method=self.path,
            dialect=self.dialect,
            timeout_s=timeout,
            metadata=_secret.metadata(pairs),
        )

    def message(self, way: str, data: bytes, level: int = 0) -> Event:
        try:
            plain = inflate(data) if compressed(data) else data
        except Undecoded as error:
            return self._event(way, "message", bytes=len(data), note=str(error))
        return self._event(way, "message", **self.reader.message(self.base, self.path, way, plain))

    def initial(self, pairs: Pairs) -> Event:
        return self._event("<", "initial_metadata", metadata=_secret.metadata(pairs))

    def half_close(self, way: str) -> Event:
        return self._event(way, "half_close")

    def control(self, word: str) -> Event:
        return self._event(">", word)

    def note(self, way: str, kind: str, **more: Any) -> Event:
        return self._event(way, kind, **more)

    def status(self, code: int, details: str, pairs: Pairs) -> Event:
        self.over = True
        ms = None if self.began is None else round((self.at - self.began) * 1000, 3)
        return self._event(
            "<",
            "status",
            code=code_name(code),
            details=_secret.prose(details),
            ms=ms,
            metadata=_secret.metadata(pairs),
        )


def _client_streams(method: Any) -> bool:
    from grpc_mqtt.cli._schema import kind_of

    return bool(kind_of(method) & 1)
