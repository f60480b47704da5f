"""Exceptions of the library itself: misuse, resources, transport.

The outcome of a call is something else: a ``grpc.RpcError`` with a gRPC status code.
"""

from __future__ import annotations

__all__ = [
    "ClosedError",
    "Error",
    "ExistsError",
    "ForkedError",
    "InvalidError",
    "IoError",
    "NoMemoryError",
    "NotFoundError",
    "OptionError",
    "ParseError",
    "StateError",
    "TimedOutError",
    "TooLargeError",
    "UnsupportedError",
    "UrlError",
]


class Error(Exception):
    """Base of all exceptions of this package. ``code`` is the gmq_status, below zero."""

    code: int = 0

    def __init__(self, text: str = "", code: int | None = None) -> None:
        super().__init__(text)
        if code is not None:
            self.code = code


class InvalidError(Error, ValueError):
    """An argument is wrong; the text names it and its value."""

    code = -1


class NoMemoryError(Error, MemoryError):
    """Out of memory; nothing was changed."""

    code = -2


class StateError(Error):
    """Not allowed in the object's present state: a call that is half-closed, for example."""

    code = -3


class ClosedError(Error):
    """The object is closed or shut down, for good."""

    code = -4


class OptionError(Error, ValueError):
    """An unknown option, or a value of the wrong type or out of range."""

    code = -5


class UrlError(Error, ValueError):
    """The address cannot be parsed; the text says where."""

    code = -6


class IoError(Error):
    """A file or socket error, in the system's words."""

    code = -7


class TimedOutError(Error):
    """The time given ran out."""

    code = -8


class UnsupportedError(Error):
    """Not built in, or not on this platform."""

    code = -10


class NotFoundError(Error, LookupError):
    """No such method, file or index."""

    code = -11


class TooLargeError(Error, ValueError):
    """Above a configured limit; the text names both sizes."""

    code = -12


class ParseError(Error, ValueError):
    """Bytes do not parse: a descriptor set, a message."""

    code = -13


class ForkedError(Error):
    """The object was made before a fork(); it must be made in the child."""

    code = -14


class ExistsError(Error):
    """There already is one."""

    code = -15


_BY_CODE: dict[int, type[Error]] = {kind.code: kind for kind in Error.__subclasses__()}


def make(code: int, text: str) -> Error:
    """The exception for a gmq_status; also for one that a newer library has and we do not know."""
    return _BY_CODE.get(code, Error)(text, code)
