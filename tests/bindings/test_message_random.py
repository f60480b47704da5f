"""Random messages of random schemas: ours and Python's protobuf agree, both ways.

A failure names its seed; GMQ_SEED=<n> runs that one alone.
"""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest
from google.protobuf.message import DecodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet
from message_tools import (
    Schema,
    SchemaMaker,
    canonical,
    fill,
    is_map,
    is_repeated,
    random_fill,
    same,
)

from grpc_mqtt import Error, gmq

SEEDS = [int(os.environ["GMQ_SEED"])] if "GMQ_SEED" in os.environ else range(60)
MESSAGES = 12


def make(seed: int) -> tuple[Random, Schema, list[str]]:
    random = Random(seed)
    makers = [SchemaMaker(random, "p2", "proto2"), SchemaMaker(random, "p3", "proto3")]
    names = [f"{maker.file.package}.{name}" for maker in makers for name in maker.names]
    return random, Schema(*(maker.file for maker in makers)), names


def random_message(random: Random, schema: Schema, names: list[str]) -> tuple[str, Message]:
    name = random.choice(names)
    python = schema.python(name)()
    random_fill(random, python)
    return name, python


def parse(cls: type[Message], data: bytes) -> Message | None:
    python = cls()
    try:
        python.ParseFromString(data)
    except DecodeError:
        return None
    return python


def decode(type_: gmq.MessageType, data: bytes) -> gmq.Message | None:
    try:
        return gmq.decode_message(type_, data, 0)
    except Error as error:
        assert error.code == gmq.E_PARSE, error
        return None


def odd_entries(python: Message) -> bool:
    """Python has put entries of a map among the unknown fields, because they hold unknown ones.

    That is upb's way; C++ drops what is unknown of an entry, we keep it there.
    """
    fields = python.DESCRIPTOR.fields_by_number
    numbers = {unknown.field_number for unknown in UnknownFieldSet(python)}
    if any(is_map(fields[number]) for number in numbers & set(fields)):
        return True
    for desc, value in python.ListFields():
        if desc.message_type is None:
            continue
        if is_map(desc):
            entry = desc.message_type.fields_by_name["value"]
            inner = list(value.values()) if entry.message_type is not None else []
        else:
            inner = list(value) if is_repeated(desc) else [value]
        if any(odd_entries(each) for each in inner):
            return True
    return False


def agree(schema: Schema, name: str, data: bytes, *, lenient: bool = False) -> bool:
    """Both read these bytes as the same message, or both refuse them; lenient: only this."""
    python, ours = parse(schema.python(name), data), decode(schema.type(name), data)
    if python is None or ours is None:
        assert python is None, (name, data.hex(), python)
        # Python looks at strings that another value replaces, too: they may be no UTF-8.
        kept = ours is not None and parse(schema.python(name), ours.encode())
        assert kept is not None, (name, data.hex())
        return False
    if lenient:
        return False
    try:
        if odd_entries(python):
            return False
        same(ours, python)
    except (
        UnicodeDecodeError
    ):  # Python reads strings of proto2 that are not UTF-8, but has no value
        return False
    again = parse(schema.python(name), ours.encode())
    assert again is not None
    assert canonical(again) == canonical(python), (name, data.hex())
    return True


def same_description(field: gmq.Field, desc: Any) -> None:
    assert (field.name(), field.json_name()) == (desc.name, desc.json_name)
    assert (field.number(), field.type()) == (desc.number, desc.type)
    assert (field.label() == gmq.LABEL_REPEATED) == is_repeated(desc)
    if hasattr(desc, "is_packed"):  # not in old versions of protobuf
        assert bool(field.is_packed()) == desc.is_packed
    assert bool(field.is_map()) == bool(is_map(desc))
    message, enum = field.message_type(), field.enum_type()
    assert (message and message.name()) == (desc.message_type and desc.message_type.full_name)
    assert (enum and enum.name()) == (desc.enum_type and desc.enum_type.full_name)
    oneof = desc.containing_oneof
    if oneof is None or oneof.name == f"_{desc.name}":  # that of an `optional` of proto3
        assert field.oneof() == -1
    else:
        assert oneof.fields[0].containing_type.oneofs[field.oneof()] == oneof


@pytest.mark.parametrize("seed", SEEDS)
def test_schemas(seed: int) -> None:
    """Both describe the types alike; unset fields have the same values."""
    _, schema, names = make(seed)
    for name in names:
        type_, python = schema.type(name), schema.python(name)()
        assert type_.field_count() == len(python.DESCRIPTOR.fields)
        for i, desc in enumerate(python.DESCRIPTOR.fields):
            field = type_.field_at(i)
            assert field
            same_description(field, desc)
        same(gmq.Message(type_), python)


@pytest.mark.parametrize("seed", SEEDS)
def test_messages(seed: int) -> None:
    random, schema, names = make(seed)
    for _ in range(MESSAGES):
        name, python = random_message(random, schema, names)
        data = python.SerializeToString()
        assert agree(schema, name, data)
        ours = gmq.Message(schema.type(name))
        fill(ours, python)
        same(ours, python)
        again = parse(schema.python(name), ours.encode())
        assert again is not None and canonical(again) == canonical(python)


@pytest.mark.parametrize("seed", SEEDS)
def test_merged_and_foreign(seed: int) -> None:
    """Pieces of a message merge; what another type has is unknown here, and kept."""
    random, schema, names = make(seed)
    for _ in range(MESSAGES):
        name, python = random_message(random, schema, names)
        other_name, other = random_message(random, schema, names)
        one, two = python.SerializeToString(), other.SerializeToString()
        assert agree(schema, name, one + one)
        agree(schema, name, one + two)
        agree(schema, name, two + one + two)
        if agree(schema, name, two):
            through = gmq.decode_message(schema.type(name), two, 0).encode()
            agree(schema, other_name, through)


@pytest.mark.parametrize("seed", SEEDS)
def test_damaged(seed: int) -> None:
    random, schema, names = make(seed)
    for _ in range(MESSAGES):
        name, python = random_message(random, schema, names)
        data = bytearray(python.SerializeToString())
        for _ in range(random.randrange(1, 4)):
            if data:
                data[random.randrange(len(data))] = random.randrange(256)
        agree(schema, name, bytes(data), lenient=True)
        agree(schema, name, bytes(data[: random.randrange(len(data) + 1)]), lenient=True)
