"""Random schemas and messages, and Python's protobuf beside ours."""

from __future__ import annotations

import math
import struct
from random import Random
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor as Desc
from google.protobuf.message import Message

from grpc_mqtt import gmq

Proto = descriptor_pb2.FieldDescriptorProto
SIGNED = {
    Proto.TYPE_INT32: 32,
    Proto.TYPE_SINT32: 32,
    Proto.TYPE_SFIXED32: 32,
    Proto.TYPE_INT64: 64,
    Proto.TYPE_SINT64: 64,
    Proto.TYPE_SFIXED64: 64,
}
UNSIGNED = {
    Proto.TYPE_UINT32: 32,
    Proto.TYPE_FIXED32: 32,
    Proto.TYPE_UINT64: 64,
    Proto.TYPE_FIXED64: 64,
}
SCALARS = [
    *SIGNED,
    *UNSIGNED,
    Proto.TYPE_DOUBLE,
    Proto.TYPE_FLOAT,
    Proto.TYPE_BOOL,
    Proto.TYPE_STRING,
    Proto.TYPE_BYTES,
]
KEYS = [*SIGNED, *UNSIGNED, Proto.TYPE_BOOL, Proto.TYPE_STRING]
WORDS = ["", "a", "name", "überläufe", "\0nul\0", "日本", "\U0001f600", "x" * 130]


class Schema:
    """The same files, for Python's protobuf and for ours."""

    def __init__(self, *files: descriptor_pb2.FileDescriptorProto) -> None:
        pool = descriptor_pool.DescriptorPool()
        for file in files:
            pool.Add(file)
        self.pool = pool
        self.ours = gmq.Schema(descriptor_pb2.FileDescriptorSet(file=files).SerializeToString())

    def python(self, name: str) -> type[Message]:
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))

    def type(self, name: str) -> gmq.MessageType:
        found = self.ours.find_type(name)
        assert found, name
        return found


# ---- Ours, filled from Python's, and the other way round


def is_repeated(field: Any) -> bool:
    value = getattr(field, "is_repeated", None)
    return bool(field.label == Desc.LABEL_REPEATED if value is None else value)


def is_map(field: Any) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def set_value(ours: gmq.Message, field: gmq.Field, index: int, value: Any) -> None:
    kind = field.type()
    if kind in (gmq.FIELD_DOUBLE, gmq.FIELD_FLOAT):
        ours.set_double(field, index, value)
    elif kind == gmq.FIELD_BOOL:
        ours.set_bool(field, index, value)
    elif kind == gmq.FIELD_STRING:
        ours.set_bytes(field, index, value.encode())
    elif kind == gmq.FIELD_BYTES:
        ours.set_bytes(field, index, value)
    elif kind == gmq.FIELD_MESSAGE:
        fill(ours.make_message(field, index), value)
    elif kind in (gmq.FIELD_UINT64, gmq.FIELD_FIXED64):
        ours.set_uint64(field, index, value)
    else:
        ours.set_int64(field, index, value)


def get_value(ours: gmq.Message, field: gmq.Field, index: int = 0) -> Any:
    kind = field.type()
    if kind in (gmq.FIELD_DOUBLE, gmq.FIELD_FLOAT):
        return ours.get_double(field, index)
    if kind == gmq.FIELD_BOOL:
        return bool(ours.get_bool(field, index))
    if kind == gmq.FIELD_STRING:
        return ours.get_bytes(field, index).decode()
    if kind == gmq.FIELD_BYTES:
        return ours.get_bytes(field, index)
    if kind == gmq.FIELD_MESSAGE:
        return ours.get_message(field, index)
    if kind in (gmq.FIELD_UINT64, gmq.FIELD_FIXED64):
        return ours.get_uint64(field, index)
    return ours.get_int64(field, index)


def fill_map(ours: gmq.Message, field: gmq.Field, entries: Any) -> None:
    type_ = field.message_type()
    assert type_
    key, value = type_.find_number(1), type_.find_number(2)
    assert key and value
    for i, each in enumerate(entries):
        entry = ours.make_message(field, i)
        set_value(entry, key, 0, each)
        set_value(entry, value, 0, entries[each])


def fill(ours: gmq.Message, python: Message) -> None:
    """Sets in ours what is set in Python's."""
    for desc, value in python.ListFields():
        field = ours.type().find_number(desc.number)
        assert field and field.name() == desc.name
        if is_map(desc):
            fill_map(ours, field, value)
        elif is_repeated(desc):
            for i, each in enumerate(value):
                set_value(ours, field, i, each)
        else:
            set_value(ours, field, 0, value)


def same_value(ours: Any, python: Any) -> None:
    if isinstance(python, Message):
        same(ours, python)
    elif isinstance(python, float):
        assert struct.pack("d", ours) == struct.pack("d", python) or (
            math.isnan(ours) and math.isnan(python)
        )
    else:
        assert ours == python


def same_map(ours: gmq.Message, field: gmq.Field, python: Any) -> None:
    type_ = field.message_type()
    assert type_
    key, value = type_.find_number(1), type_.find_number(2)
    assert key and value
    entries = [ours.get_message(field, i) for i in range(ours.count(field))]
    found = {get_value(entry, key): entry for entry in entries}
    assert set(found) == set(python)
    assert len(found) == len(entries)
    for each, entry in found.items():
        if entry.has(value) or value.type() != gmq.FIELD_MESSAGE:
            same_value(get_value(entry, value), python[each])
        else:
            assert not python[each].ListFields()


def same_field(ours: gmq.Message, field: gmq.Field, python: Message, desc: Any) -> None:
    value = getattr(python, desc.name)
    if is_map(desc):
        same_map(ours, field, value)
    elif is_repeated(desc):
        assert ours.count(field) == len(value), desc.full_name
        for i, each in enumerate(value):
            same_value(get_value(ours, field, i), each)
    elif desc.message_type is None or python.HasField(desc.name):
        same_value(get_value(ours, field), value)


def same(ours: gmq.Message, python: Message) -> None:
    """Every field is the same, by what each lets one read."""
    for desc in python.DESCRIPTOR.fields:
        field = ours.type().find_field(desc.name)
        assert field and field.number() == desc.number
        assert bool(field.has_presence()) == desc.has_presence, desc.full_name
        if desc.type == Desc.TYPE_GROUP:
            continue
        if desc.has_presence:
            assert bool(ours.has(field)) == python.HasField(desc.name), desc.full_name
        same_field(ours, field, python, desc)
    same_oneofs(ours, python)


def same_oneofs(ours: gmq.Message, python: Message) -> None:
    names = [ours.type().oneof_name(i) for i in range(ours.type().oneof_count())]
    for i, name in enumerate(names):
        member = ours.which(i)
        assert (member.name() if member else None) == python.WhichOneof(str(name))


# ---- Random ones


def random_scalar(random: Random, kind: int) -> Any:
    bits = SIGNED.get(kind)
    if bits:
        edge = 1 << (bits - 1)
        return random.choice([0, 1, -1, edge - 1, -edge, random.randrange(-edge, edge)])
    bits = UNSIGNED.get(kind)
    if bits:
        return random.choice([0, 1, 127, 128, (1 << bits) - 1, random.randrange(1 << bits)])
    if kind == Proto.TYPE_BOOL:
        return random.random() < 0.5
    if kind == Proto.TYPE_STRING:
        return random.choice(WORDS)
    if kind == Proto.TYPE_BYTES:
        return random.randbytes(random.choice([0, 1, 5, 200]))
    value = random.choice([0.0, -0.0, 1.5, -1e30, math.inf, math.nan, random.gauss(0, 1e6)])
    return struct.unpack("f", struct.pack("f", value))[0] if kind == Proto.TYPE_FLOAT else value


class SchemaMaker:
    """A file with a few enums and messages that refer to each other in any way."""

    def __init__(self, random: Random, name: str, syntax: str) -> None:
        self.random = random
        self.proto3 = syntax == "proto3"
        self.file = descriptor_pb2.FileDescriptorProto(
            name=f"{name}.proto", package=name, syntax=syntax
        )
        self.enums = [self.add_enum(f"E{i}") for i in range(2)]
        self.names = [f"M{i}" for i in range(random.randint(1, 4))]
        for each in self.names:
            self.add_message(each)

    def full(self, name: str) -> str:
        return f".{self.file.package}.{name}"

    def add_enum(self, name: str) -> str:
        enum = self.file.enum_type.add(name=name)
        enum.options.allow_alias = True
        first = 3 if name == "E1" and not self.proto3 else 0
        numbers = [first, *(self.random.choice([0, 1, 2, -1, 1 << 20]) for _ in range(3))]
        if len(set(numbers)) == len(numbers):
            enum.options.ClearField("allow_alias")
        for i, number in enumerate(numbers):
            enum.value.add(name=f"{name}_{i}", number=number)
        return name

    def set_type(self, field: descriptor_pb2.FieldDescriptorProto) -> None:
        choice = self.random.random()
        if choice < 0.15:
            field.type = Proto.TYPE_ENUM
            field.type_name = self.full(self.random.choice(self.enums))
        elif choice < 0.4:
            field.type = Proto.TYPE_MESSAGE
            field.type_name = self.full(self.random.choice(self.names))
        else:
            field.type = self.random.choice(SCALARS)

    def set_default(self, field: descriptor_pb2.FieldDescriptorProto) -> None:
        if self.proto3 or field.label == Proto.LABEL_REPEATED or self.random.random() < 0.6:
            return
        if field.type in SIGNED or field.type in UNSIGNED:
            field.default_value = "77"
        elif field.type == Proto.TYPE_BOOL:
            field.default_value = "true"
        elif field.type == Proto.TYPE_STRING:
            field.default_value = "ü default"
        elif field.type == Proto.TYPE_BYTES:
            field.default_value = '\\001\\377 \\"x'
        elif field.type in (Proto.TYPE_FLOAT, Proto.TYPE_DOUBLE):
            field.default_value = self.random.choice(["-1.5", "inf", "-inf", "nan", "1e9"])
        elif field.type == Proto.TYPE_ENUM:
            field.default_value = field.type_name.rsplit(".", 1)[1] + "_2"

    def add_map(self, message: Any, field: descriptor_pb2.FieldDescriptorProto) -> None:
        entry = message.nested_type.add(name=f"F{field.number}Entry")
        entry.options.map_entry = True
        entry.field.add(
            name="key", number=1, label=Proto.LABEL_OPTIONAL, type=self.random.choice(KEYS)
        )
        value = entry.field.add(name="value", number=2, label=Proto.LABEL_OPTIONAL)
        self.set_type(value)
        if value.type == Proto.TYPE_ENUM:
            value.type_name = self.full("E0")  # upb wants one that has 0
        field.name = f"f{field.number}"
        field.label = Proto.LABEL_REPEATED
        field.type = Proto.TYPE_MESSAGE
        field.type_name = self.full(f"{message.name}.{entry.name}")

    def add_field(self, message: Any, number: int) -> None:
        field = message.field.add(name=f"f{number}", number=number, label=Proto.LABEL_OPTIONAL)
        choice = self.random.random()
        if choice < 0.15:
            self.add_map(message, field)
            return
        self.set_type(field)
        if choice < 0.5:
            field.label = Proto.LABEL_REPEATED
            if field.type not in (Proto.TYPE_STRING, Proto.TYPE_BYTES, Proto.TYPE_MESSAGE):
                if self.random.random() < 0.7:
                    field.options.packed = self.random.random() < 0.5
        elif choice < 0.75 and len(message.oneof_decl):
            field.oneof_index = self.random.randrange(len(message.oneof_decl))
        self.set_default(field)

    def add_message(self, name: str) -> None:
        message = self.file.message_type.add(name=name)
        for i in range(self.random.randrange(3)):
            message.oneof_decl.add(name=f"o{i}")
        numbers = self.random.sample([*range(1, 20), 18999, 20000, 536870911], 9)
        for number in numbers[: self.random.randint(1, 9)]:
            self.add_field(message, number)
        used = {f.oneof_index for f in message.field if f.HasField("oneof_index")}
        for i in range(len(message.oneof_decl)):  # a oneof has a member
            if i not in used:
                number = 100 + i
                message.field.add(name=f"f{number}", number=number, label=1, type=5, oneof_index=i)
        if self.proto3:
            self.make_optional(message)

    def make_optional(self, message: Any) -> None:
        for field in message.field:
            single = field.label == Proto.LABEL_OPTIONAL and not field.HasField("oneof_index")
            if single and self.random.random() < 0.3:
                field.proto3_optional = True
                field.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name=f"_{field.name}")


def random_value(random: Random, desc: Any, depth: int) -> Any:
    if desc.enum_type is not None:
        return random.choice(desc.enum_type.values).number
    return random_scalar(random, desc.type)


def random_map(random: Random, python: Message, desc: Any, depth: int) -> None:
    entries = getattr(python, desc.name)
    key, value = (desc.message_type.fields_by_name[name] for name in ("key", "value"))
    for _ in range(random.randrange(4)):
        if value.message_type is not None:
            random_fill(random, entries[random_value(random, key, depth)], depth - 1)
        else:
            entries[random_value(random, key, depth)] = random_value(random, value, depth)


def random_field(random: Random, python: Message, desc: Any, depth: int) -> None:
    if is_map(desc):
        random_map(random, python, desc, depth)
    elif is_repeated(desc):
        values = getattr(python, desc.name)
        for _ in range(random.choice([0, 1, 2, 5])):
            if desc.message_type is not None:
                random_fill(random, values.add(), depth - 1)
            else:
                values.append(random_value(random, desc, depth))
    elif desc.message_type is not None:
        getattr(python, desc.name).SetInParent()
        random_fill(random, getattr(python, desc.name), depth - 1)
    else:
        setattr(python, desc.name, random_value(random, desc, depth))


def random_fill(random: Random, python: Message, depth: int = 4) -> None:
    for desc in python.DESCRIPTOR.fields:
        if random.random() < (0.6 if depth > 0 else 0.1) and (
            depth > 0 or desc.message_type is None
        ):
            random_field(random, python, desc, depth)


def canonical(python: Message) -> bytes:
    return python.SerializeToString(deterministic=True)
