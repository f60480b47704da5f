"""Messages as JSON: reading them, with the place of what is wrong, and writing."""

from __future__ import annotations

import inspect
import io
import json
import re
import sys
from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor

from grpc_mqtt.cli._failure import Failure, one_line
from grpc_mqtt.cli._schema import Schema, nearest

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]')
_SPACE = re.compile(r"\s*")
_OPEN, _CLOSE = "{[", "}]"
_ENCODING = "utf-8-sig"  # whatever the locale: JSON is UTF-8, and some editors put a mark before it


class Values:
    """JSON values one after the other, of lines that come bit by bit: (value, line, column)."""

    def __init__(self, lines: Iterable[str], source: str) -> None:
        self._lines = lines
        self._source = source
        self._decoder = json.JSONDecoder(object_pairs_hook=self._members)

    def _members(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise Failure(f"{self._source}: the member {twice!r} stands twice in one object")
        return result

    def __iter__(self) -> Iterator[tuple[Any, int, int]]:
        text, first, depth, number = "", 1, 0, 0
        for number, line in enumerate(self._lines, 1):
            text += line if line.endswith("\n") else line + "\n"
            depth += _depth(line)
            if depth <= 0:
                yield from self._decode(text, first)
                text, first, depth = "", number + 1, 0
        if text.strip():
            yield from self._decode(text, first)

    def _decode(self, text: str, first: int) -> Iterator[tuple[Any, int, int]]:
        at = self._skip(text, 0)
        while at < len(text):
            try:
                value, end = self._decoder.raw_decode(text, at)
            except json.JSONDecodeError as error:
                line, column = first + error.lineno - 1, error.colno
                raise Failure(
                    f"{self._source} is no JSON: line {line}, column {column}: {error.msg}"
                ) from error
            except RecursionError:
                raise Failure(f"{self._source}: too deeply nested") from None
            line = first + text.count("\n", 0, at)
            yield value, line, at - (text.rfind("\n", 0, at) + 1) + 1
            at = self._skip(text, end)

    @staticmethod
    def _skip(text: str, at: int) -> int:
        match = _SPACE.match(text, at)
        return match.end() if match else at


def _depth(line: str) -> int:
    tokens = [match[0] for match in _TOKEN.finditer(line)]
    return sum(token in _OPEN for token in tokens) - sum(token in _CLOSE for token in tokens)


def lines_of(data: str | None) -> tuple[Iterable[str], str]:
    """The lines of -d, and what they are called: "@" is stdin, "@FILE" a file."""
    if data is None:
        return (), "-d"
    if data == "@":
        return _stdin(), "stdin"
    if data.startswith("@"):
        try:
            with open(data[1:], encoding=_ENCODING) as stream:
                return stream.read().split("\n"), data[1:]
        except UnicodeDecodeError as error:
            raise Failure(f"-d {data}: it is no UTF-8: {error.reason}") from error
        except OSError as error:
            raise Failure(f"-d {data}: {error.strerror}") from error
    return data.split("\n"), "-d"


def _stdin() -> Iterator[str]:
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding=_ENCODING, errors="strict")
    try:
        yield from sys.stdin
    except UnicodeDecodeError as error:
        raise Failure(f"stdin is no UTF-8: {error.reason}") from error


def _field_hint(text: str, descriptor: Any) -> str:
    match = re.search(r'has no field named "([^"]+)"', text)
    if not match:
        return ""
    return nearest(match[1], [field.json_name for field in descriptor.fields])


class Codec:
    """JSON <-> messages of one schema."""

    def __init__(self, schema: Schema, emit_defaults: bool = False) -> None:
        self._schema = schema
        known = inspect.signature(json_format.MessageToDict).parameters
        modern = "always_print_fields_with_no_presence"
        name = modern if modern in known else "including_default_value_fields"
        self._how: dict[str, Any] = {name: True} if emit_defaults else {}

    def message(self, descriptor: Any, value: Any, where: str = "-d") -> Any:
        """Raises Failure that names `where`."""
        message = self._schema.message_class(descriptor)()
        if not isinstance(value, dict) and not descriptor.full_name.startswith("google.protobuf."):
            raise Failure(f"{where}: {descriptor.full_name} is a JSON object, not {_kind(value)}")
        try:
            json_format.ParseDict(value, message, descriptor_pool=self._schema.pool)
        except (json_format.ParseError, ValueError, TypeError, AttributeError) as error:
            text = one_line(error)
            hint = _field_hint(text, descriptor)
            raise Failure(f"{where}: {_short(text)}{hint}") from error
        return message

    def parse(self, descriptor: Any, data: bytes) -> Any:
        """The message that `data` is; DecodeError otherwise."""
        return self._schema.message_class(descriptor).FromString(data)

    def to_value(self, message: Any) -> Any:
        return json_format.MessageToDict(message, descriptor_pool=self._schema.pool, **self._how)

    def text(self, message: Any, indent: int | None = None) -> str:
        """One line, or with `indent` several."""
        try:
            value = self.to_value(message)
        except (TypeError, ValueError, json_format.Error) as error:  # an Any of an unknown type
            raise Failure(f"the answer cannot be shown as JSON: {one_line(error)}") from error
        return dumps(value, indent)


def dumps(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False)


def _kind(value: Any) -> str:
    kinds = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")


def _short(text: str) -> str:
    """Without the list of all fields that protobuf appends."""
    return re.split(r"\s*Available Fields", text)[0].rstrip(" .")


def template(descriptor: Any, depth: int = 4) -> Any:
    """A JSON value of a message with every member in it, as a start for -d."""
    if descriptor.full_name.startswith("google.protobuf."):
        known: dict[str, Any] = {
            "Timestamp": "2030-01-01T00:00:00Z",
            "Duration": "1.5s",
            "FieldMask": "",
            "Any": {"@type": ""},
            "Struct": {},
            "Value": None,
            "ListValue": [],
            "Empty": {},
        }
        if descriptor.name in known:
            return known[descriptor.name]
    if not depth:
        return {}
    return {field.json_name: _of_field(field, depth - 1) for field in _together(descriptor)}


def _together(descriptor: Any) -> Iterator[Any]:
    """The fields that may stand in one message: of a oneof the first."""
    seen = set()
    for field in descriptor.fields:
        oneof = field.containing_oneof
        if oneof is None or oneof.name not in seen:
            seen.add(oneof.name if oneof is not None else None)
            yield field


def _is_repeated(field: Any) -> bool:
    if hasattr(type(field), "is_repeated"):  # protobuf 6 and newer
        return bool(field.is_repeated)
    return bool(field.label == FieldDescriptor.LABEL_REPEATED)


def _of_field(field: Any, depth: int) -> Any:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        value = field.message_type.fields_by_name["value"]
        return {"key": _of_one(value, depth)}
    one = _of_one(field, depth)
    return [one] if _is_repeated(field) else one


def _of_one(field: Any, depth: int) -> Any:
    if field.message_type is not None:
        return template(field.message_type, depth)
    if field.enum_type is not None:
        return field.enum_type.values[0].name
    by_kind = {
        FieldDescriptor.CPPTYPE_STRING: "",
        FieldDescriptor.CPPTYPE_BOOL: False,
        FieldDescriptor.CPPTYPE_INT64: "0",
        FieldDescriptor.CPPTYPE_UINT64: "0",
    }
    return by_kind.get(field.cpp_type, 0)
