"""Broker and base topic: from options like mosquitto's to an address of the library."""

from __future__ import annotations

import argparse
import os
import re
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit, urlunsplit

from grpc_mqtt.cli._failure import Usage

_SCHEMES = ("mqtt", "mqtts", "ws", "wss", "loopback")
_VERSIONS = {"5": "5", "mqttv5": "5", "311": "4", "mqttv311": "4", "3.1.1": "4", "4": "4"}
_NAMELESS = "grpc-mqtt"  # base of a connection that needs none


def add_broker(parser: argparse.ArgumentParser) -> None:
    """The options that say which broker, and as whom."""
    group = parser.add_argument_group("the broker (as with mosquitto_sub)")
    group.add_argument(
        "-L",
        "--url",
        metavar="URL",
        help="mqtt://[user[:password]@]host[:port]/"
        "[prefix]; also mqtts, ws, wss (default: $GRPC_MQTT_URL). A path is put "
        "before every BASE",
    )
    group.add_argument("-h", "--host", metavar="HOST", help="default: localhost")
    group.add_argument(
        "-p", "--port", type=int, metavar="PORT", help="default: 1883, 8883 with TLS"
    )
    group.add_argument("-u", "--username", metavar="NAME")
    group.add_argument(
        "-P",
        "--pw",
        metavar="PASSWORD",
        help="seen by everybody who lists "
        "processes; better --password-file, or $GRPC_MQTT_PASSWORD",
    )
    group.add_argument("--password-file", metavar="FILE", help="its first line is the password")
    group.add_argument("-i", "--id", metavar="ID", help="MQTT client id (default: a random one)")
    group.add_argument(
        "-V",
        "--protocol-version",
        metavar="VERSION",
        choices=sorted(_VERSIONS),
        help="MQTT version: 5 (default) or 311",
    )
    group.add_argument("--cafile", metavar="FILE", help="authorities trusted for TLS (PEM)")
    group.add_argument("--cert", metavar="FILE", help="our certificate (PEM)")
    group.add_argument("--key", metavar="FILE", help="its key (PEM)")
    group.add_argument("--insecure", action="store_true", help="TLS without checking the broker")
    group.add_argument("--tls", action="store_true", help="TLS, trusting the system's authorities")
    group.add_argument("--connect-timeout", type=seconds, metavar="SECONDS", help="default: 10")
    group.add_argument(
        "-o",
        "--option",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any option of the library (docs/guide/options.md)",
    )


def seconds(text: str) -> float:
    """5, 0.5, 500ms, 10s, 2m."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?|\.\d+)(ms|s|m|h)?", text.strip())
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: 5, 0.5, 500ms, 2m are")
    return float(match[1]) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600, None: 1}[match[2]]


class Address:
    """A broker, and how to get in."""

    def __init__(self, url: str, options: dict[str, str | int | bool]) -> None:
        self._url = urlsplit(url)
        self.options = options

    @property
    def prefix(self) -> str:
        return unquote(self._url.path).strip("/")

    @property
    def broker(self) -> str:
        """For people: without user, password, base and options."""
        return f"{self._url.scheme}://{self._url.netloc.rpartition('@')[2]}"

    def bare(self) -> str:
        """The library's address without a base topic."""
        return urlunsplit(self._url._replace(path="/"))

    def without_prefix(self) -> Address:
        """The same broker, for base topics that are whole."""
        return Address(self.bare(), self.options)

    @property
    def gives_reasons(self) -> bool:
        """MQTT 5: the broker says why, and whether anybody has subscribed."""
        asked = parse_qs(self._url.query).get("mqtt_version", ["5"])[0]
        return self.options.get("mqtt_version", asked) == "5"

    def base(self, base: str) -> str:
        """The full base topic of what the user calls `base`."""
        parts = [self.prefix] if self.prefix else []
        if base != "." and base:
            parts.append(base.strip("/"))
        if not parts:
            raise Usage("a base topic is needed: fleet/device42, say (`grpc-mqtt ls` lists them)")
        return "/".join(parts)

    def url(self, base: str | None = None) -> str:
        """The library's address of `base`; of none in particular without it."""
        topic = _NAMELESS if base is None else self.base(base)
        return urlunsplit(self._url._replace(path="/" + quote(topic, safe="/:@+#")))

    def with_id(self, suffix: str) -> dict[str, str | int | bool]:
        """The options for a second connection beside the first."""
        options = dict(self.options)
        if "client_id" in options:
            options["client_id"] = f"{options['client_id']}-{suffix}"
        return options


def _own_url(args: argparse.Namespace) -> str:
    tls = args.tls or args.insecure or args.cafile or args.cert
    host = args.host or "localhost"
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    return f"mqtt{'s' if tls else ''}://{host}{f':{args.port}' if args.port else ''}/"


def _check_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not parts.netloc:
        raise Usage(f"{_shown(url)} is no address of a broker: mqtt://host[:port]/ is meant")
    return url


def _shown(url: str) -> str:
    """Without the password."""
    return repr(re.sub(r"(//[^/@:]*):[^/@]*@", r"\1:***@", url))


def _options(args: argparse.Namespace) -> dict[str, str | int | bool]:
    options: dict[str, str | int | bool] = {}
    for word in args.option:
        key, equal, value = word.partition("=")
        if not equal or not key:
            raise Usage(f"--option {word!r}: KEY=VALUE is meant")
        options[key] = value
    given = {
        "username": args.username,
        "password": args.pw,
        "password_file": args.password_file,
        "client_id": args.id,
        "mqtt_version": _VERSIONS.get(args.protocol_version or ""),
        "ca_file": args.cafile,
        "cert_file": args.cert,
        "key_file": args.key,
        "insecure": True if args.insecure else None,
    }
    options.update({key: value for key, value in given.items() if value is not None})
    if args.connect_timeout is not None:
        options["connect_timeout_ms"] = max(1, int(args.connect_timeout * 1000))
    if not options.keys() & {"password", "password_file", "password_env"}:
        if os.environ.get("GRPC_MQTT_PASSWORD"):
            options["password_env"] = "GRPC_MQTT_PASSWORD"
    return options


def address(args: argparse.Namespace, base: str | None = None) -> tuple[Address, str | None]:
    """The broker that the options name, and the base; a `base` that is a URL says both."""
    if base and "://" in base:
        if args.url or args.host or args.port:
            raise Usage(f"{_shown(base)} names a broker already: leave out -L, -h and -p")
        return Address(_check_url(base), _options(args)), "."
    url = args.url
    if url and (args.host or args.port):
        raise Usage("-L names the broker already: leave out -h and -p")
    if not url and not args.host and not args.port:
        url = os.environ.get("GRPC_MQTT_URL")
    return Address(_check_url(url) if url else _own_url(args), _options(args)), base


def channel_options(found: Address) -> dict[str, Any]:
    return dict(found.options)
