"""grpc-mqtt ping: round-trip times; and where there is no answer, what holds it up."""

from __future__ import annotations

import argparse
import enum
import math
import secrets
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import grpc

import grpc_mqtt
from grpc_mqtt.cli import _rpc, _schema
from grpc_mqtt.cli._address import Address, address, seconds
from grpc_mqtt.cli._failure import Failure, Usage, advice, one_line
from grpc_mqtt.cli._observe import NOBODY, REFUSED, Observer
from grpc_mqtt.cli._session import empty_request
from grpc_mqtt.cli._values import dumps

NAME = "ping"
HELP = "round-trip times to a server; where there are none, why"
EXAMPLES = """\
  grpc-mqtt ping fleet/device42            # until Ctrl-C
  grpc-mqtt ping -c 3 -W 2 fleet/device42
  grpc-mqtt ping --probe -h broker -u me fleet/device42   # only: what is in the way?

Each ping is a call of grpc.health.v1.Health/Check. Any answer counts, UNIMPLEMENTED too.
The probe tells apart: no broker, not authorised to connect, to publish, or to read the
reply, nobody there, too slow. Exit status: 0 when all were answered, else 1."""

_METHOD = "/grpc.health.v1.Health/Check"
#: Of no service: a server refuses it at once, without a handler.
_NOBODYS = "grpc_mqtt-cli-Probe/Ask"
_HEALTH = {0: "UNKNOWN", 1: "SERVING", 2: "NOT_SERVING", 3: "SERVICE_UNKNOWN"}
#: The server, or what stands in for it, has spoken: that is a round trip.
_ANSWERS = (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.NOT_FOUND)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("base", metavar="BASE", help="base topic of the server, or a whole URL")
    parser.add_argument("-c", "--count", type=int, metavar="N", help="end after N pings")
    parser.add_argument(
        "-W",
        "--timeout",
        type=seconds,
        default=5.0,
        metavar="SECONDS",
        help="how long to wait for an answer; default: 5",
    )
    parser.add_argument(
        "--interval",
        type=seconds,
        default=1.0,
        metavar="SECONDS",
        help="from one to the next; default: 1",
    )
    parser.add_argument("--probe", action="store_true", help="no pings, the probe alone")
    parser.add_argument("--json", action="store_true", help="the summary as JSON, nothing else")
    _rpc.add_header(parser)


# ---- The probe


class Verdict(enum.Enum):
    OK = "answered"
    NO_BROKER = "no broker"
    NOT_LET_IN = "not authorised to connect"
    NOT_PUBLISHING = "not authorised to publish"
    NOT_READING = "not authorised to read the reply"
    NOBODY = "nobody there"
    SLOW = "too slow"
    BEHIND = "answers, but not the server behind it"
    UNKNOWN = "no answer"


@dataclass
class Finding:
    verdict: Verdict
    text: str
    ms: float | None = None


def _code(reason: int) -> str:
    return f"reason 0x{reason:02x}"


class _Probe:
    """Asks by hand what a call would ask, step by step."""

    def __init__(self, observer: Observer, base: str, timeout: float) -> None:
        self._observer = observer
        self._base = base
        self._timeout = timeout
        self._sid = secrets.token_urlsafe(18)
        self._announced = False
        self._reply = f"{base}/grpc/session/{self._sid}"

    def run(self) -> Finding:
        self._observer.subscribe(f"{self._base}/grpc/server/+", timeout=self._timeout)
        granted = self._observer.subscribe(self._reply, timeout=self._timeout)
        if granted is None:
            return Finding(Verdict.SLOW, "the broker does not answer a subscription in time")
        if granted >= REFUSED:
            text = f"the broker refuses a subscription to {self._base}/grpc/session/... "
            return Finding(Verdict.NOT_READING, text + f"({_code(granted)}): {_ACL}")
        return self._ask()

    def _ask(self) -> Finding:
        topic = f"{self._base}/grpc/request/{self._sid}/{_NOBODYS}"
        began = time.monotonic()
        taken = self._observer.publish(
            topic, empty_request(self._timeout), (("i", "0"),), timeout=self._timeout
        )
        if taken is None:
            return Finding(Verdict.SLOW, "the broker does not acknowledge a request in time")
        if taken == NOBODY:
            text = f"nobody has subscribed to the requests of {self._base}: {_UP}"
            return Finding(Verdict.NOBODY, text)
        if taken >= REFUSED:
            text = f"the broker refuses what is published at {self._base}/grpc/request/... "
            return Finding(Verdict.NOT_PUBLISHING, text + f"({_code(taken)}): {_ACL}")
        return self._await(began)

    def _await(self, began: float) -> Finding:
        if self._hear(began + self._timeout):
            ms = (time.monotonic() - began) * 1000
            return Finding(Verdict.OK, f"answered after {ms:.1f} ms", ms)
        return self._hear_ourselves()

    def _hear(self, deadline: float) -> bool:
        """Whether something comes at the reply topic."""
        while (left := deadline - time.monotonic()) > 0:
            seen = self._observer.next(left)
            if seen is not None and seen.topic == self._reply:
                return True
            if seen is not None:
                self._announced = bool(seen.payload)
        return False

    def _hear_ourselves(self) -> Finding:
        """Somebody got the request and no answer came: do we hear what is published there?"""
        taken = self._observer.publish(self._reply, b"", timeout=self._timeout)
        until = time.monotonic() + min(self._timeout, 1.0)
        if taken is not None and taken < REFUSED and self._hear(until):
            if not self._announced and not self._observer.address.gives_reasons:
                text = (
                    "no answer came: nobody is there, or too slow (MQTT 3.1.1 does not say which)"
                )
                return Finding(Verdict.UNKNOWN, text)
            text = (
                f"somebody takes the requests of {self._base}, and gave no answer in "
                f"{self._timeout:g} s: is the server hanging, or what stands behind it?"
            )
            return Finding(Verdict.SLOW, text)
        if taken is not None and taken < REFUSED:
            text = (
                f"the broker grants the subscription to {self._base}/grpc/session/..., but "
                f"delivers nothing of what is published there: {_ACL}"
            )
            return Finding(Verdict.NOT_READING, text)
        return self._guess()

    def _guess(self) -> Finding:
        """The broker does not say, and we may not try."""
        text = f"somebody takes the requests of {self._base}, no answer came in {self._timeout:g} s"
        if self._announced:
            text += ", and a server is announced: most likely this user may not read the answers"
            return Finding(Verdict.NOT_READING, f"{text}: {_ACL}")
        text += (
            ": the server hangs or may not publish, or this user may not read "
            f"{self._base}/grpc/session/+ (the broker does not say which)"
        )
        return Finding(Verdict.UNKNOWN, text)


_ACL = "check the broker's ACL for this user"
_UP = "is the server up? `grpc-mqtt ls` shows who is"


def probe(broker: Address, base: str, timeout: float) -> Finding:
    """What is in the way of a call."""
    with Observer(broker, suffix="probe") as observer:
        try:
            observer.wait_connected()
        except Failure as failure:
            refused = "authori" in str(failure) or "credentials" in str(failure)
            return Finding(Verdict.NOT_LET_IN if refused else Verdict.NO_BROKER, str(failure))
        return _Probe(observer, base, timeout).run()


def _run_probe(broker: Address, base: str, args: argparse.Namespace) -> int:
    found = probe(broker, base, args.timeout)
    if args.json:
        print(dumps({"verdict": found.verdict.value, "text": found.text, "ms": found.ms}))
    else:
        print(f"{base}: {found.verdict.value}: {found.text}")
    return 0 if found.verdict is Verdict.OK else 1


# ---- Pings


@dataclass
class _Times:
    sent: int = 0
    ms: list[float] = field(default_factory=list)

    def spread(self) -> tuple[float, float, float, float]:
        """min, mean, max, standard deviation."""
        mean = sum(self.ms) / len(self.ms)
        variance = sum((each - mean) ** 2 for each in self.ms) / len(self.ms)
        return min(self.ms), mean, max(self.ms), math.sqrt(variance)

    def lost(self) -> float:
        return 100 * (1 - len(self.ms) / self.sent) if self.sent else 0


def _ping(check: Any, args: argparse.Namespace, pairs: _schema.Metadata) -> tuple[float, str]:
    """Milliseconds, and what was answered. RpcError when nobody did."""
    began = time.monotonic()
    try:
        data = check(b"", timeout=args.timeout, metadata=pairs)
        answer = _HEALTH.get(data[1] if data[:1] == b"\x08" and len(data) > 1 else 0, "?")
    except grpc.RpcError as error:
        failed: Any = error
        if failed.code() not in _ANSWERS:
            raise
        answer = failed.code().name
    return (time.monotonic() - began) * 1000, answer


def _series(check: Any, base: str, args: argparse.Namespace, times: _Times) -> None:
    """Pings until the count is reached; the first that is not answered raises when none was."""
    pairs = _rpc.metadata(args.header)
    while args.count is None or times.sent < args.count:
        due = time.monotonic() + args.interval
        try:
            ms, answer = _ping(check, args, pairs)
        except grpc.RpcError as error:
            times.sent += 1  # not before: one that is interrupted is not lost
            failed: Any = error
            if not times.ms:
                raise
            line = f"{failed.code().name}: {advice(one_line(failed.details()))}"
            print(f"seq={times.sent} {line}", file=sys.stderr, flush=True)
        else:
            times.sent += 1
            times.ms.append(ms)
            if not args.json:
                print(
                    f"answer from {base}: seq={times.sent} time={ms:.2f} ms ({answer})", flush=True
                )
        if args.count is None or times.sent < args.count:
            time.sleep(max(0.0, due - time.monotonic()))


def _summary(base: str, times: _Times, took: float, as_json: bool) -> None:
    if as_json:
        names = ("min_ms", "avg_ms", "max_ms", "mdev_ms")
        spread = dict(zip(names, times.spread(), strict=True)) if times.ms else {}
        told = {"base": base, "sent": times.sent, "answered": len(times.ms)}
        print(dumps({**told, "lost_percent": times.lost(), **spread}))
        return
    print(f"\n--- {base} ping statistics ---")
    print(
        f"{times.sent} calls, {len(times.ms)} answered, {times.lost():.0f}% lost, "
        f"time {took * 1000:.0f} ms"
    )
    if times.ms:
        shown = "/".join(f"{each:.3f}" for each in times.spread())
        print(f"rtt min/avg/max/mdev = {shown} ms")


def _behind(error: Any, args: argparse.Namespace, found: Finding) -> Finding:
    """The probe was answered and the call was not: what is behind the one that answers?"""
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        text = f"answers, but not the call within {args.timeout:g} s: {found.text}"
        return Finding(Verdict.SLOW, text)
    text = f"the call ended {error.code().name}: {one_line(error.details())}"
    return Finding(Verdict.BEHIND, text)


def _pings(broker: Address, rest: str | None, base: str, args: argparse.Namespace) -> int:
    times = _Times()
    began = time.monotonic()
    with grpc_mqtt.channel(broker.url(rest), broker.options) as channel:
        check = _rpc.raw(channel, _METHOD, _rpc.UNARY)
        if not args.json:
            print(f"PING {base} at {broker.broker}", flush=True)
        try:
            _series(check, base, args, times)
        except KeyboardInterrupt:
            pass
        except grpc.RpcError as error:
            found = probe(broker, base, args.timeout)
            if found.verdict is Verdict.OK:
                found = _behind(error, args, found)
            raise Failure(f"{base}: {found.verdict.value}: {found.text}") from None
    _summary(base, times, time.monotonic() - began, args.json)
    return 0 if times.sent and len(times.ms) == times.sent else 1


def run(args: argparse.Namespace) -> int:
    if args.count is not None and args.count < 1:
        raise Usage(f"--count {args.count}: 1 or more is meant")
    broker, rest = address(args, args.base)
    base = broker.base(rest or "")
    return _run_probe(broker, base, args) if args.probe else _pings(broker, rest, base, args)
