"""A server and a channel to it, of grpcio and of ours, so that the same tests say what is right."""

from __future__ import annotations

import gc
import itertools
import threading
from concurrent import futures

import grpc
import pytest

import grpc_mqtt

SOON = 60  # s; nothing waits so long unless it fails
_names = itertools.count()


class Handlers(grpc.GenericRpcHandler):
    """Handlers by method; what is put into `table` later is served too."""

    def __init__(self, **table):
        self.table = table
        self.asked = []

    def service(self, handler_call_details):
        self.asked.append(handler_call_details)
        return self.table.get(handler_call_details.method.rpartition("/")[2])


def uu(behavior, **serializers):
    return grpc.unary_unary_rpc_method_handler(behavior, **serializers)


def us(behavior, **serializers):
    return grpc.unary_stream_rpc_method_handler(behavior, **serializers)


def su(behavior, **serializers):
    return grpc.stream_unary_rpc_method_handler(behavior, **serializers)


def ss(behavior, **serializers):
    return grpc.stream_stream_rpc_method_handler(behavior, **serializers)


class Served:
    """A started server."""

    def __init__(self, rig, generic, workers, **arguments):
        self.pool = futures.ThreadPoolExecutor(max_workers=workers)
        self.handlers = generic
        self.server, self.channel = rig.make(self.pool, **arguments)
        self.server.add_generic_rpc_handlers((generic,))

    def start(self):
        self.server.start()
        return self

    def forget(self):
        self.server = None
        gc.collect()

    def close(self):
        self.channel.close()
        if self.server is not None:
            self.server.stop(0).wait(SOON)
        self.pool.shutdown(wait=False)


class GrpcioRig:
    """grpcio's own, over 127.0.0.1."""

    name = "grpcio"

    def make(self, pool, **arguments):
        server = grpc.server(pool, **arguments)
        port = server.add_insecure_port("127.0.0.1:0")
        return server, grpc.insecure_channel(f"127.0.0.1:{port}")


class MqttRig:
    """Ours; each server has a base of its own."""

    def __init__(self, name, url, dialect="auto"):
        self.name = name
        self._url = url
        self._dialect = dialect

    def make(self, pool, **arguments):
        url = f"{self._url}/server{next(_names)}?dialect={self._dialect}"
        return grpc_mqtt.server(url, pool, **arguments), grpc_mqtt.channel(url)


# ---- Calls, and what became of them


def unary(served, method="Unary"):
    return served.channel.unary_unary(f"/test.S/{method}")


def failure(start):
    with pytest.raises(grpc.RpcError) as caught:
        start()
    return caught.value.code(), caught.value.details()


def call(served, request=b"x", **arguments):
    arguments.setdefault("timeout", SOON)
    return unary(served).with_call(request, wait_for_ready=True, **arguments)


def echo(request, context):
    return request


def ends(event, callback=None):
    """A handler that waits until its call is over."""

    def behavior(request, context):
        over = threading.Event()
        context.add_callback(over.set)
        event.set()
        over.wait(SOON)
        return request

    return behavior
