"""What goes wrong in a command: one line that says what and what to do, and an exit status."""

from __future__ import annotations

import re
from typing import Any

import grpc

from grpc_mqtt import Error, UrlError

FAILED = 1
USAGE = 2
CALL = 64  # and the gRPC code on top
INTERRUPTED = 130


class Failure(Exception):
    """Ends the command with one line on stderr."""

    def __init__(self, text: str, status: int = FAILED) -> None:
        super().__init__(text)
        self.status = status


class Usage(Failure):
    """The command line is wrong."""

    def __init__(self, text: str) -> None:
        super().__init__(text, USAGE)


#: What the library or the broker says -> what to do about it. The first that fits counts.
_ADVICE = (
    (r"failed to connect to all addresses", "is the gRPC server running there? (--target)"),
    (r"certificate.*expired|expired.*certificate", "renew it (--insecure skips the check)"),
    (r"not yet valid", "is a clock wrong? (--insecure skips the check)"),
    (
        r"self.signed|unable to get (local )?issuer|unknown ca|verify failed.*issuer",
        "name the authority that signed it with --cafile FILE",
    ),
    (
        r"host ?name mismatch|does not match|wrong host|not valid for",
        "use the name that the certificate holds for -h",
    ),
    (
        r"certificate required|handshake failure|alert certificate",
        "the broker wants a certificate: --cert FILE --key FILE",
    ),
    (r"wrong version number|unexpected eof|: TLS$", "does the broker speak TLS at this port?"),
    (r"before it answered CONNECT", "does this port want TLS? (--tls, --cafile FILE, mqtts://)"),
    (r"resolve|name or service not known|no address|host not found", "check the name (-h, -L)"),
    (
        r"connection refused|no route|unreachable|timed? out.*connect|connect.*timed? out",
        "is a broker running there? (-h HOST -p PORT, or -L URL)",
    ),
    (
        r"bad user ?name|credentials|not authori[sz]ed|banned|0x8[67]",
        "check -u and -P (or --password-file, GRPC_MQTT_PASSWORD)",
    ),
    (
        r"no server listens|no subscriber|no matching subscribers|0x10",
        "is the server up? `grpc-mqtt ls` shows who is",
    ),
)


#: How the library begins what it says of a connection.
_OF_BROKER = re.compile(r"(mqtts?|wss?|loopback)://\S+: |no server listens")


def advice(text: str) -> str:
    """`text`, and in brackets what to do about it, where that is known."""
    for pattern, what in _ADVICE:
        if re.search(pattern, text, re.IGNORECASE):
            return f"{text}: {what}"
    return text


def one_line(text: object) -> str:
    return " ".join(str(text).split())


def of_rpc(error: grpc.RpcError, subject: str = "") -> Failure:
    """The failure that a call's status is."""
    code: Any = error.code()
    details = one_line(error.details() or "no details")
    text = f"{code.name}: {details}"
    if _OF_BROKER.match(details):
        text = advice(text)
    elif code is grpc.StatusCode.DEADLINE_EXCEEDED:
        text += ": see --max-time; `grpc-mqtt ping` tells what holds it up"
    return Failure(f"{subject}: {text}" if subject else text, CALL + code.value[0])


def of_library(error: Error) -> Failure:
    status = USAGE if isinstance(error, (UrlError, ValueError)) else FAILED
    return Failure(advice(one_line(error)), status)
