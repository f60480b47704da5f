"""Method names that are no ``/service/method``.

gRPC calls a method whatever its user says: ``Echo``, ``/a/b/c``. A topic of MQTT has two levels for
it. Other names travel as a method of a service of ours, escaped, which a server that is not this
package answers UNIMPLEMENTED. Names with what MQTT reserves (``+``, ``#``, NUL) are refused.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from grpc_mqtt._errors import InvalidError

_ORDINARY = re.compile(r"/[^/\x01-\x1f\x7f-]+/[^/\x01-\x1f\x7f]+")
_REFUSED = re.compile(r"[+#]")  # by the library
_PREFIX = "/grpc_mqtt.path/"


def to_wire(method: str | bytes) -> str:
    """The path that the library is given for a method name of a user."""
    name = method.decode() if isinstance(method, bytes) else method
    if "\x00" in name:  # for the library it would end there
        raise InvalidError(f"method path {name!r} contains NUL, which no topic can carry")
    ordinary = _ORDINARY.fullmatch(name) and not name.startswith(_PREFIX)
    if ordinary or _REFUSED.search(name):
        return name
    return _PREFIX + quote(name, safe="")


def from_wire(path: str) -> str:
    """The name that the user gave to_wire()."""
    return unquote(path[len(_PREFIX) :]) if path.startswith(_PREFIX) else path
