"""grpc-mqtt proxy: calls of ordinary gRPC clients go over MQTT."""

from __future__ import annotations

import argparse
from typing import Any

import grpc_mqtt
from grpc_mqtt.cli import _daemon, _schema
from grpc_mqtt.cli._address import address, channel_options, seconds
from grpc_mqtt.cli._failure import Usage

NAME = "proxy"
HELP = "take calls of ordinary gRPC clients onto MQTT (as grpc-mqtt-proxy does)"
EXAMPLES = """\
  grpc-mqtt proxy --listen 127.0.0.1:50051 --base fleet/device42
  grpcurl -plaintext -d '{"name": "you"}' 127.0.0.1:50051 demo.v1.Demo/SayHello
  grpc-mqtt proxy --authority '{device}.fleet.mqtt=fleet/{device}' --allow 'fleet/+'

Which base topic a call goes to, the first that says so: its metadata grpc-mqtt-base (only what
--allow allows), its authority by --authority, --base. SIGTERM and Ctrl-C drain."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen",
        action="append",
        default=[],
        metavar="HOST:PORT",
        help="where gRPC clients connect (or unix:PATH); may be repeated; default: 127.0.0.1:50051",
    )
    parser.add_argument("--base", metavar="BASE", help="base topic of calls that say no other")
    parser.add_argument(
        "--authority",
        action="append",
        default=[],
        metavar="PATTERN=BASE",
        help="base topic by the name that is called: '{x}.fleet.mqtt=fleet/{x}'",
    )
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="FILTER",
        help="base topics that callers may choose, as an MQTT filter",
    )
    parser.add_argument(
        "--tls-cert", metavar="FILE", help="TLS for gRPC clients: certificate (PEM)"
    )
    parser.add_argument("--tls-key", metavar="FILE", help="its key (PEM)")
    parser.add_argument("--tls-client-ca", metavar="FILE", help="clients need a certificate of it")
    parser.add_argument("--max-calls", type=int, metavar="N", help="most calls at a time")
    parser.add_argument(
        "--grace",
        type=seconds,
        default=10.0,
        metavar="SECONDS",
        help="for open calls at the end; default: 10",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="log everything")
    _schema.add_sources(parser)


def _authorities(pairs: list[str]) -> dict[str, str]:
    result = {}
    for pair in pairs:
        pattern, equals, base = pair.partition("=")
        if not equals or not pattern or not base:
            raise Usage(f"--authority {pair!r}: PATTERN=BASE is meant")
        result[pattern] = base
    return result


def run(args: argparse.Namespace) -> int:
    _daemon.log_to_stderr(args.verbose)
    broker, base = address(args, args.base)
    listen = args.listen or ["127.0.0.1:50051"]
    service: Any = grpc_mqtt.Proxy(
        broker.url(base or ".") if base or broker.prefix else broker.bare(),
        listen,
        {"log_level": 3 if args.verbose else 2, **channel_options(broker)},
        descriptors=_schema.descriptor_set(args) if _schema.has_sources(args) else None,
        authorities=_authorities(args.authority),
        allow=args.allow,
        cert_file=args.tls_cert,
        key_file=args.tls_key,
        client_ca_file=args.tls_client_ca,
        max_calls=args.max_calls,
    )
    return _daemon.serve(service, ", ".join(_shown(listen, service.ports)), args.grace)


def _shown(listen: list[str], ports: tuple[int, ...]) -> list[str]:
    """The addresses with the ports that were given for 0."""
    return [
        f"{each.rpartition(':')[0]}:{port}" if port else each
        for each, port in zip(listen, ports, strict=True)
    ]
