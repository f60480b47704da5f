"""Whatever arguments grpcio's methods take, ours take: by inspect.signature, for the grpcio that is
installed (scripts/test runs it with the oldest and with the newest).

Compared are objects, ours with grpcio's own of the same purpose, and ours with the abstract class.
"""

import asyncio
import inspect
from concurrent import futures

import grpc
import grpc.aio
import pytest

import grpc_mqtt
import grpc_mqtt.aio

UNARY, STREAM = "unary", "stream"
METHOD = "/test.Signatures/Method"

#: Public, but of grpcio's own inside: names that no documentation has.
INTERNAL = {"next", "set_result", "set_exception", "set_running_or_notify_cancel"}


def methods(thing):
    """Name -> method, of what is public."""
    found = {}
    for name in dir(thing):
        if name in INTERNAL or (name.startswith("_") and name != "__call__"):
            continue
        member = inspect.getattr_static(thing, name)
        if callable(getattr(thing, name, None)) and not isinstance(member, type):
            found[name] = getattr(thing, name)
    return found


def parameters(function):
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of Cython
        return None
    return [value for value in signature.parameters.values() if value.name != "self"]


def by_position(found):
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [value for value in found if value.kind in positional]


def complaints(name, theirs, ours):
    """What can be passed to theirs but not to ours."""
    wanted, given = parameters(theirs), parameters(ours)
    if wanted is None or given is None:
        return
    kinds = {value.kind for value in given}
    names = {value.name: value for value in given}
    takes_any = inspect.Parameter.VAR_KEYWORD in kinds
    for value in wanted:
        if value.kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL):
            continue
        mine = names.get(value.name)
        if mine is None and not takes_any:
            yield f"{name}: no argument {value.name!r}"
        elif mine is not None and value.default is not value.empty and mine.default is mine.empty:
            yield f"{name}: {value.name!r} must be given"
    if inspect.Parameter.VAR_POSITIONAL not in kinds:
        order = [value.name for value in by_position(given)]
        theirs_order = [value.name for value in by_position(wanted)]
        if order[: len(theirs_order)] != theirs_order:
            yield f"{name}: by position {order}, not {theirs_order}"
    known = {value.name for value in wanted}
    for value in given:
        needed = value.default is value.empty and value.kind not in (
            inspect.Parameter.VAR_KEYWORD,
            inspect.Parameter.VAR_POSITIONAL,
        )
        if needed and value.name not in known:
            yield f"{name}: demands {value.name!r}"


def compare(theirs, ours):
    mine = methods(ours)
    found = []
    for name, method in methods(theirs).items():
        if name not in mine:
            found.append(f"{name}: missing")
        else:
            found.extend(complaints(name, method, mine[name]))
            if inspect.iscoroutinefunction(method) and not inspect.iscoroutinefunction(mine[name]):
                found.append(f"{name}: no coroutine")
    assert found == []


def test_complaints_are_found():
    """The test can fail."""

    def theirs(a, b=None, *, c=None): ...

    def ours(b, a, d): ...

    found = list(complaints("f", theirs, ours))
    assert found == [
        "f: 'b' must be given",
        "f: no argument 'c'",
        "f: by position ['b', 'a', 'd'], not ['a', 'b']",
        "f: demands 'd'",
    ]
    with pytest.raises(AssertionError):
        compare(grpc.Channel, object())


def test_functions():
    """Ours begin with the address, as grpc.insecure_channel does; a server's has none there."""
    for theirs, ours, skipped in (
        (grpc.insecure_channel, grpc_mqtt.channel, {"target", "compression"}),
        (grpc.server, grpc_mqtt.server, set()),
        (grpc.aio.insecure_channel, grpc_mqtt.aio.channel, {"target", "compression"}),
        (grpc.aio.server, grpc_mqtt.aio.server, set()),
    ):
        wanted = [value.name for value in parameters(theirs) if value.name not in skipped]
        given = [value.name for value in by_position(parameters(ours))]
        assert given[0] == "url"
        assert given[1 : len(wanted) + 1] == wanted, theirs


# ---- Sync


@pytest.fixture
def pair():
    """(grpcio's channel, ours); what they reach does not matter."""
    with (
        grpc.insecure_channel("127.0.0.1:1") as theirs,
        grpc_mqtt.channel("loopback://signatures/base") as ours,
    ):
        yield theirs, ours


def test_channel(pair):
    theirs, ours = pair
    compare(theirs, ours)
    compare(grpc.Channel, ours)
    assert isinstance(ours, grpc.Channel)


KINDS = [(request, response) for request in (UNARY, STREAM) for response in (UNARY, STREAM)]


@pytest.mark.parametrize("kind", KINDS)
def test_multi_callables(pair, kind):
    theirs, ours = (getattr(channel, "_".join(kind))(METHOD) for channel in pair)
    compare(theirs, ours)
    name = "".join(word.capitalize() for word in kind) + "MultiCallable"
    compare(getattr(grpc, name), ours)
    assert isinstance(ours, getattr(grpc, name))


@pytest.mark.parametrize("kind", KINDS)
def test_calls(pair, kind):
    def call(channel):
        multi_callable = getattr(channel, "_".join(kind))(METHOD)
        request = b"" if kind[0] == UNARY else iter(())
        return (multi_callable.future if kind[1] == UNARY else multi_callable)(request, timeout=0.1)

    theirs, ours = map(call, pair)
    compare(theirs, ours)
    for base in (grpc.RpcError, grpc.Call, grpc.Future):
        compare(base, ours)
        assert isinstance(ours, base)
    for each in (theirs, ours):
        each.cancel()


def test_errors(pair):
    def error(channel):
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(METHOD)(b"", timeout=0.1)
        return caught.value

    theirs, ours = map(error, pair)
    compare(theirs, ours)


def context_of(server, channel):
    """The ServicerContext that a handler of `server` gets."""
    contexts = []

    def handler(request, context):
        contexts.append(context)
        return b""

    handlers = {"Method": grpc.unary_unary_rpc_method_handler(handler)}
    generic = grpc.method_handlers_generic_handler("test.Signatures", handlers)
    server.add_generic_rpc_handlers((generic,))
    server.start()
    with channel:
        channel.unary_unary(METHOD)(b"", timeout=20)
    return contexts[0]


def test_server_and_its_context():
    pool = futures.ThreadPoolExecutor(2)
    theirs, url = grpc.server(pool), "loopback://signatures/server"
    ours = grpc_mqtt.server(url, pool)
    compare(theirs, ours)
    compare(grpc.Server, ours)
    assert isinstance(ours, grpc.Server)
    target = f"127.0.0.1:{theirs.add_insecure_port('127.0.0.1:0')}"
    contexts = (
        context_of(theirs, grpc.insecure_channel(target)),
        context_of(ours, grpc_mqtt.channel(url)),
    )
    compare(*contexts)
    compare(grpc.ServicerContext, contexts[1])
    assert isinstance(contexts[1], grpc.ServicerContext)
    theirs.stop(None).wait()
    ours.stop(None).wait()


# ---- asyncio


async def aio_pair(work):
    """work(grpcio's channel, ours)"""
    async with (
        grpc.aio.insecure_channel("127.0.0.1:1") as theirs,
        grpc_mqtt.aio.channel("loopback://signatures/aio") as ours,
    ):
        await work(theirs, ours)


def test_aio_channel():
    async def work(theirs, ours):
        compare(theirs, ours)
        compare(grpc.aio.Channel, ours)
        assert isinstance(ours, grpc.aio.Channel)

    asyncio.run(aio_pair(work))


@pytest.mark.parametrize("kind", KINDS)
def test_aio_multi_callables_and_calls(kind):
    async def work(*channels):
        theirs, ours = (getattr(channel, "_".join(kind))(METHOD) for channel in channels)
        compare(theirs, ours)
        name = "".join(word.capitalize() for word in kind)
        compare(getattr(grpc.aio, f"{name}MultiCallable"), ours)
        arguments = (b"",) if kind[0] == UNARY else ()
        calls = [each(*arguments, timeout=0.1) for each in (theirs, ours)]
        compare(*calls)
        compare(getattr(grpc.aio, f"{name}Call"), calls[1])
        assert isinstance(calls[1], getattr(grpc.aio, f"{name}Call"))
        for call in calls:
            call.cancel()

    asyncio.run(aio_pair(work))


async def aio_context_of(server, channel):
    contexts = []

    async def handler(request, context):
        contexts.append(context)
        return b""

    handlers = {"Method": grpc.unary_unary_rpc_method_handler(handler)}
    generic = grpc.method_handlers_generic_handler("test.Signatures", handlers)
    server.add_generic_rpc_handlers((generic,))
    await server.start()
    async with channel:
        await channel.unary_unary(METHOD)(b"", timeout=20)
    return contexts[0]


def test_aio_server_and_its_context():
    async def work():
        url = "loopback://signatures/aio_server"
        theirs, ours = grpc.aio.server(), grpc_mqtt.aio.server(url)
        compare(theirs, ours)
        compare(grpc.aio.Server, ours)
        assert isinstance(ours, grpc.aio.Server)
        target = f"127.0.0.1:{theirs.add_insecure_port('127.0.0.1:0')}"
        contexts = (
            await aio_context_of(theirs, grpc.aio.insecure_channel(target)),
            await aio_context_of(ours, grpc_mqtt.aio.channel(url)),
        )
        # grpcio's own is Cython and names its arguments otherwise than the documented class.
        assert methods(contexts[0]).keys() <= methods(contexts[1]).keys()
        compare(grpc.aio.ServicerContext, contexts[1])
        await theirs.stop(None)
        await ours.stop(None)

    asyncio.run(work())
