"""grpc-mqtt call: one RPC, requests and responses as JSON."""

from __future__ import annotations

import argparse
import queue
import sys
import time
from collections.abc import Iterator
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from grpc_mqtt.cli import _details, _rpc, _schema, _secret
from grpc_mqtt.cli._failure import Failure, of_rpc, one_line
from grpc_mqtt.cli._terminal import safe
from grpc_mqtt.cli._values import Codec, Values, dumps, lines_of

NAME = "call"
HELP = "make a call; requests and responses are JSON"
EXAMPLES = """\
  grpc-mqtt call fleet/device42 demo.v1.Demo/SayHello -d '{"name": "you"}'
  grpc-mqtt call -h broker -u me fleet/device42 demo.v1.Demo/Count -d '{"to": 3}' -v
  printf '{"value": 1}\\n{"value": 2}\\n' | grpc-mqtt call fleet/device42 demo.v1.Demo/Collect -d @
  grpc-mqtt call fleet/device42 demo.v1.Demo/SayHello --proto demo.proto --max-time 5

Without --proto or --protoset the server's reflection tells what the messages are.
Responses go to stdout, one a line for streams; all else to stderr.
Exit status: 0; 64 + the gRPC status code of a failed call; 1 other failures; 2 wrong usage."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("base", metavar="BASE", help="base topic of the server, or a whole URL")
    parser.add_argument("method", metavar="METHOD", help="package.Service/Method")
    parser.add_argument("-v", "--verbose", action="store_true", help="metadata, trailers, times")
    parser.add_argument(
        "--emit-defaults",
        action="store_true",
        help="show members that have their default value, too",
    )
    _rpc.add_rpc(parser)
    _schema.add_sources(parser)


class _Talk:
    """What -v tells."""

    def __init__(self, verbose: bool) -> None:
        self._verbose = verbose
        self._began = time.monotonic()

    def say(self, line: str) -> None:
        if self._verbose:
            print(line, file=sys.stderr, flush=True)

    def metadata(self, sign: str, what: str, pairs: Any) -> None:
        self.say(f"{sign} {what}:" + ("" if pairs else " none"))
        for key, values in _secret.metadata(pairs or ()).items():
            for value in values:
                self.say(f"{sign}   {key}: {safe(value)}")

    def elapsed(self) -> float:
        return (time.monotonic() - self._began) * 1000


class _Requests:
    """The messages of -d as bytes. A failure in them ends the call, and is kept."""

    def __init__(self, codec: Codec, descriptor: Any, data: str | None) -> None:
        self._codec = codec
        self._descriptor = descriptor
        lines, self._source = lines_of(data)
        self._values = Values(lines, self._source)
        self.failure: Failure | None = None
        self._rpc: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def belong_to(self, rpc: Any) -> None:
        """The call that is cancelled when they cannot go on."""
        self._rpc.put(rpc)

    def __iter__(self) -> Iterator[bytes]:
        for value, line, column in self._values:
            where = f"{self._source}, line {line}, column {column}"
            message = self._codec.message(self._descriptor, value, where)
            yield message.SerializeToString()

    def guarded(self) -> Iterator[bytes]:
        """For another thread: what is wrong cancels the call, which must not look complete."""
        try:
            yield from self
        except Failure as failure:
            self.failure = failure
            self._rpc.get().cancel()


def _start(multicallable: Any, kind: int, requests: _Requests, **how: Any) -> Any:
    if kind == _rpc.UNARY:
        return multicallable.future(_rpc.only_one(requests, b""), **how)
    if kind == _rpc.CLIENT_STREAMING:
        return multicallable.future(requests.guarded(), **how)
    if kind == _rpc.SERVER_STREAMING:
        return multicallable(_rpc.only_one(requests, b""), **how)
    return multicallable(requests.guarded(), **how)


def _show(codec: Codec, descriptor: Any, data: bytes, indent: int | None) -> None:
    try:
        message = codec.parse(descriptor, data)
    except DecodeError as error:
        raise Failure(
            f"the response ({len(data)} bytes) is no {descriptor.full_name}: are the files "
            f"those of the server? ({one_line(error)})"
        ) from error
    print(codec.text(message, indent), flush=True)


def _responses(rpc: Any, kind: int) -> Iterator[bytes]:
    if kind in (_rpc.UNARY, _rpc.CLIENT_STREAMING):
        yield rpc.result()
    else:
        yield from rpc


def _converse(rpc: Any, method: Any, codec: Codec, talk: _Talk) -> int:
    kind = _schema.kind_of(method)
    indent = 2 if kind in (_rpc.UNARY, _rpc.CLIENT_STREAMING) else None
    count = 0
    told = False
    for data in _responses(rpc, kind):
        if not told:
            talk.metadata("<", "initial metadata", rpc.initial_metadata())
            told = True
        _show(codec, method.output_type, data, indent)
        count += 1
    return count


def _tell_end(talk: _Talk, error: Any, schema: _schema.Schema) -> None:
    talk.metadata("<", "trailing metadata", error.trailing_metadata())
    for detail in _details.of_status(error.trailing_metadata(), schema):
        talk.say(f"<   detail: {safe(dumps(detail))}")
    talk.say(f"< {error.code().name} after {talk.elapsed():.1f} ms")


def _invoke(channel: Any, method: Any, schema: _schema.Schema, args: argparse.Namespace) -> None:
    codec = Codec(schema, args.emit_defaults)
    kind = _schema.kind_of(method)
    path = f"/{method.containing_service.full_name}/{method.name}"
    requests = _Requests(codec, method.input_type, args.data)
    sent = _rpc.metadata(args.header)
    talk = _Talk(args.verbose)
    talk.say(f"> {path} ({_rpc.KINDS[kind]})")
    talk.metadata(">", "metadata", sent)
    rpc = _start(
        _rpc.raw(channel, path, kind), kind, requests, metadata=sent, timeout=args.max_time
    )
    requests.belong_to(rpc)
    try:
        count = _converse(rpc, method, codec, talk)
    except grpc.FutureCancelledError:
        raise requests.failure or Failure("cancelled") from None
    except grpc.RpcError as error:
        if requests.failure is not None:
            raise requests.failure from error
        _tell_end(talk, error, schema)
        raise of_rpc(error) from error
    except BaseException:
        rpc.cancel()
        raise
    talk.metadata("<", "trailing metadata", rpc.trailing_metadata())
    talk.say(f"< OK, {count} message(s), {talk.elapsed():.1f} ms")


def run(args: argparse.Namespace) -> int:
    channel, _, base = _rpc.open_channel(args, args.base)
    with channel:
        sent = _rpc.metadata(args.header)
        schema = _schema.open_schema(args, channel, base, args.max_time or 10, sent)
        method = schema.method(args.method)
        _invoke(channel, method, schema, args)
    return 0
