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
#: Of a URL: scheme://user:PASSWORD@
_IN_URL = re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/?#:@]*):[^\s/?#]*@", re.IGNORECASE)
#: Members that hold a name, beside one that holds its value.
_NAME_MEMBERS = ("key", "name")


def is_secret(name: str) -> bool:
    # camelCase and snake_case alike
    return bool(_NAMES.search(name))


def mask(value: Any, name: str = "") -> Any:
    """A JSON value, in it every member masked whose name or value says so."""
    if name and is_secret(name) and value not in ("", None, False, True, [], {}):
        return MASK
    if isinstance(value, dict):
        names = [str(value[key]) for key in _NAME_MEMBERS if key in value]
        secret = next(filter(is_secret, names), "")
        return {
            key: mask(member, secret if key == "value" else str(key))
            for key, member in value.items()
        }
    if isinstance(value, list):
        return [mask(member) for member in value]
    return _masked(value) if isinstance(value, str) else value


def _masked(value: str) -> str:
    return MASK if _VALUES.search(value) else prose(value)


def prose(text: str) -> str:
    """Text for people, without the passwords of URLs in it."""
    return _IN_URL.sub(rf"\1:{MASK}@", text)


def metadata(pairs: Iterable[tuple[str, str | bytes]]) -> dict[str, list[str]]:
    """Metadata to show: text masked where needed, of bytes only how many there are."""
    shown: dict[str, list[str]] = {}
    for key, value in pairs:
        seen = f"<{len(value)} bytes>" if isinstance(value, bytes) else _masked(value)
        shown.setdefault(key, []).append(MASK if is_secret(key) else seen)
    return shown
