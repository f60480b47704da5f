"""An observer's connection for a command: waits, asks, and takes what comes."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from grpc_mqtt import _options, gmq
from grpc_mqtt.cli._address import Address
from grpc_mqtt.cli._failure import Failure, advice

REFUSED = 0x80  # MQTT reason codes from here on
NOBODY = 0x10
NOT_AUTHORISED = 0x87
_BATCH = 256
_SLICE = 0.25  # s; between two Ctrl-C is taken


@dataclass
class Seen:
    """A message that passed."""

    topic: str
    payload: bytes
    retained: bool
    qos: int
    properties: tuple[tuple[str, str | bytes], ...]
    at: float  # time.time()


class Observer:
    """Connects in the background; wait_connected() says how that went."""

    def __init__(self, address: Address, base: str | None = None, suffix: str = "watch") -> None:
        self.address = address
        self._queue = gmq.Queue()
        options = _options.split({**address.with_id(suffix), "log_level": -1}, None)[0]
        self._observer = gmq.Observer(address.url(base), options, self._queue, 1)
        self._seen: deque[Seen] = deque()
        self._answers: dict[tuple[int, str], int] = {}
        self._state = gmq.STATE_CONNECTING
        self._why = ""
        self.lost = 0  # connections
        self.news: deque[str] = deque(maxlen=100)  # of the connection, for people

    def _take(self, timeout: float) -> None:
        for kind, _, code, text, body, properties in self._queue.wait(int(timeout * 1000), _BATCH):
            if kind == gmq.EVENT_OBSERVED:
                seen = Seen(text, body, bool(code & 4), code & 3, properties, time.time())
                self._seen.append(seen)
            elif kind in (gmq.EVENT_SUBSCRIBED, gmq.EVENT_PUBLISHED):
                self._answers[kind, text] = code
            elif kind == gmq.EVENT_STATE:
                self._on_state(code, text)

    def _on_state(self, state: int, text: str) -> None:
        if self._state == gmq.STATE_READY and state == gmq.STATE_TRANSIENT_FAILURE:
            self.lost += 1
            self.news.append(f"connection lost: {text}")
        elif self.lost and state == gmq.STATE_READY:
            self.news.append("connected again")
        self._state = state
        self._why = text

    @property
    def trouble(self) -> str:
        """Why there is no connection; "" when there is one."""
        return "" if self._state == gmq.STATE_READY else self._why

    def wait_connected(self) -> None:
        """Raises Failure when the first attempt fails."""
        while self._state != gmq.STATE_READY:
            if self._state in (gmq.STATE_TRANSIENT_FAILURE, gmq.STATE_SHUTDOWN):
                raise Failure(advice(self._why))
            self._take(_SLICE)

    def _answer(self, kind: int, text: str, timeout: float) -> int | None:
        deadline = time.monotonic() + timeout
        while (kind, text) not in self._answers:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._take(min(left, _SLICE))
        return self._answers.pop((kind, text))

    def subscribe(self, topic: str, qos: int = 1, timeout: float = 10) -> int | None:
        """The broker's reason code, None when it says nothing."""
        self._observer.subscribe(topic, qos)
        return self._answer(gmq.EVENT_SUBSCRIBED, topic, timeout)

    def subscribe_all(self, topics: list[str], timeout: float = 10) -> list[str]:
        """Those that were granted. Raises Failure when there is none."""
        for topic in topics:
            self._observer.subscribe(topic, 1)
        answers = {topic: self._answer(gmq.EVENT_SUBSCRIBED, topic, timeout) for topic in topics}
        granted = [topic for topic, code in answers.items() if code is not None and code < REFUSED]
        if not granted:
            codes = {f"0x{code:02x}" for code in answers.values() if code is not None}
            raise Failure(
                f"{self.address.broker} lets us read none of {', '.join(topics)} "
                f"({', '.join(codes) or 'no answer'}): check the broker's ACL for this user"
            )
        return granted

    def publish(
        self,
        topic: str,
        payload: bytes,
        properties: tuple[tuple[str, str], ...] = (),
        retain: bool = False,
        timeout: float = 10,
    ) -> int | None:
        """The broker's reason code, None when it says nothing."""
        self._observer.publish(topic, payload, properties, int(retain), 1)
        return self._answer(gmq.EVENT_PUBLISHED, topic, timeout)

    def next(self, timeout: float) -> Seen | None:
        """The next message; None after `timeout` seconds."""
        deadline = time.monotonic() + timeout
        while not self._seen:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self._take(min(left, _SLICE))
        return self._seen.popleft()

    def close(self) -> None:
        self._observer.close()
        deadline = time.monotonic() + 0.5
        while self._state != gmq.STATE_SHUTDOWN and time.monotonic() < deadline:
            self._take(0.1)

    def __enter__(self) -> Observer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def base_filters(pattern: str | None, rest: str, prefix: str = "", depth: int = 7) -> list[str]:
    """MQTT filters for `rest` below the base topics of `pattern`.

    MQTT has no wildcard for several levels in front of something, so there is one filter for each
    number of levels that a base may have.
    """
    text = (pattern or "#").strip("/").replace("*", "+")
    head = f"{prefix}/" if prefix else ""
    if text != "#" and not text.endswith("/#"):
        return [f"{head}{text}/{rest}"]
    stem = [level for level in text[:-1].strip("/").split("/") if level]
    least = 0 if stem or prefix else 1
    counts = range(least, depth + 1 - len(stem))
    return [head + "/".join([*stem, *["+"] * more, rest]) for more in counts]
