"""Method names that are no ``/service/method``.

gRPC calls a method whatever its user says: ``Echo``, ``/a/b/c``. A topic of MQTT has two levels for
it and some characters that cannot be in them. Such names travel as a method of a service of ours,
escaped, which a server that is not this package answers UNIMPLEMENTED.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

_ORDINARY = re.compile(r"/[^/+#\x00-\x1f\x7f-]+/[^/+#\x00-\x1f\x7f]+")
_PREFIX = "/grpc_mqtt.path/"


def to_wire(method: str | bytes) -> str:
    """The path that the library is given for a method name of a user."""
    name = method.decode() if isinstance(method, bytes) else method
    if _ORDINARY.fullmatch(name) and not name.startswith(_PREFIX):
        return name
    return _PREFIX + quote(name, safe="")


def from_wire(path: str) -> str:
    """The name that the user gave to_wire()."""
    return unquote(path[len(_PREFIX) :]) if path.startswith(_PREFIX) else path
