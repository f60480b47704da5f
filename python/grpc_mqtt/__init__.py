"""gRPC calls carried over an MQTT broker.

import grpc_mqtt

with grpc_mqtt.channel("mqtt://127.0.0.1:1883/fleet/device42") as channel:
    stub = demo_pb2_grpc.DemoStub(channel)
    print(stub.SayHello(demo_pb2.HelloRequest(name="world")))
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent import futures

import grpc

from grpc_mqtt import gmq
from grpc_mqtt._channel import Channel
from grpc_mqtt._descriptors import DescriptorsLike
from grpc_mqtt._errors import (
    ClosedError,
    Error,
    ExistsError,
    ForkedError,
    InvalidError,
    IoError,
    NoMemoryError,
    NotFoundError,
    OptionError,
    ParseError,
    StateError,
    TimedOutError,
    TooLargeError,
    UnsupportedError,
    UrlError,
)
from grpc_mqtt._gateway import Gateway
from grpc_mqtt._options import OptionsLike
from grpc_mqtt._proxy import Proxy
from grpc_mqtt._server import Server

__all__ = [
    "ClosedError",
    "Error",
    "ExistsError",
    "ForkedError",
    "Gateway",
    "InvalidError",
    "IoError",
    "NoMemoryError",
    "NotFoundError",
    "OptionError",
    "ParseError",
    "Proxy",
    "StateError",
    "TimedOutError",
    "TooLargeError",
    "UnsupportedError",
    "UrlError",
    "__version__",
    "channel",
    "proto_path",
    "server",
]

#: Version of the library in use.
__version__: str = gmq.version()


def channel(
    url: str,
    options: OptionsLike = None,
    compression: grpc.Compression | None = None,
    *,
    descriptors: DescriptorsLike = None,
) -> grpc.Channel:
    """A channel to the server at the base topic of `url`, for any generated stub.

    `url` is ``mqtt://user:password@host:1883/base/topic?key=value``; also ``mqtts``, ``ws``,
    ``wss``, and ``loopback://name/base`` for a broker inside this process. It begins to connect at
    once and returns without waiting.

    `options` are (key, value) pairs or a mapping: options of the library by name (those of the
    URL's query), channel arguments of gRPC (the limits ``grpc.max_receive_message_length``,
    ``grpc.max_send_message_length``, ``grpc.max_metadata_size`` count, others are ignored).

    `compression`, and that of a call, is what streams of requests are sent with: zstd, whichever of
    gRPC's algorithms is named. What a method's descriptor says comes first.

    `descriptors` gives batching and compression of each method: a serialized FileDescriptorSet, the
    path of a file with one (``protoc --include_imports --descriptor_set_out=FILE``), a
    FileDescriptor, a ServiceDescriptor, a generated ``_pb2`` module, or a list of such. Also as
    option ``grpc_mqtt.descriptors``.

    Raises UrlError, OptionError, InvalidError (all ValueError) and other kinds of Error.
    """
    return Channel(url, options, compression, descriptors)


def server(
    url: str,
    thread_pool: futures.ThreadPoolExecutor,
    handlers: Sequence[grpc.GenericRpcHandler] | None = None,
    interceptors: Sequence[grpc.ServerInterceptor] | None = None,
    options: OptionsLike = None,
    maximum_concurrent_rpcs: int | None = None,
    compression: grpc.Compression | None = None,
    xds: bool = False,
) -> grpc.Server:
    """A server at the base topic of `url`, for any generated servicer.

    `url` and `options` are as for channel(); the server connects in start(). The others are those
    of ``grpc.server``; `compression` is without effect: how messages are compressed is the client's
    choice, with each call.

    Raises UrlError, OptionError (both ValueError) and other kinds of Error.
    """
    return Server(url, thread_pool, handlers, interceptors, options, maximum_concurrent_rpcs, xds)


def proto_path() -> str:
    """A directory for ``protoc -I``: it holds ``haskell/grpc/mqtt/option.proto`` and
    ``hs_grpc_mqtt.proto``.
    """
    return os.path.join(os.path.dirname(os.path.abspath(__file__)), "proto")
