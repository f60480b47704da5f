"""One service, test.Echo, served twice: by grpcio, and by gmq.Server over the in-process broker.

The same tests run against both, so that what they expect of our channel is what grpcio's does.

Request metadata steers the answer: x-status, x-details, x-initial and x-trailing (also -bin).
"""

from __future__ import annotations

import itertools
import threading
from concurrent import futures

import grpc

from grpc_mqtt import gmq

UNARY = "/test.Echo/Unary"
CLIENT_STREAM = "/test.Echo/ClientStream"
SERVER_STREAM = "/test.Echo/ServerStream"
BIDI = "/test.Echo/Bidi"
HANG = "/test.Echo/Hang"
HANG_STREAM = "/test.Echo/HangStream"

KINDS = {
    UNARY: gmq.RPC_UNARY,
    CLIENT_STREAM: gmq.RPC_CLIENT_STREAMING,
    SERVER_STREAM: gmq.RPC_SERVER_STREAMING,
    BIDI: gmq.RPC_BIDI_STREAMING,
    HANG: gmq.RPC_UNARY,
    HANG_STREAM: gmq.RPC_BIDI_STREAMING,
}

_names = itertools.count()


def pieces(request: bytes):
    """What ServerStream answers to b"COUNT SIZE": numbered messages of that size."""
    count, size = map(int, request.split())
    for i in range(count):
        yield str(i).encode().ljust(size, b".")


def _pick(metadata, prefix):
    return tuple((key, value) for key, value in metadata if key.startswith(prefix))


class GrpcioServer(grpc.GenericRpcHandler):
    """test.Echo on grpcio."""

    def __init__(self):
        self.entered = threading.Event()  # a call that hangs is here
        self.cancelled = threading.Event()
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=32))
        self._server.add_generic_rpc_handlers((self,))
        self.target = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def channel(self, options=None):
        return grpc.insecure_channel(self.target, options=options)

    def stop(self):
        self._server.stop(None).wait()

    def service(self, handler_call_details):
        return {
            UNARY: grpc.unary_unary_rpc_method_handler(self._unary),
            CLIENT_STREAM: grpc.stream_unary_rpc_method_handler(self._client_stream),
            SERVER_STREAM: grpc.unary_stream_rpc_method_handler(self._server_stream),
            BIDI: grpc.stream_stream_rpc_method_handler(self._bidi),
            HANG: grpc.unary_unary_rpc_method_handler(self._hang),
            HANG_STREAM: grpc.stream_stream_rpc_method_handler(self._hang_stream),
        }.get(handler_call_details.method)

    def _begin(self, context):
        metadata = context.invocation_metadata()
        initial = _pick(metadata, "x-initial")
        if initial:
            context.send_initial_metadata(initial)
        context.set_trailing_metadata(_pick(metadata, "x-trailing"))
        return dict(metadata)

    def _end(self, context, steer):
        status = int(steer.get("x-status", 0))
        if status:
            context.abort(CODES[status], steer.get("x-details", ""))

    def _unary(self, request, context):
        self._end(context, self._begin(context))
        return request

    def _client_stream(self, requests, context):
        steer = self._begin(context)
        answer = b"".join(requests)
        self._end(context, steer)
        return answer

    def _server_stream(self, request, context):
        steer = self._begin(context)
        yield from pieces(request)
        self._end(context, steer)

    def _bidi(self, requests, context):
        steer = self._begin(context)
        yield from requests
        self._end(context, steer)

    def _watched(self, context):
        """An event for the end of the call: no thread of the pool waits longer than it lasts."""
        over = threading.Event()

        def ended():
            over.set()
            self.cancelled.set()

        if not context.add_callback(ended):
            ended()
        self.entered.set()
        return over

    def _hang(self, request, context):
        self._watched(context).wait(20)
        return request

    def _hang_stream(self, requests, context):
        over = self._watched(context)
        self._begin(context)
        yield b"first"
        over.wait(20)


CODES = {code.value[0]: code for code in grpc.StatusCode}


class _Call:
    """One call at a MqttServer."""

    def __init__(self, call, metadata):
        self.call = call
        self.path = call.path()
        self.metadata = metadata
        self.steer = dict(metadata)
        self.received = []
        self.unsent = []
        self.ending = False

    def begin(self):
        initial = _pick(self.metadata, "x-initial")
        if initial:
            self.call.send_initial_metadata(initial)
        if self.path == HANG_STREAM:
            self.send([b"first"])
        self.call.read(4)

    def message(self, data):
        if self.path == BIDI:
            self.send([data])
        elif self.path == CLIENT_STREAM:
            self.received.append(data)
        elif self.path == SERVER_STREAM:
            self.send(pieces(data), end=True)
        elif self.path == UNARY:
            self.send([data] if "x-status" not in self.steer else [], end=True)
        if not self.ending:
            self.call.read(1)

    def half_closed(self):
        if self.path == BIDI:
            self.send([], end=True)
        elif self.path == CLIENT_STREAM:
            self.send([b"".join(self.received)], end=True)

    def send(self, messages, end=False):
        self.unsent.extend(messages)
        self.ending |= end
        self.flush()

    def flush(self):
        while self.unsent and self.call.send(self.unsent[0]):
            self.unsent.pop(0)
        if not self.unsent and self.ending:
            status = int(self.steer.get("x-status", 0))
            self.call.finish(
                status, self.steer.get("x-details", ""), _pick(self.metadata, "x-trailing")
            )


class MqttServer:
    """test.Echo on gmq.Server, with one thread of its own."""

    def __init__(self, url=None, options=(), dialect="auto"):
        self.url = url or f"loopback://test{next(_names)}/fleet/device?dialect={dialect}"
        self.entered = threading.Event()  # a call that hangs is here
        self.cancelled = threading.Event()
        self.ready = threading.Event()
        self._calls = {}
        self._queue = gmq.Queue()
        methods = gmq.MethodMap()
        for path, kind in KINDS.items():
            methods.add(path, kind)
        given = gmq.Options()
        for key, value in options:
            given.set_int(key, value)
        self.server = gmq.Server(self.url, given, methods, self._queue, 0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self.ready.wait(20)

    def channel(self, options=None):
        import grpc_mqtt

        return grpc_mqtt.channel(self.url, options)

    def stop(self):
        self.server.close(0)
        self._thread.join(20)
        assert not self._thread.is_alive()

    def _run(self):
        while True:
            for event in self._queue.wait(1000, 64):
                if event[0] == gmq.EVENT_CLOSED:
                    return
                try:
                    self._take(*event)
                except gmq_errors:
                    pass  # the client is gone; FINISHED says so

    def _take(self, kind, tag, code, text, body, metadata):
        if kind == gmq.EVENT_STATE and code == gmq.STATE_READY:
            self.ready.set()
        elif kind == gmq.EVENT_CALL:
            call, tag = body
            self._calls[tag] = _Call(call, metadata)
            self._calls[tag].begin()
            if text in (HANG, HANG_STREAM):
                self.entered.set()
        elif kind == gmq.EVENT_MESSAGE:
            self._calls[tag].message(body)
        elif kind == gmq.EVENT_HALF_CLOSED:
            self._calls[tag].half_closed()
        elif kind == gmq.EVENT_WRITABLE:
            self._calls[tag].flush()
        elif kind == gmq.EVENT_FINISHED:
            if self._calls.pop(tag).path in (HANG, HANG_STREAM):
                self.cancelled.set()


def _errors():
    import grpc_mqtt

    return (grpc_mqtt.ClosedError, grpc_mqtt.StateError)


gmq_errors = _errors()
