#!/usr/bin/env python3
"""Writes the seeds of the wire fuzzers from tests/fixtures/reference into tests/fuzz/corpus."""

import pathlib
import re

HERE = pathlib.Path(__file__).parent
TABLES = HERE.parent / "fixtures" / "reference"
KIND = {
    "packet": "packet",
    "control": "packet",
    "request": "request",
    "metadata": "metadata",
    "response": "response",
    "wrappedresponse": "response",
    "error": "response",
    "chunk": "chunk",
    "zstd": "zstd",
}


def rows(name):
    for line in (TABLES / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        yield line.split("\t")


def put(kind, name, data):
    folder = HERE / "corpus" / kind
    folder.mkdir(parents=True, exist_ok=True)
    (folder / re.sub(r"\W+", "_", name).strip("_").lower()).write_bytes(data)


def put_packets():
    seen = {}
    for number, (_, direction, topic, _, payload) in enumerate(rows("published")):
        shape = (direction, len(payload) // 40, topic.count("/"))
        if shape not in seen and not topic.endswith("/control"):
            seen[shape] = True
            put("packet", f"published_{number}", bytes.fromhex(payload))


def put_topics():
    texts = {
        "request": "base/dev1/grpc/request/rFVOa-gx1xgLBeWyxQXcWGzq/golden-v1-Golden/Echo",
        "session": "base/dev1/grpc/session/rFVOa-gx1xgLBeWyxQXcWGzq",
        "control": "base/dev1/grpc/session/rFVOa-gx1xgLBeWyxQXcWGzq/control",
        "dots": "base/dev1/grpc/request/s/golden.v1.Golden/Echo",
        "path": "/golden.v1.Golden/Echo",
        "other": "base/dev1/grpc/session/",
    }
    for name, text in texts.items():
        put("topic", name, f"base/dev1\n{text}".encode())
    put("topic", "filter_levels", b"base/dev1/grpc/request/+/+/+\nbase/dev1/grpc/request/a/b/c")
    put("topic", "filter_rest", b"base/#\nbase/dev1")
    put("topic", "filter_system", b"#\n$SYS/x")


def main():
    for table in ("encodings", "decodings"):
        for name, payload, _ in rows(table):
            kind = KIND.get(re.split(r"[ _]", name)[0])
            data = bytes.fromhex(payload)
            if kind and len(data) <= 200:
                put("zstd" if data[:4] == b"\x28\xb5\x2f\xfd" else kind, name, data)
    put_packets()
    put_topics()


main()
