"""What is not shown: values whose name says that they let somebody in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

MASK = "***"
_NAMES = re.compile(
    r"auth|token|secret|passw|passphrase|pwd|cookie|credential|api[-_]?key|private[-_]?key"
    r"|access[-_]?key|session|signature|jwt|bearer|\bpin\b",
    re.IGNORECASE,
)
#: Values that are secrets whatever their name.
_VALUES = re.compile(r"^(bearer|basic|digest|negotiate)\s|^eyJ[\w-]+\.[\w-]+\.", re.IGNORECASE)


def is_secret(name: str) -> bool:
    # camelCase and snake_case alike
    return bool(_NAMES.search(name))


def mask(value: Any, name: str = "") -> Any:
    """A JSON value, in it every member masked whose name or value says so."""
    if name and is_secret(name) and value not in ("", None, False, True, [], {}):
        return MASK
    if isinstance(value, dict):
        return {key: mask(member, str(key)) for key, member in value.items()}
    if isinstance(value, list):
        return [mask(member) for member in value]
    if isinstance(value, str) and _VALUES.search(value):
        return MASK
    return value


def metadata(pairs: Iterable[tuple[str, str | bytes]]) -> dict[str, list[str]]:
    """Metadata to show: text masked where needed, of bytes only how many there are."""
    shown: dict[str, list[str]] = {}
    for key, value in pairs:
        text = f"<{len(value)} bytes>" if isinstance(value, bytes) else str(mask(value, key))
        shown.setdefault(key, []).append(MASK if is_secret(key) else text)
    return shown
