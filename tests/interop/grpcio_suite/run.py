#!/usr/bin/env python3
"""Runs grpcio's own tests over MQTT and prints a table.

    tests/interop/grpcio_suite/run.py [--loopback | --grpcio] [--dialect D] [--output DIR]
                                      [--all | MODULE...]

MODULE is a path below grpcio_tests without .py, also a pattern: unit/_api_test, 'tests_aio/unit/*'.
Without any: those that CI runs; --all: everything. What is tried is the package in .venv, as
scripts/setup installs it.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]

from known import ALL, NOT_RUN, QUICK, REQUIRED, dialect_of, reason  # noqa: E402
from stack import Broker  # noqa: E402
from suite import Outcome, Suite  # noqa: E402


@contextlib.contextmanager
def address(kind: str) -> Iterator[str | None]:
    """The URL below which ports are topics."""
    if kind != "mqtt":
        yield None if kind == "grpcio" else "loopback://suite/port"
        return
    with tempfile.TemporaryDirectory(prefix="grpc-mqtt-suite.") as directory:
        broker = Broker(directory, "set_tcp_nodelay true")
        try:
            yield broker.url("port")
        finally:
            broker.stop()


def show(outcome: Outcome) -> bool:
    """Prints a module's rows; True when all that can pass did."""
    surprises = [test for test in outcome.failed if reason(outcome.module, test) is None]
    expected = len(outcome.failed) - len(surprises)
    passed = outcome.count - len(outcome.failed) if outcome.count else 0
    word = "FAILED" if surprises else "ok"
    print(
        f"{word:7} {outcome.module:58} {passed:3} of {outcome.count:3}"
        f"{f', {expected} cannot' if expected else '':12} {outcome.seconds:6.1f} s",
        flush=True,
    )
    for test in outcome.failed:
        print(f"          {test}: {reason(outcome.module, test) or 'FAILED'}")
    return not surprises


def main() -> int:
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell that runs us in the background has us ignore SIGINT; some tests send it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--loopback",
        dest="kind",
        action="store_const",
        const="loopback",
        help="the broker inside the process, for tests that are one process",
    )
    where.add_argument(
        "--grpcio",
        dest="kind",
        action="store_const",
        const="grpcio",
        help="nothing replaced: how grpcio itself does",
    )
    parser.add_argument(
        "--dialect", choices=("auto", "link", "session"), default="auto", help="default: auto"
    )
    parser.add_argument("--output", type=Path, help="a directory for what each module printed")
    parser.add_argument("--patience", type=float, default=300, help="seconds for a module")
    parser.add_argument("--all", action="store_true", help="every module, in ten minutes or so")
    parser.add_argument("modules", nargs="*")
    parser.set_defaults(kind="mqtt")
    args = parser.parse_args()
    suite = Suite()
    patterns = ALL if args.all else args.modules
    modules = [name for pattern in patterns for name in suite.modules(pattern)]
    if patterns and not modules:
        parser.error(f"no such module: {' '.join(patterns)}")
    good = []
    with address(args.kind) as url:
        for module in modules or REQUIRED + QUICK:
            if module in NOT_RUN and args.kind != "grpcio":
                print(f"{'-':7} {module:58} not run: {NOT_RUN[module]}")
                continue
            query = f"?dialect={dialect_of(module, args.dialect)}"
            outcome = suite.run(module, url and url + query, args.patience)
            if args.output:
                args.output.mkdir(parents=True, exist_ok=True)
                (args.output / f"{module}.log").write_text(outcome.output)
            good.append(show(outcome))
    print(f"{good.count(True)} of {len(good)} modules ok")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
