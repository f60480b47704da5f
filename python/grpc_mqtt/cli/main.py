"""grpc-mqtt: the command line, and its failures in one line."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import grpc

import grpc_mqtt
from grpc_mqtt.cli import _address
from grpc_mqtt.cli._failure import FAILED, INTERRUPTED, USAGE, Failure, of_library, of_rpc, one_line

#: Name of each sub-command -> its module, and in that the class where there are several.
_COMMANDS = {
    "ls": "ls",
    "list": "listing.List",
    "describe": "listing.Describe",
    "call": "call",
    "ping": "ping",
    "bench": "bench",
    "sniff": "sniff",
    "gateway": "gateway",
    "proxy": "proxy",
    "init": "init",
    "completion": "completion",
}
#: Those that connect to no broker.
_OFFLINE = ("init", "completion")

_EPILOG = """\
examples:
  grpc-mqtt ls
  grpc-mqtt call fleet/device42 demo.v1.Demo/SayHello -d '{"name": "you"}'
  grpc-mqtt ping -h broker.example.org fleet/device42

`grpc-mqtt COMMAND --help` says more. $GRPC_MQTT_URL is the broker where none is named,
$GRPC_MQTT_PASSWORD its password."""


class _Parser(argparse.ArgumentParser):
    """Fails in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _command(name: str) -> Any:
    module, _, member = name.partition(".")
    found: Any = importlib.import_module(f"grpc_mqtt.cli.{module}")
    return getattr(found, member) if member else found


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """The whole command line, or that of one sub-command: others need not be loaded."""
    top = _Parser(
        prog="grpc-mqtt",
        description="gRPC over an MQTT broker.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
    )
    top.add_argument("--help", action="help", help="this text")
    version = f"grpc-mqtt {grpc_mqtt.__version__}"
    top.add_argument("--version", action="version", version=version, help="the version")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in [only] if only in _COMMANDS else _COMMANDS:
        command = _command(_COMMANDS[str(name)])
        sub = commands.add_parser(
            command.NAME,
            help=command.HELP,
            description=command.HELP[0].upper() + command.HELP[1:] + ".",
            epilog="examples:\n" + command.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            add_help=False,
        )
        sub.add_argument("--help", action="help", help="this text")
        command.add_arguments(sub)
        if command.NAME not in _OFFLINE:
            _address.add_broker(sub)
        sub.set_defaults(run=command.run)
    return top


def _end(command: str, failure: Failure) -> int:
    print(f"grpc-mqtt {command}: {one_line(failure)}", file=sys.stderr)
    return failure.status


def _guarded(args: argparse.Namespace) -> int:
    """Runs the command; what goes wrong becomes one line and a status."""
    try:
        return int(args.run(args))
    except Failure as failure:
        return _end(args.command, failure)
    except grpc.RpcError as error:
        return _end(args.command, of_rpc(error))
    except grpc_mqtt.Error as error:
        return _end(args.command, of_library(error))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        return _end(args.command, Failure(f"{name}{error.strerror or error}"))


def main(arguments: Sequence[str] | None = None) -> int:
    words = sys.argv[1:] if arguments is None else list(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # not every terminal can show every character
    try:
        status = _guarded(parser(words[0] if words else None).parse_args(words))
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


def script() -> NoReturn:
    """The console script."""
    sys.exit(main())
