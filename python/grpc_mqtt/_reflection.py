"""Asks a gRPC server's reflection service which methods there are.

The few messages that this takes are read and written here by hand, so that no package with their
generated code is needed.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import grpc
from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError

from grpc_mqtt import gmq
from grpc_mqtt._errors import IoError, NotFoundError, ParseError

SERVICES = ("grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection")
_TIMEOUT = 10.0

# Fields of ServerReflectionRequest and ServerReflectionResponse.
_FILE_BY_NAME, FILE_WITH_SYMBOL, _LIST_SERVICES = 3, 4, 7
_FILES, _SERVICES, _ERROR = 4, 6, 7

Fields = dict[int, list[bytes]]


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(data: bytes) -> Fields:
    """The fields of a message that hold bytes, by number; others are passed over."""
    result: Fields = {}
    at = 0
    try:
        while at < len(data):
            key, at = _read_varint(data, at)
            kind = key & 7
            if kind == 0:
                _, at = _read_varint(data, at)
                continue
            size = {1: 8, 5: 4}.get(kind)
            if size is None:
                if kind != 2:
                    raise ParseError(f"reflection: a field of wire type {kind}")
                size, at = _read_varint(data, at)
            value, at = data[at : at + size], at + size
            if at > len(data):
                raise IndexError
            if kind == 2:
                result.setdefault(key >> 3, []).append(value)
    except IndexError:
        raise ParseError(f"reflection: a message of {len(data)} bytes is cut off") from None
    return result


def _request(field: int, text: str) -> bytes:
    data = text.encode()
    return _varint(field << 3 | 2) + _varint(len(data)) + data


class Stream:
    """One call of ServerReflectionInfo, a question at a time."""

    def __init__(
        self,
        channel: grpc.Channel,
        service: str,
        timeout: float | None = _TIMEOUT,
        metadata: tuple[tuple[str, str | bytes], ...] = (),
    ) -> None:
        self._questions: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        method: Any = channel.stream_stream(f"/{service}/ServerReflectionInfo")
        questions = iter(self._questions.get, None)
        self._answers = method(questions, timeout=timeout, metadata=metadata)

    def ask(self, field: int, text: str) -> Fields:
        self._questions.put(_request(field, text))
        return fields(next(self._answers))

    def close(self) -> None:
        self._questions.put(None)
        self._answers.cancel()


def _answer(target: str, asked: str, response: Fields, field: int) -> Fields:
    """What the field holds, or the server's error as exception."""
    if field in response:
        return fields(response[field][0])
    error = fields(response[_ERROR][0]) if _ERROR in response else {}
    text = error.get(2, [b"no answer"])[0].decode(errors="replace")
    raise NotFoundError(f"reflection of {target}: {asked}: {text}")


def service_names(target: str, stream: Stream) -> Iterator[str]:
    answer = _answer(target, "list of services", stream.ask(_LIST_SERVICES, "*"), _SERVICES)
    for service in answer.get(1, ()):
        name = fields(service).get(1, [b""])[0].decode()
        if name:
            yield name


class Files:
    """The files that were fetched, by name."""

    def __init__(self, target: str, stream: Stream) -> None:
        self.found: dict[str, descriptor_pb2.FileDescriptorProto] = {}
        self._target = target
        self._stream = stream

    def fetch(self, field: int, text: str) -> None:
        response = self._stream.ask(field, text)
        for data in _answer(self._target, text, response, _FILES).get(1, ()):
            file = descriptor_pb2.FileDescriptorProto.FromString(data)
            self.found.setdefault(file.name, file)

    def missing(self) -> list[str]:
        wanted = {name for file in self.found.values() for name in file.dependency}
        return sorted(wanted - self.found.keys())

    def fetch_imports(self) -> None:
        """What the server does not give is left out: it may have registered no more."""
        refused: set[str] = set()
        while names := [name for name in self.missing() if name not in refused]:
            for name in names:
                try:
                    self.fetch(_FILE_BY_NAME, name)
                except NotFoundError:
                    pass
                if name not in self.found:
                    refused.add(name)


def _fetch(target: str, channel: grpc.Channel, service: str) -> gmq.MethodMap:
    stream = Stream(channel, service)
    try:
        files = Files(target, stream)
        names = list(service_names(target, stream))
        for name in names:
            files.fetch(FILE_WITH_SYMBOL, name)
        files.fetch_imports()
    finally:
        stream.close()
    return _methods(files, names)


def _methods(files: Files, names: list[str]) -> gmq.MethodMap:
    """The methods of these services, of all that stand in the files."""
    everything = gmq.MethodMap()
    result = gmq.MethodMap()
    file_set = descriptor_pb2.FileDescriptorSet(file=files.found.values())
    everything.add_descriptors(file_set.SerializeToString())
    for name in names:
        service = everything.merged(None)
        service.filter(f"/{name}/*")
        result = result.merged(service)
    return result


def method_map(target: str) -> gmq.MethodMap:
    """The methods of the services that the gRPC server at `target` lists: v1, else v1alpha.

    Raises IoError when it cannot be reached or has no reflection, NotFoundError or ParseError for
    answers that make no sense; each names the target.
    """
    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(target, options=options) as channel:
        for service in SERVICES:
            try:
                return _fetch(target, channel, service)
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.UNIMPLEMENTED and service != SERVICES[-1]:
                    continue
                raise _explained(target, error) from error
            except StopIteration:
                raise IoError(f"reflection of {target}: the server ended the call") from None
            except (DecodeError, UnicodeDecodeError) as error:
                raise ParseError(f"reflection of {target}: {error}") from error
    raise AssertionError("unreachable")


def _explained(target: str, error: grpc.RpcError) -> IoError:
    code = error.code()
    if code is grpc.StatusCode.UNIMPLEMENTED:
        why = "the server has no reflection service; give its descriptors instead of None"
    else:
        why = f"{code.name}: {error.details()}"
    return IoError(f"reflection of {target}: {why}")
