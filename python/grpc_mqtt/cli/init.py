"""grpc-mqtt init: the files of a gateway, ready to edit."""

from __future__ import annotations

import argparse
import os
from urllib.parse import urlsplit

from grpc_mqtt.cli._failure import Failure, Usage

NAME = "init"
HELP = "write a configuration for a gateway, a systemd unit, an ACL file"
EXAMPLES = """\
  grpc-mqtt init                                # into ./grpc-mqtt
  grpc-mqtt init /etc/grpc-mqtt --url mqtts://broker.example.org/fleet/device42 \\
      --target 127.0.0.1:50051

Existing files are left alone, unless --force is given."""

_TOML = """\
# grpc-mqtt-gateway --config {directory}/gateway.toml
# Keys are the long options of grpc-mqtt-gateway (see its --help).

# Broker and base topic. TLS: mqtts://
listen = "{url}"

# Who we are at the broker: the user of acl.conf. The first line of the file is the password.
username = "{user}"
password-file = "{directory}/password"

# TLS, for mqtts:// and wss://. Without cafile the system's authorities are trusted; cert and key
# only where the broker asks clients for a certificate.
{tls}cafile = "{directory}/tls/ca.pem"
# cert = "{directory}/tls/client.pem"
# key = "{directory}/tls/client.key"

# How long open calls may go on after SIGTERM, in seconds.
grace = 10

# The gRPC servers. A descriptor set is written by
#   protoc --include_imports --descriptor_set_out=methods.protoset your.proto
[[target]]
address = "{target}"
descriptors = "{directory}/methods.protoset"

# [[target]]
# address = "unix:/run/other.sock"
# descriptors = "{directory}/other.protoset"

# Any option of the library (docs/guide/options.md).
[option]
# keep_alive_s = 20
# receive_limit = 4194304
"""

_UNIT = """\
# Copy to /etc/systemd/system/, then: systemctl enable --now grpc-mqtt-gateway
[Unit]
Description=gRPC over MQTT: gateway of {base}
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
ExecStart={program} --config {directory}/gateway.toml --password-file %d/password
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
RestartPreventExitStatus=2
# It is ready when the broker has it; one that cannot be reached is tried for ever.
TimeoutStartSec=infinity
WatchdogSec=30
# Longer than `grace` of the configuration.
TimeoutStopSec=20

DynamicUser=yes
LoadCredential=password:{directory}/password
NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service

[Install]
WantedBy=multi-user.target
"""

_ACL = """\
# For mosquitto: acl_file {directory}/acl.conf (and password_file; mosquitto_passwd adds users).

# The gateway serves the base topic {base}.
user {user}
topic read {base}/grpc/request/#
topic read {base}/grpc/session/+/control
topic write {base}/grpc/session/+
# Link dialect
topic readwrite {base}/grpc/server/+
topic read {base}/grpc/link/#
topic read {base}/grpc/gone/+
topic write grpc/inbox/+

# Who may call it.
user {client}
topic write {base}/grpc/request/#
topic write {base}/grpc/session/+/control
topic read {base}/grpc/session/+
# Link dialect
topic read {base}/grpc/server/+
topic write {base}/grpc/link/#
topic write {base}/grpc/gone/+

# Everybody reads the inbox of his own client id, and no other.
pattern read grpc/inbox/%c
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "directory",
        nargs="?",
        default="grpc-mqtt",
        metavar="DIRECTORY",
        help="default: ./grpc-mqtt",
    )
    parser.add_argument(
        "-L",
        "--url",
        default="mqtts://broker.example.org/fleet/device42",
        metavar="URL",
        help="broker and base topic",
    )
    parser.add_argument(
        "-t",
        "--target",
        default="127.0.0.1:50051",
        metavar="HOST:PORT",
        help="the gRPC server; default: 127.0.0.1:50051",
    )
    parser.add_argument(
        "-u",
        "--username",
        default="device42",
        metavar="NAME",
        help="the gateway's at the broker; default: device42",
    )
    parser.add_argument(
        "--client",
        default="caller",
        metavar="NAME",
        help="a user who may call, for the ACL; default: caller",
    )
    parser.add_argument(
        "--program",
        default="/usr/bin/grpc-mqtt-gateway",
        metavar="PATH",
        help="for the unit; default: /usr/bin/grpc-mqtt-gateway",
    )
    parser.add_argument("--force", action="store_true", help="overwrite existing files")


def _values(args: argparse.Namespace) -> dict[str, str]:
    parts = urlsplit(args.url)
    base = parts.path.strip("/")
    if parts.scheme not in ("mqtt", "mqtts", "ws", "wss") or not parts.netloc or not base:
        raise Usage(f"--url {args.url!r}: mqtts://host/base/topic is meant")
    if "@" in parts.netloc:
        raise Usage("--url: user and password do not belong there; see --username")
    for name in ("target", "username", "client", "program", "directory"):
        value = getattr(args, name)
        if not value or any(c in value for c in '"\\\n\r'):
            raise Usage(f"--{name} {value!r}: quotes, backslashes and line ends cannot stand there")
    directory = os.path.abspath(args.directory)
    for path in (directory, args.program):  # systemd would read more than a path into them
        if any(c in path for c in " \t%"):
            raise Usage(f"{path!r}: a path in a unit is without blanks and %")
    return {
        "url": args.url,
        "base": base,
        "user": args.username,
        "client": args.client,
        "target": args.target,
        "program": args.program,
        "directory": directory,
        "tls": "" if parts.scheme in ("mqtts", "wss") else "# ",
    }


def _write(path: str, text: str, mode: int, force: bool) -> None:
    flags = os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if force else os.O_EXCL)
    with os.fdopen(os.open(path, flags, mode), "w", encoding="utf-8") as stream:
        stream.write(text)


def run(args: argparse.Namespace) -> int:
    values = _values(args)
    files = {
        "gateway.toml": (_TOML, 0o644),
        "grpc-mqtt-gateway.service": (_UNIT, 0o644),
        "acl.conf": (_ACL, 0o640),
        "password": ("put the password here\n", 0o600),
    }
    os.makedirs(os.path.join(args.directory, "tls"), exist_ok=True)
    paths = {os.path.join(args.directory, name): row for name, row in files.items()}
    there = [path for path in paths if os.path.exists(path)]
    if there and not args.force:
        raise Failure(f"{there[0]} is there already: --force overwrites it")
    for path, (text, mode) in paths.items():
        _write(path, text.format(**values), mode, args.force)
        print(path)
    return 0
