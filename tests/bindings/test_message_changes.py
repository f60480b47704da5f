"""Messages that are changed, one thing after the other: ours and Python's protobuf stay the same.

A failure names its seed; GMQ_SEED=<n> runs that one alone.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.message import Message
from message_tools import (
    Proto,
    Schema,
    canonical,
    get_value,
    is_map,
    is_repeated,
    random_fill,
    random_value,
    same,
    set_value,
)
from test_message_random import decode, make, parse

from grpc_mqtt import gmq

SEEDS = [int(os.environ["GMQ_SEED"])] if "GMQ_SEED" in os.environ else range(30)
MESSAGES = 4
CHANGES = 30


def remove_entry(random: Random, ours: gmq.Message, field: gmq.Field, entries: Any) -> None:
    index = random.randrange(ours.count(field))
    type_ = field.message_type()
    assert type_
    key = type_.find_number(1)
    assert key
    del entries[get_value(ours.get_message(field, index), key)]
    ours.remove(field, index)


def change_list(
    random: Random, ours: gmq.Message, field: gmq.Field, desc: Any, values: Any
) -> None:
    choice = random.choice(["remove", "replace", "append"]) if len(values) else "append"
    index = random.randrange(len(values)) if len(values) else 0
    if choice == "remove":
        del values[index]
        ours.remove(field, index)
    elif desc.message_type is None:
        value = random_value(random, desc, 0)
        if choice == "append":
            index = len(values)
            values.append(value)
        else:
            values[index] = value
        set_value(ours, field, index, value)
    elif choice == "append":
        values.add()
        ours.make_message(field, len(values) - 1)
    else:
        change(random, ours.get_message(field, index), values[index])


def change(random: Random, ours: gmq.Message, python: Message) -> None:
    """Sets, clears, appends, replaces or removes something, in this message or below."""
    if not python.DESCRIPTOR.fields:
        return
    desc = random.choice(python.DESCRIPTOR.fields)
    field = ours.type().find_field(desc.name)
    assert field
    if random.random() < 0.2:  # first: for upb an unset member of a oneof is set while one holds it
        ours.clear(field)
        python.ClearField(desc.name)
        return
    value = getattr(python, desc.name)
    if is_map(desc):
        if len(value):
            remove_entry(random, ours, field, value)
    elif is_repeated(desc):
        change_list(random, ours, field, desc, value)
    elif desc.message_type is not None:
        value.SetInParent()
        change(random, ours.make_message(field, 0), value)
    else:
        new = random_value(random, desc, 0)
        setattr(python, desc.name, new)
        set_value(ours, field, 0, new)


@pytest.mark.parametrize("seed", SEEDS)
def test_changes(seed: int) -> None:
    random, schema, names = make(seed)
    for _ in range(MESSAGES):
        name = random.choice(names)
        python = schema.python(name)()
        random_fill(random, python)
        ours = gmq.decode_message(schema.type(name), python.SerializeToString(), 0)
        for _ in range(CHANGES):
            change(random, ours, python)
            same(ours, python)
        again = parse(schema.python(name), ours.encode())
        assert again is not None and canonical(again) == canonical(python)


def nested(depth: int, *tags: bytes) -> bytes:
    """Messages in each other, through the fields of `tags` in turn, the innermost empty."""
    data = b""
    for i in reversed(range(depth)):
        data = tags[i % len(tags)] + bytes([len(data) & 127 | 128, len(data) >> 7]) + data
    return data


@pytest.mark.parametrize("depth", [99, 100, 101])
def test_the_limit_of_nesting(depth: int) -> None:
    """Both read messages that nest 100 deep, and none that nest deeper; groups and maps count."""
    file = descriptor_pb2.FileDescriptorProto(name="d.proto", package="d", syntax="proto3")
    message = file.message_type.add(name="D")
    entry = message.nested_type.add(name="MEntry")
    entry.options.map_entry = True
    for number, label, type_name in ((1, 1, ".d.D"), (2, 3, ".d.D"), (3, 3, ".d.D.MEntry")):
        field = message.field.add(name=f"f{number}", number=number, label=label)
        field.type, field.type_name = Proto.TYPE_MESSAGE, type_name
    message.field[2].name = "m"
    entry.field.add(name="key", number=1, label=1, type=Proto.TYPE_INT32)
    entry.field.add(name="value", number=2, label=1, type=Proto.TYPE_MESSAGE, type_name=".d.D")
    schema = Schema(file)
    singular, repeated, through_map = (b"\x0a",), (b"\x12",), (b"\x1a", b"\x12")
    chains = [nested(depth, *tags) for tags in (singular, repeated, through_map)]
    for data in [*chains, b"\x53" * depth + b"\x54" * depth]:
        theirs, ours = parse(schema.python("d.D"), data), decode(schema.type("d.D"), data)
        assert (theirs is not None) == (depth <= 100) == (ours is not None), data.hex()
