"""How many messages of a stream may come ahead of their being read."""

from __future__ import annotations

from grpc_mqtt import gmq
from grpc_mqtt._errors import ClosedError

FIRST = 8
_MOST = 64
_BYTES = 1 << 18


class Credit:
    """Credit of one stream: it starts small and follows the size of the messages."""

    __slots__ = ("_credit", "_taken", "_taken_bytes")

    def __init__(self) -> None:
        self._credit = FIRST
        self._taken = 0
        self._taken_bytes = 0

    def took(self, size: int, call: gmq.Call | None) -> None:
        """A message of `size` was read: gives credit back when half of it is used up."""
        self._taken += 1
        self._taken_bytes += size
        if 2 * self._taken >= self._credit and call is not None:
            self._renew(call)

    def _renew(self, call: gmq.Call) -> None:
        """What was read, and more or less than that: many ahead where they are small, few of big
        ones.
        """
        wanted = _BYTES * self._taken // max(self._taken_bytes, 1)
        wanted = min(max(wanted, 2), _MOST)
        grant = self._taken + wanted - self._credit
        if grant <= 0:
            self._credit -= self._taken
            wanted = self._credit
        self._credit = wanted
        self._taken = self._taken_bytes = 0
        if grant > 0:
            try:
                call.read(grant)
            except ClosedError:
                pass  # over; FINISHED says why
