"""Runs the handlers of the sync server: what the tasks of its thread pool do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from grpc_mqtt._context import Context
from grpc_mqtt._methods import behavior_of
from grpc_mqtt._rpc import Requests, Rpc
from grpc_mqtt._status import ABORTED
from grpc_mqtt._types import MethodHandler

_LOGGER = logging.getLogger("grpc_mqtt")


def run(rpc: Rpc, handler: MethodHandler) -> None:
    """Serves one call, from its request to its status."""
    try:
        argument: Any
        if handler.request_streaming:
            argument = Requests(rpc, handler.request_deserializer)
        else:
            argument = rpc.one_request(handler.request_deserializer)
        if argument is None:
            return
        if handler.response_streaming:
            _stream_responses(rpc, handler, argument)
        else:
            _respond(rpc, handler, argument)
    except Exception:
        _LOGGER.exception("Exception serving a call of %s", rpc.path)
        rpc.abort(grpc.StatusCode.INTERNAL, "Internal error of the server")


def _respond(rpc: Rpc, handler: MethodHandler, argument: Any) -> None:
    response, proceed = _call(rpc, behavior_of(handler), argument)
    if proceed:
        data = rpc.serialized(response, handler.response_serializer)
        if data is not None:
            rpc.complete(data)


def _stream_responses(rpc: Rpc, handler: MethodHandler, argument: Any) -> None:
    behavior = behavior_of(handler)

    def send_response(response: Any) -> None:
        """None: there are no more."""
        if response is None:
            rpc.complete(None)
            return
        data = rpc.serialized(response, handler.response_serializer)
        if data is not None:
            rpc.send(data)

    if getattr(behavior, "experimental_non_blocking", False):
        _call(rpc, behavior, argument, send_response)
        return
    responses, proceed = _call(rpc, behavior, argument)
    while proceed:
        response, proceed = _next_response(rpc, responses)
        if proceed:
            send_response(response)
            proceed = rpc.active()


def _call(
    rpc: Rpc, behavior: Callable[..., Any], argument: Any, *more: Callable[[Any], None]
) -> tuple[Any, bool]:
    """What the handler returns, and whether it did."""
    try:
        return behavior(argument, Context(rpc), *more), True
    except Exception as error:
        _failed(rpc, error, "calling application")
        return None, False


def _next_response(rpc: Rpc, responses: Iterator[Any]) -> tuple[Any, bool]:
    """The next one, None behind the last; False: it failed."""
    try:
        return next(responses), True
    except StopIteration:
        return None, True
    except Exception as error:
        _failed(rpc, error, "iterating responses")
        return None, False


def _failed(rpc: Rpc, error: Exception, doing: str) -> None:
    if rpc.aborted:
        rpc.abort(grpc.StatusCode.UNKNOWN, ABORTED)
    elif error not in rpc.rpc_errors:
        try:
            details = f"Exception {doing}: {error}"
        except Exception:
            details = "Calling application raised unprintable Exception!"
        _LOGGER.error(details, exc_info=error)
        rpc.abort(grpc.StatusCode.UNKNOWN, details)
