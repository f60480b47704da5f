"""grpc.aio over an MQTT broker.

import grpc_mqtt.aio

async with grpc_mqtt.aio.channel("mqtt://127.0.0.1:1883/fleet/device42") as channel:
    stub = demo_pb2_grpc.DemoStub(channel)
    print(await stub.SayHello(demo_pb2.HelloRequest(name="world")))

Objects of this module belong to one event loop, and may be used on its thread alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor

import grpc
import grpc.aio

from grpc_mqtt._aio_channel import Channel
from grpc_mqtt._aio_server import Server
from grpc_mqtt._descriptors import DescriptorsLike
from grpc_mqtt._options import OptionsLike

__all__ = ["channel", "server"]


def channel(
    url: str,
    options: OptionsLike = None,
    interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
    compression: grpc.Compression | None = None,
    *,
    descriptors: DescriptorsLike = None,
) -> grpc.aio.Channel:
    """A channel to the server at the base topic of `url`, for any generated stub.

    `interceptors` are those of grpc.aio. The other arguments and the errors are those of
    ``grpc_mqtt.channel()``. The channel belongs to the running event loop, or else to that which
    the thread will run.
    """
    return Channel(url, options, interceptors, compression, descriptors)


def server(
    url: str,
    migration_thread_pool: Executor | None = None,
    handlers: Sequence[grpc.GenericRpcHandler] | None = None,
    interceptors: Sequence[grpc.aio.ServerInterceptor] | None = None,
    options: OptionsLike = None,
    maximum_concurrent_rpcs: int | None = None,
    compression: grpc.Compression | None = None,
) -> grpc.aio.Server:
    """A server at the base topic of `url`, for any generated servicer.

    Handlers are coroutines or asynchronous generators; those that are neither run on
    `migration_thread_pool` (None: that of the loop). `interceptors` are those of grpc.aio.
    `compression` is accepted and without effect. `url` and `options` are as for
    ``grpc_mqtt.server()``. The server belongs to the running event loop, or else to that which the
    thread will run.
    """
    return Server(
        url,
        migration_thread_pool,
        handlers,
        interceptors,
        options,
        maximum_concurrent_rpcs,
    )
