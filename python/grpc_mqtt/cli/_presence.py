"""Who is alive: the retained announcements at BASE/grpc/server/<id>."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from google.protobuf.message import DecodeError

from grpc_mqtt.cli import _dynamic

_FEATURES = {1: "zstd", 2: "shared"}

_FIELDS = (
    ("server", 1, "string"),
    ("instance", 2, "bytes"),
    ("dialects", 3, "repeated string"),
    ("features", 4, "uint64"),
    ("services", 5, "repeated string"),
    ("receive_limit", 6, "uint32"),
    ("since_unix_s", 7, "uint64"),
    ("version", 8, "string"),
    ("load", 9, "uint32"),
)

_class = _dynamic.messages("grpc_mqtt.cli.presence", {"Presence": _FIELDS})["Presence"]


@dataclass
class Presence:
    """One server."""

    base: str
    server: str
    instance: str = ""
    dialects: list[str] = field(default_factory=list)
    features: list[str] = field(default_factory=list)
    services: list[str] = field(default_factory=list)
    receive_limit: int = 0
    since: int = 0
    version: str = ""
    load: int = 0

    def as_json(self) -> dict[str, Any]:
        return dict(self.__dict__, since=_iso(self.since))

    @property
    def draining(self) -> bool:
        return not self.dialects


def _iso(since: int) -> str | None:
    try:
        return datetime.fromtimestamp(since, timezone.utc).isoformat() if since else None
    except (OverflowError, ValueError, OSError):
        return None


def age(since: int, now: float | None = None) -> str:
    """How long ago, in two letters' precision: 5s, 12m, 3h, 8d."""
    if not since:
        return "-"
    seconds = int((time.time() if now is None else now) - since)
    if seconds < 0:
        return "0s"
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def split_topic(topic: str) -> tuple[str, str] | None:
    """(base, server id) of a presence topic."""
    levels = topic.split("/")
    if len(levels) < 4 or levels[-3:-1] != ["grpc", "server"]:
        return None
    return "/".join(levels[:-3]), levels[-1]


def _text(value: str | bytes) -> str:
    """protobuf gives what is no UTF-8 as bytes."""
    return value if isinstance(value, str) else value.decode("utf-8", "replace")


def decode(topic: str, payload: bytes) -> Presence | None:
    """None when this is no presence (an empty payload: it is gone)."""
    where = split_topic(topic)
    if where is None or not payload:
        return None
    try:
        got = _class.FromString(payload)
    except (DecodeError, UnicodeDecodeError):
        return None
    return Presence(
        base=where[0],
        server=where[1],
        instance=got.instance.hex(),
        dialects=[_text(each) for each in got.dialects],
        features=[name for bit, name in _FEATURES.items() if got.features & bit],
        services=[_text(each) for each in got.services],
        receive_limit=got.receive_limit,
        since=got.since_unix_s,
        version=_text(got.version),
        load=got.load,
    )
