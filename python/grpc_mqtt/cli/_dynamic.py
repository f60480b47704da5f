"""Message classes of a few lines, for what is read off the wire without generated code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

#: (name, number, type): type is a scalar's or the name of a message of the same file, perhaps after
#: "repeated ".
Field = tuple[str, int, str]

_PROTO = descriptor_pb2.FieldDescriptorProto


def _fill(proto: Any, name: str, number: int, kind: str, package: str) -> None:
    repeated, _, what = kind.rpartition(" ")
    proto.name, proto.number = name, number
    proto.label = _PROTO.LABEL_REPEATED if repeated else _PROTO.LABEL_OPTIONAL
    if what[0].isupper():
        proto.type = _PROTO.TYPE_MESSAGE
        proto.type_name = f".{package}.{what}"
    else:
        proto.type = _PROTO.Type.Value(f"TYPE_{what.upper()}")


def messages(package: str, fields: Mapping[str, Sequence[Field]]) -> dict[str, Any]:
    """The classes by name. proto2, so that it can be told what was there."""
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package)
    for name, rows in fields.items():
        message = file.message_type.add(name=name)
        for row in rows:
            _fill(message.field.add(), *row, package)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return {
        name: message_class(pool, pool.FindMessageTypeByName(f"{package}.{name}"))
        for name in fields
    }


def message_class(pool: descriptor_pool.DescriptorPool, descriptor: Any) -> Any:
    """The class of a message that `pool` knows."""
    make = getattr(message_factory, "GetMessageClass", None)
    if make is None:  # protobuf before 4.22
        factory: Any = message_factory.MessageFactory(pool)
        return factory.GetPrototype(descriptor)
    return make(descriptor)
