"""docs/guide/security.md: its access list, in a real mosquitto, keeps what the page promises."""

import re
import subprocess
import threading
from concurrent import futures

import grpc
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from stack import PATIENCE, ROOT, Broker

import grpc_mqtt

PAGE = ROOT / "docs/guide/security.md"
USERS = ("device1", "device2", "alice", "bob", "stranger")
NOT_AUTHORISED = 0x87
HELLO = "/acl.Test/Hello"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    directory = tmp_path_factory.mktemp("acl")
    passwords, rights = directory / "passwords", directory / "grpc.acl"
    for number, user in enumerate(USERS):
        words = ["mosquitto_passwd", "-b", *(["-c"] if number == 0 else []), passwords, user, "pw"]
        subprocess.run(words, check=True, capture_output=True)
    rights.write_text(re.search(r"```acl\n(.*?)```", PAGE.read_text(), re.DOTALL)[1])
    for file in (passwords, rights):
        file.chmod(0o600)
    started = Broker(
        directory,
        "allow_anonymous false",
        f"password_file {passwords}",
        f"acl_file {rights}",
        "use_username_as_clientid true",
    )
    yield started
    started.stop()


def url(broker, user, device, **query):
    plain = broker.url(f"fleet/{device}", **{"client_id": user, **query})
    return plain.replace("://", f"://{user}:pw@")


class Hello(grpc.GenericRpcHandler):
    def __init__(self):
        self.callers = []

    def service(self, details):
        return grpc.unary_unary_rpc_method_handler(self.hello) if details.method == HELLO else None

    def hello(self, request, _context):
        self.callers.append(request.decode())
        return b"hello " + request


@pytest.fixture(scope="module")
def devices(guarded):
    handlers, servers = {}, []
    for name in ("device1", "device2"):
        handlers[name] = Hello()
        server = grpc_mqtt.server(url(guarded, name, name), futures.ThreadPoolExecutor(4))
        server.add_generic_rpc_handlers((handlers[name],))
        server.start()
        servers.append(server)
    yield handlers
    for server in servers:
        server.stop(0).wait(PATIENCE)


def call(broker, user, device, timeout=PATIENCE, **query):
    with grpc_mqtt.channel(url(broker, user, device, **query)) as channel:
        future = channel.unary_unary(HELLO).future(user.encode(), timeout=timeout)
        future.exception()
        return future


class Spy:
    """A plain MQTT client under `user`, whatever client id it claims."""

    def __init__(self, broker, user, claimed, *filters):
        self.heard, self.reasons = [], {}
        self.ready, self.answered = threading.Event(), threading.Event()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, claimed, protocol=mqtt.MQTTv5)
        self._client.username_pw_set(user, "pw")
        self._client.on_message = lambda _c, _u, message: self.heard.append(message.topic)
        self._client.on_subscribe = lambda *_: self.ready.set()
        self._client.on_publish = self._on_publish
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        if filters:
            self._client.subscribe([(one, mqtt.SubscribeOptions(1)) for one in filters])
            assert self.ready.wait(PATIENCE)

    def _on_publish(self, _client, _user, mid, reason, _properties):
        self.reasons[mid] = reason.value
        self.answered.set()

    def publish(self, topic, payload=b"x", retain=False):
        self.answered.clear()
        self._client.publish(topic, payload, 1, retain, properties=Properties(PacketTypes.PUBLISH))
        assert self.answered.wait(PATIENCE)
        return next(iter(reversed(self.reasons.values())))

    def stop(self):
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def spy(guarded):
    made = []

    def start(user, *filters, claimed=None):
        made.append(Spy(guarded, user, claimed or user, *filters))
        return made[-1]

    yield start
    for one in made:
        one.stop()


@pytest.mark.parametrize("dialect", ["auto", "link"])
@pytest.mark.parametrize(
    ("user", "device"), [("alice", "device1"), ("alice", "device2"), ("bob", "device2")]
)
def test_calls_that_are_allowed(guarded, devices, user, device, dialect):
    assert call(guarded, user, device, dialect=dialect).result() == f"hello {user}".encode()


@pytest.mark.parametrize("dialect", ["auto", "link", "session"])
@pytest.mark.parametrize(
    ("user", "device"), [("bob", "device1"), ("stranger", "device1"), ("stranger", "device2")]
)
def test_calls_that_are_not(guarded, devices, user, device, dialect):
    refused = call(guarded, user, device, dialect=dialect)
    assert refused.code() in (
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.UNAVAILABLE,
    ), refused
    assert user not in devices[device].callers


@pytest.mark.parametrize("user", ["bob", "stranger", "device2"])
def test_nobody_else_reads_an_inbox(guarded, devices, spy, user):
    other = spy(user, "#", "grpc/inbox/alice", "grpc/inbox/+", claimed="alice2")
    before = len(devices["device1"].callers)
    for _ in range(3):
        assert call(guarded, "alice", "device1").result() == b"hello alice"
    assert devices["device1"].callers[before:] == ["alice"] * 3
    assert not [topic for topic in other.heard if topic.startswith("grpc/inbox/")]
    assert not [topic for topic in other.heard if topic.startswith("fleet/device1/grpc/link")]


@pytest.mark.parametrize("user", ["bob", "stranger"])
def test_nobody_writes_as_another(guarded, devices, spy, user):
    other = spy(user, claimed="elsewhere")
    for topic in (
        "fleet/device1/grpc/link/alice",
        "fleet/device1/grpc/link/alice/device1",
        "fleet/device2/grpc/link/alice",
        "fleet/device1/grpc/gone/alice",
        "fleet/device1/grpc/server/device1",
        "grpc/inbox/alice",
        "fleet/device1/grpc/request/s/acl.Test/Hello",
    ):
        assert other.publish(topic) == NOT_AUTHORISED, topic


def test_a_device_does_not_announce_another(spy):
    assert spy("device2").publish("fleet/device1/grpc/server/device2") == NOT_AUTHORISED
    assert spy("device1").publish("fleet/device2/grpc/link/device1") == NOT_AUTHORISED


def test_a_client_cannot_have_answers_sent_elsewhere(guarded, devices, spy):
    listener = spy("device2", "fleet/device2/#", "grpc/inbox/#")
    before = len(devices["device1"].callers)
    refused = call(
        guarded, "alice", "device1", dialect="link", inbox="fleet/device2/grpc/link", timeout=2
    )
    assert refused.code() is not grpc.StatusCode.OK
    assert len(devices["device1"].callers) == before
    assert "fleet/device2/grpc/link/alice" not in listener.heard
