"""Servers and channels of grpc.aio, grpcio's own and ours, so that tests can be run with both."""

import functools
import itertools

import grpc
import grpc.aio
import pytest
from aio_support import everything, soon

import grpc_mqtt.aio

UNARY = "/test.Aio/Unary"
COLLECT = "/test.Aio/Collect"
COUNT = "/test.Aio/Count"
CHAT = "/test.Aio/Chat"

_names = itertools.count()


class GrpcioStack:
    name = "grpcio"

    def __init__(self):
        self.target = None

    def server(self, **arguments):
        server = grpc.aio.server(**arguments)
        self.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        return server

    def channel(self):
        return grpc.aio.insecure_channel(self.target)


class MqttStack:
    name = "mqtt"

    def __init__(self, url=None, dialect="auto"):
        self.url = url or f"loopback://aio-server{next(_names)}/fleet/device?dialect={dialect}"

    def server(self, **arguments):
        return grpc_mqtt.aio.server(self.url, **arguments)

    def channel(self):
        return grpc_mqtt.aio.channel(self.url)


STACKS = {
    "grpcio": GrpcioStack,
    "link": functools.partial(MqttStack, dialect="link"),
    "session": functools.partial(MqttStack, dialect="session"),
}


class Served:
    """`async with Served(stack, functions) as channel`; functions by path."""

    def __init__(self, stack, functions=None, **arguments):
        self.stack = stack
        self.server = stack.server(**arguments)
        if functions:
            self.server.add_generic_rpc_handlers((Handlers(functions),))

    async def __aenter__(self):
        await self.server.start()
        self.channel = self.stack.channel()
        return self.channel

    async def __aexit__(self, *_):
        await self.channel.close()
        await soon(self.server.stop(None))


class Handlers(grpc.GenericRpcHandler):
    """Of {path: function}: the path says of which kind."""

    KINDS = {
        UNARY: grpc.unary_unary_rpc_method_handler,
        COLLECT: grpc.stream_unary_rpc_method_handler,
        COUNT: grpc.unary_stream_rpc_method_handler,
        CHAT: grpc.stream_stream_rpc_method_handler,
    }

    def __init__(self, handlers):
        self.handlers = {path: self.KINDS[path](function) for path, function in handlers.items()}

    def service(self, handler_call_details):
        return self.handlers.get(handler_call_details.method)


async def status_of(call):
    """(code, details) of a call that fails."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await soon(call) if hasattr(call, "__await__") else await soon(everything(call))
    return caught.value.code(), caught.value.details()


async def echo(request, context):
    return request


async def collect(requests, context):
    return b"".join([request async for request in requests])


async def count(request, context):
    for i in range(int(request)):
        yield b"%d" % i


async def chat(requests, context):
    async for request in requests:
        yield request
