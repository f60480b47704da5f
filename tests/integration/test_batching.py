"""Batching and compression as they show on the wire: which option wins, and that nothing is lost.

A bidirectional call sends its requests and half-closes; the server answers all of them then. A
plain MQTT client listens to everything and counts.
"""

import threading
from concurrent import futures

import grpc
import paho.mqtt.client as mqtt
import pytest
import zstandard
from session import Reassembly, SessionClient, eventually, fields, parse_chunk
from stack import PATIENCE, ROOT, Gateway, protoset

import grpc_mqtt
from grpc_mqtt import gmq

PROTOS = ROOT / "tests/fixtures/protos"
COUNT = 50
REQUESTS = [b"request %03d" % i for i in range(COUNT)]
LONG = 60_000  # ms of linger: a batch ends with its stream alone

# method, batching and levels given at run time (None: nothing) -> batching and levels that count
TABLE = [
    ("/wire.plain.Silent/Silent", None, (0, 0, 0)),
    ("/wire.plain.Silent/Silent", (1, 0, 0), (1, 0, 0)),
    ("/wire.plain.Silent/Silent", (0, 1, 2), (0, 1, 2)),
    ("/wire.plain.Silent/On", None, (1, 0, 0)),
    ("/wire.plain.Silent/On", (0, 1, 2), (1, 1, 2)),
    ("/wire.plain.Silent/Off", (1, 0, 0), (0, 0, 0)),
    ("/wire.plain.Silent/Levels", None, (0, 3, 4)),
    ("/wire.plain.Silent/Levels", (1, 1, 2), (1, 3, 4)),
    ("/wire.plain.Silent/Disabled", (1, 1, 2), (1, 0, 0)),
    ("/wire.plain.On/Silent", None, (1, 5, 0)),
    ("/wire.plain.On/Silent", (0, 1, 2), (1, 5, 2)),
    ("/wire.plain.On/Off", (1, 1, 0), (0, 6, 0)),
    ("/wire.plain.Off/Silent", (1, 0, 0), (0, 0, 0)),
    ("/wire.plain.Off/On", (0, 0, 0), (1, 0, 0)),
    ("/wire.file.Silent/Silent", None, (1, 7, 8)),
    ("/wire.file.Silent/Silent", (0, 1, 2), (1, 7, 8)),
    ("/wire.file.Silent/Off", (1, 1, 2), (0, 7, 9)),
    ("/wire.file.Off/Silent", (1, 1, 2), (0, 0, 8)),
    ("/wire.file.Off/On", (0, 1, 2), (1, 10, 8)),
]


@pytest.fixture(scope="session")
def wire_protosets(tmp_path_factory):
    directory = tmp_path_factory.mktemp("wire")
    return [protoset(directory, PROTOS / f"wire_{name}.proto") for name in ("plain", "file")]


class Sniffer:
    """What goes by under a base topic: the messages of each topic, put together."""

    def __init__(self, port, base):
        self.base, self.messages, self._topics = base, {}, {}
        self._client = SessionClient(port, base)
        self._client.mqtt.on_message = self._on_message
        self._client._granted.clear()
        self._client.mqtt.subscribe(base + "/#", qos=1)
        assert self._client._granted.wait(PATIENCE)

    def _on_message(self, _client, _userdata, message: mqtt.MQTTMessage):
        kind, *rest = message.topic.removeprefix(self.base + "/grpc/").split("/")
        if kind == "session" and rest[1:] == ["control"]:
            return
        if kind not in self._topics:  # one call, so one topic each way
            found = self.messages.setdefault(kind, [])
            self._topics[kind] = Reassembly(found.append)
        index = int(dict(message.properties.UserProperty)["i"])
        self._topics[kind].packet(index, message.payload)

    def call(self):
        """(announced options, messages of the client's stream, messages of the answer), when over:
        the answer ends with an empty message and the status."""
        eventually(lambda: b"" in self.messages.get("session", [])[1:-1])
        eventually(lambda: self.messages["request"][-1] == b"")
        first, *requests = self.messages["request"]
        options = next(value for number, value in fields(first) if number == 2)
        return tuple(options), requests[:-1], self.messages["session"][1:-2]

    def close(self):
        self._client.close()


class Collector(grpc.GenericRpcHandler):
    """grpcio: answers with all requests, when they are all there."""

    def __init__(self):
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers((self,))
        self.target = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def service(self, _details):
        return grpc.stream_stream_rpc_method_handler(
            lambda requests, _context: iter(list(requests))
        )

    def stop(self):
        self._server.stop(None).wait()


class OwnCollector:
    """The same on gmq.Server; closes right after its first answer where `close_after` is set."""

    def __init__(self, url, protosets, close_after=False):
        self.received, self._calls, self._close_after = [], {}, close_after
        methods, self._queue = gmq.MethodMap(), gmq.Queue()
        for file in protosets:
            methods.add_descriptor_file(str(file))
        self._server = gmq.Server(url, None, methods, self._queue, 0)
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(PATIENCE)

    def _run(self):
        while True:
            for kind, tag, code, _text, body, _metadata in self._queue.wait(1000, 1):
                if kind == gmq.EVENT_CLOSED:
                    return
                if kind == gmq.EVENT_STATE and code == gmq.STATE_READY:
                    self._ready.set()
                elif kind == gmq.EVENT_CALL:
                    call, tag = body
                    self._calls[tag] = call, []
                    call.read(10000)
                elif kind == gmq.EVENT_MESSAGE:
                    self._calls[tag][1].append(body)
                elif kind == gmq.EVENT_HALF_CLOSED:
                    self._answer(*self._calls[tag])
                elif kind == gmq.EVENT_FINISHED:
                    del self._calls[tag]

    def _answer(self, call, messages):
        self.received = messages
        for message in messages:
            assert call.send(message)
        call.finish(0, None, ())
        if self._close_after:
            self._server.close(PATIENCE * 1000)

    def stop(self):
        self._server.close(0)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


@pytest.fixture(scope="module", params=["server", "gateway"])
def collector(request, broker, wire_protosets):
    """start(base, **options of the URL): a collector behind the gateway or on its own."""
    grpcio = Collector() if request.param == "gateway" else None

    def start(base, **options):
        url = broker.url(base, **options)
        if grpcio is None:
            return OwnCollector(url, wire_protosets)
        return Gateway(url, *((file, grpcio.target) for file in wire_protosets))

    yield start
    if grpcio is not None:
        grpcio.stop()


@pytest.fixture
def sniffed(broker, base):
    started = Sniffer(broker.port, base)
    yield started
    started.close()


def merged_protoset(files):
    """Descriptor sets concatenate to a descriptor set."""
    return b"".join(file.read_bytes() for file in files)


def plain(data, level):
    """`data`, which is compressed exactly if there is a level."""
    if level == 0 or not data:
        return data
    assert data.startswith(b"\x28\xb5\x2f\xfd")
    return zstandard.ZstdDecompressor().decompress(data)


def chunks_of(messages, level):
    """The elements of each chunk."""
    chunks = [parse_chunk(plain(message, level)) for message in messages]
    return [[plain(element, level) for element in chunk] for chunk in chunks]


def run(broker, base, collector, files, method, given, **both):
    """One call; returns when it is over and its answer right."""
    both["dialect"] = "session"  # whose packets are looked at
    server = collector(base, **both)
    options = dict(both)
    if given is not None:
        options.update(
            zip(("batched_stream", "server_clevel", "client_clevel"), given, strict=True)
        )
        options["batched_stream"] = ("off", "on")[given[0]]
    try:
        descriptors = merged_protoset(files)
        with grpc_mqtt.channel(broker.url(base, **options), descriptors=descriptors) as channel:
            answers = channel.stream_stream(method)(iter(REQUESTS), timeout=PATIENCE)
            assert list(answers) == REQUESTS
    finally:
        server.stop()


@pytest.mark.parametrize(("method", "given", "counts"), TABLE)
def test_method_over_service_over_file_over_argument(
    broker, base, collector, wire_protosets, sniffed, method, given, counts
):
    run(broker, base, collector, wire_protosets, method, given, linger_ms=LONG)
    announced, requests, replies = sniffed.call()
    batched, server_level, client_level = counts
    assert announced == counts
    for messages, level in ((requests, client_level), (replies, server_level)):
        chunks = chunks_of(messages, level)
        assert chunks == ([REQUESTS] if batched else [[request] for request in REQUESTS])


@pytest.mark.parametrize("linger", [{}, {"linger_ms": 0}], ids=["default", "0"])
def test_linger(broker, base, collector, wire_protosets, sniffed, linger):
    """How many go together is a matter of time; they go, all of them, in order."""
    method = "/wire.plain.Silent/On"
    run(broker, base, collector, wire_protosets, method, None, **linger)
    announced, requests, replies = sniffed.call()
    assert announced == (1, 0, 0)
    for messages in (requests, replies):
        chunks = chunks_of(messages, 0)
        assert len(chunks) <= COUNT and [] not in chunks
        assert [element for chunk in chunks for element in chunk] == REQUESTS


@pytest.mark.parametrize("linger_ms", [5, 0])
def test_a_batch_does_not_wait_for_the_end(broker, base, wire_protosets, sniffed, linger_ms):
    """Both sides batch; one request is there before there is a second one."""
    url = broker.url(base, linger_ms=linger_ms, batched_stream="on", dialect="session")
    server = OwnCollector(url, wire_protosets)
    more = threading.Event()

    def requests():
        yield b"alone"
        assert more.wait(PATIENCE)

    try:
        with grpc_mqtt.channel(url) as channel:
            call = channel.stream_stream("/wire.plain.Silent/Silent")(requests(), timeout=PATIENCE)
            eventually(lambda: len(sniffed.messages.get("request", [])) == 2)
            assert chunks_of(sniffed.messages["request"][1:], 0) == [[b"alone"]]
            more.set()
            assert list(call) == [b"alone"]
    finally:
        more.set()
        server.stop()


# ---- Orderly ends


def finished(queue, messages):
    """Takes events until CLOSED; what became of the one call."""
    code = None
    while True:
        for kind, _tag, value, _text, body, _metadata in queue.wait(PATIENCE * 1000, 16):
            if kind == gmq.EVENT_MESSAGE:
                messages.append(body)
            elif kind == gmq.EVENT_FINISHED:
                code = value
            elif kind == gmq.EVENT_CLOSED:
                return code


@pytest.mark.parametrize("linger_ms", [0, 5, LONG])
@pytest.mark.parametrize("batched", ["on", "off"])
@pytest.mark.parametrize("closes", ["client", "server"])
def test_close_right_after_the_sends_loses_nothing(
    broker, base, wire_protosets, closes, batched, linger_ms
):
    url = broker.url(base, linger_ms=linger_ms)
    server = OwnCollector(url, wire_protosets, close_after=closes == "server")
    queue, answers = gmq.Queue(), []
    client = gmq.Client(f"{url}&batched_stream={batched}", None, None, queue, 0)
    call = client.start("/wire.plain.Silent/Silent", gmq.RPC_BIDI_STREAMING, None, 20000, None, 1)
    call.read(10000)
    for request in REQUESTS:
        assert call.send(request)
    call.half_close()
    if closes == "client":
        client.close(PATIENCE * 1000)
        assert finished(queue, answers) == 0
    else:
        for kind, *_rest in iter(lambda: queue.wait(PATIENCE * 1000, 1)[0], None):
            if kind == gmq.EVENT_MESSAGE:
                answers.append(_rest[3])
            if kind == gmq.EVENT_FINISHED:
                assert _rest[1] == 0
                break
        client.close(0)
    assert server.received == REQUESTS and answers == REQUESTS
    server.stop()
