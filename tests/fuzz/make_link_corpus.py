#!/usr/bin/env python3
"""Writes the seeds of fuzz_link_packet: the vectors of docs/design/protocol.md, alone and as packets."""

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


def main() -> None:
    HERE.mkdir(parents=True, exist_ok=True)
    for name, head in HEADS.items():
        (HERE / f"head_{name}").write_bytes(head)
    for name, frame in FRAMES.items():
        (HERE / name).write_bytes(hexed(frame))
    whole = b"".join(hexed(frame) for frame in FRAMES.values())
    (HERE / "all").write_bytes(HEADS["gaps"] + whole)
    (HERE / "presence").write_bytes(hexed(PRESENCE))


main()
