"""grpc-mqtt proxy: calls of ordinary gRPC clients go over MQTT."""

from __future__ import annotations

import argparse
from typing import Any

import grpc_mqtt
from grpc_mqtt.cli import _daemon, _rpc
from grpc_mqtt.cli._address import address, channel_options
from grpc_mqtt.cli._failure import Failure

NAME = "proxy"
HELP = "take calls of ordinary gRPC clients onto MQTT (as grpc-mqtt-proxy does)"
EXAMPLES = """\
  grpc-mqtt proxy --listen 127.0.0.1:50051 --base fleet/device42
  grpcurl -plaintext -d '{"name": "you"}' 127.0.0.1:50051 demo.v1.Demo/SayHello"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen",
        default="127.0.0.1:50051",
        metavar="HOST:PORT",
        help="where gRPC clients connect; default: 127.0.0.1:50051",
    )
    parser.add_argument("--base", metavar="BASE", help="base topic of every call")
    parser.add_argument(
        "--grace",
        type=_rpc.seconds,
        default=10.0,
        metavar="SECONDS",
        help="for open calls at the end; default: 10",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="log everything")


def run(args: argparse.Namespace) -> int:
    proxy: Any = getattr(grpc_mqtt, "Proxy", None)
    if proxy is None:
        raise Failure("the proxy is not built into this package")
    _daemon.log_to_stderr(args.verbose)
    broker, rest = address(args, args.base)
    options = {"log_level": 3 if args.verbose else 2, **channel_options(broker)}
    service = proxy(broker.url(rest), args.listen, options)
    return _daemon.serve(service, args.listen, args.grace)
