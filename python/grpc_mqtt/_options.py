"""What users give as options: gRPC channel arguments and options of the library, as the library
wants them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from grpc_mqtt import gmq
from grpc_mqtt._descriptors import DescriptorsLike, method_map
from grpc_mqtt._errors import OptionError

#: (key, value) pairs as grpc takes them, or a mapping.
OptionsLike: TypeAlias = Iterable[tuple[str, Any]] | Mapping[str, Any] | None

DESCRIPTORS_KEY = "grpc_mqtt.descriptors"
_PREFIX = "grpc_mqtt."

#: Channel arguments of gRPC that mean something here -> our option. Others of gRPC's are ignored,
#: as by any channel that has no use for them.
_GRPC_KEYS = {
    "grpc.max_receive_message_length": "receive_limit",
    "grpc.max_send_message_length": "send_limit",
    "grpc.max_metadata_size": "metadata_limit",
}
_UNLIMITED = 0x7FFFFFFF


def _pairs(options: OptionsLike) -> Iterable[tuple[str, Any]]:
    if options is None:
        return ()
    return tuple(options.items()) if isinstance(options, Mapping) else tuple(options)


def _set(target: gmq.Options, key: str, value: object) -> None:
    if isinstance(value, bool):
        target.set_bool(key, int(value))
    elif isinstance(value, int):
        target.set_int(key, value)
    elif isinstance(value, (str, os.PathLike)):
        target.set_string(key, os.fspath(value))
    else:
        raise OptionError(f"option {key!r}: a str, int or bool is needed, not {value!r}")


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
    """Options for the library, and the method map of the descriptors (None without any)."""
    ours = gmq.Options()
    for key, value in _pairs(options):
        if not isinstance(key, str):
            raise OptionError(f"an option's key must be a str, not {key!r}")
        if key == DESCRIPTORS_KEY:
            descriptors = value
        elif key.startswith("grpc."):
            _set_grpc(ours, key, value)
        else:
            _set(ours, key[len(_PREFIX) :] if key.startswith(_PREFIX) else key, value)
    return ours, method_map(descriptors)
