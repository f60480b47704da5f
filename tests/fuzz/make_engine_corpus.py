#!/usr/bin/env python3
"""Writes the engine fuzzers' seeds: calls of each kind as the operations of fuzz_engine_*.c."""

import pathlib

HERE = pathlib.Path(__file__).parent / "corpus"
REQUEST = bytes.fromhex("0a0568656c6c6f1203000000180a")
STREAM = bytes.fromhex("0a001203010303180a")
CHUNK = bytes.fromhex("0a0a0a01610a01000a020a00")
MAP = bytes.fromhex("0a100a06696e69742d6b1206696e69742d76")
FINAL = bytes.fromhex("0a021a00")
RESPONSE = bytes.fromhex("0a0c0a060a040a02686912001a00")
ERROR = bytes.fromhex("12170817120d536f636b657420636c6f736564180e")


def put(name, seed, data):
    folder = HERE / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / seed).write_bytes(data)


def text(data):
    return bytes([len(data)]) + data


def request(method, i, payload, shape=0):
    return bytes([1, method << 3, i, shape]) + text(payload)


def answer(where, i, payload):
    return bytes([2, where, i, 0]) + text(payload)


def handler(op, payload=b""):
    return bytes([5, op]) + text(payload)


ALL, ACK = bytes([7]), bytes([6, 0])
read, send, initial, finish = (
    handler(5),
    handler(1, b"message"),
    handler(3),
    handler(7, b"details"),
)


def start(kind, options=0):
    return bytes([0, kind | 4, options]) + bytes([1, 4]) + text(b"hello") + bytes([1, 0, 0]) + ALL


def server():
    put("engine_server", "unary", b"\1" + request(0, 0, REQUEST) + read + send + finish + ALL)
    put(
        "engine_server",
        "two_packets",
        b"\1"
        + request(0, 1, REQUEST[7:], 0x21)
        + request(0, 0, REQUEST[:7], 0x20)
        + read
        + finish
        + ALL,
    )
    put(
        "engine_server",
        "client_stream",
        b"\0"
        + request(1, 0, STREAM)
        + read
        + request(1, 1, CHUNK[:5])
        + request(1, 2, b"")
        + send
        + finish
        + ALL,
    )
    put(
        "engine_server",
        "server_stream",
        b"\1" + request(2, 0, REQUEST) + initial + send * 3 + finish + ALL,
    )
    put(
        "engine_server",
        "bidi",
        b"\1" + request(3, 0, STREAM) + read + send + request(3, 1, b"") + finish + ALL,
    )
    put("engine_server", "unknown", b"\1" + request(4, 0, REQUEST) + ALL)
    put("engine_server", "offered", b"\3" + request(4, 0, REQUEST) + handler(8) + send + finish)
    put(
        "engine_server",
        "offered_bidi",
        b"\3" + request(4, 0, STREAM) + request(4, 1, CHUNK) + handler(0x38) + read + finish + ALL,
    )
    put("engine_server", "offered_refused", b"\3" + request(4, 0, REQUEST) + finish + ALL)
    put(
        "engine_server",
        "terminate",
        b"\1" + request(0, 0, REQUEST) + bytes([3]) + text(b"\x08\x02"),
    )
    put(
        "engine_server",
        "alive_then_watchdog",
        b"\1"
        + request(0, 0, REQUEST)
        + bytes([4, 100, 3])
        + text(b"\x08\x01")
        + bytes([4, 255])
        + ALL,
    )
    put(
        "engine_server",
        "cut",
        b"\1" + request(3, 0, STREAM) + send + bytes([255]) + request(3, 0, STREAM) + ALL,
    )


def client():
    put("engine_client", "unary", b"\1" + start(0) + answer(0, 0, RESPONSE) + bytes([1, 0, 0]))
    put("engine_client", "unary_error", b"\1" + start(0) + answer(0, 0, ERROR))
    put(
        "engine_client",
        "client_stream",
        b"\1" + start(1, 1) + bytes([1, 2, 0]) + ALL + answer(0, 0, RESPONSE),
    )
    put(
        "engine_client",
        "server_stream",
        b"\1"
        + start(2)
        + answer(0, 0, MAP)
        + answer(0, 2, b"")
        + answer(0, 1, CHUNK[:5])
        + answer(0, 3, FINAL),
    )
    put(
        "engine_client",
        "bidi",
        b"\0"
        + start(3, 7)
        + answer(0, 0, b"")
        + bytes([1, 4])
        + text(b"more")
        + ALL
        + answer(0, 1, b"")
        + answer(0, 2, FINAL),
    )
    put("engine_client", "nobody", b"\1" + bytes([0, 132, 0, 1, 4, 2, 65, 66, 6, 254, 5, 20]) + ALL)
    put("engine_client", "gap", b"\1" + start(2) + answer(0, 1, b"") + bytes([5, 30]) + ALL)
    put("engine_client", "cut", b"\1" + start(3) + bytes([255]) + start(0) + ALL)
    put("engine_client", "cancel", b"\1" + start(3) + bytes([1, 3, 0]) + ALL)


server()
client()
