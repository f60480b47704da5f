"""The matrix's server and client in Python, on grpcio's API: python peer.py server|client URL

What both have to do is written in test_matrix_depth.py.
"""

import signal
import sys
import threading
from concurrent import futures
from pathlib import Path

import grpc

import grpc_mqtt

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "docs/examples/proto"))
demo_pb2, demo_pb2_grpc = grpc.protos_and_services("demo.proto")

DETAILS_KEY = "grpc-status-details-bin"
SINGLE_REPLY = ("SayHello", "Collect")
REQUESTS = {
    "SayHello": demo_pb2.HelloRequest(name="x"),
    "Collect": [demo_pb2.CollectRequest(value=value) for value in (1, 2, 3)],
    "Count": demo_pb2.CountRequest(to=3, **{"from": 1}),
    "Chat": [demo_pb2.ChatMessage(text=text, data=b"\0\xff") for text in ("a", "\u00fc")],
}


# ---- Server


class Demo(demo_pb2_grpc.DemoServicer):
    waiting = 0
    lock = threading.Lock()

    def begin(self, context):
        """Initial and trailing metadata; what is to be done."""
        metadata = context.invocation_metadata()
        own = [(key, value) for key, value in metadata if key.startswith("x-")]
        left = context.time_remaining()
        timed = left is not None and 0 < left <= 20
        context.send_initial_metadata([*own, ("x-timed", "yes" if timed else f"no: {left}")])
        context.set_trailing_metadata(own)
        return dict(metadata)["x-do"]

    def end(self, context, do):
        """What is no echo."""
        if do == "fail":
            context.set_trailing_metadata([("x-why-bin", b"\0\xff"), (DETAILS_KEY, b"\x08\x0a")])
            context.abort(grpc.StatusCode.ABORTED, "as asked: \u00fc")
        if do == "wait":
            over = threading.Event()
            with self.lock:
                self.waiting += 1
            if context.add_callback(over.set):
                over.wait()
            with self.lock:
                self.waiting -= 1

    def SayHello(self, request, context):
        do = self.begin(context)
        self.end(context, do)
        return demo_pb2.HelloReply(text=str(self.waiting) if do == "count" else request.name)

    def Collect(self, request_iterator, context):
        do = self.begin(context)
        values = [request.value for request in request_iterator] if do == "echo" else []
        self.end(context, do)
        return demo_pb2.CollectReply(sum=sum(values), count=len(values))

    def Count(self, request, context):
        do = self.begin(context)
        for value in range(getattr(request, "from"), request.to + 1):
            yield demo_pb2.CountReply(value=value)
        self.end(context, do)

    def Chat(self, request_iterator, context):
        do = self.begin(context)
        if do == "echo":
            yield from request_iterator
        self.end(context, do)


def serve(url):
    server = grpc_mqtt.server(url, futures.ThreadPoolExecutor(max_workers=16))
    demo_pb2_grpc.add_DemoServicer_to_server(Demo(), server)
    server.start()
    print("ready: ", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: server.stop(grace=1))
    server.wait_for_termination()


# ---- Client


def shown(metadata):
    pairs = [(key, value) for key, value in metadata or () if key[0] == "x" or key == DETAILS_KEY]
    texts = [(key, value.hex() if isinstance(value, bytes) else value) for key, value in pairs]
    return ";".join(f"{key}={value}" for key, value in texts)


def say(*parts):
    print("|".join(parts), flush=True)


def metadata_of(do):
    pairs = [("x-do", do), ("x-text", "one"), ("x-text", "two"), ("x-raw-bin", b"\0\xff")]
    return [*pairs, ("x-raw-bin", b"")]


def start(stub, method, do, timeout):
    """The call; of one with a single reply the future."""
    call = getattr(stub, method)
    if method in SINGLE_REPLY:
        call = call.future
    request = REQUESTS[method]
    if isinstance(request, list):
        request = iter(request) if do == "echo" else endless(request[0])
    return call(request, timeout=timeout, metadata=metadata_of(do))


def endless(first):
    yield first
    threading.Event().wait()


def replies(call, method):
    result = [call.result()] if method in SINGLE_REPLY else list(call)
    fields = [
        [str(getattr(reply, f.name)) for f in reply.DESCRIPTOR.fields if f.type != f.TYPE_BYTES]
        for reply in result
    ]
    return ",".join(" ".join(each) for each in fields)


def until_waiting(stub, wanted):
    while True:
        reply = stub.SayHello(REQUESTS["SayHello"], timeout=20, metadata=[("x-do", "count")])
        if reply.text == str(wanted):
            return


def ended(call, method):
    try:
        replies(call, method)
    except (grpc.RpcError, grpc.FutureCancelledError):
        pass
    return call.code().name


def ask(stub, method):
    call = start(stub, method, "echo", 20)
    got = replies(call, method)
    initial, trailing = shown(call.initial_metadata()), shown(call.trailing_metadata())
    say(method, "echo", call.code().name, got, initial, trailing)

    call = start(stub, method, "fail", 20)
    code = ended(call, method)
    say(method, "fail", code, call.details(), shown(call.trailing_metadata()))

    say(method, "late", ended(start(stub, method, "wait", 0.3), method))
    until_waiting(stub, 0)

    call = start(stub, method, "wait", 20)
    until_waiting(stub, 1)
    call.cancel()
    say(method, "cancel", ended(call, method))
    until_waiting(stub, 0)


def main(role, url):
    if role == "server":
        serve(url)
        return
    with grpc_mqtt.channel(url) as channel:
        stub = demo_pb2_grpc.DemoStub(channel)
        for method in REQUESTS:
            ask(stub, method)
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
