"""The gRPC server behind the recorded traffic: golden.v1.Golden of golden.proto, on raw bytes.

usage: golden_server.py PORT
"""

import sys
import threading
from concurrent import futures

import grpc

FIRST = (("init-k", "init-v"),)


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))


def read_blob(message):
    """Blob{bytes data = 1; uint32 n = 2}."""
    data, number, at = b"", 0, 0
    while at < len(message):
        key, at = read_varint(message, at)
        if key == 0x0A:
            size, at = read_varint(message, at)
            data, at = message[at : at + size], at + size
        elif key == 0x10:
            number, at = read_varint(message, at)
        else:
            raise Exception("bad")  # the text that grpcio then tells was recorded
    return data, number


def blob(data, number):
    out = b"\x0a" + varint(len(data)) + data if data else b""
    return out + b"\x10" + varint(number) if number else out


def wait(context, seconds):
    """Until the time is over or the call is; whether it still goes on."""
    over = threading.Event()
    return not over.wait(seconds) if context.add_callback(over.set) else False


# ---- unary ----


def echo(request, context):
    context.send_initial_metadata((*FIRST, ("init-bin", b"\x00\x01\xff")))
    sent = [(k, v) for k, v in context.invocation_metadata() if k.startswith(("x-", "a-"))]
    trailing = [
        ("trail-k", "trail-v2"),
        ("trail-k", "trail-v1"),
        *(("echo-" + k, v) for k, v in sent),
    ]
    context.set_trailing_metadata(tuple(trailing))
    context.set_details("ok details")
    return request


def plain(request, _context):
    return request


def fail(_request, context):
    context.set_trailing_metadata((("why", "because"),))
    context.abort(grpc.StatusCode.NOT_FOUND, "no such thing: \u00fc")


def slow(request, context):
    wait(context, read_blob(request)[1] / 1000)
    return request


def parse(request, context):
    try:
        return blob(*read_blob(request))
    except Exception:
        return context.abort(grpc.StatusCode.INVALID_ARGUMENT, "cannot parse " + request.hex())


# ---- client streaming ----


def collect(requests, context):
    parts = [read_blob(request)[0] for request in requests]
    context.set_trailing_metadata((("cs", "t"),))
    context.set_details("cs done")
    return blob(b"".join(parts), len(parts))


def collect_fail(requests, context):
    next(requests)
    context.abort(grpc.StatusCode.INVALID_ARGUMENT, "cs fail")


# ---- server streaming ----


def numbered(request):
    data, count = read_blob(request)
    return (blob(data + str(i).encode(), i) for i in range(count))


def produce(request, context):
    context.send_initial_metadata(FIRST)
    yield from numbered(request)
    context.set_trailing_metadata((("ss", "t"),))
    context.set_details("ss done")


def produce_plain(request, _context):
    yield from numbered(request)


def produce_fail(request, context):
    yield from numbered(request)
    context.set_trailing_metadata((("why", "because"),))
    context.abort(grpc.StatusCode.NOT_FOUND, "ss fail")


def produce_slow(request, context):
    for reply in numbered(request):
        if not wait(context, 5.5):
            return
        yield reply


# ---- bidi ----


def chat(requests, context):
    context.send_initial_metadata(FIRST)
    yield from requests
    context.set_trailing_metadata((("bd", "t"),))
    context.set_details("bd done")


def chat_fail(requests, context):
    context.send_initial_metadata(FIRST)
    yield next(requests)
    next(requests)
    context.abort(grpc.StatusCode.ABORTED, "bd fail")


def chat_early_end(requests, context):
    context.send_initial_metadata(FIRST)
    yield next(requests)


def handlers():
    unary, many_in = grpc.unary_unary_rpc_method_handler, grpc.stream_unary_rpc_method_handler
    many_out, both = grpc.unary_stream_rpc_method_handler, grpc.stream_stream_rpc_method_handler
    found = {name: unary(echo) for name in ("Echo", "EchoZ", "EchoZS", "EchoZC")}
    found |= {"Plain": unary(plain), "Slow": unary(slow), "Fail": unary(fail), "FailZ": unary(fail)}
    found |= {name: unary(parse) for name in ("ZParse", "OnlyZCParse", "OnlyZSParse")}
    for prefix in ("", "Batch", "Z", "BatchZ", "OnlyZC", "OnlyZS"):
        found[prefix + "ClientStream"] = many_in(collect)
        found[prefix + "ServerStream"] = many_out(produce)
        found[prefix + "Bidi"] = both(chat)
    found |= {
        name: many_out(produce_slow) for name in ("ServerStreamSlow", "BatchServerStreamSlow")
    }
    return found | {
        "ClientStreamFail": many_in(collect_fail),
        "ServerStreamFail": many_out(produce_fail),
        "ServerStreamNoInit": many_out(produce_plain),
        "BidiFail": both(chat_fail),
        "BidiEarlyEnd": both(chat_early_end),
    }


def start(port=0):
    """A running server and its port."""
    options = [("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)]
    server = grpc.server(futures.ThreadPoolExecutor(128), options=options)
    handler = grpc.method_handlers_generic_handler("golden.v1.Golden", handlers())
    server.add_generic_rpc_handlers((handler,))
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    assert bound, f"port {port} is taken"
    server.start()
    return server, bound


if __name__ == "__main__":
    running, _ = start(int(sys.argv[1]))
    print("up", flush=True)
    running.wait_for_termination()
