"""A client of the session dialect by hand, on a plain MQTT client: held against our own code."""

import queue
import secrets
import socket
import struct
import threading
import time

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from stack import PATIENCE

ALIVE, TERMINATE = 1, 2

# ---- protobuf, by hand ----


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, data):
    return varint(number << 3 | 2) + varint(len(data)) + data


def take_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data):
    """(number, value) of every field in order; varints and fixed32 as int."""
    at = 0
    while at < len(data):
        key, at = take_varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = take_varint(data, at)
        elif wire == 2:
            size, at = take_varint(data, at)
            value = data[at : at + size]
            assert len(value) == size, "cut short"
            at += size
        elif wire == 5:
            (value,) = struct.unpack_from("<I", data, at)
            at += 4
        else:
            raise ValueError(f"wire type {wire}")
        yield key >> 3, value


# ---- messages of the dialect ----


def packet(payload, position=0, count=1):
    return (
        field(1, payload)
        + b"\x15"
        + struct.pack("<I", position)
        + b"\x1d"
        + struct.pack("<I", count)
    )


def parse_packet(data):
    payload, position, count = b"", 0, 1
    for number, value in fields(data):
        if number == 1:
            payload = value
        elif number == 2:
            position = value
        elif number == 3:
            count = value
    return payload, position, count


def metadata_entries(metadata):
    merged = {}
    for key, value in metadata:
        merged.setdefault(key, []).append(value.encode() if isinstance(value, str) else value)
    return [
        field(1, key.encode()) + b"".join(field(2, v) for v in merged[key])
        for key in sorted(merged)
    ]


def parse_metadata(data):
    out = []
    for number, entry in fields(data):
        if number != 1:
            continue
        key, values = b"", []
        for part, value in fields(entry):
            if part == 1:
                key = value
            elif part == 2:
                values.append(value)
        out += [(key.decode(), value) for value in values]
    return out


def request(message=b"", timeout_s=20, metadata=(), options=(0, 0, 0)):
    zigzag = timeout_s * 2 if timeout_s >= 0 else -timeout_s * 2 - 1
    head = field(1, message) + field(2, bytes(options)) + b"\x18" + varint(zigzag)
    return head + b"".join(field(4, entry) for entry in metadata_entries(metadata))


def chunk(*elements):
    return field(1, b"".join(field(1, element) for element in elements))


def parse_chunk(data):
    """The elements; None = the end of the stream."""
    found = list(fields(data))
    if not found:
        return None
    assert [number for number, _ in found] == [1], found
    return [value for _, value in fields(found[0][1])]


class Response:
    """A WrappedResponse, read."""

    def __init__(self, data):
        self.error = self.body = None
        self.initial, self.trailing, self.code, self.details = [], [], 0, ""
        for number, value in fields(data):
            if number == 1:
                self._read(value)
            elif number == 2:
                self._read_error(value)

    def _read(self, data):
        for number, value in fields(data):
            if number == 1:
                self.body = b"".join(v for n, v in fields(value) if n == 1)
            elif number == 2:
                self.initial = parse_metadata(value)
            elif number == 3:
                self.trailing = parse_metadata(value)
            elif number == 4:
                self.code = value
            elif number == 5:
                self.details = value.decode()

    def _read_error(self, data):
        self.error = 0
        for number, value in fields(data):
            if number == 1:
                self.error = value
            elif number == 2:
                self.details = value.decode()
            elif number == 3:
                self.code = value
            elif number == 1001:  # of ours
                self.initial = parse_metadata(value)
            elif number == 1002:
                self.trailing = parse_metadata(value)

    def __repr__(self):
        return f"Response({self.__dict__})"


# ---- MQTT ----


class Reassembly:
    """Orders the packets of one topic by `i` and puts their messages together."""

    def __init__(self, deliver):
        self.deliver, self.next, self.held, self.slices = deliver, 0, {}, {}

    def packet(self, index, data):
        if index is None:  # MQTT 3.1.1: as they come
            index = self.next
        assert index not in self.held and index >= self.next, f"packet {index} again"
        self.held[index] = data
        while self.next in self.held:
            self._slice(*parse_packet(self.held.pop(self.next)))
            self.next += 1

    def _slice(self, payload, position, count):
        assert position not in self.slices and position < count
        self.slices[position] = payload
        if len(self.slices) == count:
            message = b"".join(self.slices[p] for p in range(count))
            self.slices = {}
            self.deliver(message)


class Call:
    """One session: publishes what it is told to, queues the messages that come."""

    def __init__(self, client, path):
        self.client, self.sid = client, secrets.token_urlsafe(18)
        service, method = path.strip("/").split("/")
        self.request_topic = (
            f"{client.base}/grpc/request/{self.sid}/{service.replace('.', '-')}/{method}"
        )
        self.reply_topic = f"{client.base}/grpc/session/{self.sid}"
        self.messages = queue.Queue()
        self.packets = []  # (topic, properties, payload) as they came
        self._reassembly = Reassembly(self.messages.put)
        self._sent = 0
        client.listen(self.reply_topic, self._on_packet)

    def _on_packet(self, message):
        properties = getattr(message.properties, "UserProperty", [])
        self.packets.append((message.topic, properties, message.payload))
        index = dict(properties).get("i")
        self._reassembly.packet(None if index is None else int(index), message.payload)

    def send(self, message, limit=128000):
        size = max(limit - 16, 1)
        slices = [message[at : at + size] for at in range(0, len(message), size)] or [b""]
        for position, payload in enumerate(slices):
            self.client.publish(
                self.request_topic, packet(payload, position, len(slices)), self._sent
            )
            self._sent += 1

    def end(self):
        self.send(b"")

    def control(self, what):
        self.client.publish(self.reply_topic + "/control", b"\x08" + bytes([what]), None)

    def next(self, patience=PATIENCE):
        return self.messages.get(timeout=patience)

    def response(self):
        return Response(self.next())

    def stream(self):
        """All of a server-streaming or bidi reply: initial metadata, elements, response."""
        initial, elements = parse_metadata(self.next()), []
        while (found := parse_chunk(self.next())) is not None:
            elements += found
        return initial, elements, self.response()


class SessionClient:
    def __init__(self, port, base, version=mqtt.MQTTv5):
        self.base, self.version = base, version
        self._listeners, self._subscribing = {}, threading.Lock()
        self._connected, self._granted = threading.Event(), threading.Event()
        self.mqtt = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=version)
        self.mqtt.on_connect = lambda *_: self._connected.set()
        self.mqtt.on_subscribe = lambda *_: self._granted.set()
        self.mqtt.on_message = lambda _c, _u, message: self._listeners[message.topic](message)
        self.mqtt.on_socket_open = lambda _c, _u, s: s.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )
        self.mqtt.connect("127.0.0.1", port)
        self.mqtt.loop_start()
        assert self._connected.wait(PATIENCE)

    def listen(self, topic, deliver):
        self._listeners[topic] = deliver
        with self._subscribing:
            self._granted.clear()
            self.mqtt.subscribe(topic, qos=1)
            assert self._granted.wait(PATIENCE)

    def publish(self, topic, payload, index):
        self.publish_raw(topic, payload, [] if index is None else [("i", str(index))])

    def publish_raw(self, topic, payload, user_properties, qos=1):
        properties = None
        if user_properties and self.version == mqtt.MQTTv5:
            properties = Properties(PacketTypes.PUBLISH)
            properties.UserProperty = [tuple(pair) for pair in user_properties]
        sent = self.mqtt.publish(topic, payload, qos=qos, properties=properties)
        sent.wait_for_publish(PATIENCE)

    def call(self, path, message=b"", **kwargs):
        """Starts a call: subscribes, then publishes its Request."""
        started = Call(self, path)
        started.send(request(message, **kwargs))
        return started

    def close(self):
        self.mqtt.disconnect()
        self.mqtt.loop_stop()

    def die(self):
        """Goes without a word, as a killed program does."""
        self.mqtt.loop_stop()
        self.mqtt.socket().close()


def eventually(condition, patience=PATIENCE):
    """Waits until `condition()` is true; its value."""
    deadline = time.monotonic() + patience
    wait = threading.Event()
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come to be"
        wait.wait(0.02)
    return value
