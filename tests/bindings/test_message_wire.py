"""Random bytes that a writer of a schema may send: ours and Python's protobuf agree on them.

Not what a library writes, but all that the encoding allows: fields in any order and any number of
times, packed or not, of the wrong wire type, numbers with needless bytes and out of range, messages
in pieces, entries of maps without a key, groups, extensions, unknown fields anywhere, text that is
no UTF-8. A failure names its seed; GMQ_SEED=<n> runs that one alone.
"""

from __future__ import annotations

import os
import struct
from random import Random
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor import FieldDescriptor as Desc
from message_tools import Proto, Schema, SchemaMaker, canonical, is_map, is_repeated, same
from test_message_random import decode, odd_entries, parse

SEEDS = [int(os.environ["GMQ_SEED"])] if "GMQ_SEED" in os.environ else range(40)
MESSAGES = 60

VARINT, FIXED64, BYTES, GROUP, END, FIXED32 = range(6)
EDGES = [0, 1, 2, 127, 128, 1 << 31, (1 << 31) - 1, (1 << 32) - 1, 1 << 32, (1 << 32) + 1, 1 << 63]
NUMBERS = [*EDGES, (1 << 63) - 1, (1 << 64) - 1, (1 << 64) - (1 << 31), (1 << 64) - (1 << 31) - 1]
DOUBLES = [0, 1 << 63, 0x7FF0 << 48, 0xFFF8 << 48, (0x7FF8 << 48) + 5, (0x7FF0 << 48) + 1, 1]
FLOATS = [0, 1 << 31, 0x7F800000, 0x7FC00005, 0x7F800001, 0x7F7FFFFF, 1]
TEXTS = [b"", b"a", b"\0", "\U0010ffff\u00e9".encode(), b"x" * 130]
BAD_TEXTS = [
    *[b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xc0\x80", b"\xe0\x80\x80", b"\xf0\x80\x80\x80"],
    *[b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"a\x80", b"\xe2\x82"],
]
EIGHT = (Desc.TYPE_DOUBLE, Desc.TYPE_FIXED64, Desc.TYPE_SFIXED64)
FOUR = (Desc.TYPE_FLOAT, Desc.TYPE_FIXED32, Desc.TYPE_SFIXED32)
LONG = (Desc.TYPE_STRING, Desc.TYPE_BYTES, Desc.TYPE_MESSAGE)


class OldMaker(SchemaMaker):
    """With what only proto2 has: groups, extensions, required fields."""

    def add_message(self, name: str) -> None:
        super().add_message(name)
        message = self.file.message_type[-1]
        group = message.nested_type.add(name="Group")
        group.field.add(name="inner", number=1, label=1, type=Proto.TYPE_INT32)
        full = self.full(f"{name}.Group")
        for number, label in ((201, Proto.LABEL_OPTIONAL), (202, Proto.LABEL_REPEATED)):
            field = message.field.add(name=f"group{number}", number=number, type_name=full)
            field.type, field.label = Proto.TYPE_GROUP, label
        message.extension_range.add(start=300, end=400)
        extension = message.extension.add(name="more", number=300, label=1, type=Proto.TYPE_STRING)
        extension.extendee = self.full(name)
        message.extension.add(
            name="others", number=301, label=3, type=Proto.TYPE_SINT32, extendee=self.full(name)
        )
        if self.random.random() < 0.2:
            message.field.add(name="needed", number=250, label=2, type=Proto.TYPE_INT32)


def varint(value: int, padding: int = 0) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    padding = min(padding, 10 - len(out))
    if padding > 0:
        out[-1] |= 0x80
        out += b"\x80" * (padding - 1) + b"\0"
    return bytes(out)


class Writer:
    def __init__(self, random: Random, budget: int, *, long_tags: bool) -> None:
        self.random = random
        self.budget = budget  # of fields, in all
        self.long_tags = long_tags  # of more bytes than they take

    def number(self) -> bytes:
        value = self.random.choice([*NUMBERS, self.random.randrange(1 << 64), 3, 5, 1 << 20])
        return varint(value, self.random.choice([0, 0, 0, 1, 3, 9]))

    def tag(self, number: int, wire: int) -> bytes:
        value = varint(number << 3 | wire)
        if self.long_tags and self.random.random() < 0.1:
            return varint(number << 3 | wire, 5 - len(value))
        return value

    def bytes(self, content: bytes) -> bytes:
        return varint(len(content), self.random.choice([0] * 9 + [1])) + content

    def content(self, wire: int) -> bytes:
        """Of a field that nobody knows."""
        if wire == VARINT:
            return self.number()
        if wire == FIXED64:
            return self.random.randbytes(8)
        if wire == FIXED32:
            return self.random.randbytes(4)
        return self.bytes(self.random.randbytes(self.random.randrange(4)))

    def unknown(self, number: int, depth: int = 0) -> bytes:
        wire = self.random.choice([VARINT, FIXED64, BYTES, GROUP, FIXED32])
        if wire != GROUP:
            return self.tag(number, wire) + self.content(wire)
        inner = b""
        for _ in range(self.random.randrange(3) if depth < 3 else 0):
            inner += self.unknown(self.random.randrange(1, 50), depth + 1)
        return self.tag(number, GROUP) + inner + self.tag(number, END)

    def scalar(self, desc: Any) -> bytes:
        """The value, without tag and length."""
        if desc.type in EIGHT:
            return struct.pack("<Q", self.random.choice(DOUBLES))
        if desc.type in FOUR:
            return struct.pack("<I", self.random.choice(FLOATS))
        if desc.type == Desc.TYPE_STRING:
            bad = self.random.random() < 0.03
            return self.random.choice(BAD_TEXTS if bad else TEXTS)
        if desc.type == Desc.TYPE_BYTES:
            return self.random.choice(BAD_TEXTS + TEXTS)
        if desc.enum_type is not None and self.random.random() < 0.7:
            return varint(self.random.choice(desc.enum_type.values).number & ((1 << 64) - 1))
        return self.number()

    def entry(self, desc: Any, depth: int) -> bytes:
        """Of a map: key and value, or not, or twice."""
        key, value = (desc.message_type.fields_by_number[n] for n in (1, 2))
        out = b""
        for each in self.random.choice([(key, value)] * 5 + [(value, key), (key,), (value,), ()]):
            out += self.field(each, depth + 1)
        if self.random.random() < 0.1:
            out += self.field(self.random.choice([key, value]), depth + 1)
        return out

    def group(self, desc: Any) -> bytes:
        inner = b""
        for field in desc.message_type.fields:
            inner += self.field(field, 9)
        return self.tag(desc.number, GROUP) + inner + self.tag(desc.number, END)

    def field(self, desc: Any, depth: int) -> bytes:
        if desc.type == Desc.TYPE_GROUP:
            return self.group(desc)
        if desc.type == Desc.TYPE_MESSAGE:
            inner = self.entry(desc, depth) if is_map(desc) else self.message(desc, depth + 1)
            return self.tag(desc.number, BYTES) + self.bytes(inner)
        if desc.type in LONG:
            return self.tag(desc.number, BYTES) + self.bytes(self.scalar(desc))
        if is_repeated(desc) and self.random.random() < 0.5:
            values = [self.scalar(desc) for _ in range(self.random.randrange(4))]
            return self.tag(desc.number, BYTES) + self.bytes(b"".join(values))
        wire = FIXED64 if desc.type in EIGHT else FIXED32 if desc.type in FOUR else VARINT
        return self.tag(desc.number, wire) + self.scalar(desc)

    def message(self, desc: Any, depth: int) -> bytes:
        return self.fields(desc.message_type, depth)

    def fields(self, type_: Descriptor, depth: int) -> bytes:
        out = b""
        extensions = type_.file.pool.FindAllExtensions(type_)
        known = [*type_.fields, *type_.fields, *extensions]
        no_groups = [field for field in type_.fields if field.type != Desc.TYPE_GROUP]
        for _ in range(self.random.randrange(7) if depth < 6 else 0):
            self.budget -= 1
            if self.budget < 0:
                break
            choice = self.random.random()
            if choice < 0.04:
                out += self.unknown(self.random.choice([1, 15, 16, 19000, 19999, 536870911]))
            elif choice < 0.08:  # old versions of protobuf refuse a group that is none
                out += self.unknown(self.random.choice(no_groups).number)
            else:
                out += self.field(self.random.choice(known), depth)
        needed = type_.fields_by_name.get("needed")
        if needed is not None and self.random.random() < 0.9:
            out += self.field(needed, depth)
        return out


def agree(schema: Schema, name: str, data: bytes, *, exactly: bool) -> bool | None:
    """Both read the same and write it again, true; both refuse, false; None: nothing to compare.

    exactly: what they write again are the same bytes. (The tag of an unknown field is not always
    kept as it was written.)
    """
    python, ours = parse(schema.python(name), data), decode(schema.type(name), data)
    if python is not None and not python.IsInitialized():
        python = None  # upb leaves that to whoever asks; others refuse to read it
    if ours is None or python is None:
        if ours is not None:  # Python looks at strings, too, that a later value has replaced
            assert parse(schema.python(name), ours.encode()) is not None
            return None
        assert python is None
        return False
    try:
        if odd_entries(python):
            return None
        same(ours, python)
    except UnicodeDecodeError:  # of proto2: Python reads it, but has no value
        return None
    again = parse(schema.python(name), ours.encode())
    assert again is not None
    same(ours, again)
    assert not exactly or canonical(again) == canonical(python)
    return True


def make(seed: int) -> tuple[Random, Schema, list[str]]:
    random = Random(seed)
    makers = [OldMaker(random, "p2", "proto2"), SchemaMaker(random, "p3", "proto3")]
    names = [f"{maker.file.package}.{name}" for maker in makers for name in maker.names]
    return random, Schema(*(maker.file for maker in makers)), names


def test_bytes_of_every_sort() -> None:
    compared = refused = 0
    for seed in SEEDS:
        random, schema, names = make(seed)
        for _ in range(MESSAGES):
            name = random.choice(names)
            exactly = random.random() < 0.8
            writer = Writer(random, 40, long_tags=not exactly)
            data = writer.fields(schema.pool.FindMessageTypeByName(name), 0)
            try:
                result = agree(schema, name, data, exactly=exactly)
            except AssertionError as error:
                pytest.fail(f"GMQ_SEED={seed}: {name}: {data.hex()}: {error}")
            compared += result is True
            refused += result is False
    assert len(SEEDS) == 1 or (compared > 1000 and refused > 50), (compared, refused)
