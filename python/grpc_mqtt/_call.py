"""State of one call on the client side, and what a caller sees of it."""

from __future__ import annotations

import functools
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import grpc

from grpc_mqtt import gmq
from grpc_mqtt._credit import Credit
from grpc_mqtt._errors import ClosedError, Error
from grpc_mqtt._pump import Pump, run_callback
from grpc_mqtt._types import Deserializer, MaybeNone, Serializer

if TYPE_CHECKING:
    from grpc_mqtt._types import CallFuture, CallIterator

_LOGGER = logging.getLogger("grpc_mqtt")

CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


class Metadatum(NamedTuple):
    """One pair of received metadata."""

    key: str
    value: str | bytes


Metadata = tuple[Metadatum, ...]


def serialize(message: Any, serializer: Serializer | None) -> bytes | None:
    """Bytes of a message; None when the serializer raises, which is logged."""
    if serializer is None:
        return message  # type: ignore[no-any-return]
    try:
        return serializer(message)
    except Exception:
        _LOGGER.exception("Exception serializing message!")
        return None


def deserialize(data: bytes, deserializer: Deserializer | None) -> Any:
    """The message in `data`; None when the deserializer raises, which is logged."""
    if deserializer is None:
        return data
    try:
        return deserializer(data)
    except Exception:
        _LOGGER.exception("Exception deserializing message!")
        return None


class CallState:
    """What is known of a call.

    `messages` and `control` are filled by the pump (in C); the rest is ours, under `lock`.

    `code` is set once: by FINISHED, or before it by a local end (cancel, a message that does not
    parse, the channel closed); then FINISHED changes nothing but `finished`.
    """

    __slots__ = (
        "call",
        "callbacks",
        "cancelled",
        "code",
        "control",
        "deadline",
        "debug_error_string",
        "deserializer",
        "details",
        "finished",
        "initial_metadata",
        "local",
        "lock",
        "messages",
        "pump",
        "response",
        "tag",
        "trailing_metadata",
        "unary_response",
        "writable",
    )

    def __init__(
        self,
        pump: Pump,
        deserializer: Deserializer | None,
        unary_response: bool,
        timeout: float | None,
    ) -> None:
        self.pump = pump
        self.tag: int = pump.new_tag()
        self.messages: list[bytes] = []
        self.control: list[gmq.Control] = []
        self.lock = threading.RLock()
        self.call: gmq.Call | None = None
        self.code: grpc.StatusCode | None = None
        self.details: str | None = None
        self.debug_error_string: str | None = None
        self.initial_metadata: Metadata | None = None
        self.trailing_metadata: Metadata | None = None
        self.response: Any = None
        self.deserializer = deserializer
        self.unary_response = unary_response
        self.deadline = None if timeout is None else time.monotonic() + max(timeout, 0)
        self.writable = False
        self.local = False  # ended by us, before FINISHED
        self.finished = False
        self.cancelled = False  # by its owner, in time
        self.callbacks: list[Callable[[], Any]] | None = None

    # ---- Conditions to wait for, without side effects

    def over(self) -> bool:
        """The status is here, settled or not."""
        control = self.control
        return self.code is not None or (bool(control) and control[-1][0] == gmq.EVENT_FINISHED)

    def held(self) -> bool:
        """The status is here but messages are unread: the call goes on, as gRPC's would."""
        control = self.control
        return (
            not self.unary_response
            and bool(self.messages)
            and bool(control)
            and control[0][0] == gmq.EVENT_FINISHED
        )

    def stirred(self) -> bool:
        """Something is here that settle() would take in, or the end."""
        return self.code is not None or (bool(self.control) and not self.held())

    def stirred_or_message(self) -> bool:
        return bool(self.messages or self.control) or self.code is not None

    # ---- Taking in

    def settle(self) -> None:
        """Takes in the events that came. Any thread."""
        with self.lock:
            while self.control and not self.held():
                kind, code, text, _, metadata = self.control.pop(0)
                if kind == gmq.EVENT_FINISHED:
                    self._finish(code, text, metadata)
                elif kind == gmq.EVENT_INITIAL_METADATA:
                    if self.initial_metadata is None:
                        self.initial_metadata = _metadata(metadata)
                elif kind == gmq.EVENT_WRITABLE:
                    self.writable = True

    def _finish(self, code: int, text: str, metadata: tuple[tuple[str, str | bytes], ...]) -> None:
        self.finished = True
        if self.callbacks:
            self.pump.call_over(self.tag)
        if self.code is not None:
            return
        status = CODES.get(code)
        if status is None:
            text, status = (
                f'Server sent unknown code {code} and details "{text}"',
                grpc.StatusCode.UNKNOWN,
            )
        if self.unary_response and status is grpc.StatusCode.OK and self.messages:
            self.response = deserialize(self.messages[0], self.deserializer)
            if self.response is None:
                self._end(grpc.StatusCode.INTERNAL, "Exception deserializing response!")
                return
        if self.initial_metadata is None:
            self.initial_metadata = ()
        self.trailing_metadata = _metadata(metadata)
        self.details = text
        self.debug_error_string = "" if status is grpc.StatusCode.OK else _debug(status, text)
        self.code = status

    def _end(self, code: grpc.StatusCode, details: str) -> None:
        if self.initial_metadata is None:
            self.initial_metadata = ()
        self.trailing_metadata = ()
        self.details = details
        self.local = True
        self.code = code

    # ---- Ending it from here

    def abort(self, code: grpc.StatusCode, details: str, overrule: bool = False) -> bool:
        """Ends the call with this status and tells the peer; False when it was over.

        `overrule`: what the peer said counts no more, should it be here.
        """
        with self.lock:
            if not overrule:
                self.settle()
            if self.code is not None:
                return False
            self._end(code, details)
            self.messages.clear()
            self.settle()
        if self.call is not None:
            self.call.cancel_with(code.value[0], details)
        self.pump.wake(self.tag)
        return True

    def end_of_channel(self, details: str) -> None:
        """The channel is being closed."""
        if self.abort(grpc.StatusCode.CANCELLED, details):
            self.debug_error_string = f"CANCELLED:{details}"

    # ---- Callbacks

    def add_callback(self, callback: Callable[[], Any]) -> bool:
        """Has `callback` run when the call is over; False when it is."""
        with self.lock:
            self.settle()
            if self.finished:
                return False
            if self.callbacks is not None:
                self.callbacks.append(callback)
                return True
            self.callbacks = [callback]
        self.pump.watch(self)
        return True

    def collect(self) -> list[Callable[[], Any]] | None:
        """For the pump: the callbacks to run when the call is over."""
        with self.lock:
            self.settle()
            if not self.finished:
                return None
            callbacks, self.callbacks = self.callbacks or [], None
            return callbacks


def _debug(status: grpc.StatusCode, text: str) -> str:
    """In the form of grpcio's, which programs look into."""
    shown = text.replace("\\", "\\\\").replace('"', '\\"')
    known = f'grpc_status:{status.value[0]}, grpc_message:"{shown}"'
    return f"{status.name}:Error received from peer  {{{known}}}"


def _metadata(pairs: tuple[tuple[str, str | bytes], ...]) -> Metadata:
    return tuple(map(Metadatum._make, pairs)) if pairs else ()


# ---- What callers see
# ------------------------------------------------------------------------------------------------


def description(name: str, state: Any) -> str:
    """What repr() says of a call; `state` has its code, details and debug_error_string."""
    if state.code is None:
        return f"<{name} object>"
    text = f"<{name} of RPC that terminated with:\n\tstatus = {state.code}\n"
    text += f'\tdetails = "{state.details}"\n'
    if state.code is not grpc.StatusCode.OK:
        text += f'\tdebug_error_string = "{state.debug_error_string}"\n'
    return text + ">"


def _traceback_of(error: BaseException) -> TracebackType | None:
    try:
        raise error
    except grpc.RpcError:
        return sys.exc_info()[2]


if TYPE_CHECKING:  # in the stubs grpc.RpcError is half a grpc.Call, of other types

    class _Error(grpc.Call, grpc.Future[Any], Exception): ...

    class _Call(CallIterator, CallFuture, Exception): ...

else:

    class _Error(grpc.RpcError, grpc.Call, grpc.Future): ...

    class _Call(grpc.RpcError, grpc.Call, grpc.Future): ...


class _InactiveRpcError(_Error):
    """Raised by a blocking call that ended with another status than OK. Named as gRPC names its
    own.
    """

    def __init__(self, state: CallState) -> None:
        super().__init__()
        self._state = state

    def __repr__(self) -> str:
        return description(type(self).__name__, self._state)

    __str__ = __repr__

    def code(self) -> grpc.StatusCode | MaybeNone:
        return self._state.code

    def details(self) -> str | MaybeNone:
        return self._state.details

    def debug_error_string(self) -> str | MaybeNone:
        return self._state.debug_error_string

    def initial_metadata(self) -> Metadata | MaybeNone:
        return self._state.initial_metadata

    def trailing_metadata(self) -> Metadata | MaybeNone:
        return self._state.trailing_metadata

    def is_active(self) -> bool:
        return False

    def time_remaining(self) -> float | MaybeNone:
        return None

    def add_callback(self, callback: Callable[[], Any]) -> bool:
        return False

    def cancel(self) -> bool:
        return False

    def cancelled(self) -> bool:
        return False

    def running(self) -> bool:
        return False

    def done(self) -> bool:
        return True

    def result(self, timeout: float | None = None) -> NoReturn:
        raise self

    def exception(self, timeout: float | None = None) -> _InactiveRpcError:
        return self

    def traceback(self, timeout: float | None = None) -> TracebackType | None:
        return _traceback_of(self)

    def add_done_callback(self, fn: Callable[[Any], None], timeout: float | None = None) -> None:
        fn(self)


class _MultiThreadedRendezvous(_Call):
    """A call in progress: iterator of responses, future of the one response, error when it failed.

    Named as gRPC names its own.
    """

    def __init__(self, state: CallState) -> None:
        super().__init__()
        self._state = state
        self._credit = Credit()

    def __repr__(self) -> str:
        self._refresh()
        return description(type(self).__name__, self._state)

    __str__ = __repr__

    def __del__(self) -> None:
        state = self._state  # no lock: this may run while any is held
        if state.code is None and state.call is not None and not state.over():
            state.local = True
            state.initial_metadata = state.initial_metadata or ()
            state.trailing_metadata = ()
            state.details = "Cancelled upon garbage collection!"
            state.code = grpc.StatusCode.CANCELLED
            state.call.cancel_with(state.code.value[0], state.details)

    # ---- Waiting

    def _refresh(self) -> None:
        """Takes in what is there: nothing else does while nobody waits."""
        state = self._state
        if state.code is None:
            if not state.control:
                state.pump.poll()
            state.settle()

    def _wait(self, known: Callable[[], bool], timeout: float | None = None) -> bool:
        """Blocks until known(), which it is at the end at the latest; False after `timeout`."""
        state = self._state
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            state.settle()
            if self._overdue():
                state.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
            if known():
                return True
            until = deadline
            if state.deadline is not None and state.deadline > time.monotonic():
                until = state.deadline if deadline is None else min(deadline, state.deadline)
            driven = state.pump.drive(
                state.tag, lambda: known() or state.stirred() or self._overdue(), until
            )
            if not driven and deadline is not None and time.monotonic() >= deadline:
                return False

    def _overdue(self) -> bool:
        """Messages are unread at the deadline: it ends the call, whatever status stands behind
        them.
        """
        state = self._state
        return state.deadline is not None and state.held() and time.monotonic() >= state.deadline

    def _is_over(self) -> bool:
        return self._state.code is not None

    # ---- grpc.RpcContext

    def is_active(self) -> bool:
        self._refresh()
        return self._state.code is None

    def time_remaining(self) -> float | MaybeNone:
        deadline = self._state.deadline
        return None if deadline is None else max(deadline - time.monotonic(), 0)

    def cancel(self) -> bool:
        if not self._state.abort(grpc.StatusCode.CANCELLED, "Locally cancelled by application!"):
            return False
        self._state.cancelled = True
        return True

    def add_callback(self, callback: Callable[[], Any]) -> bool:
        return self._state.add_callback(callback)

    # ---- grpc.Call

    def initial_metadata(self) -> Metadata | MaybeNone:
        state = self._state
        self._wait(lambda: state.initial_metadata is not None or bool(state.messages))
        state.settle()
        # a message without any before it: there is none
        return () if state.initial_metadata is None else state.initial_metadata

    def trailing_metadata(self) -> Metadata | MaybeNone:
        self._wait(self._is_over)
        return self._state.trailing_metadata

    def code(self) -> grpc.StatusCode | MaybeNone:
        self._wait(self._is_over)
        return self._state.code

    def details(self) -> str | MaybeNone:
        self._wait(self._is_over)
        return self._state.details

    def debug_error_string(self) -> str | MaybeNone:
        self._wait(self._is_over)
        return self._state.debug_error_string

    # ---- grpc.Future

    def cancelled(self) -> bool:
        return self._state.cancelled

    def running(self) -> bool:
        return self.is_active()

    def done(self) -> bool:
        return not self.is_active()

    def _outcome(self, timeout: float | None) -> bool:
        """Waits for the end; True: OK."""
        if not self._wait(self._is_over, timeout):
            raise grpc.FutureTimeoutError()
        if self._state.code is grpc.StatusCode.OK:
            return True
        if self.cancelled():
            raise grpc.FutureCancelledError()
        return False

    def result(self, timeout: float | None = None) -> Any:
        if self._outcome(timeout):
            return self._state.response
        raise self

    def exception(self, timeout: float | None = None) -> _MultiThreadedRendezvous | None:
        return None if self._outcome(timeout) else self

    def traceback(self, timeout: float | None = None) -> TracebackType | None:
        return None if self._outcome(timeout) else _traceback_of(self)

    def add_done_callback(self, fn: Callable[[Any], None]) -> None:
        self._refresh()
        if self._state.code is not None or not self._state.add_callback(
            functools.partial(fn, self)
        ):
            fn(self)

    # ---- Responses

    def __iter__(self) -> _MultiThreadedRendezvous:
        return self

    def __next__(self) -> Any:
        state = self._state
        messages = state.messages
        while not state.local:
            if messages and not state.unary_response:
                try:
                    data = messages.pop(0)
                except IndexError:  # another thread iterates as well
                    continue
                if state.initial_metadata is None:
                    state.settle()
                    if state.initial_metadata is None:  # a message without any before it
                        state.initial_metadata = ()
                return self._response(data)
            if state.control:
                state.settle()  # its messages came before it: look once more
                state.pump.nudge(state.tag)
            elif state.code is None:
                state.pump.drive(
                    state.tag, state.stirred if state.unary_response else state.stirred_or_message
                )
            else:
                break
        if state.code is grpc.StatusCode.OK:
            raise StopIteration
        raise self

    def next(self) -> Any:
        return self.__next__()

    def _response(self, data: bytes) -> Any:
        state = self._state
        if not state.finished:
            self._credit.took(len(data), state.call)
        response = deserialize(data, state.deserializer)
        if response is None:
            details = "Exception deserializing response!"
            state.abort(grpc.StatusCode.INTERNAL, details, overrule=True)
            raise self
        return response


# ---- Requests of a stream
# ------------------------------------------------------------------------------------------------


def send_requests(requests: Iterator[Any], serializer: Serializer | None, state: CallState) -> None:
    """Sends what `requests` yields, on a thread of its own, as fast as the library takes it."""
    threading.Thread(
        target=_send_all, args=(requests, serializer, state), name="grpc_mqtt-requests", daemon=True
    ).start()


def _send_all(requests: Iterator[Any], serializer: Serializer | None, state: CallState) -> None:
    try:
        while _send_next(requests, serializer, state):
            pass
    except ClosedError:
        pass  # over; FINISHED says why
    except Error as error:  # too large
        state.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))


def _send_next(requests: Iterator[Any], serializer: Serializer | None, state: CallState) -> bool:
    call = state.call
    assert call is not None
    try:
        request = next(requests)
    except StopIteration:
        if not state.over():
            call.half_close()
        return False
    except Exception:
        _LOGGER.exception("Exception iterating requests!")
        state.abort(grpc.StatusCode.UNKNOWN, "Exception iterating requests!")
        return False
    if state.over():
        return False
    data = serialize(request, serializer)
    if data is None:
        state.abort(grpc.StatusCode.INTERNAL, "Exception serializing request!")
        return False
    return _send_one(data, state)


def _send_one(data: bytes, state: CallState) -> bool:
    assert state.call is not None
    while True:
        state.writable = False  # before sending: WRITABLE may come at once
        if state.call.send(data):
            return True
        while not state.writable:
            if state.over():
                return False
            state.pump.drive(state.tag, state.stirred)
            state.settle()


__all__ = ["CallState", "Metadatum", "deserialize", "run_callback", "send_requests", "serialize"]
