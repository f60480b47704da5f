#!/usr/bin/env python3
"""Writes the seeds of fuzz_link_packet and fuzz_engine_link.

They are the vectors of docs/design/protocol.md, alone and as packets, and a few calls as steps.
"""

import pathlib

HERE = pathlib.Path(__file__).parent / "corpus" / "link_packet"
LINK = b"0123456789abcdef"
HEADS = {
    "first": b"\x10\x00" + LINK + b"\x01\x00",
    "server": b"\x10\x01" + LINK + b"INSTANCE\x00\xac\x02",
    "gaps": b"\x10\x06" + LINK + bytes.fromhex("07040200 0103c801"),
    "version": b"\x20\x00" + LINK,
}
FRAMES = {
    "open": "0100001105696e2f6331018080108080800 2b0ea01",
    "accept": "02000019027331494e5354414e434501808010808080028080800 28040",
    "headers": "0300011e062f702e532f4d03dd0b010303016b0176 05622d62696e020001 016b0177",
    "message": "0406c80103616263",
    "half_close": "05000100",
    "status": "060001070504676f6e6500",
    "cancel": "07000100",
    "credit": "08000002904e",
    "ping": "0900000830313233 34353637",
    "goaway": "0b0000020700",
    "close": "0c0000020e00",
}
PRESENCE = "0a027331 1208494e5354414e4345 1a046c696e6b 2003 2a03702e53 3080808002"


def hexed(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


ENGINE = HERE.parent / "engine_link"


def frame(kind: int, call: int, body: str) -> bytes:
    data = hexed(body)
    return bytes([kind, 0, call, len(data)]) + data


OPEN = frame(1, 0, "04696e2f63 00 808040 808040 01")
HEADERS = frame(3, 1, "042f702f71 03 00 00 00 00")
ACCEPT = frame(2, 0, "0173 494e5354414e4345 00 808040 808040 808040 8040")


def step(what: int, data: bytes = b"") -> bytes:
    return bytes([what, len(data)]) + data


def put_engine() -> None:
    ENGINE.mkdir(parents=True, exist_ok=True)
    message, status = hexed("04040103616263"), frame(6, 1, "000000")
    opened = b"\0" + step(0, b"\0" + OPEN + HEADERS + message)
    answered = step(5, b"answer") + step(0x45, b"done") + step(4)
    (ENGINE / "server_call").write_bytes(opened + answered)
    (ENGINE / "server_gap").write_bytes(opened + step(0x40, b"\1" + message) + step(3, b"\2"))
    (ENGINE / "server_gone").write_bytes(opened + step(0x82) + step(3, b"\x20") + step(3, b"\xff"))
    called = b"\1" + step(5) + step(4, b"\xff") + step(0, b"\x10" + ACCEPT) + step(4, b"\xff")
    called += step(0, b"\x10" + message + status)
    (ENGINE / "client_call").write_bytes(called + step(3, b"\1"))
    (ENGINE / "client_nobody").write_bytes(b"\1" + step(0x45) + step(4, b"\0") + step(3, b"\xff"))
    (ENGINE / "client_presence").write_bytes(b"\1" + step(0x82, hexed(PRESENCE)) + called[1:])


def main() -> None:
    HERE.mkdir(parents=True, exist_ok=True)
    for name, head in HEADS.items():
        (HERE / f"head_{name}").write_bytes(head)
    for name, frame in FRAMES.items():
        (HERE / name).write_bytes(hexed(frame))
    whole = b"".join(hexed(frame) for frame in FRAMES.values())
    (HERE / "all").write_bytes(HEADS["gaps"] + whole)
    (HERE / "presence").write_bytes(hexed(PRESENCE))
    put_engine()


main()
