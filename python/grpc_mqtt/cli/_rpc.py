"""Options and pieces of commands that make calls."""

from __future__ import annotations

import argparse
import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Any

import grpc

import grpc_mqtt
from grpc_mqtt._paths import to_wire
from grpc_mqtt.cli._address import Address, address, channel_options, seconds
from grpc_mqtt.cli._failure import Failure, Usage
from grpc_mqtt.cli._schema import Metadata, descriptor_set, has_sources

UNARY, CLIENT_STREAMING, SERVER_STREAMING, BIDI = range(4)
KINDS = ("unary", "client streaming", "server streaming", "bidi streaming")
_KEY = re.compile(r"[0-9a-z_.-]+")


def add_rpc(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("the call (as with grpcurl)")
    group.add_argument(
        "-d",
        "--data",
        metavar="JSON",
        help="the request; for a stream one after the other; @ reads stdin, @FILE a file",
    )
    add_header(group)
    group.add_argument("--max-time", type=seconds, metavar="SECONDS", help="deadline of the call")


def add_header(group: Any) -> None:
    group.add_argument(
        "-H",
        "--header",
        action="append",
        default=[],
        metavar="'KEY: VALUE'",
        help="metadata to send, also for reflection; base64 where KEY ends in -bin",
    )


def metadata(headers: list[str]) -> Metadata:
    pairs: list[tuple[str, str | bytes]] = []
    for header in headers:
        key, colon, text = header.partition(":")
        key = key.strip().lower()
        if not colon or not _KEY.fullmatch(key):
            raise Usage(f"-H {header!r}: 'key: value' is meant, the key of 0-9 a-z _ . -")
        text = text.strip()
        if key.endswith("-bin"):
            pairs.append((key, _binary(key, text)))
        elif text.isascii() and text.isprintable():
            pairs.append((key, text))
        else:
            raise Usage(f"-H {key}: its value is not printable ASCII; bytes want a key in -bin")
    return tuple(pairs)


def _binary(key: str, text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Usage(f"-H {key}: its value is base64, and this is not") from error


def open_channel(args: argparse.Namespace, base: str) -> tuple[grpc.Channel, Address, str]:
    """A channel to the server at `base`; the address; the full base topic."""
    found, rest = address(args, base)
    topic = found.base(rest or "")
    descriptors = descriptor_set(args) if has_sources(args) else None
    channel = grpc_mqtt.channel(found.url(rest), channel_options(found), descriptors=descriptors)
    return channel, found, topic


def raw(channel: Any, path: str, kind: int) -> Any:
    """The multicallable of a method, on bytes."""
    makers = (
        channel.unary_unary,
        channel.stream_unary,
        channel.unary_stream,
        channel.stream_stream,
    )
    to_wire(path)
    return makers[kind](path)


def only_one(values: Iterable[Any], empty: Any) -> Any:
    """The one request of a call that sends one; `empty` when there is none."""
    iterator: Iterator[Any] = iter(values)
    first = next(iterator, empty)
    if next(iterator, None) is not None:
        raise Failure("-d: this method takes one request, and there are several")
    return first
