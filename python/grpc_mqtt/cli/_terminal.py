"""Drawing: tables, colours, a line that is drawn over. Plain where nobody looks."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from typing import TextIO

_COLOURS = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}


def draws(stream: TextIO) -> bool:
    """Whether what goes there is seen on a terminal that can move its cursor."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def paint(text: str, colour: str, stream: TextIO | None = None) -> str:
    target = sys.stdout if stream is None else stream
    if "NO_COLOR" in os.environ or not draws(target):
        return text
    return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def safe(text: str) -> str:
    """`text` without what could move the cursor: it comes from strangers."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def width() -> int:
    return shutil.get_terminal_size((100, 24)).columns


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: max(room - 1, 0)] + "…"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], room: int = 0) -> list[str]:
    """Lines with aligned columns; the last one is cut to what the terminal holds."""
    cells = [[safe(cell) for cell in row] for row in rows]
    sizes = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    lines = []
    for row in ([*heads], *cells):
        line = "  ".join(cell.ljust(size) for cell, size in zip(row, sizes, strict=True)).rstrip()
        lines.append(_cut(line, room) if room else line)
    return lines


class Live:
    """Lines that are drawn over by the next ones."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.enabled = draws(stream)
        self._height = 0

    def show(self, lines: Sequence[str]) -> None:
        if not self.enabled:
            return
        up = f"\x1b[{self._height}A" if self._height else ""
        self.stream.write(up + "\r\x1b[J" + "".join(f"{line}\n" for line in lines))
        self.stream.flush()
        self._height = len(lines)

    def clear(self) -> None:
        self.show([])


def bar(part: float, size: int = 30) -> str:
    full = round(max(0.0, min(part, 1.0)) * size)
    return "█" * full + "░" * (size - full)
