"""What tests of grpc.aio share."""

import asyncio
import functools

import grpc
import grpc.aio
import pytest

import grpc_mqtt.aio

SOON = 60  # s; nothing waits so long unless it fails


def run(main, watch=True):
    """asyncio.run(), which (watch) fails also when the loop had to report something."""
    complaints = []

    async def watched():
        asyncio.get_running_loop().set_exception_handler(lambda _, what: complaints.append(what))
        return await asyncio.wait_for(main, 4 * SOON)

    result = asyncio.run(watched())
    assert not watch or complaints == []
    return result


def aio(test):
    """Has pytest run an `async def` test, on a loop of its own."""

    @functools.wraps(test)
    def wrapper(**arguments):
        grpcio = any(getattr(value, "name", "") == "grpcio" for value in arguments.values())
        run(test(**arguments), watch=not grpcio)

    return wrapper


def later_grpcio(test):
    """For what the oldest grpcio does wrong itself."""

    @functools.wraps(test)
    def wrapper(**arguments):
        grpcio = any(getattr(value, "name", "") == "grpcio" for value in arguments.values())
        if grpcio and tuple(map(int, grpc.__version__.split(".")[:2])) < (1, 80):
            pytest.skip(f"grpcio {grpc.__version__} does this wrong")
        test(**arguments)

    return wrapper


def open_channel(echo, options=None, interceptors=None):
    """A grpc.aio channel to one of the servers of echo_servers.py: ours, if it has a URL."""
    if hasattr(echo, "url"):
        return grpc_mqtt.aio.channel(echo.url, options, interceptors)
    return grpc.aio.insecure_channel(echo.target, options=options, interceptors=interceptors)


async def soon(awaitable):
    return await asyncio.wait_for(awaitable, SOON)


async def until(condition):
    """Waits for condition() to become true, by threads other than the loop's."""
    deadline = asyncio.get_running_loop().time() + SOON
    while not condition():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.01)


async def everything(responses):
    return [response async for response in responses]


async def check_status(call, code, details=None):
    assert await soon(call.code()) is code
    if details is not None:
        assert await call.details() == details
