"""The details of a status: google.rpc.Status in the trailing metadata."""

from __future__ import annotations

import contextlib
import importlib
from typing import Any

from google.protobuf import descriptor_pool, json_format
from google.protobuf.message import DecodeError

from grpc_mqtt.cli import _dynamic, _secret
from grpc_mqtt.cli._schema import Schema

_KEY = "grpc-status-details-bin"

_types = _dynamic.messages(
    "grpc_mqtt.cli.details",
    {
        "Any": (("type_url", 1, "bytes"), ("value", 2, "bytes")),
        "Status": (("code", 1, "int32"), ("message", 2, "bytes"), ("details", 3, "repeated Any")),
    },
)


def _pools(schema: Schema) -> list[Any]:
    """Where a detail's type may be known: at the server; among the usual ones, if installed."""
    with contextlib.suppress(ImportError):
        importlib.import_module("google.rpc.error_details_pb2")
    return [schema.pool, descriptor_pool.Default()]


def _detail(name: str, data: bytes, pools: list[Any]) -> dict[str, Any]:
    for pool in pools:
        with contextlib.suppress(KeyError, DecodeError, TypeError, ValueError):
            kind = _dynamic.message_class(pool, pool.FindMessageTypeByName(name))
            value = json_format.MessageToDict(kind.FromString(data), descriptor_pool=pool)
            return {"@type": name, **_secret.mask(value)}
    return {"@type": name, "bytes": len(data)}


def of_status(trailing: Any, schema: Schema) -> list[dict[str, Any]]:
    """The details, as JSON values; none where there are none or they make no sense."""
    found = [value for key, value in trailing or () if key == _KEY and isinstance(value, bytes)]
    try:
        status = _types["Status"].FromString(found[0]) if found else None
    except DecodeError:
        return []
    details = status.details if status is not None else ()
    pools = _pools(schema) if details else []
    return [
        _detail(each.type_url.decode("utf-8", "replace").rpartition("/")[2], each.value, pools)
        for each in details
    ]
