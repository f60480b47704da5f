"""Plays the client's part of a recorded conversation, and keeps what our remote answers."""

import json
import secrets
import threading
import time
from pathlib import Path

import zstandard
from session import chunk, parse_chunk, parse_packet

CASES = Path(__file__).parents[1] / "fixtures" / "reference" / "cases.json"
ZSTD = b"\x28\xb5\x2f\xfd"


def load_cases():
    return json.loads(CASES.read_text())


class Replies:
    """What came on the reply topic of one session."""

    def __init__(self):
        self._packets = {}  # by `i`
        self._faults = []
        self._changed = threading.Condition()

    def add(self, properties, payload):
        (key, value), *more = properties
        with self._changed:
            index = int(value)
            if key != "i" or more or index in self._packets or value != str(index):
                self._faults.append(properties)
            self._packets[index] = payload
            self._changed.notify_all()

    def came(self, message):
        if message.qos != 1 or message.retain:
            self._faults.append((message.qos, message.retain))
        self.add(message.properties.UserProperty, message.payload)

    def messages(self):
        """The messages that are complete, in the order of `i`; of each its slices by position."""
        assert not self._faults
        out, slices, index = [], {}, 0
        while index in self._packets:
            payload, position, count = parse_packet(self._packets[index])
            slices[position] = payload
            if len(slices) == count:
                out.append([slices[p] for p in range(count)])
                slices = {}
            index += 1
        return out

    def wait_for(self, count, patience):
        with self._changed:
            self._changed.wait_for(lambda: len(self.messages()) >= count, patience)


def recorded_replies(case):
    """The replies of the recording, by session."""
    out = {}
    for _, sender, session, _, properties, _, payload in case["messages"]:
        replies = out.setdefault(session, Replies())
        if sender == "remote":
            replies.add(properties, bytes.fromhex(payload))
    return out


def play(client, base, case, patience=4):
    """Publishes what the client published: no sooner than it did, and not before the answers that
    it had by then have come. Gives the replies by session."""
    sessions = {message[2]: secrets.token_urlsafe(18) for message in case["messages"]}
    answers = {session: Replies() for session in sessions}
    for session, sid in sessions.items():
        client.listen(f"{base}/grpc/session/{sid}", answers[session].came)
    before = {session: Replies() for session in sessions}
    start = time.monotonic()

    def catch_up(session, seconds):
        left = start + seconds + patience - time.monotonic()
        answers[session].wait_for(len(before[session].messages()), max(0, left))

    for seconds, sender, session, topic, properties, qos, payload in case["messages"]:
        if sender == "remote":
            before[session].add(properties, bytes.fromhex(payload))
            continue
        catch_up(session, seconds)
        threading.Event().wait(max(0, start + seconds - time.monotonic()))
        topic = f"{base}/grpc/{topic.replace('SID', sessions[session])}"
        client.publish_raw(topic, bytes.fromhex(payload), properties, qos)
    for session in sessions:
        catch_up(session, case["messages"][-1][0])
    return answers


def joined(messages):
    return [b"".join(slices) for slices in messages]


def is_frame(data):
    return data.startswith(ZSTD)


def plain(message):
    """The meaning of a message: its zstd frame undone, and those of a chunk's elements."""
    if is_frame(message):
        message = zstandard.ZstdDecompressor().decompress(message)
    try:
        elements = parse_chunk(message)
    except (AssertionError, ValueError, IndexError):
        return message
    if elements and all(isinstance(e, bytes) for e in elements) and any(map(is_frame, elements)):
        return chunk(*map(plain, elements))
    return message
