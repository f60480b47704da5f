#!/usr/bin/env python3
"""Writes the seeds of the fuzzers of schemas and messages: make_message_corpus.py FIXTURES

FIXTURES is the folder of the build with the descriptor sets of the test protos.
"""

import pathlib
import re
import sys

from google.protobuf import descriptor_pb2

HERE = pathlib.Path(__file__).parent
MESSAGES = HERE.parent / "fixtures" / "messages" / "golden.txt"
DECODING = HERE.parent / "unit" / "methods" / "message_decode_test.c"
HEX = re.compile(r'"(message[23]\.\w+)",\s+"([0-9a-f ]+)"')


def names(protoset):
    def nested(prefix, message):
        yield f"{prefix}.{message.name}"
        for inner in message.nested_type:
            yield from nested(f"{prefix}.{message.name}", inner)

    sets = descriptor_pb2.FileDescriptorSet.FromString(protoset.read_bytes())
    return [n for file in sets.file for m in file.message_type for n in nested(file.package, m)]


def put(kind, name, data):
    folder = HERE / "corpus" / kind
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def main():
    fixtures = pathlib.Path(sys.argv[1])
    types = {
        name: bytes([2 * index + odd])
        for odd, file in enumerate(["message2", "message3"])
        for index, name in enumerate(names(fixtures / f"{file}.protoset"))
    }
    rows = [line.split(" ")[:2] for line in MESSAGES.read_text().splitlines()]
    rows += HEX.findall(DECODING.read_text())
    for number, (name, data) in enumerate(rows):
        put("message", f"seed_{number}", types[name] + bytes.fromhex(data.replace("-", "")))
    for name in ("message2", "message3", "demo"):
        put("schema", name, (fixtures / f"{name}.protoset").read_bytes())


main()
