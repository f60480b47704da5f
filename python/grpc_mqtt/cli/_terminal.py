"""Drawing: tables, colours, a line that is drawn over. Plain where nobody looks."""

from __future__ import annotations

import os
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from typing import TextIO

_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def draws(stream: TextIO) -> bool:
    """Whether what goes there is seen on a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def paint(text: str, colour: str, stream: TextIO | None = None) -> str:
    target = sys.stdout if stream is None else stream
    if os.environ.get("NO_COLOR") or not draws(target):
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def safe(text: str) -> str:
    """`text` without what could move the cursor: it comes from strangers."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def width() -> int:
    return shutil.get_terminal_size((100, 24)).columns


def _columns(text: str) -> int:
    """How many a terminal takes for it: two for a wide character, none for an accent."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.category(c) in ("Mn", "Me") for c in text)


def cut(text: str, room: int) -> str:
    """`text`, or as much of it as fits into `room` columns."""
    if _columns(text) <= room:
        return text
    while text and _columns(text) >= room:
        text = text[:-1]
    return text + "…"


def _padded(cell: str, size: int) -> str:
    return cell + " " * (size - _columns(cell))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], room: int = 0) -> list[str]:
    """Lines with aligned columns; the last one is cut to what the terminal holds."""
    cells = [[safe(cell) for cell in row] for row in rows]
    sizes = [max(map(_columns, column)) for column in zip(heads, *cells, strict=True)]
    lines = []
    for row in ([*heads], *cells):
        line = "  ".join(map(_padded, row, sizes)).rstrip()
        lines.append(cut(line, room) if room else line)
    return lines


def _fitting(lines: Sequence[str]) -> Sequence[str]:
    """As many as the terminal can draw over: what has left it at the top stays."""
    room = max(shutil.get_terminal_size((100, 24)).lines - 1, 2)
    if len(lines) <= room:
        return lines
    return [*lines[: room - 1], f"… {len(lines) - room + 1} more"]


class Live:
    """Lines that are drawn over by the next ones."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.enabled = draws(stream)
        self._height = 0

    def show(self, lines: Sequence[str]) -> None:
        if not self.enabled:
            return
        lines = _fitting(lines)
        up = f"\x1b[{self._height}A" if self._height else ""
        self.stream.write(up + "\r\x1b[J" + "".join(f"{line}\n" for line in lines))
        self.stream.flush()
        self._height = len(lines)

    def clear(self) -> None:
        self.show([])


def bar(part: float, size: int = 30) -> str:
    full = round(max(0.0, min(part, 1.0)) * size)
    return "█" * full + "░" * (size - full)
