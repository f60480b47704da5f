"""The SWIG module itself: values both ways, errors, events, destruction in every order."""

import gc
import itertools
import select
import threading

import pytest
from echo_servers import HANG, KINDS, UNARY, MqttServer

import grpc_mqtt
from grpc_mqtt import gmq

SOON_MS = 20_000


def raises(kind, text=None):
    return pytest.raises(kind, match=text)


# ---- Values and errors


def test_version():
    assert gmq.version() == grpc_mqtt.__version__
    assert gmq.version().count(".") == 2
    assert gmq.status_name(gmq.E_AGAIN) == "GMQ_E_AGAIN"
    assert gmq.code_name(14) == "UNAVAILABLE"


def test_errors_have_a_class_a_code_and_a_text():
    with raises(grpc_mqtt.InvalidError, "nonsense") as caught:
        gmq.MethodMap().add("nonsense", gmq.RPC_UNARY)
    assert caught.value.code == gmq.E_INVALID
    assert isinstance(caught.value, grpc_mqtt.Error) and isinstance(caught.value, ValueError)


def test_every_status_has_a_class():
    from grpc_mqtt import _errors

    for name, value in vars(gmq).items():
        if name.startswith("E_") and value != gmq.E_AGAIN:
            error = _errors.make(value, "text")
            assert type(error) is not grpc_mqtt.Error, name
            assert error.code == value and str(error) == "text"
    assert type(_errors.make(-999, "new")) is grpc_mqtt.Error
    assert _errors.make(-999, "new").code == -999


@pytest.mark.parametrize("tag", [0, 1, 2**53 + 1, 2**63, 2**64 - 1])
def test_tags_are_exact(tag):
    queue = gmq.Queue()
    queue.post(gmq.EVENT_USER, tag, -7, "text")
    assert queue.poll(8) == [(gmq.EVENT_USER, tag, -7, "text", None, ())]


@pytest.mark.parametrize("tag", [-1, 2**64])
def test_tags_out_of_range(tag):
    with raises(OverflowError):
        gmq.Queue().post(gmq.EVENT_USER, tag, 0, None)


def test_wrong_types():
    for call in (
        lambda: gmq.Client("loopback://a/b", None, None, None, 0),
        lambda: gmq.Client(None, None, None, gmq.Queue(), 0),
        lambda: gmq.Client("loopback://a/b"),
        lambda: gmq.Options().set_string("key", None),
        lambda: gmq.Options().set_string(b"key", 5),
        lambda: gmq.MethodMap().add_descriptors("text"),
        lambda: gmq.Queue().deliver([], 0, 1),
        lambda: gmq.check_metadata([("key", 1)]),
        lambda: gmq.check_metadata(5),
    ):
        with raises(TypeError):
            call()


def test_metadata_that_is_none():
    gmq.check_metadata(None)
    gmq.check_metadata([])
    gmq.check_metadata([("k", "v"), ["k-bin", b"\x00"], (b"k", b"v")])
    for bad in ("text", ["ab"], [("one",)], [("a", "b", "c")]):
        with raises(ValueError):
            gmq.check_metadata(bad)
    with raises(grpc_mqtt.InvalidError):
        gmq.check_metadata([("a\0b", "v")])


def test_buffers_go_in():
    """Anything with the buffer protocol, and no other."""
    broken = b"\xff\xff"
    for data in (broken, bytearray(broken), memoryview(broken), memoryview(b"x" + broken)[1:]):
        with raises(grpc_mqtt.ParseError):
            gmq.MethodMap().add_descriptors(data)


def test_method_map():
    methods = gmq.MethodMap()
    methods.add("/a.B/One", gmq.RPC_UNARY)
    methods.add("/a.B/Two", gmq.RPC_BIDI_STREAMING)
    with raises(grpc_mqtt.ExistsError):
        methods.add("/a.B/One", gmq.RPC_UNARY)
    assert methods.count() == 2
    assert methods.find("/a.B/Two") == 1 and methods.find("/a.B/Three") == -1
    assert (methods.path(1), methods.kind(1)) == ("/a.B/Two", gmq.RPC_BIDI_STREAMING)
    assert methods.path(2) is None
    assert methods.bind("*Two", "127.0.0.1:1") == 1
    assert (methods.target(0), methods.target(1)) == ("", "127.0.0.1:1")
    assert methods.batched_stream(0) == -1
    other = gmq.MethodMap()
    other.add("/c.D/One", gmq.RPC_UNARY)
    assert methods.merged(other).count() == 3
    assert methods.merged(None).count() == 2
    methods.filter("/a.B/T*")
    assert methods.count() == 1


# ---- The queue


def test_queue_descriptor():
    queue = gmq.Queue()
    assert select.select([queue.fd()], [], [], 0)[0] == []
    queue.post(gmq.EVENT_USER, 1, 0, None)
    assert select.select([queue.fd()], [], [], 0)[0] == [queue.fd()]
    assert len(queue.poll(1)) == 1
    assert select.select([queue.fd()], [], [], 0)[0] == []


def test_queue_in_batches():
    queue = gmq.Queue()
    for i in range(600):
        queue.post(gmq.EVENT_USER, i, 0, None)
    sizes, tags = [], []
    while batch := queue.poll(1000):
        sizes.append(len(batch))
        tags += [event[1] for event in batch]
    assert tags == list(range(600)) and max(sizes) > 1


def test_wait_releases_the_gil():
    queue = gmq.Queue()
    thread = threading.Thread(target=lambda: queue.post(gmq.EVENT_USER, 5, 0, "from a thread"))
    timer = threading.Timer(0.05, thread.start)
    timer.start()
    assert queue.wait(SOON_MS, 4)[0][1] == 5


def test_wait_times_out():
    assert gmq.Queue().wait(1, 4) == []


def test_shut_down_queue():
    queue = gmq.Queue()
    queue.post(gmq.EVENT_USER, 1, 0, None)
    queue.shutdown()
    assert len(queue.wait(-1, 4)) == 1
    for _ in range(2):
        with raises(grpc_mqtt.ClosedError):
            queue.wait(-1, 4)
    with raises(grpc_mqtt.ClosedError):
        queue.post(gmq.EVENT_USER, 1, 0, None)


def test_deliver():
    queue = gmq.Queue()
    registry = {1: ([], [], "what the owner likes"), 2: ([], [])}
    for tag in (1, 1, 2, 9, 1):
        queue.post(gmq.EVENT_USER, tag, tag, "text")
    assert queue.deliver(registry, 0, 64) == [1, 2, 9, 1]
    assert [len(row[1]) for row in registry.values()] == [3, 1]
    assert registry[2][1] == [(gmq.EVENT_USER, 2, "text", None, ())]
    assert queue.deliver(registry, 1, 64) == []


@pytest.mark.parametrize("row", [None, [], (), ([],), (1, 2)])
def test_deliver_into_what_is_no_row(row):
    queue = gmq.Queue()
    queue.post(gmq.EVENT_USER, 1, 0, None)
    with raises((TypeError, SystemError)):
        queue.deliver({1: row}, 0, 64)


def test_references_are_balanced():
    """Events, metadata and buffers leave nothing behind: as many blocks after many rounds."""
    import sys

    queue = gmq.Queue()
    registry = {1: ([], [])}

    def rounds(n):
        for _ in range(n):
            queue.post(gmq.EVENT_USER, 1, 2**30, "text of some length")
            queue.deliver(registry, 0, 64)
            registry[1][1].clear()
            queue.post(gmq.EVENT_USER, 2**40, 3, "text")
            queue.poll(4)
            gmq.check_metadata([("key", "v"), ("key-bin", b"v")])
            for bad in ([("KEY", "v")], 5):
                try:
                    gmq.check_metadata(bad)
                except (TypeError, ValueError):
                    pass

    rounds(100)
    gc.collect()
    before = sys.getallocatedblocks()
    rounds(1000)
    gc.collect()
    assert sys.getallocatedblocks() - before < 100


# ---- Calls


def events_until(queue, kind):
    """Events up to and including one of `kind`."""
    seen = []
    while not seen or seen[-1][0] != kind:
        batch = queue.wait(SOON_MS, 1)
        assert batch, f"no event {kind}; so far: {seen}"
        seen += batch
    return seen


def ready_client(server, queue, tag=0):
    client = gmq.Client(server.url, None, None, queue, tag)
    while events_until(queue, gmq.EVENT_STATE)[-1][2] != gmq.STATE_READY:
        pass
    return client


def test_call_with_everything(mqtt_server):
    queue = gmq.Queue()
    client = ready_client(mqtt_server, queue)
    assert client.state() == gmq.STATE_READY
    metadata = (("x-initial", "i"), ("x-trailing", "t"), ("x-trailing-bin", b"\x00\x01"))
    call = client.start_with(
        UNARY, gmq.RPC_UNARY, metadata, 20_000, None, 2**63 + 5, b"\x00data", 1
    )
    assert (call.path(), call.kind()) == (UNARY, gmq.RPC_UNARY)
    assert 0 < call.time_remaining_ms() <= 20_000
    assert call.peer().startswith("loopback:")
    events = events_until(queue, gmq.EVENT_FINISHED)
    assert {event[1] for event in events} == {2**63 + 5}
    by_kind = {event[0]: event for event in events}
    assert ("x-initial", "i") in by_kind[gmq.EVENT_INITIAL_METADATA][5]
    assert by_kind[gmq.EVENT_MESSAGE][4] == b"\x00data"
    _, _, code, text, body, trailing = by_kind[gmq.EVENT_FINISHED]
    assert (code, text, body) == (0, "", None)
    assert set(metadata[1:]) <= set(trailing)
    with raises(grpc_mqtt.Error):
        call.send(b"more")


def test_new_tag(mqtt_server):
    queue = gmq.Queue()
    client = ready_client(mqtt_server, queue)
    call = client.start_with(HANG, gmq.RPC_UNARY, None, -1, None, 1, b"", 1)
    assert call.time_remaining_ms() == -1
    call.set_tag(2)
    call.cancel_with(10, "own words")
    assert events_until(queue, gmq.EVENT_FINISHED)[-1][1:4] == (2, 10, "own words")


def test_bad_calls(mqtt_server):
    queue = gmq.Queue()
    client = ready_client(mqtt_server, queue)
    for path in ("", "/", "/one", "no/slash", "/a/b#", "/a/+", "/a/b/c"):
        with raises(grpc_mqtt.InvalidError):
            client.start(path, 0, None, -1, None, 1)
    with raises(ValueError):
        client.start(UNARY, 4, None, -1, None, 1)
    with raises(grpc_mqtt.InvalidError):
        client.start(UNARY, 0, [("Key", "v")], -1, None, 1)
    options = gmq.Options()
    options.set_int("no_such_option", 1)
    with raises(grpc_mqtt.OptionError, "no_such_option"):
        client.start(UNARY, 0, None, -1, options, 1)
    assert queue.poll(8) == []


@pytest.mark.parametrize(
    "url, kind",
    [
        ("nonsense", grpc_mqtt.UrlError),
        ("http://host/base", grpc_mqtt.Error),
        ("mqtt://host", grpc_mqtt.UrlError),
        ("mqtt://host:99999/base", grpc_mqtt.UrlError),
        ("loopback://name/a/+/b", grpc_mqtt.Error),
        ("loopback://name/base?no_such=1", grpc_mqtt.OptionError),
        ("loopback://name/base?msg_size_limit=3", grpc_mqtt.OptionError),
    ],
)
def test_bad_urls(url, kind):
    with raises(kind):
        gmq.Client(url, None, None, gmq.Queue(), 0)
    with raises(kind):
        gmq.Server(url, None, gmq.MethodMap(), gmq.Queue(), 0)
    with raises(kind):
        grpc_mqtt.channel(url)


NOUNS = ["queue", "client", "call", "server", "server_queue"]


@pytest.mark.parametrize(
    "order", list(itertools.permutations(NOUNS)), ids=lambda order: "-".join(order)
)
def test_destruction_in_every_order(order):
    """With a call in progress, from this thread, whatever goes first."""
    made = {"queue": gmq.Queue(), "server_queue": gmq.Queue()}
    methods = gmq.MethodMap()
    methods.add(HANG, KINDS[HANG])
    url = f"loopback://order-{'-'.join(order)}/base"
    made["server"] = gmq.Server(url, None, methods, made["server_queue"], 0)
    made["client"] = gmq.Client(url, None, None, made["queue"], 0)
    made["call"] = made["client"].start_with(HANG, 0, None, 20_000, None, 1, b"x", 1)
    for noun in order:
        del made[noun]


def test_destruction_on_other_threads():
    server = MqttServer()
    queue = gmq.Queue()
    client = ready_client(server, queue)
    calls = [client.start_with(HANG, 0, None, -1, None, i, b"", 1) for i in range(1, 33)]
    threads = [threading.Thread(target=calls.pop) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended = {events_until(queue, gmq.EVENT_FINISHED)[-1][1] for _ in range(32)}
    assert ended == set(range(1, 33))
    server.stop()


def test_servers_that_share_a_queue():
    """A new call is handed out under the tag of its server."""
    queue, methods = gmq.Queue(), gmq.MethodMap()
    methods.add("/test.Echo/Unary", gmq.RPC_UNARY)
    names = {1: "loopback://sharing/a", 2: "loopback://sharing/b"}
    servers = [gmq.Server(url, None, methods, queue, tag) for tag, url in names.items()]
    clients = {tag: gmq.Client(url, None, None, queue, tag + 10) for tag, url in names.items()}
    calls = []
    for tag in (2, 1):
        rows = {number: ([], []) for number in (1, 2, 11, 12, 99)}
        calls.append(
            clients[tag].start_with("/test.Echo/Unary", 0, None, 20_000, None, 99, b"x", 1)
        )
        while not (found := [n for n in (1, 2) for row in rows[n][1] if row[0] == gmq.EVENT_CALL]):
            assert queue.deliver(rows, 20_000, 64)
        assert found == [tag]
    assert len(servers) == len(calls) == 2
