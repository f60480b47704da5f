"""`compression` of channels and of calls: how many bytes go through the broker."""

import asyncio
import threading
from concurrent import futures

import grpc
import paho.mqtt.client as mqtt
import pytest
from stack import PATIENCE

import grpc_mqtt.aio

UPLOAD = "/test.Compression/Upload"
MESSAGES, SIZE = 5, 20_000


class Counter:
    """Counts the bytes under a base topic, as a client of the broker."""

    def __init__(self, port, base):
        self.bytes, self._granted = 0, threading.Event()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.on_subscribe = lambda *_: self._granted.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe(base + "/#")
        assert self._granted.wait(PATIENCE)

    def _on_message(self, _client, _userdata, message):
        self.bytes += len(message.payload)

    def close(self):
        """What came; all of it is here when what was subscribed last has been granted."""
        self._granted.clear()
        self._client.subscribe("marker")
        assert self._granted.wait(PATIENCE)
        self._client.disconnect()
        self._client.loop_stop()
        return self.bytes


@pytest.fixture
def url(broker, base):
    handler = grpc.stream_unary_rpc_method_handler(lambda requests, _: b"%d" % len(list(requests)))
    service = grpc.method_handlers_generic_handler("test.Compression", {"Upload": handler})
    server = grpc_mqtt.server(broker.url(base), futures.ThreadPoolExecutor(2), (service,))
    server.start()
    yield broker.url(base)
    server.stop(None).wait()


def sync_upload(url, messages, of_channel, of_call):
    with grpc_mqtt.channel(url, compression=of_channel) as channel:
        upload = channel.stream_unary(UPLOAD)
        return upload(iter(messages), timeout=PATIENCE, compression=of_call)


def aio_upload(url, messages, of_channel, of_call):
    async def main():
        async with grpc_mqtt.aio.channel(url, compression=of_channel) as channel:
            upload = channel.stream_unary(UPLOAD)
            return await upload(iter(messages), timeout=PATIENCE, compression=of_call)

    return asyncio.run(main())


@pytest.mark.parametrize("upload", [sync_upload, aio_upload])
@pytest.mark.parametrize(
    "of_channel, of_call, compressed",
    [
        (None, None, False),
        (grpc.Compression.Gzip, None, True),
        (None, grpc.Compression.Deflate, True),
        (grpc.Compression.Gzip, grpc.Compression.NoCompression, False),
    ],
)
def test_bytes_on_the_way(broker, base, url, upload, of_channel, of_call, compressed):
    counter = Counter(broker.port, base)
    messages = [bytes(SIZE)] * MESSAGES
    assert upload(url, messages, of_channel, of_call) == b"%d" % MESSAGES
    seen = counter.close()
    assert (seen < SIZE) if compressed else (seen >= MESSAGES * SIZE)
