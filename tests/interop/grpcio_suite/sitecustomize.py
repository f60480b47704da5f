"""Makes grpc.server() and grpc.insecure_channel(), also those of grpc.aio, go over MQTT.

Python imports it by its name where its directory is on PYTHONPATH. Port number N becomes the base
topic GRPC_SUITE_URL/N, before its query. A number that nobody else has comes from a TCP port that
is bound but not listened on, as long as the process lives.
"""

import os
import re
import socket
import traceback
import zlib

import grpc
import grpc.aio
import grpc.experimental.aio

try:
    import grpc_mqtt
    import grpc_mqtt.aio
except Exception:  # Python would go on, and try grpcio against itself
    traceback.print_exc()
    os._exit(1)

URL, _, QUERY = os.environ["GRPC_SUITE_URL"].partition("?")
_reserved = []


def _free_number():
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    _reserved.append(holder)
    return holder.getsockname()[1]


def _number(address):
    """The port in an address; of one without, a number made of its text. 0: any."""
    if isinstance(address, bytes):
        address = address.decode()
    found = re.search(r":(\d+)$", address)
    return int(found[1]) if found else 100_000 + zlib.crc32(address.encode())


def _url(number):
    return f"{URL}/{number}?{QUERY}"


class _Late:
    """A server whose number is known only when a port is added or it starts: what was called
    before is called then. One that never starts says at once what is wrong with it.
    """

    def __init__(self, make):
        self._make = make
        self._trial = make(_url(0))
        self._early = []
        self._made = None
        self._number = 0

    def _server(self, number=0):
        if self._made is None:
            self._number = number or _free_number()
            self._made, self._trial = self._make(_url(self._number)), None
            for name, arguments in self._early:
                getattr(self._made, name)(*arguments)
        return self._made

    def _call(self, name, *arguments):
        if self._made is None:
            getattr(self._trial, name)(*arguments)
            self._early.append((name, arguments))
        else:
            getattr(self._made, name)(*arguments)

    def __del__(self):
        if getattr(self, "_made", None) is not None:
            self._made.__del__()

    def add_generic_rpc_handlers(self, handlers):
        self._call("add_generic_rpc_handlers", tuple(handlers))

    def add_registered_method_handlers(self, service_name, method_handlers):
        self._call("add_registered_method_handlers", service_name, method_handlers)

    def add_insecure_port(self, address):
        self._server(_number(address))
        return self._number

    def add_secure_port(self, address, server_credentials):
        return self.add_insecure_port(address)

    def start(self):
        return self._server().start()

    def stop(self, grace):
        return self._server().stop(grace)

    def wait_for_termination(self, timeout=None):
        return self._server().wait_for_termination(timeout)


class _LateServer(_Late, grpc.Server):
    pass


class _LateAioServer(_Late, grpc.aio.Server):
    pass


def _server(
    thread_pool,
    handlers=None,
    interceptors=None,
    options=None,
    maximum_concurrent_rpcs=None,
    compression=None,
    xds=False,
):
    return _LateServer(
        lambda url: grpc_mqtt.server(
            url,
            thread_pool,
            handlers,
            interceptors,
            options,
            maximum_concurrent_rpcs,
            compression,
            xds,
        )
    )


def _insecure_channel(target, options=None, compression=None):
    return grpc_mqtt.channel(_url(_number(target)), options, compression)


_grpc_secure_channel = grpc.secure_channel


def _secure_channel(target, credentials, options=None, compression=None):
    """With credentials that say "none" it is an insecure one; grpc.experimental makes its so."""
    if credentials._credentials is grpc.experimental.insecure_channel_credentials()._credentials:
        return _insecure_channel(target, options, compression)
    return _grpc_secure_channel(target, credentials, options, compression)


def _aio_server(
    migration_thread_pool=None,
    handlers=None,
    interceptors=None,
    options=None,
    maximum_concurrent_rpcs=None,
    compression=None,
):
    return _LateAioServer(
        lambda url: grpc_mqtt.aio.server(
            url,
            migration_thread_pool,
            handlers,
            interceptors,
            options,
            maximum_concurrent_rpcs,
            compression,
        )
    )


def _aio_insecure_channel(target, options=None, compression=None, interceptors=None):
    url = _url(_number(target))
    return grpc_mqtt.aio.channel(url, options, interceptors, compression)


grpc.server = _server
grpc.insecure_channel = _insecure_channel
grpc.secure_channel = _secure_channel
for module in (grpc.aio, grpc.experimental.aio):
    module.server = _aio_server
    module.insecure_channel = _aio_insecure_channel
