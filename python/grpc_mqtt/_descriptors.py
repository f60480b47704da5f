"""Method maps of descriptors, in whatever form a user has them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, TypeAlias

from google.protobuf import descriptor, descriptor_pb2

from grpc_mqtt import gmq
from grpc_mqtt._errors import OptionError

#: A serialized FileDescriptorSet (or one as a message), the path of a file that holds one, a
#: FileDescriptor, a ServiceDescriptor (that service alone), a generated ``_pb2`` module, or a list
#: of such things, of which an earlier one wins where two have the same method.
DescriptorsLike: TypeAlias = Any

_NEEDED = (
    "descriptors: a serialized FileDescriptorSet, the path of a file with one, a FileDescriptor, "
    "a ServiceDescriptor, a _pb2 module or a list of these is needed, not "
)


def method_map(descriptors: DescriptorsLike) -> gmq.MethodMap | None:
    """The methods that `descriptors` speak of; None for None."""
    return None if descriptors is None else _map(descriptors)


def _map(source: DescriptorsLike) -> gmq.MethodMap:
    result = gmq.MethodMap()
    described = getattr(source, "DESCRIPTOR", None)  # of a module
    if isinstance(described, descriptor.FileDescriptor):
        source = described
    if isinstance(source, (str, os.PathLike)):
        result.add_descriptor_file(os.fspath(source))
    elif isinstance(source, (bytes, bytearray, memoryview)):
        result.add_descriptors(source)
    elif isinstance(source, descriptor_pb2.FileDescriptorSet):
        result.add_descriptors(source.SerializeToString())
    elif isinstance(source, descriptor.FileDescriptor):
        result.add_descriptors(_file_set(source))
    elif isinstance(source, descriptor.ServiceDescriptor):
        result.add_descriptors(_file_set(source.file))
        result.filter(f"/{source.full_name}/*")
    elif isinstance(source, Iterable):
        for part in source:
            result = result.merged(_map(part))
    else:
        raise OptionError(_NEEDED + repr(source))
    return result


def _file_set(file: descriptor.FileDescriptor) -> bytes:
    """The FileDescriptorSet of a file and of what it imports, imports first."""
    result = descriptor_pb2.FileDescriptorSet()
    _add_file(result, file, set())
    return result.SerializeToString()


def _add_file(
    target: descriptor_pb2.FileDescriptorSet, file: descriptor.FileDescriptor, seen: set[str]
) -> None:
    if file.name in seen:
        return
    seen.add(file.name)
    for imported in file.dependencies:
        _add_file(target, imported, seen)
    target.file.add().MergeFromString(file.serialized_pb)
