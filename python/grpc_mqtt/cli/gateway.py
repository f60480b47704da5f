"""grpc-mqtt gateway: calls that arrive over MQTT go on to gRPC servers."""

from __future__ import annotations

import argparse
from typing import Any

import grpc_mqtt
from grpc_mqtt.cli import _daemon, _schema
from grpc_mqtt.cli._address import address, channel_options, seconds
from grpc_mqtt.cli._failure import Usage

NAME = "gateway"
HELP = "forward calls that arrive over MQTT to gRPC servers (as grpc-mqtt-gateway does)"
EXAMPLES = """\
  grpc-mqtt gateway fleet/device42 -t 127.0.0.1:50051   # its reflection says what it serves
  grpc-mqtt gateway fleet/device42 -t 127.0.0.1:50051 --protoset demo.protoset
  grpc-mqtt gateway fleet/device42 -t 127.0.0.1:50051 -t 127.0.0.1:50052

Where two targets have the same method, the first has it. SIGTERM and Ctrl-C drain, a second one
ends at once. `grpc-mqtt init` writes the files for the daemon grpc-mqtt-gateway."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("base", metavar="BASE", help="base topic to serve, or a whole URL")
    parser.add_argument(
        "-t",
        "--target",
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="a gRPC server (or unix:PATH); may be repeated",
    )
    parser.add_argument(
        "--grace",
        type=seconds,
        default=10.0,
        metavar="SECONDS",
        help="for open calls at the end; default: 10",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="log everything")
    _schema.add_sources(parser)


def run(args: argparse.Namespace) -> int:
    if not args.target:
        raise Usage("--target HOST:PORT is missing: the gRPC server that calls go to")
    _daemon.log_to_stderr(args.verbose)
    broker, rest = address(args, args.base)
    url = broker.url(rest)
    descriptors: Any = _schema.descriptor_set(args) if _schema.has_sources(args) else None
    options = {"log_level": 3 if args.verbose else 2, **channel_options(broker)}
    targets = dict.fromkeys(args.target, descriptors)
    service = grpc_mqtt.Gateway(url, targets, options)
    return _daemon.serve(service, f"{broker.broker}/{broker.base(rest or '')}", args.grace)
