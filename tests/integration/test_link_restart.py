"""The link dialect over a broker that goes and comes back: nothing is lost, nothing runs twice."""

import collections
import contextlib
import itertools
import signal
import threading
from concurrent import futures

import grpc
import pytest
from stack import PATIENCE, Broker

import grpc_mqtt

UNARY, COUNT, CHAT = "/restart.Test/Unary", "/restart.Test/Count", "/restart.Test/Chat"
MESSAGES, HALF = 600, 300


class Service(grpc.GenericRpcHandler):
    """Half of the unary calls, and all streams in their middle, wait for `go`."""

    def __init__(self):
        self.go = threading.Event()
        self.ran = collections.Counter()
        self.waiting = threading.Semaphore(0)

    def service(self, details):
        make, behavior = {
            UNARY: (grpc.unary_unary_rpc_method_handler, self.unary),
            COUNT: (grpc.unary_stream_rpc_method_handler, self.count),
            CHAT: (grpc.stream_stream_rpc_method_handler, self.chat),
        }[details.method]
        return make(behavior)

    def _pause(self):
        self.waiting.release()
        assert self.go.wait(PATIENCE)

    def unary(self, request, _context):
        self.ran[request] += 1
        if int(request) % 2:
            self._pause()
        return b"answer " + request

    def count(self, request, _context):
        self.ran[request] += 1
        for number in range(MESSAGES):
            if number == HALF:
                self._pause()
            yield b"%s %d" % (request, number)

    def chat(self, requests, _context):
        first = next(requests)
        self.ran[first] += 1
        yield first
        for number, request in enumerate(requests):
            if number == HALF:
                self._pause()
            yield request


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def own_broker(tmp_path):
    started = Broker(tmp_path, "max_queued_messages 0")
    yield started
    started.stop()


@pytest.fixture
def connect(service):
    """connect(url, **query of the client): a channel to a server with `service`."""
    with contextlib.ExitStack() as stack:

        def start(broker, base, **query):
            server = grpc_mqtt.server(broker.url(base, **query), futures.ThreadPoolExecutor(160))
            server.add_generic_rpc_handlers((service,))
            server.start()
            stack.callback(lambda: server.stop(0).wait(PATIENCE))
            stack.callback(service.go.set)
            channel = stack.enter_context(grpc_mqtt.channel(broker.url(base, **query)))
            grpc.channel_ready_future(channel).result(PATIENCE)
            return channel

        yield start


def begin(channel):
    """200 unary calls and 20 streams, all under way: (unary calls, [(name, list to be)])."""
    unary = channel.unary_unary(UNARY)
    calls = [unary.future(b"%d" % i, timeout=60) for i in range(200)]
    readers = futures.ThreadPoolExecutor(20)
    streams = []
    for i in range(10):
        name = b"count %d" % i
        stream = channel.unary_stream(COUNT)(name, timeout=60)
        streams.append((name, readers.submit(list, stream)))
    for i in range(10):
        name = b"chat %d" % i
        asked = itertools.chain([name], (b"%s %d" % (name, n) for n in range(MESSAGES)))
        streams.append((name, readers.submit(list, channel.stream_stream(CHAT)(asked, timeout=60))))
    return calls, streams


def expected(name):
    numbered = [b"%s %d" % (name, number) for number in range(MESSAGES)]
    return [name, *numbered] if name.startswith(b"chat") else numbered


@pytest.mark.parametrize("transport", ["paho", "mosquitto"])
@pytest.mark.parametrize("qos", [0, 1])
def test_broker_restarts_in_the_middle(own_broker, base, connect, service, qos, transport):
    channel = connect(own_broker, base, dialect="link", qos=qos, transport=transport)
    calls, streams = begin(channel)
    for _ in range(100 + 20):
        assert service.waiting.acquire(timeout=PATIENCE)
    own_broker.stop(signal.SIGKILL)
    service.go.set()  # answers and messages come while nobody is there to carry them
    own_broker.start()
    assert [call.result() for call in calls] == [b"answer %d" % i for i in range(200)]
    for name, reading in streams:
        assert reading.result(PATIENCE) == expected(name)
    assert len(service.ran) == 220 and set(service.ran.values()) == {1}


@pytest.mark.parametrize("transport", ["paho", "mosquitto"])
def test_broker_away_for_longer_than_the_link_timeout(
    own_broker, base, connect, service, transport
):
    channel = connect(own_broker, base, dialect="link", transport=transport, link_timeout_ms=4000)
    calls, streams = begin(channel)
    for _ in range(100 + 20):
        assert service.waiting.acquire(timeout=PATIENCE)
    assert [call.result() for call in calls[::2]] == [b"answer %d" % i for i in range(0, 200, 2)]
    own_broker.stop(signal.SIGKILL)
    for call in calls[1::2]:
        assert call.exception(PATIENCE).code() is grpc.StatusCode.UNAVAILABLE
    for _, reading in streams:
        assert reading.exception(PATIENCE).code() is grpc.StatusCode.UNAVAILABLE
    service.go.set()
    own_broker.start()
    again = channel.unary_unary(UNARY).future(b"1000", timeout=60, wait_for_ready=True)
    assert again.result() == b"answer 1000"
    assert len(service.ran) == 221 and set(service.ran.values()) == {1}
