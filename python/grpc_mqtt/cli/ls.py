"""grpc-mqtt ls: who is alive."""

from __future__ import annotations

import argparse
import sys
import time

from grpc_mqtt.cli import _presence
from grpc_mqtt.cli._address import address, seconds
from grpc_mqtt.cli._observe import Observer, Seen, base_filters
from grpc_mqtt.cli._terminal import Live, cut, paint, safe, table, width
from grpc_mqtt.cli._values import dumps

NAME = "ls"
HELP = "who is alive: servers, from what they announce at the broker"
EXAMPLES = """\
  grpc-mqtt ls                        # every server at the broker on localhost
  grpc-mqtt ls -h broker 'fleet/+'    # base topics of two levels that begin with fleet
  grpc-mqtt ls 'fleet/#' --watch      # a table that stays true; Ctrl-C ends it
  grpc-mqtt ls --json | jq -r .base

Servers announce themselves with a retained message; one that speaks the session dialect alone
does not, and is not seen here (`grpc-mqtt ping BASE` finds it)."""

_QUIET = 0.4  # s without a further announcement: that were all
_TICK = 1.0

Found = dict[tuple[str, str], _presence.Presence]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "filter",
        nargs="?",
        metavar="FILTER",
        help="base topics, + and # (at the end) as in MQTT; default: all of up to 7 levels",
    )
    parser.add_argument("-w", "--watch", action="store_true", help="keep the table true")
    parser.add_argument(
        "--json", action="store_true", help="one JSON object a line; with --watch one a change"
    )
    parser.add_argument(
        "--wait",
        type=seconds,
        default=_QUIET,
        metavar="SECONDS",
        help=f"end after so long without another announcement; default: {_QUIET}",
    )


def _rows(found: Found) -> list[list[str]]:
    return [
        [
            each.base,
            each.server,
            each.instance[:8] or "-",
            _presence.age(each.since),
            "draining" if each.draining else str(each.load),
            ",".join(each.dialects) or "-",
            " ".join(each.services) or "-",
        ]
        for _, each in sorted(found.items())
    ]


_HEADS = ("BASE", "SERVER", "INSTANCE", "UP", "LOAD", "DIALECTS", "SERVICES")


def _lines(found: Found, room: int) -> list[str]:
    lines = table(_HEADS, _rows(found), room)
    lines[0] = paint(lines[0], "bold")
    return lines


def _apply(found: Found, seen: Seen) -> tuple[str, _presence.Presence] | None:
    """What the message changes: ("up" or "gone", who)."""
    key = _presence.split_topic(seen.topic)
    if key is None:
        return None
    new = _presence.decode(seen.topic, seen.payload)
    if new is not None:
        found[key] = new
        return "up", new
    gone = found.pop(key, None)
    return ("gone", gone) if gone is not None else None


def _collect(observer: Observer, found: Found, quiet: float) -> None:
    while (seen := observer.next(quiet)) is not None:
        _apply(found, seen)


def _watch(observer: Observer, found: Found, as_json: bool) -> None:
    live = Live(sys.stdout)
    if as_json or not live.enabled:
        for each in found.values():
            _tell("up", each, as_json)
        while True:
            seen = observer.next(_TICK)
            change = _apply(found, seen) if seen else None
            if change:
                _tell(*change, as_json)
    while True:
        clock = time.strftime("%H:%M:%S")
        head = f"{observer.address.broker}  {len(found)} server(s)  {clock}  {observer.trouble}"
        room = width()
        live.show([paint(cut(safe(head), room), "dim"), *_lines(found, room)])
        lost = observer.lost
        seen = observer.next(_TICK)
        if observer.lost != lost:
            found.clear()  # who is still there is announced again
        if seen:
            _apply(found, seen)


def _tell(what: str, each: _presence.Presence, as_json: bool) -> None:
    if as_json:
        line = dumps({"event": what, **each.as_json()})
    else:
        line = f"{what}  {each.base}  {each.server}  {' '.join(each.services)}".rstrip()
    print(line, flush=True)


def run(args: argparse.Namespace) -> int:
    found: Found = {}
    broker, _ = address(args)
    with Observer(broker) as observer:
        observer.wait_connected()
        observer.subscribe_all(base_filters(args.filter, "grpc/server/+", broker.prefix))
        _collect(observer, found, args.wait)
        if args.watch:
            _watch(observer, found, args.json)
        elif args.json:
            for _, each in sorted(found.items()):
                print(dumps(each.as_json()))
        elif found:
            print("\n".join(_lines(found, width() if sys.stdout.isatty() else 0)))
        else:
            print(
                "nobody has announced itself (servers of the session dialect alone do not)",
                file=sys.stderr,
            )
    return 0
