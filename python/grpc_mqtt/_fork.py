"""Refuses to use in a forked child what the parent made: threads and connections do not cross a
fork.
"""

from __future__ import annotations

import os

from grpc_mqtt._errors import ForkedError

_generation = 0


def _forked() -> None:
    global _generation
    _generation += 1


os.register_at_fork(after_in_child=_forked)


def generation() -> int:
    """A number that differs between a process and its forked children."""
    return _generation


def check(made_in: int, what: str) -> None:
    """Raises ForkedError when generation() is no longer what it was when `what` was made."""
    if made_in != _generation:
        raise ForkedError(
            f"the {what} was made before a fork(): make a new one in the child process"
        )
