"""One call on the side of a server whose handlers run in threads."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NoReturn

import grpc

from grpc_mqtt import gmq
from grpc_mqtt._call import Metadata
from grpc_mqtt._credit import FIRST, Credit
from grpc_mqtt._errors import ClosedError, Error, InvalidError, StateError, TooLargeError
from grpc_mqtt._methods import streams_requests
from grpc_mqtt._status import UNREADABLE_REQUEST, UNWRITABLE_RESPONSE, Status
from grpc_mqtt._types import Deserializer, Serializer

_LOGGER = logging.getLogger("grpc_mqtt")


def _transformed(message: Any, transform: Callable[[Any], Any] | None, what: str) -> Any:
    """None when `transform` raises, which is logged."""
    if transform is None:
        return message
    try:
        return transform(message)
    except Exception:
        _LOGGER.exception("Exception %s message!", what)
        return None


class Rpc:
    """State of a call. Filled by the server's event thread; all of it is under `condition`.

    It is active until its status is given (`statused`) or it ended otherwise (`cancelled`: by the
    client, its deadline, the connection or the server's end).
    """

    __slots__ = (
        "aborted",
        "call",
        "callbacks",
        "cancelled",
        "condition",
        "context",
        "credit",
        "half_closed",
        "initial_metadata_allowed",
        "messages",
        "metadata",
        "path",
        "rpc_errors",
        "sends_one",
        "status",
        "statused",
        "streams_requests",
        "submit",
        "writable",
    )

    def __init__(self, call: gmq.Call, path: str, metadata: Metadata) -> None:
        self.call = call
        self.path = path
        self.metadata = metadata
        self.condition = threading.Condition()
        self.context = contextvars.Context()
        self.messages: deque[bytes] = deque()
        self.credit = Credit()
        self.status = Status()
        self.streams_requests = False
        self.half_closed = False
        self.sends_one = False  # the client sends no more than one
        self.cancelled = False
        self.statused = False
        self.aborted = False  # by the handler: what it raises is no error
        self.writable = False
        self.initial_metadata_allowed = True
        self.rpc_errors: list[Exception] = []  # raised by us into the handler
        self.callbacks: list[Callable[[], Any]] | None = []  # None: over
        self.submit: Callable[[], None] | None = None  # starts the handler, at the one request

    # ---- Events, on the event thread

    def begin(self, kind: int) -> None:
        """The kind of the handler is known: lets the requests come. Where the client has said it
        itself, its own is that of the call, which works as far as the messages allow, as in gRPC.
        """
        self.streams_requests = streams_requests(kind)
        told = self.call.kind()
        self.sends_one = told >= 0 and not streams_requests(told)
        try:
            if told < 0:
                self.call.resolve(kind)
            self.call.read(FIRST if self.streams_requests else 1)
        except (ClosedError, StateError):
            pass  # over already; FINISHED says so

    def take_message(self, data: bytes) -> None:
        with self.condition:
            self.messages.append(data)
            self.half_closed |= self.sends_one
            self.condition.notify_all()

    def take_half_closed(self) -> None:
        with self.condition:
            self.half_closed = True
            self.condition.notify_all()

    def take_writable(self) -> None:
        with self.condition:
            self.writable = True
            self.condition.notify_all()

    def take_finished(self) -> list[Callable[[], Any]]:
        """The call is over; returns the callbacks to be run."""
        with self.condition:
            if not self.statused:
                self.cancelled = True
            callbacks, self.callbacks = self.callbacks, None
            self.condition.notify_all()
            return callbacks or []

    # ---- What handlers and contexts do

    def active(self) -> bool:
        return not self.cancelled and not self.statused

    def raise_rpc_error(self) -> NoReturn:
        error = grpc.RpcError()
        self.rpc_errors.append(error)
        raise error

    def send_initial_metadata(self, metadata: Any) -> None:
        with self.condition:
            if self.cancelled:
                self.raise_rpc_error()
            if not self.initial_metadata_allowed:
                raise ValueError("Initial metadata no longer allowed!")
            pairs = tuple(metadata) if metadata is not None else ()
            try:
                self.call.send_initial_metadata(pairs)
            except InvalidError as error:
                raise ValueError(f"metadata was invalid: {pairs}") from error
            except (ClosedError, StateError):
                pass  # over; FINISHED says so
            self.initial_metadata_allowed = False

    def send(self, data: bytes) -> bool:
        """Sends one of the responses, waits while there is no room; False when the call is over."""
        with self.condition:
            while self.active():
                self.writable = False  # before sending: WRITABLE may come at once
                try:
                    if self.call.send(data):
                        self.initial_metadata_allowed = False
                        return True
                except (ClosedError, StateError):
                    return False
                except TooLargeError as error:
                    self._finish(*_too_large(error))
                    return False
                while not self.writable and self.active():
                    self.condition.wait()
            return False

    def complete(self, data: bytes | None) -> None:
        """The handler has come to its end; `data` is the one response of a unary kind."""
        with self.condition:
            if not self.active():
                return
            code, details = self.status.completion()
            if data is not None and not code:
                try:
                    self.call.send(data)
                except (ClosedError, StateError):
                    pass
                except TooLargeError as error:
                    code, details = _too_large(error)
            self._finish(code, details)

    def abort(self, code: grpc.StatusCode, details: str) -> None:
        """Ends the call with what the handler has said of its status, else with this."""
        with self.condition:
            if self.active():
                self._finish(*self.status.failure(code, details))

    def _finish(self, code: int, details: str) -> None:
        self.statused = True
        self.condition.notify_all()
        try:
            trailing = self.status.trailing_metadata
            self.call.finish(code, details, None if trailing is None else tuple(trailing))
        except (ClosedError, StateError):
            pass  # over; FINISHED says so
        except (Error, TypeError, ValueError) as error:
            _LOGGER.exception("The status of a call of %s cannot be sent", self.path)
            internal = grpc.StatusCode.INTERNAL.value[0]
            try:
                self.call.finish(internal, f"The status cannot be sent: {error}", None)
            except Error:
                self.call.cancel()

    # ---- Messages in and out

    def serialized(self, response: Any, serializer: Serializer | None) -> bytes | None:
        """None, and the call aborted, when it cannot be."""
        data = _transformed(response, serializer, "serializing")
        if data is None:
            self.abort(grpc.StatusCode.INTERNAL, UNWRITABLE_RESPONSE)
            return None
        return data  # type: ignore[no-any-return]

    def deserialized(self, data: bytes, deserializer: Deserializer | None) -> Any:
        """None, and the call aborted, when it cannot be."""
        request = _transformed(data, deserializer, "deserializing")
        if request is None:
            self.abort(grpc.StatusCode.INTERNAL, UNREADABLE_REQUEST)
        return request

    def one_request(self, deserializer: Deserializer | None) -> Any:
        """The request of a unary kind, which is here; None: the call is over."""
        with self.condition:
            if not self.active():
                return None
            data = self.messages.popleft()
        return self.deserialized(data, deserializer)

    def next_request(self) -> bytes:
        """Waits for the next one; StopIteration behind the last."""
        with self.condition:
            while True:
                if self.cancelled:
                    self.raise_rpc_error()
                if self.statused:
                    raise StopIteration
                if self.messages:
                    data = self.messages.popleft()
                    break
                if self.half_closed:
                    raise StopIteration
                self.condition.wait()
        self.credit.took(len(data), self.call)
        return data


class Requests:
    """Iterator over the requests of a stream."""

    def __init__(self, rpc: Rpc, deserializer: Deserializer | None) -> None:
        self._rpc = rpc
        self._deserializer = deserializer

    def __iter__(self) -> Requests:
        return self

    def __next__(self) -> Any:
        request = self._rpc.deserialized(self._rpc.next_request(), self._deserializer)
        if request is None:
            raise StopIteration
        return request

    def next(self) -> Any:
        return self.__next__()


def _too_large(error: TooLargeError) -> tuple[int, str]:
    """The status of a call whose response is above ``grpc.max_send_message_length``."""
    return grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], str(error)
