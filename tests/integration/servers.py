"""Ordinary grpcio servers for the gateway's tests: relay.proto of the fixtures, on raw bytes."""

import queue
import threading
from concurrent import futures

import grpc
from stack import PATIENCE

INITIAL = (("init-k", "init-v"), ("init-bin", b"\x00\x01\xff"))
TRAILING = (("trail-k", "two"), ("trail-k", "one"), ("trail-bin", b"\xfe\x00"))


class Server:
    """On a port of its own, or `port`; `prepare` adds services. `cancelled` gets a word of each
    hanging handler that was.
    """

    def __init__(self, port=0, name="one", prepare=None):
        self.name = name
        self.hanging, self.cancelled = queue.Queue(), queue.Queue()
        self.stopped = threading.Event()
        self._server = grpc.server(
            futures.ThreadPoolExecutor(16),
            options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)],
        )
        self._server.add_generic_rpc_handlers((self._relay(), self._other()))
        if prepare:
            prepare(self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")
        assert self.port, f"port {port} is taken"
        self.target = f"127.0.0.1:{self.port}"
        self._server.start()

    def stop(self):
        self.stopped.set()
        self._server.stop(0).wait(PATIENCE)

    # ---- handlers ----

    @staticmethod
    def echo(request, context):
        context.send_initial_metadata(INITIAL)
        sent = [pair for pair in context.invocation_metadata() if pair[0].startswith("x-")]
        context.set_trailing_metadata((*TRAILING, *(("echo-" + key, value) for key, value in sent)))
        context.set_details("all well")
        return request

    @staticmethod
    def fail(request, context):
        context.set_trailing_metadata((("why", "because"),))
        context.abort(grpc.StatusCode(_code(int(request))), "no: \u00fc")

    @staticmethod
    def time_left(_request, context):
        left = context.time_remaining()
        return b"none" if left is None or left > 1e9 else b"%d" % int(left * 1000)

    def hang(self, _requests, context):
        over = threading.Event()
        if not context.add_callback(over.set):
            over.set()  # too late: it is over
        self.hanging.put("hanging")
        while not (over.wait(0.05) or self.stopped.is_set()):
            pass
        if not self.stopped.is_set():
            self.cancelled.put("cancelled")
        return b""

    def hang_stream(self, request, context):
        context.send_initial_metadata(())
        yield b"first"
        self.hang(request, context)

    @staticmethod
    def many(request, _context):
        yield from (request, request, request)

    @staticmethod
    def none(_request, _context):
        yield from ()

    @staticmethod
    def join(requests, context):
        context.send_initial_metadata(INITIAL)
        context.set_trailing_metadata(TRAILING)
        return b"".join(requests)

    @staticmethod
    def join_early(requests, _context):
        return next(requests)

    @staticmethod
    def repeat(request, context):
        """b"COUNT SIZE": so many messages, each of so many times its number."""
        count, size = map(int, request.split())
        context.send_initial_metadata(INITIAL)
        for i in range(count):
            yield b"%d" % (i % 10) * size
        context.set_trailing_metadata(TRAILING)

    @staticmethod
    def repeat_then_fail(request, context):
        yield request
        context.set_trailing_metadata((("why", "because"),))
        context.abort(grpc.StatusCode.ABORTED, "half way")

    @staticmethod
    def chat(requests, _context):
        yield from requests  # grpcio sends initial metadata with the first reply

    @staticmethod
    def late_metadata(requests, context):
        first = next(requests)
        context.send_initial_metadata(INITIAL)
        yield first
        yield from requests
        context.set_trailing_metadata(TRAILING)

    @staticmethod
    def metadata(request, context):
        """b"KEY,KEY": a line KEY=VALUE of each that has come."""
        came = dict(context.invocation_metadata())
        return "\n".join(f"{key}={came.get(key)}" for key in request.decode().split(",")).encode()

    @staticmethod
    def details(request, context):
        context.set_trailing_metadata((("grpc-status-details-bin", request),))
        context.abort(grpc.StatusCode.NOT_FOUND, "see the details")

    def _relay(self):
        unary, collect = grpc.unary_unary_rpc_method_handler, grpc.stream_unary_rpc_method_handler
        produce, chat = grpc.unary_stream_rpc_method_handler, grpc.stream_stream_rpc_method_handler
        return grpc.method_handlers_generic_handler(
            "test.relay.v1.Relay",
            {
                "Echo": unary(self.echo),
                "Fail": unary(self.fail),
                "TimeLeft": unary(self.time_left),
                "Hang": unary(self.hang),
                "Many": produce(self.many),
                "None": produce(self.none),
                "Join": collect(self.join),
                "JoinEarly": collect(self.join_early),
                "Repeat": produce(self.repeat),
                "RepeatThenFail": produce(self.repeat_then_fail),
                "HangStream": produce(self.hang_stream),
                "Chat": chat(self.chat),
                "LateMetadata": chat(self.late_metadata),
                "HangChat": chat(self.hang_stream),
                "Metadata": unary(self.metadata),
                "Details": unary(self.details),
            },
        )

    def _other(self):
        answer = grpc.unary_unary_rpc_method_handler(lambda _request, _context: self.name.encode())
        return grpc.method_handlers_generic_handler("test.relay.v1.Other", {"Name": answer})


def _code(number):
    return next(code.value for code in grpc.StatusCode if code.value[0] == number)
