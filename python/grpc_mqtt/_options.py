"""What users give as options: gRPC channel arguments and options of the library, as the library
wants them.
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import grpc

from grpc_mqtt import gmq
from grpc_mqtt._descriptors import DescriptorsLike, method_map
from grpc_mqtt._errors import OptionError

_log = logging.getLogger("grpc_mqtt")

#: (key, value) pairs as grpc takes them, or a mapping.
OptionsLike: TypeAlias = Iterable[tuple[str | bytes, Any]] | Mapping[str, Any] | None

DESCRIPTORS_KEY = "grpc_mqtt.descriptors"
_PREFIX = "grpc_mqtt."

#: Channel arguments of gRPC that mean something here -> our option. Others of gRPC's are ignored,
#: as by any channel that has no use for them.
_GRPC_KEYS = {
    "grpc.max_receive_message_length": "receive_limit",
    "grpc.max_send_message_length": "send_limit",
    "grpc.max_metadata_size": "metadata_limit",
}
#: One of grpcio's without the prefix: how it waits for responses, no concern of ours.
_SINGLE_THREADED = "SingleThreadedUnaryStream"
_UNLIMITED = 0x7FFFFFFF
_ANY_URL = "loopback://any/base"
_LEVEL = 3  # zstd's own default


def _text(value: object) -> object:
    return value.decode() if isinstance(value, bytes) else value


def _pairs(options: OptionsLike) -> Iterable[tuple[str, Any]]:
    """Keys and texts may be bytes, as with grpc."""
    given = () if options is None else options
    for pair in given.items() if isinstance(given, Mapping) else given:
        if isinstance(pair, (str, bytes)) or len(pair) != 2:
            raise OptionError(f"options are (key, value) pairs, not {pair!r}")
        key = _text(pair[0])
        if not isinstance(key, str):
            raise OptionError(f"an option's key must be a str, not {key!r}")
        yield key, pair[1]


@functools.cache
def _is_ours(key: str) -> bool:
    """Whether the library has an option of this name."""
    try:
        gmq.Options().get_int(_ANY_URL, key)
    except OptionError as error:
        return not str(error).startswith("unknown")
    return True


def _set(target: gmq.Options, key: str, value: object) -> None:
    text = _text(value)
    if isinstance(text, bool):
        target.set_bool(key, int(text))
    elif isinstance(text, int):
        target.set_int(key, text)
    elif isinstance(text, (str, os.PathLike)):
        target.set_string(key, os.fspath(text))
    elif _is_ours(key):
        raise OptionError(f"option {key!r}: a str, int or bool is needed, not {value!r}")
    else:
        raise OptionError(f"unknown option {key!r}")


def _set_grpc(target: gmq.Options, key: str, value: object) -> None:
    ours = _GRPC_KEYS.get(key)
    if ours is None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        raise OptionError(f"option {key!r}: an int is needed, not {value!r}")
    target.set_int(ours, _UNLIMITED if value < 0 else value)


def split(
    options: OptionsLike, descriptors: DescriptorsLike
) -> tuple[gmq.Options, gmq.MethodMap | None]:
    """Options for the library, and the method map of the descriptors (None without any).

    A name that nobody knows is an error in a mapping, which is our form. Pairs are gRPC's channel
    arguments too, where any name is free to mean nothing: there it is logged.
    """
    ours = gmq.Options()
    for key, value in _pairs(options):
        if key == DESCRIPTORS_KEY:
            descriptors = value
        elif key.startswith("grpc."):
            _set_grpc(ours, key, value)
        elif key == _SINGLE_THREADED:
            continue
        elif not (isinstance(options, Mapping) or key.startswith(_PREFIX) or _is_ours(key)):
            _log.warning("channel argument %r is neither gRPC's nor an option: ignored", key)
        else:
            _set(ours, key.removeprefix(_PREFIX), value)
    return ours, method_map(descriptors)


def level_of(compression: grpc.Compression | None) -> int | None:
    """The zstd level that stands for one of gRPC's algorithms; None: nothing was said."""
    if compression is None:
        return None
    return 0 if compression is grpc.Compression.NoCompression else _LEVEL


def channel_options(
    url: str,
    options: OptionsLike,
    compression: grpc.Compression | None,
    descriptors: DescriptorsLike,
) -> tuple[gmq.Options, gmq.MethodMap | None, tuple[tuple[str, str], ...]]:
    """As split(), and the metadata that goes with every call: a user agent, where one is asked for.

    `compression` is that of what is sent, unless a level is given otherwise.
    """
    given = options if isinstance(options, Mapping) else tuple(_pairs(options))
    pairs = tuple(_pairs(given))
    ours, methods = split(given, descriptors)
    if not _says_probe(url, pairs):
        ours.set_bool("probe", 1)  # grpc's READY is a server
    level = level_of(compression)
    if level and not ours.get_int(url, "client_clevel"):
        ours.set_int("client_clevel", level)
    return ours, methods, _user_agent(dict(pairs))


def _says_probe(url: str, pairs: tuple[tuple[str, Any], ...]) -> bool:
    given = any(key.removeprefix(_PREFIX) == "probe" for key, _ in pairs)
    return given or "probe=" in str(url).partition("?")[2]


def _user_agent(options: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    first, last = (options.get(f"grpc.{which}_user_agent") for which in ("primary", "secondary"))
    if not first and not last:
        return ()
    ours = f"grpc-python/{grpc.__version__} grpc-mqtt/{gmq.version()}"
    words = (_text(first), ours, _text(last))
    return (("user-agent", " ".join(str(word) for word in words if word)),)


@functools.cache
def call_options(
    wait_for_ready: bool | None, compression: grpc.Compression | None
) -> gmq.Options | None:
    """Those of a call; None where all are the channel's."""
    level = level_of(compression)
    if wait_for_ready is None and level is None:
        return None
    ours = gmq.Options()
    if wait_for_ready is not None:
        ours.set_bool("wait_for_ready", int(wait_for_ready))
    if level is not None:
        ours.set_int("client_clevel", level)
    return ours


def server_options(url: str, options: OptionsLike) -> gmq.Options:
    """For a server, checked: it connects later, but what is wrong is said when it is made."""
    ours, _ = split(options, None)
    ours.set_string("unknown_methods", "offer")
    ours.set_string("drive", "caller")  # so that it does nothing
    gmq.Server(url, ours, gmq.MethodMap(), gmq.Queue(), 0)
    ours.set_string("drive", "thread")
    return ours
