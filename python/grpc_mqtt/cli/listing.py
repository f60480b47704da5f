"""grpc-mqtt list, grpc-mqtt describe: what a server serves."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from google.protobuf import descriptor_pb2

from grpc_mqtt.cli import _rpc, _schema
from grpc_mqtt.cli._address import seconds
from grpc_mqtt.cli._failure import Usage
from grpc_mqtt.cli._values import dumps, template

_TIMEOUT = 10.0
_TYPES = descriptor_pb2.FieldDescriptorProto.Type


def _add(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        "what",
        nargs="*",
        metavar=f"BASE [{what}]",
        help="base topic of the server (not with --proto, --protoset); "
        f"{what.lower()}: all without it",
    )
    parser.add_argument(
        "--max-time",
        type=seconds,
        metavar="SECONDS",
        default=_TIMEOUT,
        help="most that the server may take; default: 10",
    )
    _rpc.add_header(parser)
    _schema.add_sources(parser)


def _with_schema(args: argparse.Namespace, work: Any) -> int:
    """work(schema, symbols)."""
    if _schema.has_sources(args):
        work(_schema.load_files(args), args.what)
        return 0
    if not args.what:
        raise Usage("BASE is missing: the server's base topic (or --proto, --protoset)")
    channel, _, base = _rpc.open_channel(args, args.what[0])
    with channel:
        sent = _rpc.metadata(args.header)
        work(_schema.open_schema(args, channel, base, args.max_time, sent), args.what[1:])
    return 0


class List:
    NAME = "list"
    HELP = "services of a server, or the methods of one"
    EXAMPLES = """\
  grpc-mqtt list fleet/device42
  grpc-mqtt list fleet/device42 demo.v1.Demo
  grpc-mqtt list --protoset demo.protoset"""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        _add(parser, "SERVICE")

    @staticmethod
    def run(args: argparse.Namespace) -> int:
        def work(schema: _schema.Schema, services: list[str]) -> None:
            if not services:
                print("\n".join(schema.services()))
            for name in services:
                service = schema.service(name)
                for method in service.methods:
                    print(f"{service.full_name}/{method.name}")

        return _with_schema(args, work)


class Describe:
    NAME = "describe"
    HELP = "services, methods and messages, as in a .proto file"
    EXAMPLES = """\
  grpc-mqtt describe fleet/device42
  grpc-mqtt describe fleet/device42 demo.v1.Demo
  grpc-mqtt describe fleet/device42 demo.v1.HelloRequest
  grpc-mqtt describe fleet/device42 demo.v1.Demo/SayHello --template"""

    @staticmethod
    def add_arguments(parser: argparse.ArgumentParser) -> None:
        _add(parser, "SYMBOL")
        parser.add_argument(
            "--template",
            action="store_true",
            help="the (request) message as JSON with all members, for -d",
        )

    @staticmethod
    def run(args: argparse.Namespace) -> int:
        def work(schema: _schema.Schema, symbols: list[str]) -> None:
            for index, name in enumerate(symbols or schema.services()):
                found = schema.symbol(name)
                if args.template:
                    print(dumps(template(_message_of(found, name)), 2))
                else:
                    print(("\n" if index else "") + "\n".join(describe(found)))

        return _with_schema(args, work)


def _message_of(found: Any, name: str) -> Any:
    message = getattr(found, "input_type", found)
    if not hasattr(message, "fields"):
        raise Usage(f"{name} has no message: --template is for messages and methods")
    return message


# ---- Descriptors as text


def describe(found: Any) -> Iterator[str]:
    """Lines as they would stand in a .proto file, with full names."""
    if hasattr(found, "methods"):
        yield f"service {found.full_name} {{"
        for method in found.methods:
            yield f"  {_method(method)}"
        yield "}"
    elif hasattr(found, "input_type"):
        yield f"// of {found.containing_service.full_name}"
        yield _method(found)
    elif hasattr(found, "fields"):
        yield from _message(found, "", found.full_name)
    else:
        yield from _enum(found, "", found.full_name)


def _method(method: Any) -> str:
    kind = _schema.kind_of(method)
    ask = "stream " if kind & 1 else ""
    answer = "stream " if kind & 2 else ""
    return (
        f"rpc {method.name}({ask}{method.input_type.full_name}) "
        f"returns ({answer}{method.output_type.full_name});"
    )


def _message(message: Any, indent: str, name: str) -> Iterator[str]:
    proto = descriptor_pb2.DescriptorProto()
    message.CopyToProto(proto)
    yield f"{indent}message {name} {{"
    inner = indent + "  "
    for nested in message.nested_types:
        if not nested.GetOptions().map_entry:
            yield from _message(nested, inner, nested.name)
    for enum in message.enum_types:
        yield from _enum(enum, inner, enum.name)
    by_number = {each.number: each for each in proto.field}
    group = None
    for field in message.fields:
        oneof = None if by_number[field.number].proto3_optional else field.containing_oneof
        if group is not None and oneof is not group:
            yield f"{inner}}}"
        if oneof is not None and oneof is not group:
            yield f"{inner}oneof {oneof.name} {{"
        group = oneof
        extra = "  " if oneof is not None else ""
        yield f"{inner}{extra}{_field(field, by_number[field.number])}"
    if group is not None:
        yield f"{inner}}}"
    yield f"{indent}}}"


def _type(field: Any, proto: Any) -> str:
    if field.message_type is not None:
        if field.message_type.GetOptions().map_entry:
            entry = field.message_type
            parts = descriptor_pb2.DescriptorProto()
            entry.CopyToProto(parts)
            key, value = (
                _type(entry.fields_by_name[name], part)
                for name, part in zip(("key", "value"), parts.field, strict=False)
            )
            return f"map<{key}, {value}>"
        return str(field.message_type.full_name)
    if field.enum_type is not None:
        return str(field.enum_type.full_name)
    return _TYPES.Name(proto.type).removeprefix("TYPE_").lower()


def _field(field: Any, proto: Any) -> str:
    label = ""
    is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
    if proto.label == proto.LABEL_REPEATED and not is_map:
        label = "repeated "
    elif proto.label == proto.LABEL_REQUIRED:
        label = "required "
    elif proto.proto3_optional:
        label = "optional "
    return f"{label}{_type(field, proto)} {field.name} = {field.number};"


def _enum(enum: Any, indent: str, name: str) -> Iterator[str]:
    yield f"{indent}enum {name} {{"
    for value in enum.values:
        yield f"{indent}  {value.name} = {value.number};"
    yield f"{indent}}}"
